package delivery

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"time"

	"cohort/engine/report"
	"cohort/ingest/person"
)

// Why a person is to be reached in another way.
const (
	reasonFailed     = report.Failed // by every channel of the service
	reasonRejected   = "rejected"    // the NHS App has nobody with the number
	reasonUnnotified = "unnotified"  // the push failed
	reasonUnread     = "unread"      // not read in time
)

// FallbackSummary counts the messages in a fallback list, and those left out of it.
type FallbackSummary struct {
	File     string           `json:"file"`
	Messages map[string]int64 `json:"messages"`            // by reason
	Record   int64            `json:"left_out_record"`     // failed before any channel: the person's record forbids a message
	Listed   int64            `json:"left_out_suppressed"` // a suppression list has named the person since
	InDoubt  int64            `json:"left_out_in_doubt"`   // the person may have been reached
}

func (f *FallbackSummary) print(w io.Writer) {
	var words []string
	for _, reason := range []string{reasonFailed, reasonRejected, reasonUnnotified, reasonUnread} {
		if n := f.Messages[reason]; n > 0 {
			words = append(words, fmt.Sprintf("%d %s", n, reason))
		}
	}
	fmt.Fprintf(w, "fallback %s: %s\n", f.File, cmp.Or(strings.Join(words, ", "), "nobody"))
	printCounts(w, []counted{
		{f.Record, "left out: %d that failed before any channel was tried. The person's record forbids messages, as it does for people who have died"},
		{f.Listed, "left out: %d with people that a suppression list has named since"},
		{f.InDoubt, "left out: %d in doubt, with people who may have been reached"},
	})
}

// FallbackHeader is the header line of the list.
const FallbackHeader = "row,message_reference,reason,failure_code"

// FallbackRule decides which messages are listed.
type FallbackRule struct {
	App    bool          // the messages are in the NHS App, which reports whether they were read
	Unread time.Duration // the time that a message in the app may stay unread
	Now    time.Time
}

// reason is the reason for reaching the person of a message in another way; empty: none yet. A
// message that the NHS App rejected or did not notify has one at once. Any other has one when it
// stays unread for too long.
func (r FallbackRule) reason(m *Message) string {
	f := m.Fact
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

// Take counts a message, and returns its reason; empty: it is not listed.
func (f *FallbackSummary) Take(rule FallbackRule, m *Message) string {
	reason := rule.reason(m)
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
