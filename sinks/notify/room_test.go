package notify

import (
	"testing"

	"cohort/engine"
	"cohort/engine/campaign"
	"cohort/sinks/sinktest"
)

func TestRecordsTooLargeForARequest(t *testing.T) {
	d, err := CompileDetails(everyDetail(), detailColumns)
	if err != nil {
		t.Fatal(err)
	}
	text := func(name, text string) Field {
		compiled, err := engine.CompileTemplate(text, detailColumns)
		if err != nil {
			t.Fatal(err)
		}
		return Field{Name: name, Text: compiled}
	}
	o := Options{BaseURL: "http://127.0.0.1:1", RoutingPlanID: plan, Client: noClient()}
	sinktest.Room(t, New(o), len(detailColumns)) // no field is used
	o.Fields = []Field{text("greeting", "Dear \"((first)) ((last))\", ((first))"), text("cost", "((cost))")}
	sinktest.Room(t, New(o), len(detailColumns))
	o.Details, o.ODSCode = d, "A-LONG-CODE-OF-A-SENDER-FOR-THOSE-WITHOUT"
	sinktest.Room(t, New(o), len(detailColumns))
	o.Single = true
	sinktest.Room(t, New(o), len(detailColumns))

	// One thing alone, which is there or not, or has something else in its place.
	for _, n := range []campaign.Notify{{Originator: "((gp))"}, {Contact: campaign.Contact{SMS: "((gp))"}}} {
		if o.Details, err = CompileDetails(&campaign.Campaign{Path: "c.yaml", Notify: n}, []string{"gp"}); err != nil {
			t.Fatal(err)
		}
		o.Fields = nil
		sinktest.Room(t, New(o), 1)
	}
}
