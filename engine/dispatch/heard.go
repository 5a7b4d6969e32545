package dispatch

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"cohort/engine"
	"cohort/engine/event"
	"cohort/engine/record"
)

// Inbox has what the services said of the messages of the run. Named is safe for concurrent use.
type Inbox interface {
	// Collect reads what has arrived since.
	Collect(ctx context.Context) error

	// Any reports whether a service spoke of any message, and Of whether it spoke of the message of a row.
	Any() bool
	Of(row int64) bool

	// Named collects, and then reports whether a receipt names a message that is to be sent again, and the service's id.
	Named(ctx context.Context, message engine.Reference) (id string, named bool, err error)
}

// codeNamed says that a message in doubt was not sent again, because a receipt names it.
const codeNamed = "named_by_receipt"

// named looks for a receipt of a message in doubt, when a person has decided to send it again. Its attempt is in the
// log and not on the wire. So every receipt that was stored before the attempt cancels the decision. Without an inbox
// that can be read, nothing is sent.
func (w *workers) named(ctx context.Context, r *result) bool {
	if w.inbox == nil || !r.task.again {
		return false
	}
	r.receipt, r.named, r.unread = w.inbox.Named(ctx, r.body.Messages[0])
	if r.named || r.unread != nil {
		r.answer = engine.Answer{Reply: engine.Unsent, Code: codeNamed}
	}
	return r.named || r.unread != nil
}

func unread(err error) *Stopped {
	return &Stopped{Code: "callbacks_unread", Halt: true, Cause: err, Why: "no message is sent again while the callbacks cannot be read"}
}

// settleNamed records what named has found.
func (r *run) settleNamed(res result, now time.Time) error {
	if res.unread != nil {
		r.halt(unread(res.unread))
	}
	if !res.named {
		return nil
	}
	message := res.body.Messages[0].String()
	r.job.Logger.Info("a receipt names a message in doubt, and it is not sent again", event.ReceiptsFound, "message", message)
	return r.log.Append(&record.Resolved{
		Form: res.task.id, At: now, Result: record.ResultAccepted, Reason: "its receipts", IDs: []string{res.receipt},
	})
}

// findContradictions records, durably, what the inbox contradicts. No task is in flight. It halts the run when a form
// that was still to be sent is foreign now: another copy of the run may be at work.
func (r *run) findContradictions(ctx context.Context) error {
	if r.job.Inbox == nil || !r.job.Inbox.Any() {
		return nil
	}
	foreign, err := r.ledger.Contradictions(r.job.Source, r.job.Inbox.Of, r.job.Logger, func(rec record.Record) error {
		return cmp.Or(ctx.Err(), r.log.Append(rec))
	})
	if foreign > 0 {
		r.halt(&Stopped{Code: "foreign_batches", Halt: true, Why: fmt.Sprintf("%s reports about messages in %d batches that this run's log never sent: "+
			"the log may have been restored from a backup, or another copy of this run is at work. "+
			"Nothing more is sent until a person has decided", r.job.Service, foreign)})
	}
	if ctx.Err() != nil {
		return nil // the loop hears it too, and the next start goes on
	}
	return cmp.Or(err, r.log.Flush())
}
