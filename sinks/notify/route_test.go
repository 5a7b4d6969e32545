package notify

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"cohort/engine"
	"cohort/engine/campaign"
	"cohort/ingest/person"
	"cohort/sinks/sinktest"
)

// A batch of a route has its routing plan, and its messages have the fields of that route, as with a
// sink of this route alone.
func TestEachRouteHasItsPlanAndItsFields(t *testing.T) {
	routes := []Route{
		{"11111111-1111-4111-8111-111111111111", []Field{{"body", template(t, "Annwyl ((given))", "given")}}},
		{"22222222-2222-4222-8222-222222222222", []Field{{"body", template(t, "Dear ((given))", "given")}, {"print", template(t, "large", "given")}}},
		{"33333333-3333-4333-8333-333333333333", nil},
	}
	for _, single := range []bool{false, true} {
		s := New(Options{BaseURL: "http://127.0.0.1:1", Client: &http.Client{}, Routes: routes, ODSCode: "X26", Single: single})
		for i, r := range routes {
			alone := New(Options{BaseURL: "http://127.0.0.1:1", Client: &http.Client{}, RoutingPlanID: r.RoutingPlanID, Fields: r.Fields, ODSCode: "X26", Single: single})
			p := person.Recipient{Row: 1, Number: 9990000018, Fields: []string{"Zoë"}, Route: uint8(i)}
			batch, message := sinktest.TheRun.References().Batch(0, 1, 0, 0), sinktest.TheRun.References().Message(1)
			got := s.AppendTail(s.AppendMessage(s.AppendHead(nil, batch, uint8(i)), message, &p))
			p.Route = 0
			want := encode(alone, batch, []engine.Reference{message}, []person.Recipient{p})
			if string(got) != string(want) || !strings.Contains(string(got), r.RoutingPlanID) {
				t.Errorf("route %d makes %s, and alone it makes %s", i, got, want)
			}
		}
	}
}

// The limits of a named plan apply only to the records of its route.
func TestTheLimitsOfARouteAreItsOwn(t *testing.T) {
	const file = `campaign: a
route:
  - {name: text, when: {mobile: [yes]}, routing_plan: sms, personalisation: {sms_body: "((note))"}}
  - {name: rest}
personalisation: {body: "((note))"}
sink:
  notify: {base_url: "https://int.api.service.nhs.uk/comms", token_url: "https://int.api.service.nhs.uk/oauth2/token", api_key_file: k, key_id: k, private_key_file: k, routing_plan: app}
`
	c, err := campaign.Parse([]byte(file), "/somewhere/campaign.yaml")
	if err != nil {
		t.Fatal(err)
	}
	limits, err := Limits(c, []string{"note"})
	if err != nil {
		t.Fatal(err)
	}
	says := ""
	for _, l := range limits {
		says += fmt.Sprintln(l.Route, l.Words, l.Keeps([]string{strings.Repeat("x", 919)}))
	}
	if says != "1 the text of sms_body is longer than 918 characters false\n2 the text of body is longer than 5000 characters true\n" {
		t.Error(says)
	}
}
