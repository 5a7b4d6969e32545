package delivery

import (
	"log/slog"
	"time"

	"github.com/zeebo/xxh3"

	"cohort/engine/delivery"
	"cohort/engine/event"
	"cohort/engine/facts"
	"cohort/engine/plan"
	"cohort/sinks/nhsapp"
)

// Receipts notes the messages of a run that the NHS App's receipts name. It takes four bytes a record.
type Receipts struct {
	Read   int         // receipts of any campaign
	Unread int         // receipts that could not be read
	News   *facts.News // takes the receipts as events, if it is not nil
	Began  time.Time   // when the collection was made, before any was read

	rows  *facts.Rows
	log   *slog.Logger
	ids   []uint32 // hashes of the communications' ids, by row - 1; 0: no receipt
	twice map[int64]struct{}
}

// NewReceipts makes an empty collection for the messages of a plan.
func NewReceipts(plan *plan.Plan, log *slog.Logger) *Receipts {
	return &Receipts{
		rows: facts.NewRows(plan.References, plan.Records), log: log, ids: make([]uint32, plan.Records),
		twice: map[int64]struct{}{}, Began: time.Now(),
	}
}

// Add takes a receipt. It ignores one of another campaign's message.
func (r *Receipts) Add(x nhsapp.Receipt) {
	row, ours := r.rows.Of(x.RequestID)
	if !ours {
		return
	}
	// The person got what either message delivered. Ten in the log are enough.
	switch id := uint32(xxh3.HashString(x.MessageID)) | 1; {
	case r.ids[row-1] == 0:
		r.ids[row-1] = id
	case r.ids[row-1] != id && len(r.twice) < 10:
		if _, known := r.twice[row]; !known {
			r.log.Error("the service has taken a message twice", event.TakenTwice, "message", x.RequestID)
		}
		r.twice[row] = struct{}{}
	}
	if r.News != nil {
		r.News.Add(row, &delivery.Event{
			Source: delivery.Receipt, Kind: delivery.OfMessage, Reference: x.RequestID, MessageID: x.MessageID,
			Status: delivery.StatusOf(x.Code), Channel: "nhsapp", Reason: delivery.PlainWords(x.Reason), At: x.At.UTC(), Received: r.Began,
		})
	}
}

// Named reports whether the message in a row has a receipt.
func (r *Receipts) Named(row int64) bool { return r.ids[row-1] != 0 }

// DayOf is the day of a time as the service's receipts count days.
func DayOf(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }
