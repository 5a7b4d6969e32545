package ledger

import (
	"fmt"

	"cohort/ingest/person"
)

// RouteAccount is the account of the records that go by one route. Those that are invalid go
// by none.
type RouteAccount struct {
	Name string
	Account
}

// ByRoute adds up the fates of the records of each route, in the campaign's order; nil where
// it has none. Together with the records that are invalid they are Account.
func (l *Ledger) ByRoute() []RouteAccount {
	if len(l.Plan.Routes) == 0 {
		return nil
	}
	all := make([]RouteAccount, len(l.Plan.Routes))
	for i, route := range l.Plan.Routes {
		all[i] = RouteAccount{route.Name, Account{Fates: map[person.Fate]int64{}}}
		for fate, n := range route.Static {
			all[i].Fates[person.Fate(fate)] += n
		}
	}
	add := func(batch uint32, s *State) {
		if s.Phase != Replaced {
			all[l.Plan.RouteOfBatch(batch)].Fates[s.Fate()] += int64(s.Messages)
		}
	}
	for i := range l.base {
		add(uint32(i), &l.base[i])
	}
	for id, n := range l.newer {
		add(id.Batch, &n.state)
	}
	for batch, rows := range l.refused {
		all[l.Plan.RouteOfBatch(batch)].Fates[person.Refused] += int64(len(rows))
	}
	for batch, rows := range l.listed {
		all[l.Plan.RouteOfBatch(batch)].Fates[person.Suppressed] += int64(len(rows))
	}
	for i := range all {
		for _, n := range all[i].Fates {
			all[i].Records += n
		}
	}
	return all
}

// CheckRoutes holds the accounts of the routes against that of the run: each fate is the sum
// of theirs, but for the invalid.
func CheckRoutes(routes []RouteAccount, all Account) error {
	if routes == nil {
		return nil
	}
	for _, fate := range person.Fates {
		var sum int64
		for _, r := range routes {
			sum += r.Fates[fate]
		}
		if fate == person.Invalid {
			sum += all.Fates[fate]
		}
		if sum != all.Fates[fate] {
			return fmt.Errorf("the account by route does not add up: %d records are %s, and those of the routes are %d; this is a defect of cohort, send nothing more", all.Fates[fate], fate, sum)
		}
	}
	return nil
}
