package repair

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"cohort/cmd/internal/reconcile"
	"cohort/cmd/internal/run"
	"cohort/engine/control"
	"cohort/engine/facts"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/record"
	"cohort/engine/refusal"
	"cohort/engine/runfolder"
)

// Decision is a person's decision about something that cohort cannot know.
type Decision struct {
	What   string   // a key of kinds, such as "refused again"
	Codes  []string // of "refused again": only messages with these reason codes; none means all
	Reason string   // recorded; needed unless DryRun
	DryRun bool     // show what would be decided, and change nothing
}

// kind is a kind of decision. weigh shows what the decision is about, and refuses a decision that
// may not be made. record then writes the decision to the log, and returns what it recorded.
type kind struct {
	say   string // what the reason has to say
	weigh func(*decider, context.Context) (record func() (string, error), err error)
}

// kinds are the decisions by their words on the command line.
var kinds = map[string]kind{
	"refused again":    {"why the messages were refused, and that the cause is fixed", (*decider).refusedAgain},
	"in-doubt again":   {"why these messages go out again, though people may get them twice", (*decider).inDoubtAgain},
	"foreign accepted": {"how you know that this run sent them", batches(record.ResultAcceptedUnknown)},
	"foreign in-doubt": {"why nobody can say who sent them", batches(record.ResultHeld)},
	"held replay":      {"how you know that the service had them, or why listed people get them", batches(record.ResultReplay)},
	"latest":           {"how you know that the run did not go on elsewhere", (*decider).latest},
}

// placeholder stands for a reason that is not given yet. Decide refuses it, so that a pasted
// command decides nothing.
const placeholder = "why"

// Command is the command line of a decision. A reason that is not given yet shows as "why".
func Command(dir string, d Decision) string {
	words := append([]string{"decide", dir}, strings.Fields(d.What)...)
	for _, code := range d.Codes {
		words = append(words, "--code", code)
	}
	if d.DryRun {
		words = append(words, "--dry-run")
	}
	if d.Reason != "" || !d.DryRun {
		words = append(words, "--reason", cmp.Or(d.Reason, placeholder))
	}
	return refusal.Command(words...)
}

// decider is one call of Decide. It holds the run's folder.
type decider struct {
	Decision
	run    *run.Runner
	plan   *plan.Plan
	ledger *ledger.Ledger // as this process found it, and with what the inbox contradicts
	heard  *facts.Heard
}

// Decide records a decision about the run in s.RunFolder, which was called as s.Call says. It sends
// nothing: the next resume does.
//
//	hold the folder ─▶ same campaign? ─▶ weigh: may it be decided? show ─▶ record
//
// A decision that may not be made is a *refusal.Refused, and then nothing was changed. Only what contradicts the
// account is recorded before.
func Decide(ctx context.Context, s *run.Runner, d Decision) (err error) {
	kind, known := kinds[d.What]
	switch {
	case !known:
		return refusal.New("no_such_decision", "decision", d.What, "known", strings.Join(slices.Sorted(maps.Keys(kinds)), ", "))
	case len(d.Codes) > 0 && d.What != "refused again":
		return refusal.New("code_without_refused")
	case !d.DryRun && (strings.TrimSpace(d.Reason) == "" || d.Reason == placeholder):
		return refusal.New("decision_without_reason", "say", kind.say)
	}
	if err := control.CheckReason(d.Reason); err != nil {
		return err
	}
	p := &decider{Decision: d, run: s}
	if err := p.read(); err != nil {
		return err
	}
	defer func() { _ = p.plan.Close() }()
	if s.Folder, err = runfolder.Hold(s.RunFolder, "decide", s.Network, s.Log); err != nil {
		return err
	}
	defer s.Folder.Release()
	defer s.End()
	if err := s.AsPlanned(p.plan); err != nil {
		return err
	}
	if p.ledger, err = runfolder.Ledger(s.RunFolder, p.plan); err != nil {
		return err
	}
	if p.heard, err = s.Listen(ctx, p.plan, "decide"); err != nil {
		return err
	}
	defer func() { _ = p.heard.Close() }()
	if err := s.Contradict(p.heard, p.plan, p.ledger, d.DryRun); err != nil {
		return err
	}
	record, err := kind.weigh(p, ctx)
	if err != nil {
		return err
	}
	if d.DryRun {
		fmt.Fprintln(s.Stdout, "nothing was changed (--dry-run)")
		return nil
	}
	done, err := record()
	if err == nil {
		fmt.Fprintf(s.Stdout, "recorded: %s, because: %s\ngo on with: %s\n", done, d.Reason, s.GoOn())
	}
	return err
}

func (d *decider) read() (err error) {
	s := d.run
	if d.plan, err = runfolder.Plan(s.RunFolder); err != nil {
		return err
	}
	if s.Campaign, s.CampaignText, _, err = runfolder.ReadCampaign(s.RunFolder, s.Call); err != nil {
		return err
	}
	s.Service, s.Id, s.Frozen, s.Runs = d.plan.Service, d.plan.Run, s.Campaign.Frozen(), filepath.Dir(s.RunFolder)
	s.Call.Simulate = d.plan.Service == s.Campaign.ServiceID(true)
	return nil
}

// inLog has write add to the run's log, and then tells the register how far the run has come.
func (d *decider) inLog(write func(log *ledger.Log) error) error {
	dir := d.run.Folder.Path
	return runfolder.WithLog(dir, d.plan, func(log *ledger.Log) error {
		if err := write(log); err != nil {
			return refusal.New("decision_partly_recorded", "cause", err, "command", refusal.Command("decide", dir))
		}
		reconcile.TellRegister(d.run, d.plan, log.Ledger)
		return nil
	})
}
