package run

import (
	"context"
	"slices"
	"strings"

	"cohort/cmd/internal/earlier"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/refusal"
	"cohort/engine/register"
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
func (s *Runner) uncompared(r *register.Register, plan *plan.Plan, facts ledger.Facts) error {
	if s.compared == nil || facts.Attempts == 0 && plan.SendAgain != "" || s.atSimulator(register.Entry{}) {
		return nil
	}
	kind, _, _ := strings.Cut(plan.Service, " ")
	for _, e := range r.OfOtherCampaigns(plan.Campaign, kind, s.compared.Since) {
		same := slices.ContainsFunc(e.Templates, func(t string) bool { return slices.Contains(earlier.TemplatesOf(plan), t) })
		if same && !e.At.Before(s.compared.Since) && !slices.Contains(s.compared.Looked, e.RunID) {
			return refusal.New("same_words_since", "run", e.RunID, "campaign", e.Campaign)
		}
	}
	return nil
}
