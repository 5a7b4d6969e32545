package run

import (
	"context"
	"path/filepath"
	"time"

	"cohort/cmd/internal/cohortspool"
	"cohort/engine"
	"cohort/engine/decision"
	"cohort/engine/event"
	"cohort/engine/facts"
	"cohort/engine/journal"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/record"
	"cohort/engine/refusal"
	"cohort/engine/runfolder"
)

// Listen reads what the services said of the messages of the run in the folder that this process holds. The caller
// calls Close.
func (r *Runner) Listen(ctx context.Context, planned *plan.Plan, doing string) (*facts.Heard, error) {
	h, err := r.hear(ctx, planned, doing)
	if err != nil {
		return nil, refusal.New("callbacks_unreadable", "cause", err)
	}
	return h, nil
}

// Tidy drops callbacks that no run needs.
func (r *Runner) Tidy(f *facts.Facts) {
	if err := f.Tidy(time.Now()); err != nil {
		r.Log.Warn("old callbacks stay in the shared inbox", event.OldCallbacksStay, "problem", err.Error())
	}
}

func (r *Runner) hear(ctx context.Context, planned *plan.Plan, doing string) (h *facts.Heard, err error) {
	f, err := facts.Hold(r.Folder.Path, planned, doing)
	if err != nil {
		return nil, err
	}
	if err = f.Collect(ctx, nil); err == nil {
		h, err = f.Heard()
	}
	if err != nil {
		_ = f.Close()
	}
	return h, err
}

// Contradict finds what contradicts the account, and folds it into folded. It records it in the run's log too, unless
// the call only shows something, or may not write. No request is on its way.
func (r *Runner) Contradict(heard *facts.Heard, planned *plan.Plan, folded *ledger.Ledger, show bool) error {
	if heard == nil || !heard.Any() {
		return nil
	}
	spool, err := cohortspool.Open(r.Folder.File(runfolder.SpoolFolder), planned)
	if err != nil {
		return err
	}
	defer func() { _ = spool.Close() }()
	var all []record.Record
	_, err = folded.Contradictions(spool, heard.Of, r.Log, func(rec record.Record) error {
		all = append(all, rec)
		return folded.Fold(rec, journal.Position{})
	})
	if err != nil {
		return runfolder.Damaged(err)
	}
	if show || len(all) == 0 || r.MayWrite(planned, folded) != nil {
		return nil
	}
	return runfolder.WithLog(r.Folder.Path, planned, func(log *ledger.Log) error {
		for _, rec := range all {
			if err := log.Append(rec); err != nil {
				return err
			}
		}
		return log.Flush()
	})
}

// listen opens the inbox. A run with a message that a person has decided to send again is refused without it. Another
// run goes on without it, because the callbacks never harm a send.
func (s *start) listen(ctx context.Context) (err error) {
	if dir := s.run.Folder.Path; s.run.Campaign.Callbacks != nil && !s.run.Call.Simulate && !facts.Receives(dir) {
		s.run.Log.Warn("no receiver of callbacks is at work for this run, so nobody hears what becomes of the messages; start it as below, "+
			"or send with --run in the folder where it is at work", event.NoReceiver, "command", refusal.Command("callbacks", "-c", s.run.Call.Campaign, "--runs", filepath.Dir(dir)))
	}
	if s.heard, err = s.run.hear(ctx, s.plan, "send"); err == nil {
		return nil
	}
	s.heard = nil
	if s.ledger.SendsAgain() {
		return refusal.New("callbacks_unreadable", "cause", err)
	}
	s.run.Log.Error("ALARM: the callbacks cannot be read; the run goes on, and nobody knows if they contradict the account", event.CallbacksUnreadable, "problem", err.Error())
	return nil
}

// named returns the messages in doubt that receipts name, where receipts alone settle doubt.
func (s *start) named(l *ledger.Ledger, source engine.Source) (map[plan.FormID]string, error) {
	if s.heard == nil || !s.plan.NeverAgain || !l.AnyInDoubt() {
		return nil, nil
	}
	forms, _, err := decision.InDoubt(l, source)
	if err != nil {
		return nil, runfolder.Damaged(err)
	}
	found, err := s.heard.Names(forms)
	if err != nil {
		return nil, refusal.New("callbacks_unreadable", "cause", err)
	}
	return found, nil
}

// settle records which messages in doubt the receipts name. The start is in the log.
func (s *start) settle(log *ledger.Log, source engine.Source) error {
	found, err := s.named(log.Ledger, source)
	if err != nil || len(found) == 0 {
		return err
	}
	s.run.Log.Info("receipts name messages in doubt", event.ReceiptsFound, "found", len(found))
	return decision.Found(log, time.Now(), found)
}
