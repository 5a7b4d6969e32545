package campaign

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

const frozenFile = `campaign: a-campaign
profile: test
cohort:
  columns: {nhs_number: [NHS, Number], given_name: given}
  required: [a, b]
  defaults: {c: you}
  numbers: any
  multiline: [notes]
  encoding_checked: true
  format: {encoding: windows-1252}
personalisation: {first: "((given_name))", second: x}
sink:
  notify:
    base_url: https://int.api.service.nhs.uk/comms
    token_url: https://int.api.service.nhs.uk/oauth2/token
    api_key_file: secrets/api-key
    key_id: int-1
    private_key_file: secrets/int-1.pem
    routing_plan_id: b838b13c-f98c-4def-93f0-515d4e4f4ee1
    ods_code: X26
    batch: {max_messages: 100, max_bytes: 20000, smoothing: 20s}
    billing_reference: "((cost_centre))"
    originator: "((gp))"
    contact_details: {sms: "((mobile))", address: {lines: ["((a))", "((b))"], postcode: p}, name: {last_name: "((l))"}}
`

// A frozen key that differs is named; what may change may change.
func TestCompare(t *testing.T) {
	planned := parse(t, frozenFile).Frozen()
	for sentence, test := range map[string]struct{ old, new, key string }{
		"nothing differs":                     {"", "", ""},
		"the campaign":                        {"campaign: a-", "campaign: b-", "campaign"},
		"the profile":                         {"profile: test", "profile: production", "profile"},
		"the profile is left out":             {"profile: test\n", "", "profile"},
		"a column's header":                   {"given_name: given", "given_name: GIVEN", "cohort.columns.given_name"},
		"a column's aliases":                  {"[NHS, Number]", "[NHS]", "cohort.columns.nhs_number"},
		"a column's aliases in another order": {"[NHS, Number]", "[Number, NHS]", "cohort.columns.nhs_number"},
		"two aliases are one with a comma":    {"[NHS, Number]", `["NHS, Number"]`, "cohort.columns.nhs_number"},
		"a column more":                       {"given_name: given", "given_name: given, more: x", "cohort.columns.more"},
		"a column less":                       {", given_name: given", "", "cohort.columns.given_name"},
		"what is required":                    {"[a, b]", "[a]", "cohort.required"},
		"two required are one with a comma":   {"[a, b]", `["a, b"]`, "cohort.required"},
		"a default":                           {"c: you", "c: thou", "cohort.defaults.c"},
		"a default more":                      {"c: you", "c: you, d: x", "cohort.defaults.d"},
		"an empty default more":               {"c: you", "c: you, d: ''", "cohort.defaults.d"},
		"a default less":                      {"  defaults: {c: you}\n", "", "cohort.defaults.c"},
		"the numbers":                         {"  numbers: any\n", "", "cohort.numbers"},
		"what may hold records":               {"  multiline: [notes]\n", "", "cohort.multiline"},
		"the encoding's check":                {"  encoding_checked: true\n", "", "cohort.encoding_checked"},
		"the practice":                        {"profile: test", "profile: test\nreach: {practice: gp}", "reach.practice"},
		"a text":                              {"second: x", "second: y", "personalisation.second"},
		"a text more":                         {"second: x", "second: x, third: y", "personalisation.third"},
		"an empty text more":                  {"second: x", "second: x, third: ''", "personalisation.third"},
		"a text less":                         {", second: x", "", "personalisation.second"},
		"the service":                         {"base_url: https://int.", "base_url: https://", "sink.notify.base_url"},
		"the routing plan":                    {"b838b13c", "b838b13d", "sink.notify.routing_plan_id"},
		"the ODS code":                        {"ods_code: X26", "ods_code: X27", "sink.notify.ods_code"},
		"the messages in a batch":             {"max_messages: 100", "max_messages: 101", "sink.notify.batch.max_messages"},
		"the bytes in a batch":                {"max_bytes: 20000", "max_bytes: 20001", "sink.notify.batch.max_bytes"},
		"the smoothing":                       {"smoothing: 20s", "smoothing: 21s", "sink.notify.batch.smoothing"},
		"the reserved names":                  {"profile: test", "profile: test\nreserved_names: checked", ""},
		"words that are literal":              {"profile: test", "profile: test\ncontent: {literal: true}", "content.literal"},
		"words that are not literal":          {"profile: test", "profile: test\ncontent: {literal: false}", ""},
		"a follow-up":                         {"profile: test", "profile: test\nfollowup: [{name: sms, by: sms.yaml}]", "followup.sms"},
		"the endpoint alone":                  {"    ods_code: X26", "    ods_code: X26\n    endpoint: batches", ""},
		"the billing reference":               {"((cost_centre))", "((centre))", "sink.notify.billing_reference"},
		"no billing reference":                {"    billing_reference: \"((cost_centre))\"\n", "", "sink.notify.billing_reference"},
		"the originator":                      {"((gp))", "((practice))", "sink.notify.originator"},
		"where a text goes":                   {"((mobile))", "((phone))", "sink.notify.contact_details.sms"},
		"a line of the address":               {"((b))", "((c))", "sink.notify.contact_details.address.lines[1]"},
		"a line of the address more":          {`"((b))"]`, `"((b))", x]`, "sink.notify.contact_details.address.lines[2]"},
		"a name more":                         {"last_name", "first_name: x, last_name", "sink.notify.contact_details.name.first_name"},
		"the smoothing in other words":        {"smoothing: 20s", "smoothing: 20000ms", ""},
		"the routing plan in capitals":        {"b838b13c", "B838B13C", ""},
		"a slash behind the address":          {"/comms\n", "/comms/\n", ""},
		"the pace":                            {"profile: test", "profile: test\npace: {per_second: 3}", ""},
		"stop_if":                             {"profile: test", "profile: test\nstop_if: {of: 3}", ""},
		"give_up_after":                       {"profile: test", "profile: test\ngive_up_after: 3m", ""},
		"the register":                        {"profile: test", "profile: test\nregister: elsewhere", ""},
		"who is called":                       {"profile: test", "profile: test\non_halt: [x]", ""},
		"how many invalid":                    {"required:", "max_invalid: 1%\n  required:", ""},
		"the token's address":                 {"/oauth2/token", "/token", ""},
		"the API key's file":                  {"secrets/api-key", "other", ""},
		"the key's id":                        {"int-1\n", "int-2\n", ""},
	} {
		if !strings.Contains(frozenFile, test.old) {
			t.Fatalf("%s: the file does not hold %q", sentence, test.old)
		}
		now := parse(t, strings.Replace(frozenFile, test.old, test.new, 1)).Frozen()
		err := Compare(planned, now)
		difference := (*DifferenceError)(nil)
		switch {
		case test.key == "" && err != nil:
			t.Errorf("%s: %v", sentence, err)
		case test.key != "" && (!errors.As(err, &difference) || difference.Key != test.key || !strings.HasPrefix(err.Error(), test.key+" is ")):
			t.Errorf("%s: %v, want %s named", sentence, err, test.key)
		}
	}
}

// A batch of one is not a single message: the service remembers them apart.
func TestTheEndpointIsFrozen(t *testing.T) {
	one, single := parse(t, with("    batch: {max_messages: 1}")), parse(t, with("    endpoint: messages"))
	difference := (*DifferenceError)(nil)
	if err := Compare(one.Frozen(), single.Frozen()); !errors.As(err, &difference) || difference.Key != "sink.notify.endpoint" {
		t.Error(err)
	}
	if single.Notify.Batch.MaxMessages != 1 {
		t.Errorf("%d messages in a request", single.Notify.Batch.MaxMessages)
	}
}

func TestFrozenIsSortedAndHasEachKeyOnce(t *testing.T) {
	settings := parse(t, frozenFile).Frozen()
	if !slices.IsSortedFunc(settings, func(a, b Setting) int { return strings.Compare(a.Key, b.Key) }) || len(settings) != 30 {
		t.Errorf("%d settings: %v", len(settings), settings)
	}
	for i := 1; i < len(settings); i++ {
		if settings[i].Key == settings[i-1].Key {
			t.Errorf("%s stands there twice", settings[i].Key)
		}
	}
	if d := (&DifferenceError{Key: "profile", Planned: "test", Now: "production"}).Error(); !strings.Contains(d, `"production" now and "test" in the plan`) {
		t.Error(d)
	}
}

// reserved_names may be set for a run that an older version, which asked for none, has planned,
// and taken away again: it changes no message.
func TestReservedNamesMayChange(t *testing.T) {
	without, with := parse(t, frozenFile).Frozen(), parse(t, "reserved_names: checked\n"+frozenFile).Frozen()
	if err := Compare(without, with); err != nil {
		t.Errorf("set: %v", err)
	}
	if err := Compare(with, without); err != nil {
		t.Errorf("taken away: %v", err)
	}
}
