package report

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Fact is what is known of the way of one message that the service accepted, or that it
// names. What is not known is the zero value. It never changes a message's fate.
type Fact struct {
	Row       int64 // of the cohort file
	MessageID string
	Status    string // as its origin has it, in small letters
	Channel   string // by which it was delivered; else the one in which it was last
	Steps     string // the way so far, as in "nhsapp failed, sms delivered"
	Code      string // why it failed
	Reason    string // in the service's words
	At        time.Time
	Origin    Origin
	Learned   time.Time // when cohort was told, to the millisecond
}

// Origin is who told a fact.
type Origin string

// The origins.
const (
	OfStatus  Origin = "status"       // NHS Notify, when it was asked for the message
	OfReceipt Origin = "receipt"      // the NHS App's report of receipts
	OfDaily   Origin = "daily report" // NHS Notify's daily report, which comes over MESH
)

// The statuses that mean something here. The service may have others.
const (
	Delivered = "delivered"
	Failed    = "failed"
	Open      = "open"            // of a daily report: no channel has reached anybody yet, and some may
	NoSuch    = "no_such_message" // the service knows no such message of this application's
)

// receiptRanks are the NHS App's events in the order in which a message meets them. One that
// nobody knows yet says less than any.
var receiptRanks = []string{"", "delivered", "notification_attempted", "unnotified", "notified", "read", "rejected"}

// dailyRanks are the same of a daily report: whoever was reached was reached.
var dailyRanks = []string{"", Open, Failed, Delivered}

// Rank is how much a receipt's code says of where its message has got to.
func Rank(receipt string) int { return max(0, slices.Index(receiptRanks, receipt)) }

// Ranked is the receipt of a rank; empty: of one that nobody knows, and of a rank that there
// is not.
func Ranked(rank int) string {
	if rank < 0 || rank >= len(receiptRanks) {
		return ""
	}
	return receiptRanks[rank]
}

// Final reports whether nothing more will become of the message.
func (f Fact) Final() bool {
	switch f.Origin {
	case OfReceipt:
		return f.Status == "read" || f.Status == "rejected"
	case OfDaily:
		return f.Status == Delivered
	}
	return f.Status == Delivered || f.Status == Failed
}

// After is what is known of a message of which before was known when f is told. Of a status
// the newer holds, since the service was asked how things stand. Receipts and daily reports
// tell of single events, and come in no order: the one that says most holds, of two that say as
// much the later, and of two that say the same the one that was learnt first.
func (f Fact) After(before Fact) Fact {
	if f.Origin != before.Origin {
		if before.Final() && !f.Final() {
			return before
		}
		return f
	}
	ranks := receiptRanks
	switch f.Origin {
	case OfStatus:
		return f
	case OfDaily:
		ranks = dailyRanks
	}
	was, is := slices.Index(ranks, before.Status), slices.Index(ranks, f.Status)
	kept, other := f, before
	if was > is || was == is && !f.At.After(before.At) {
		kept, other = before, f
	}
	kept.Steps = mergeSteps(f.Origin, before.Steps, f.Steps)
	if kept.MessageID == "" {
		kept.MessageID = other.MessageID
	}
	if f.Origin == OfDaily && kept.Channel == "" && other.Status == kept.Status {
		kept.Channel = other.Channel
	}
	if f.Origin == OfDaily && kept.Reason == "" && kept.Status != Delivered {
		kept.Reason = other.Reason
	}
	return kept
}

// mergeSteps are the steps of both, each once: of receipts in the order of a message's life,
// of daily reports, which have none, by their spelling.
func mergeSteps(of Origin, a, b string) string {
	if a == "" || a == b {
		return b
	}
	steps := strings.Split(a+", "+b, ", ")
	slices.SortFunc(steps, func(a, b string) int {
		if of == OfReceipt && Rank(a) != Rank(b) {
			return cmp.Compare(Rank(a), Rank(b))
		}
		return cmp.Compare(a, b)
	})
	steps = slices.DeleteFunc(slices.Compact(steps), func(s string) bool { return s == "" })
	return strings.Join(steps, ", ")
}
