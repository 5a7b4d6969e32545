package run

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/refusal"
	"cohort/engine/register"
	"cohort/ingest/person"
)

// restOf lists the runs of the campaigns that --rest-of names. A rehearsal leaves out people
// of rehearsals, and closes no other run.
func (s *Runner) restOf(ctx context.Context) (runs []register.Entry, err error) {
	if s.Call.RestOf == "" {
		return nil, nil
	}
	r, err := register.Look(s.Campaign.Registers()...)
	if err != nil {
		return nil, refusal.New("register_unreadable", "cause", err)
	}
	known, rehearsal := map[string][]register.Entry{}, s.rehearses(ctx)
	var names []string
	for _, e := range r.Runs() {
		if e.Simulator != rehearsal || e.Campaign == s.Campaign.Name {
			continue
		}
		if known[e.Campaign] == nil {
			names = append(names, e.Campaign)
		}
		e, _ = r.Run(e.RunID)
		known[e.Campaign] = append(known[e.Campaign], e)
	}
	if len(names) == 0 {
		names = []string{"none"}
	}
	for _, name := range strings.Split(s.Call.RestOf, ",") {
		switch {
		case name == s.Campaign.Name:
			return nil, refusal.New("rest_of_itself", "campaign", name)
		case known[name] == nil && rehearsal:
			return nil, refusal.New("no_such_rehearsal", "register", s.Campaign.Register, "campaign", name, "known", strings.Join(names, ", "))
		case known[name] == nil:
			return nil, refusal.New("no_such_campaign", "register", s.Campaign.Register, "campaign", name, "known", strings.Join(names, ", "))
		}
		runs = append(runs, known[name]...)
	}
	return runs, nil
}

// rehearses reports whether the run is sent to a simulator. The service is asked who it is if
// it has not answered yet.
func (s *Runner) rehearses(ctx context.Context) bool {
	if s.Call.Simulate || s.Tokens == nil {
		return s.Call.Simulate
	}
	if _, known := s.Tokens.Simulator(); !known {
		_ = s.Sink.Check(ctx) // what is wrong with the service is said before the first request
	}
	is, _ := s.Tokens.Simulator()
	return is
}

// uncompared refuses a start when another campaign has begun to send the same words since this
// run was compared.
func (s *Runner) uncompared(r *register.Register, plan *plan.Plan, ledger *ledger.Ledger) error {
	if s.compared == nil || ledger.Attempts == 0 && plan.SendAgain != "" || s.atSimulator(register.Entry{}) {
		return nil
	}
	kind, _, _ := strings.Cut(plan.Service, " ")
	for _, e := range r.OfOtherCampaigns(plan.Campaign, kind, s.compared.since) {
		same := slices.ContainsFunc(e.Templates, func(t string) bool { return slices.Contains(templatesOf(plan), t) })
		if same && !e.At.Before(s.compared.since) && !slices.Contains(s.compared.looked, e.RunID) {
			return refusal.New("same_words_since", "run", e.RunID, "campaign", e.Campaign)
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
				Thousands(fates[person.Accepted]+fates[person.InDoubt]), plan.Campaign)
		}
	}
	if e.People > 0 {
		return fmt.Sprintf("a new campaign name would send again to the people this run has reached, %s or more", Thousands(e.People))
	}
	return "a new campaign name would send again to the people this run has reached, and nobody knows how many they are"
}
