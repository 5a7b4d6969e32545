package campaign

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

const threeRoutes = `route:
  - {name: welsh, when: {language: [cy, cym]}, routing_plan_id: 11111111-1111-4111-8111-11111111111A}
  - name: older
    when:
      date_of_birth: {to: 1950-12-31}
      format: [large-print, 01, "a, b", 1.50, no]
      floor: {from: -1, to: 3}
    routing_plan: email
    personalisation: {email_subject: Come, email_body: "Dear ((name))"}
  - {name: rest}
personalisation:
  first: "((given_name))"
`

func TestRoutesAreRead(t *testing.T) {
	c := parse(t, with(threeRoutes))
	want := []Route{
		{Name: "welsh", When: []Condition{{Column: "language", Values: []string{"cy", "cym"}}}, RoutingPlanID: "11111111-1111-4111-8111-11111111111a"},
		{
			Name:        "older",
			When:        []Condition{{Column: "date_of_birth", To: "1950-12-31"}, {Column: "floor", From: "-1", To: "3"}, {Column: "format", Values: []string{"large-print", "01", "a, b", "1.50", "no"}}},
			RoutingPlan: "email", RoutingPlanID: "00000000-0000-0000-0000-000000000002",
			OwnPersonalisation: true, Personalisation: []Personalisation{{"email_body", "Dear ((name))"}, {"email_subject", "Come"}},
		},
		{Name: "rest"},
	}
	if !reflect.DeepEqual(c.Routes, want) {
		t.Fatalf("got %+v\nwant %+v", c.Routes, want)
	}
	ways := c.ByRoute()
	for i, says := range []string{
		"11111111-1111-4111-8111-11111111111a [{first ((given_name))}]",
		"00000000-0000-0000-0000-000000000002 [{email_body Dear ((name))} {email_subject Come}]",
		"b838b13c-f98c-4def-93f0-515d4e4f4ee1 [{first ((given_name))}]",
	} {
		if got := fmt.Sprint(ways[i].Notify.RoutingPlanID, " ", ways[i].Personalisation); got != says {
			t.Errorf("route %d has %s", i, got)
		}
	}
	if err := ways[1].Mistake("personalisation.email_body", "is too long"); err.Error() != "campaign.yaml:9: route[1].personalisation.email_body is too long" {
		t.Errorf("a mistake of a route: %v", err)
	}
	if err := ways[0].Mistake("personalisation.first", "is too long"); err.Error() != "campaign.yaml:12: personalisation.first is too long" {
		t.Errorf("a mistake of the campaign: %v", err)
	}
	if plain := parse(t, least); len(plain.ByRoute()) != 1 || plain.ByRoute()[0] != plain {
		t.Error("a campaign without routes is not its only one")
	}
}

// Where every route brings its own, the sink's section need not say which.
func TestRoutesMayBringAllThatIsSent(t *testing.T) {
	without := strings.Replace(least, "    routing_plan_id: b838b13c-f98c-4def-93f0-515d4e4f4ee1\n", "", 1)
	all := "route: [{name: welsh, when: {language: [cy]}, routing_plan_id: 11111111-1111-4111-8111-111111111111}, {name: rest, routing_plan_id: 22222222-2222-4222-8222-222222222222}]\n"
	if c := parse(t, all+without); c.Notify.RoutingPlanID != "" || c.ByRoute()[1].Notify.RoutingPlanID != "22222222-2222-4222-8222-222222222222" {
		t.Errorf("%+v", c.Notify)
	}
	_, err := Parse([]byte(strings.Replace(all, ", routing_plan_id: 22222222-2222-4222-8222-222222222222", "", 1)+without), path)
	if err == nil || !strings.Contains(err.Error(), "sink.notify.routing_plan_id must be") {
		t.Errorf("a route that hangs on what is not there: %v", err)
	}
}

func TestRoutesOfTheNHSApp(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "cy.md"), []byte("Annwyl ((name))"), 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "en.md"), []byte("Dear ((name))"), 0o600))
	at := filepath.Join(dir, "campaign.yaml")
	c, err := Parse([]byte("route: [{name: welsh, when: {language: [cy]}, content_file: cy.md}, {name: rest, content_file: en.md}]\n"+app), at)
	must(t, err)
	for i, says := range []string{"Annwyl ((name))", "Dear ((name))"} {
		if way := c.ByRoute()[i]; way.NHSApp.Content != says || way.Texts()[0].Text != says || way.NHSApp.ODSCode != "X26" {
			t.Errorf("route %d has %+v", i, way.NHSApp)
		}
	}
	if err := c.ByRoute()[0].Mistake("sink.nhsapp.in_app.content_file", "is odd"); err.Error() != "campaign.yaml:1: route[0].content_file is odd" {
		t.Error(err)
	}
	c, err = Parse([]byte("route: [{name: welsh, when: {language: [cy]}, display: Neges, reference: 'https://www.nhsapp.service.nhs.uk/cy'}, {name: rest}]\n"+pushed), at)
	must(t, err)
	if c.ByRoute()[0].NHSApp.Push.Display != "Neges" || c.ByRoute()[1].NHSApp.Push.Display != "You have a new message" {
		t.Errorf("%+v", c.Routes)
	}
	for sentence, test := range map[string]struct{ text, says string }{
		"a notification beside messages":  {"route: [{name: a, when: {b: [c]}, display: d, reference: e}, {name: rest}]\n" + strings.Replace(inApp, "message.md", "en.md", 1), "route[0].display is of a notification"},
		"a message beside notifications":  {"route: [{name: a, when: {b: [c]}, content_file: en.md}, {name: rest}]\n" + pushed, "route[0].content_file is of an in-app message"},
		"one of each":                     {"route: [{name: a, when: {b: [c]}, content_file: en.md}, {name: rest, display: d, reference: e}]\n" + app, "route[1].display is of a notification"},
		"half a notification":             {"route: [{name: a, display: d}]\n" + pushed, "route[0] needs a display and a reference"},
		"a message that is not there":     {"route: [{name: a, content_file: no.md}]\n" + app, "route[0].content_file cannot be read"},
		"no name of a message":            {"route: [{name: a, content_file: }]\n" + inApp, "must name the file"},
		"a routing plan":                  {"route: [{name: a, routing_plan: sms}]\n" + pushed, "route[0].routing_plan is for NHS Notify"},
		"a route without what it sends":   {"route: [{name: a, when: {b: [c]}, content_file: en.md}, {name: rest}]\n" + app, "sink.nhsapp needs in_app or push"},
		"the same for everybody, in part": {"route: [{name: a, personalisation: {b: c}}]\n" + pushed, "route[0].personalisation is for NHS Notify"},
	} {
		if _, err := Parse([]byte(test.text), at); err == nil || !strings.Contains(err.Error(), test.says) && !strings.Contains(err.Error(), "cannot be read") {
			t.Errorf("%s: %v", sentence, err)
		}
	}
}

func TestMistakesInRoutesAreNamedWithTheirLine(t *testing.T) {
	const file = "campaign: a-campaign\nsink: {file: {mesh: {routing_plan_id: b838b13c-f98c-4def-93f0-515d4e4f4ee1}}}\n"
	for sentence, test := range map[string]struct {
		text string
		line int
		says string
	}{
		"no routes":                    {with("route:"), 1, "route must list the routes"},
		"an empty list":                {with("route: []"), 1, "route must list the routes"},
		"a map of routes":              {with("route: {welsh: {when: {a: [b]}}}"), 1, "unknown key route.welsh"},
		"a key that there is not":      {with("route:\n  - {name: a, wen: {b: [c]}}"), 2, "unknown key route[0].wen; allowed here: name, when"},
		"a route without a name":       {with("route:\n  - when: {b: [c]}"), 2, "route[0].name must name the route"},
		"a name with spaces":           {with("route:\n  - {name: in welsh}"), 2, "route[0].name must name the route"},
		"two routes of a name":         {with("route:\n  - {name: a, when: {b: [c]}}\n  - {name: a}"), 3, "route[1].name a is the name of a route before it"},
		"a route that takes none":      {with("route:\n  - {name: all}\n  - {name: a, when: {b: [c]}}"), 3, "a is behind a route that takes every record"},
		"conditions of none":           {with("route:\n  - name: a\n    when: {}"), 3, "route[0].when must name a column"},
		"conditions of nothing":        {with("route:\n  - name: a\n    when:"), 3, "route[0].when must name a column"},
		"a condition of nothing":       {with("route:\n  - name: a\n    when:\n      b:"), 4, "route[0].when.b must list values"},
		"a list of no values":          {with("route:\n  - name: a\n    when:\n      b: []"), 4, "route[0].when.b must list values"},
		"a value that is no list":      {with("route:\n  - name: a\n    when:\n      b: cy"), 4, "route[0].when.b must list values"},
		"bounds of nothing":            {with("route:\n  - name: a\n    when:\n      b: {}"), 4, "route[0].when.b must list values"},
		"bounds by another name":       {with("route:\n  - name: a\n    when:\n      b: {below: 3}"), 4, "unknown key route[0].when.b.below; allowed here: from, to"},
		"a number and a date":          {with("route:\n  - name: a\n    when:\n      b: {from: 3, to: 1950-12-31}"), 4, "must have whole numbers as bounds, or dates"},
		"a date that there is not":     {with("route:\n  - name: a\n    when:\n      b: {to: 1950-02-30}"), 4, "must have whole numbers as bounds, or dates"},
		"a year in which nobody lived": {with("route:\n  - name: a\n    when:\n      b: {to: 1799-12-31}"), 4, "must have whole numbers as bounds, or dates"},
		"a number beyond all reason":   {with("route:\n  - name: a\n    when:\n      b: {to: 999999999999999999}"), 4, "must have whole numbers as bounds, or dates"},
		"a bound with a fraction":      {with("route:\n  - name: a\n    when:\n      b: {to: 2.5}"), 4, "must have whole numbers as bounds, or dates"},
		"a range of none":              {with("route:\n  - name: a\n    when:\n      b: {from: 5, to: 4}"), 4, "is from 5 to 4, which nothing is"},
		"a column compared two ways":   {with("route:\n  - {name: a, when: {b: {from: 5}}}\n  - {name: c, when: {b: {from: 1950-12-31}}}"), 3, "is compared as a date here, and as a whole number by a route before it"},
		"an NHS number":                {with("route:\n  - {name: a, when: {nhs_number: ['9990000018']}}"), 2, "cannot choose a route"},
		"two routing plans":            {with("route:\n  - {name: a, routing_plan: sms, routing_plan_id: 11111111-1111-4111-8111-111111111111}"), 2, "both say which routing plan"},
		"a plan that is no id":         {with("route:\n  - {name: a, routing_plan_id: 1111}"), 2, "route[0].routing_plan_id must be"},
		"a plan that there is not":     {with("route:\n  - {name: a, routing_plan: pigeon}"), 2, "route[0].routing_plan must be one of app"},
		"a field of nothing":           {with("route:\n  - name: a\n    personalisation:\n      b:"), 4, "route[0].personalisation.b must be a text"},
		"fields that are not the plan": {with("route:\n  - name: a\n    routing_plan: sms\n    personalisation:\n      body: c"), 5, "route[0].personalisation.body is no field of the routing plan sms"},
		"the campaign's fields":        {with("route:\n  - name: a\n    routing_plan: sms\npersonalisation:\n  body: c"), 5, "personalisation.body is no field of the routing plan sms"},
		"a content file":               {with("route:\n  - {name: a, content_file: b}"), 2, "route[0].content_file is for the NHS App"},
		"routes of a file":             {"route:\n  - {name: a}\n" + file, 1, "route is for messages to NHS Notify and the NHS App"},
		"too many routes":              {with("route:\n" + strings.Repeat("  - {name: a}\n", 101)), 1, "lists 101 routes"},
	} {
		_, err := Parse([]byte(test.text), path)
		mistake := (*FileError)(nil)
		if !errors.As(err, &mistake) || mistake.Line != test.line || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v", sentence, err)
		}
	}
}

// A run goes on with the routes it was planned with, in their order, and with their texts.
func TestRoutesAreFrozen(t *testing.T) {
	planned := parse(t, with(threeRoutes)).Frozen()
	for sentence, test := range map[string]struct{ from, to, key string }{
		"a value":                {"cy, cym", "cy", "route"},
		"a bound":                {"1950-12-31", "1950-12-30", "route"},
		"a column":               {"language", "tongue", "route"},
		"a name":                 {"name: rest", "name: others", "route"},
		"a routing plan":         {"11A", "11B", "route.welsh.routing_plan_id"},
		"the sink's plan":        {", routing_plan_id: 11111111-1111-4111-8111-11111111111A", "", "route.welsh.routing_plan_id"},
		"a text":                 {"Dear ((name))", "Hello ((name))", "route.older.personalisation.email_body"},
		"one route fewer":        {"  - {name: rest}\n", "", "route"},
		"another plan by a name": {"routing_plan: email\n    personalisation: {email_subject: Come, email_body: \"Dear ((name))\"}", "routing_plan_id: 00000000-0000-0000-0000-000000000002", "route.older.personalisation"},
	} {
		now := parse(t, with(strings.Replace(threeRoutes, test.from, test.to, 1))).Frozen()
		different := (*DifferenceError)(nil)
		if err := Compare(planned, now); !errors.As(err, &different) || different.Key != test.key {
			t.Errorf("%s: %v", sentence, err)
		}
	}
	if err := Compare(planned, parse(t, with(threeRoutes)).Frozen()); err != nil {
		t.Error(err)
	}
	for _, s := range parse(t, least).Frozen() {
		if strings.HasPrefix(s.Key, "route") {
			t.Errorf("a campaign without routes freezes %s", s.Key)
		}
	}
	spaced := func(value string) string {
		return Route{When: []Condition{{Column: "a", Values: []string{value}}}}.words()
	}
	if spaced("b or c") == (Route{When: []Condition{{Column: "a", Values: []string{"b", "c"}}}}).words() || spaced("or") == spaced("or ") {
		t.Error("two rules read the same")
	}
}
