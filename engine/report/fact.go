package report

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Fact is the progress of one message after the service accepted it. A field is zero
// when it is not known. A fact never changes the fate of a message.
type Fact struct {
	Row       int64 // of the cohort file
	MessageID string
	Status    string // as the origin writes it, in small letters
	Channel   string // the channel that delivered it, or else the last one tried
	Steps     string // all channels so far, as in "nhsapp failed, sms delivered"
	Code      string // why it failed
	Reason    string // in the service's words
	At        time.Time
	Origin    Origin
	Learned   time.Time // when cohort received the fact, to the millisecond
}

type Origin string

const (
	OfStatus  Origin = "status"       // a status that NHS Notify returned for the message
	OfReceipt Origin = "receipt"      // the NHS App's report of receipts
	OfDaily   Origin = "daily report" // NHS Notify's daily report, received over MESH
)

// The statuses that this package interprets. The service may use others.
const (
	Delivered = "delivered"
	Failed    = "failed"
	Open      = "open"            // of a daily report: no channel has delivered yet, but one still may
	NoSuch    = "no_such_message" // the service does not know this message
)

// receiptRanks are the events of the NHS App in the order of a message's life. An unknown event
// ranks below all of them.
var receiptRanks = []string{"", "delivered", "notification_attempted", "unnotified", "notified", "read", "rejected"}

// dailyRanks are the statuses of a daily report. A later report never undoes a delivery.
var dailyRanks = []string{"", Open, Failed, Delivered}

// Rank is the place of a receipt's code in the life of a message; 0 for an unknown code.
func Rank(receipt string) int { return max(0, slices.Index(receiptRanks, receipt)) }

// Ranked is the receipt code of a rank. It is empty for rank 0 and for an unknown rank.
func Ranked(rank int) string {
	if rank < 0 || rank >= len(receiptRanks) {
		return ""
	}
	return receiptRanks[rank]
}

// Final reports whether the message can have no later event.
func (f Fact) Final() bool {
	switch f.Origin {
	case OfReceipt:
		return f.Status == "read" || f.Status == "rejected"
	case OfDaily:
		return f.Status == Delivered
	}
	return f.Status == Delivered || f.Status == Failed
}

// After combines the fact known before with the new fact f. The newer status holds, because
// it is the present state. Receipts and daily reports are single events in any order: the
// higher rank holds, then the later time, then the fact received first.
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
	kept.MessageID = cmp.Or(kept.MessageID, other.MessageID)
	if f.Origin == OfDaily && kept.Channel == "" && other.Status == kept.Status {
		kept.Channel = other.Channel
	}
	if f.Origin == OfDaily && kept.Reason == "" && kept.Status != Delivered {
		kept.Reason = other.Reason
	}
	return kept
}

// mergeSteps lists the steps of both, each once. Receipts are in the order of a message's
// life. Daily reports have no order and are sorted by name.
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
