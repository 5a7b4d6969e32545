package main

import (
	"encoding/csv"
	"encoding/json"
	"slices"
	"strings"

	"github.com/parquet-go/parquet-go"
	"github.com/rogpeppe/go-internal/testscript"

	"cohort/cmd/internal/status"
	"cohort/ingest/person"
	"cohort/sinks/simulator/ledger"
)

// wayOf returns the route of a record, as route.txtar defines it.
func wayOf(language, born string) string {
	switch {
	case slices.Contains([]string{"cy", "cym"}, strings.ToLower(strings.TrimSpace(language))):
		return "welsh"
	case born <= "1950-12-31":
		return "older"
	}
	return "rest"
}

// wentBy compares a report with the cohort and the ledger of the simulator at an address:
// wentby REPORT COHORT ADDRESS ROUTE=PLAN... Each accepted message used the routing plan and the
// text of its record's route. In the report each route's template has its own version.
func wentBy(ts *testscript.TestScript, _ bool, args []string) {
	rows, err := parquet.ReadFile[struct {
		Row              int64   `parquet:"row"`
		Outcome          string  `parquet:"outcome"`
		MessageReference *string `parquet:"message_reference,optional"`
		Template         *string `parquet:"template_version,optional"`
	}](ts.MkAbs(args[0]))
	ts.Check(err)
	records, err := csv.NewReader(strings.NewReader(ts.ReadFile(args[1]))).ReadAll()
	ts.Check(err)
	column := func(name string) int { return slices.Index(records[0], name) }
	plans := map[string]string{}
	for _, arg := range args[3:] {
		route, plan, _ := strings.Cut(arg, "=")
		plans[route] = plan
	}
	sent := map[string]ledger.Accepted{}
	for line := range strings.Lines(string(simulated(ts, args[2], "ledger"))) {
		var a ledger.Accepted
		ts.Check(json.Unmarshal([]byte(line), &a))
		sent[a.MessageReference] = a
	}
	templates, went := map[string]string{}, map[string]int{}
	for _, r := range rows {
		a, there := sent[deref(r.MessageReference)]
		if there != (r.Outcome == "accepted") {
			ts.Fatalf("row %d is %s, and the service has it: %v", r.Row, r.Outcome, there)
		}
		if !there {
			continue
		}
		record := records[r.Row] // behind the header line
		way := wayOf(record[column("language")], record[column("date_of_birth")])
		number, err := person.ParseNHSNumber([]byte(record[column("nhs_number")]))
		ts.Check(err)
		if a.NHSNumber != number.Digits() || a.RoutingPlanID != plans[way] {
			ts.Fatalf("row %d goes the %s way and was sent by routing plan %s", r.Row, way, a.RoutingPlanID)
		}
		if said := string(a.Personalisation); strings.Contains(said, "Annwyl") != (way == "welsh") || strings.Contains(said, "Dear") == (way == "welsh") {
			ts.Fatalf("row %d goes the %s way and reads %q", r.Row, way, a.Personalisation)
		}
		if version := templates[way]; version != "" && version != deref(r.Template) || deref(r.Template) == "" {
			ts.Fatalf("row %d of the %s way was made of template %q, and others of %q", r.Row, way, deref(r.Template), version)
		}
		templates[way] = deref(r.Template)
		went[way]++
	}
	if len(went) != 3 || templates["welsh"] == templates["older"] || templates["older"] == templates["rest"] || templates["rest"] == templates["welsh"] {
		ts.Fatalf("they went %v, of the templates %v", went, templates)
	}
}

// clinicRoutes are the routes of a life that has some: by clinic, one alone, and the rest.
const clinicRoutes = `route:
  - {name: north, when: {clinic_name: ["Northgate Medical Centre, North Street", hilltop surgery, "Harbour View Clinic, Level 3"]}, routing_plan_id: 11111111-1111-4111-8111-111111111111}
  - {name: square, when: {clinic_name: [Market Square Surgery]}, personalisation: {patient_first_name: "((given_name)) of the square"}}
  - {name: rest, routing_plan_id: 22222222-2222-4222-8222-222222222222}
`

// wentRightWay checks that each accepted message used the routing plan of its clinic, and that the
// accounts of the routes add up.
func (l *life) wentRightWay(rows []reportRow, ledger map[string]accepted) {
	l.t.Helper()
	const own = "b838b13c-f98c-4def-93f0-515d4e4f4ee1"
	for _, r := range rows {
		if r.Outcome != "accepted" {
			continue
		}
		want := own
		switch clinic := strings.TrimSpace(l.clinics[r.Line]); {
		case !l.routes, clinic == "Market Square Surgery":
		case clinic == "Northgate Medical Centre, North Street", clinic == "Hilltop Surgery", clinic == "Harbour View Clinic, Level 3":
			want = "11111111-1111-4111-8111-111111111111"
		default:
			want = "22222222-2222-4222-8222-222222222222"
		}
		if plan := ledger[deref(r.NHSNumber)].RoutingPlanID; plan != want {
			l.t.Fatalf("row %d was sent by routing plan %s, and not by %s", r.Row, plan, want)
		}
	}
	var s status.Status
	if o := l.hear("status", l.folder, "--json"); json.Unmarshal([]byte(o.stdout), &s) != nil || !s.AddsUp || (len(s.Routes) == 3) != l.routes {
		l.t.Fatalf("status: %s", o.stdout)
	}
	for _, r := range s.Routes {
		if r.Fates[person.Accepted] == 0 {
			l.t.Fatalf("nobody was sent to by the route %s: %v", r.Name, s.Routes)
		}
	}
}
