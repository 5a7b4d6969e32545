package ledger

import (
	"testing"

	"cohort/engine/enginetest"
	"cohort/ingest/person"
)

// Whoever is counted by two routes, or by none, is found out.
func TestCheckRoutes(t *testing.T) {
	of := func(accepted, invalid int64) Account {
		return Account{Records: accepted + invalid, Fates: map[person.Fate]int64{person.Accepted: accepted, person.Invalid: invalid}}
	}
	routes := []RouteAccount{{Name: "a", Account: of(2, 0)}, {Name: "b", Account: of(3, 0)}}
	enginetest.Must(t, CheckRoutes(routes, of(5, 4)))
	enginetest.Must(t, CheckRoutes(nil, of(5, 4)))
	for _, wrong := range []Account{of(4, 4), of(6, 4)} {
		if CheckRoutes(routes, wrong) == nil {
			t.Errorf("%v is taken", wrong)
		}
	}
	if CheckRoutes([]RouteAccount{{Name: "a", Account: of(5, 1)}}, of(5, 1)) == nil {
		t.Error("a route has somebody who is invalid")
	}
}
