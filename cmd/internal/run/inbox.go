package run

import (
	"cmp"
	"context"
	"log/slog"
	"sync"
	"time"

	"cohort/engine"
	"cohort/engine/decision"
	"cohort/engine/delivery"
	"cohort/engine/dispatch"
	"cohort/engine/facts"
	"cohort/engine/journal"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/refusal"
	"cohort/engine/runfolder"
	"cohort/shard"
)

// Inbox has what the services said of the messages of a run. It is safe for concurrent use.
type Inbox struct {
	facts *facts.Facts
	log   *slog.Logger

	mu    sync.Mutex
	heard *facts.Heard
	asked map[int64]string // by row: messages in doubt, and the service's id of those that a receipt names
	named map[int64]bool   // rows of asked that a receipt names
}

// Listen reads what the services said of the messages of the run in the folder that this process holds. The caller
// calls Close.
func (r *Runner) Listen(ctx context.Context, planned *plan.Plan, doing string) (*Inbox, error) {
	f, err := facts.Hold(r.Folder.Path, planned, doing)
	if err != nil {
		return nil, refusal.New("callbacks_unreadable", "cause", err)
	}
	err = f.Collect(ctx, nil)
	in := (*Inbox)(nil)
	if err == nil {
		in, err = NewInbox(f, r.Log)
	}
	if err != nil {
		_ = f.Close()
		return nil, refusal.New("callbacks_unreadable", "cause", err)
	}
	return in, nil
}

// NewInbox reads all that f has. The inbox closes f.
func NewInbox(f *facts.Facts, log *slog.Logger) (*Inbox, error) {
	heard, err := f.Heard()
	return &Inbox{facts: f, log: log, heard: heard, asked: map[int64]string{}, named: map[int64]bool{}}, err
}

// Close closes an inbox that is there.
func (in *Inbox) Close() {
	if in != nil {
		_ = in.facts.Close() // what was put is durable
	}
}

func (in *Inbox) take(row int64, e *delivery.Event) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.heard.Add(row)
	if id, asked := in.asked[row]; asked {
		in.asked[row], in.named[row] = cmp.Or(id, e.MessageID), true
	}
}

// Any is of dispatch.Inbox, like Heard, Collect and Named.
func (in *Inbox) Any() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.heard.Any
}

func (in *Inbox) Heard(row int64) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.heard.Of(row)
}

func (in *Inbox) Collect(ctx context.Context) {
	if err := in.facts.Collect(ctx, in.take); err != nil && ctx.Err() == nil {
		in.log.Error("ALARM: the callbacks cannot be read, so nobody knows if they contradict the account; the run goes on", "problem", err.Error())
	}
}

func (in *Inbox) Named(ctx context.Context, message engine.Reference) (id string, named bool, err error) {
	if err := in.facts.Collect(ctx, in.take); err != nil {
		return "", false, err
	}
	row, _ := in.facts.Row(message.String())
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.asked[row], in.named[row], nil
}

// Names returns the service's ids of those messages in doubt that it spoke of. From then on, Named knows them all.
func (in *Inbox) Names(forms map[engine.Reference]plan.FormID) (map[plan.FormID]string, error) {
	found, rows := map[plan.FormID]string{}, map[int64]plan.FormID{}
	if len(forms) == 0 {
		return found, nil
	}
	in.mu.Lock()
	for message, form := range forms {
		row, _ := in.facts.Row(message.String())
		rows[row], in.asked[row] = form, ""
	}
	in.mu.Unlock()
	err := in.facts.Each(func(row int64, e *delivery.Event) error {
		in.take(row, e)
		return nil
	})
	if err != nil {
		return nil, refusal.New("callbacks_unreadable", "cause", err)
	}
	for row, form := range rows {
		if in.named[row] {
			found[form] = in.asked[row]
		}
	}
	return found, nil
}

// Contradict finds what contradicts the account, and folds it into folded. It records it in the run's log, unless the
// call only shows something. No request is on its way.
func (r *Runner) Contradict(in *Inbox, planned *plan.Plan, folded *ledger.Ledger, spool *shard.Spool, show bool) error {
	if in == nil || !in.Any() {
		return nil
	}
	var all []*ledger.Contradicted
	err := folded.Contradictions(spool, in.Heard, func(c *ledger.Contradicted) error {
		dispatch.Alarm(r.Log, folded.CountContradicted(), c)
		all = append(all, c)
		for _, late := range c.Records {
			if err := folded.Fold(late, journal.Position{}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return runfolder.Damaged(err)
	}
	if show || len(all) == 0 {
		return nil
	}
	return runfolder.WithLog(r.Folder.Path, planned, func(log *ledger.Log) error {
		for _, c := range all {
			for _, late := range c.Records {
				if err := log.TooLate(late); err != nil {
					return err
				}
			}
		}
		return log.Flush()
	})
}

// listen opens the inbox. A run with a message in doubt that is to be sent again is refused without it. Another run
// goes on without it, because the callbacks never harm a send.
func (s *start) listen(ctx context.Context) (err error) {
	s.inbox, err = s.run.Listen(ctx, s.plan, "send")
	if _, due := s.ledger.Resent(); err == nil || due > 0 {
		return err
	}
	s.run.Log.Error("ALARM: nobody knows if the callbacks contradict the account; the run goes on", "problem", err.Error())
	return nil
}

// receipts returns the messages in doubt that receipts name, at a service that tells of messages by receipts alone.
func (s *start) receipts(l *ledger.Ledger, source engine.Source) (map[plan.FormID]string, error) {
	if s.inbox == nil || !s.plan.NeverAgain || !l.AnyInDoubt() {
		return nil, nil
	}
	forms, _, err := decision.InDoubt(l, source)
	if err != nil {
		return nil, runfolder.Damaged(err)
	}
	return s.inbox.Names(forms)
}

// settle records which messages in doubt the receipts name. The start is in the log.
func (s *start) settle(log *ledger.Log, source engine.Source) error {
	found, err := s.receipts(log.Ledger, source)
	if err != nil || len(found) == 0 {
		return err
	}
	s.run.Log.Info("receipts name messages in doubt", "found", len(found))
	return decision.Found(log, time.Now(), found)
}
