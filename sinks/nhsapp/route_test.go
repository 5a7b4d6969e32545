package nhsapp

import (
	"net/http"
	"strings"
	"testing"

	"cohort/engine"
	"cohort/ingest/person"
	"cohort/sinks/sinktest"
)

// Each route sends and measures its messages as it would alone.
func TestEachRouteHasItsMessage(t *testing.T) {
	for _, routes := range [][]Route{
		{{Content: template(t, "Annwyl ((given))")}, {Content: template(t, "Dear ((given)), ((note))")}},
		{{Push: &Push{"Mae gennych neges newydd", welcome.Reference}}, {Push: welcome}},
	} {
		s := New(Options{BaseURL: "http://127.0.0.1:1", Client: &http.Client{}, ODSCode: "X26", CampaignID: "a campaign", Routes: routes})
		for i, r := range routes {
			alone := New(Options{BaseURL: "http://127.0.0.1:1", Client: &http.Client{}, ODSCode: "X26", CampaignID: "a campaign", Content: r.Content, Push: r.Push})
			p := person.Recipient{Row: 1, Number: 9990000018, Fields: []string{"Zoë", "come"}, Route: uint8(i)}
			message := sinktest.TheRun.References().Message(1)
			got := s.AppendTail(s.AppendMessage(s.AppendHead(nil, engine.Reference{}, uint8(i)), message, &p))
			p.Route = 0
			want := alone.AppendTail(alone.AppendMessage(alone.AppendHead(nil, engine.Reference{}, 0), message, &p))
			if string(got) != string(want) || s.poster.URL.Path != alone.poster.URL.Path {
				t.Errorf("route %d makes %s, and alone it makes %s", i, got, want)
			}
		}
	}
	s := New(Options{BaseURL: "http://127.0.0.1:1", Client: &http.Client{}, Routes: []Route{{Content: template(t, "((given))")}, {Content: template(t, "((note))")}}})
	for route, want := range []string{"", person.CodeLongMessage} {
		if code := unkept(s, uint8(route), []string{"Zoë", strings.Repeat("x", MostContent+1)}); code != want {
			t.Errorf("route %d: %q", route, code)
		}
	}
}
