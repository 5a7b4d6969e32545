package campaign

import (
	"strings"
	"testing"
)

// planned is a campaign file that names a plan that everybody has.
func planned(name, host string, fields ...string) string {
	text := strings.Replace(least, "routing_plan_id: b838b13c-f98c-4def-93f0-515d4e4f4ee1", "routing_plan: "+name, 1)
	text = strings.Replace(text, "https://int.api.service.nhs.uk/comms", "https://"+host+"/comms", 1)
	if len(fields) > 0 {
		text += "personalisation:\n"
	}
	for _, f := range fields {
		text += "  " + f + ": x\n"
	}
	return text
}

const integration, sandbox, production = "int.api.service.nhs.uk", "sandbox.api.service.nhs.uk", "api.service.nhs.uk"

// The contract's section 12, row by row.
func TestRoutingPlansByName(t *testing.T) {
	const notThere = "is not in the sandbox"
	for _, test := range []struct {
		name    string
		id      string
		fields  []string
		most    []int
		sandbox string // what it says there
	}{
		{"app", "1", []string{"body"}, []int{5_000}, ""},
		{"email", "2", []string{"email_subject", "email_body"}, []int{100_000, 100_000}, ""},
		{"sms", "3", []string{"sms_body"}, []int{918}, ""},
		{"app-then-email", "4", []string{"nhsapp_body", "email_subject", "email_body"}, []int{5_000, 100_000, 100_000}, notThere},
		{"app-4h-then-email", "5", []string{"nhsapp_body", "email_subject", "email_body"}, []int{5_000, 100_000, 100_000}, notThere},
		{"app-then-sms", "6", []string{"nhsapp_body", "sms_body"}, []int{5_000, 918}, notThere},
		{"app-4h-then-sms", "7", []string{"nhsapp_body", "sms_body"}, []int{5_000, 918}, notThere},
	} {
		for _, host := range []string{integration, production, sandbox, strings.ToUpper(sandbox)} {
			c, err := Parse([]byte(planned(test.name, host, test.fields...)), path)
			if strings.EqualFold(host, sandbox) && test.sandbox != "" {
				if err == nil || !strings.Contains(err.Error(), "campaign.yaml:9: sink.notify.routing_plan "+test.name+" "+test.sandbox) {
					t.Errorf("%s at %s: %v", test.name, host, err)
				}
				continue
			}
			if err != nil {
				t.Errorf("%s at %s: %v", test.name, host, err)
				continue
			}
			if c.Notify.RoutingPlan != test.name || c.Notify.RoutingPlanID != "00000000-0000-0000-0000-00000000000"+test.id {
				t.Errorf("%s: %+v", test.name, c.Notify)
			}
			for i, f := range test.fields {
				if got := c.Longest(f); got != test.most[i] {
					t.Errorf("%s: %s may have %d characters", test.name, f, got)
				}
			}
		}
		for i, missing := range test.fields {
			if len(test.fields) == 1 {
				break
			}
			others := append(append([]string{}, test.fields[:i]...), test.fields[i+1:]...)
			_, err := Parse([]byte(planned(test.name, integration, others...)), path)
			if err == nil || !strings.Contains(err.Error(), "campaign.yaml:9: sink.notify.routing_plan "+test.name+" needs personalisation."+missing+"; its fields are "+strings.Join(test.fields, ", ")) {
				t.Errorf("%s without %s: %v", test.name, missing, err)
			}
		}
		_, err := Parse([]byte(planned(test.name, integration, append(test.fields, "given_name")...)), path)
		if err == nil || !strings.Contains(err.Error(), ": personalisation.given_name is not a field of the routing plan "+test.name+", which has "+strings.Join(test.fields, ", ")) {
			t.Errorf("%s with one field more: %v", test.name, err)
		}
	}
}

// An upload file may bring the personalisation: the campaign is judged when it has.
func TestAPlansFieldsAreAskedForLaterWhereTheFileBringsThem(t *testing.T) {
	c := parse(t, planned("sms", integration))
	if err := c.CheckFields(); err == nil || !strings.Contains(err.Error(), "needs personalisation.sms_body") {
		t.Error(err)
	}
	c.Personalisation = []Personalisation{{"sms_body", "((sms_body))"}}
	if err := c.CheckFields(); err != nil {
		t.Error(err)
	}
	own := parse(t, least)
	own.Personalisation = []Personalisation{{"anything", "x"}}
	if err := own.CheckFields(); err != nil || own.Longest("sms_body") != 0 {
		t.Errorf("a plan of the campaign's own: %v", err)
	}
}

// By its name or by its id, it is the same plan.
func TestAPlansNameIsNotFrozenBesideItsID(t *testing.T) {
	byName, byID := parse(t, planned("app", integration, "body")), parse(t, planned("app", integration, "body"))
	byID.Notify.RoutingPlan = ""
	if err := Compare(byName.Frozen(), byID.Frozen()); err != nil {
		t.Error(err)
	}
	other := parse(t, planned("email", integration, "email_subject", "email_body"))
	if err := Compare(byName.Frozen(), other.Frozen()); err == nil {
		t.Error("another plan is taken for the same")
	}
}
