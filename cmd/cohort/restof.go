package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/register"
	"cohort/ingest/person"
)

// restOf lists the runs of the campaigns that --rest-of names. A rehearsal leaves out people
// of rehearsals, and closes no other run.
func (s *session) restOf(ctx context.Context) (runs []register.Entry, err error) {
	if s.call.RestOf == "" {
		return nil, nil
	}
	r, err := register.Look(s.campaign.Registers()...)
	if err != nil {
		return nil, refuse("%w", err)
	}
	known, rehearsal := map[string][]register.Entry{}, s.rehearses(ctx)
	var names []string
	for _, e := range r.Runs() {
		if e.Simulator != rehearsal || e.Campaign == s.campaign.Name {
			continue
		}
		if known[e.Campaign] == nil {
			names = append(names, e.Campaign)
		}
		e, _ = r.Run(e.RunID)
		known[e.Campaign] = append(known[e.Campaign], e)
	}
	for _, name := range strings.Split(s.call.RestOf, ",") {
		switch {
		case name == s.campaign.Name:
			return nil, refuse("--rest-of %s names the campaign itself; to leave out the people that its earlier runs have reached, give --new-cohort", name)
		case known[name] == nil && rehearsal:
			return nil, refuse("the register in %s knows no rehearsal of a campaign %q; it knows rehearsals of: %s", s.campaign.Register, name, strings.Join(names, ", "))
		case known[name] == nil:
			return nil, refuse("the register in %s knows no run of a campaign %q; it knows runs of: %s", s.campaign.Register, name, strings.Join(names, ", "))
		}
		runs = append(runs, known[name]...)
	}
	return runs, nil
}

// rehearses reports whether the run is sent to a simulator. The service is asked who it is if
// it has not answered yet.
func (s *session) rehearses(ctx context.Context) bool {
	if s.call.Simulate || s.tokens == nil {
		return s.call.Simulate
	}
	if _, known := s.tokens.Simulator(); !known {
		_ = s.sink.Check(ctx) // what is wrong with the service is said before the first request
	}
	is, _ := s.tokens.Simulator()
	return is
}

// uncompared refuses a start when another campaign has begun to send the same words since this
// run was compared.
func (s *session) uncompared(r *register.Register, plan *plan.Plan, facts ledger.Facts) error {
	if s.compared == nil || facts.Attempts == 0 && plan.SendAgain != "" || s.atSimulator(register.Entry{}) {
		return nil
	}
	kind, _, _ := strings.Cut(plan.Service, " ")
	for _, e := range r.OfOtherCampaigns(plan.Campaign, kind, s.compared.since) {
		same := slices.ContainsFunc(e.Templates, func(t string) bool { return slices.Contains(templatesOf(plan), t) })
		if same && !e.At.Before(s.compared.since) && !slices.Contains(s.compared.looked, e.RunID) {
			return refuse("run %.8s of campaign %s has begun to send the same words while this run was prepared; start this one again, and it is compared with that one",
				e.RunID, e.Campaign)
		}
	}
	return nil
}

// newName says what a send under a new campaign name would do to the people of a run.
func newName(e register.Entry) string {
	if plan, err := plan.Open(e.Folder); err == nil {
		defer func() { _ = plan.Close() }()
		if ledger, err := ledger.Read(e.Folder, plan); err == nil && plan.RunID == e.RunID {
			fates := ledger.Account().Fates
			return fmt.Sprintf("a new campaign name would send again to the %s people this run has reached; with --rest-of %s it sends only to the others",
				thousands(fates[person.Accepted]+fates[person.InDoubt]), plan.Campaign)
		}
	}
	if e.People > 0 {
		return fmt.Sprintf("a new campaign name would send again to the people this run has reached, %s or more", thousands(e.People))
	}
	return "a new campaign name would send again to the people this run has reached, and nobody knows how many they are"
}
