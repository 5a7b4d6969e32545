package campaign

import (
	"net/url"
	"slices"
	"strings"
)

// routingPlan is one of the free-text plans of NHS Notify (contract, section 12). Their ids are
// the same in every environment. The sandbox has the first three.
type routingPlan struct {
	name    string
	id      string
	fields  []planField
	sandbox bool
}

// planField is a field of the personalisation with the most characters that its channel allows.
type planField struct {
	name string
	most int
}

const sandboxHost = "sandbox.api.service.nhs.uk"

// The most characters of a text, by channel.
const mostEmail, mostApp, mostSMS = 100_000, 5_000, 918

var (
	appField    = planField{"nhsapp_body", mostApp}
	smsField    = planField{"sms_body", mostSMS}
	emailFields = []planField{{"email_subject", mostEmail}, {"email_body", mostEmail}}

	routingPlans = []routingPlan{
		{"app", "00000000-0000-0000-0000-000000000001", []planField{{"body", mostApp}}, true},
		{"email", "00000000-0000-0000-0000-000000000002", emailFields, true},
		{"sms", "00000000-0000-0000-0000-000000000003", []planField{smsField}, true},
		{"app-then-email", "00000000-0000-0000-0000-000000000004", append([]planField{appField}, emailFields...), false},
		{"app-4h-then-email", "00000000-0000-0000-0000-000000000005", append([]planField{appField}, emailFields...), false},
		{"app-then-sms", "00000000-0000-0000-0000-000000000006", []planField{appField, smsField}, false},
		{"app-4h-then-sms", "00000000-0000-0000-0000-000000000007", []planField{appField, smsField}, false},
	}
)

func planNamed(name string) (plan routingPlan, known bool) {
	for _, p := range routingPlans {
		if p.name == name {
			return p, true
		}
	}
	return plan, false
}

// routingPlan reads the routing plan: the id of the campaign's own plan, or the name of a
// free-text plan. routed means that every route names its own.
func (l *loader) routingPlan(n *Notify, s *notifySection, routed bool) {
	const byName, byID = "sink.notify.routing_plan", "sink.notify.routing_plan_id"
	switch {
	case s.RoutingPlan == nil && l.lines[byName] == 0:
		if !routed || l.lines[byID] != 0 {
			n.RoutingPlanID = l.planID(byID, &s.RoutingPlanID)
		}
	case l.lines[byID] != 0:
		l.wrong(byName, "and routing_plan_id both name a routing plan; keep one of the two")
	default:
		n.RoutingPlan, n.RoutingPlanID = l.planNamed(byName, n.BaseURL, s.RoutingPlan)
	}
}

func (l *loader) planID(key string, id *string) string {
	if id == nil || !uuidForm.MatchString(*id) {
		l.wrong(key,
			"must be the id of a routing plan, such as b838b13c-f98c-4def-93f0-515d4e4f4ee1; or name a free-text plan under routing_plan")
		return ""
	}
	return strings.ToLower(*id)
}

// planNamed finds a free-text plan by its name. The sandbox has only some of them.
func (l *loader) planNamed(key, baseURL string, text *string) (name, id string) {
	var names []string
	for _, p := range routingPlans {
		names = append(names, p.name)
	}
	if text != nil {
		name = *text
	}
	p, known := planNamed(name)
	if !known {
		l.wrong(key, "must be one of %s; name a plan of your own under routing_plan_id", strings.Join(names, ", "))
		return "", ""
	}
	if base, err := url.Parse(baseURL); err == nil && base.Hostname() == sandboxHost && !p.sandbox {
		l.wrong(key,
			"%s is not in the sandbox, which has app, email and sms; name one of these, or rehearse with cohort simulate or the integration environment", name)
	}
	return p.name, p.id
}

// CheckFields compares the personalisation of each route with the fields of a free-text plan: it must have exactly
// these. A mistake is a *FileError. If the cohort file brings the personalisation, the caller fills it in before.
func (c *Campaign) CheckFields() error {
	for _, way := range c.ByRoute() {
		if err := way.checkFields(); err != nil {
			return err
		}
	}
	return nil
}

func (c *Campaign) checkFields() error {
	plan, named := planNamed(c.Notify.RoutingPlan)
	if !named {
		return nil
	}
	var names []string
	for _, f := range plan.fields {
		names = append(names, f.name)
	}
	has := strings.Join(names, ", ")
	for _, p := range c.Personalisation {
		if !slices.Contains(names, p.Field) {
			return c.Mistake("personalisation."+p.Field, "is not a field of the routing plan "+plan.name+", which has "+has)
		}
	}
	for _, name := range names {
		if !slices.ContainsFunc(c.Personalisation, func(p Personalisation) bool { return p.Field == name }) {
			return c.Mistake("sink.notify.routing_plan", plan.name+" needs personalisation."+name+"; its fields are "+has)
		}
	}
	return nil
}

// Longest is the most characters that a field of the personalisation may have; 0 if unknown, as
// for a plan named by its id.
func (c *Campaign) Longest(field string) int {
	plan, _ := planNamed(c.Notify.RoutingPlan)
	for _, f := range plan.fields {
		if f.name == field {
			return f.most
		}
	}
	return 0
}
