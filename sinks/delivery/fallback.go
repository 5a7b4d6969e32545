package delivery

import (
	"fmt"
	"io"
	"strings"
	"time"

	"cohort/engine/report"
	"cohort/ingest/person"
)

// Why somebody is to be reached in another way.
const (
	reasonFailed     = report.Failed // by every channel that the service had
	reasonRejected   = "rejected"    // the NHS App has nobody with the number
	reasonUnnotified = "unnotified"  // the push did not get through
	reasonUnread     = "unread"      // nobody has read it in time
)

// fallbackSummary says what stands in a fallback list.
type FallbackSummary struct {
	File     string           `json:"file"`
	Messages map[string]int64 `json:"messages"`            // by reason
	Record   int64            `json:"left_out_record"`     // failed before any channel: the person's record forbids a message
	Listed   int64            `json:"left_out_suppressed"` // a suppression list has named the person since
	InDoubt  int64            `json:"left_out_in_doubt"`   // nobody knows whether the person was reached
}

func (f *FallbackSummary) print(w io.Writer) {
	var words []string
	for _, reason := range []string{reasonFailed, reasonRejected, reasonUnnotified, reasonUnread} {
		if n := f.Messages[reason]; n > 0 {
			words = append(words, fmt.Sprintf("%d %s", n, reason))
		}
	}
	if len(words) == 0 {
		words = []string{"nobody"}
	}
	fmt.Fprintf(w, "fallback %s: %s\n", f.File, strings.Join(words, ", "))
	if f.Record > 0 {
		fmt.Fprintf(w, "  left out: %d that failed before any channel was tried, since the person's record does not let anybody write (as of people who have died)\n", f.Record)
	}
	if f.Listed > 0 {
		fmt.Fprintf(w, "  left out: %d whom a suppression list has named since\n", f.Listed)
	}
	if f.InDoubt > 0 {
		fmt.Fprintf(w, "  left out: %d in doubt, who may have been reached\n", f.InDoubt)
	}
}

// fallbackHeader is the header line of the list.
const FallbackHeader = "row,message_reference,reason,failure_code"

// fallbackRule says who is to be reached in another way.
type FallbackRule struct {
	App    bool // the messages are in the NHS App, which says of each whether it was read
	Unread time.Duration
	Now    time.Time
}

// reason is why the person of a message is to be reached in another way, by what is known of
// it, if anything is; empty: not so, or not yet. An NHS App message that was rejected or did not
// notify is at once, and any other when it was unread for long enough.
func (r FallbackRule) reason(m Message, f *report.Fact) string {
	switch {
	case m.Fate != person.Accepted:
		return ""
	case f != nil && f.Origin != report.OfReceipt:
		if f.Status == report.Failed {
			return reasonFailed
		}
		return ""
	case !r.App, f != nil && f.Status == "read":
		return ""
	case f != nil && (f.Status == reasonRejected || f.Status == reasonUnnotified):
		return f.Status
	case !m.Accepted.IsZero() && r.Now.Sub(m.Accepted) >= r.Unread:
		return reasonUnread
	}
	return ""
}

// take counts a message, and says why it is listed; empty: it is not.
func (f *FallbackSummary) Take(rule FallbackRule, m knownMessage) string {
	reason := rule.reason(m.Message, m.Fact)
	switch {
	case m.Fate == person.InDoubt:
		f.InDoubt++
		return ""
	case reason == "":
	case m.late:
		f.Listed++
		return ""
	case reason == reasonFailed && m.Fact.Steps == "":
		f.Record++
		return ""
	default:
		f.Messages[reason]++
	}
	return reason
}
