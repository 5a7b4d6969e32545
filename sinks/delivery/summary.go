package delivery

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"cohort/engine/delivery"
	"cohort/engine/ledger"
	"cohort/ingest/person"
)

// Summary counts what is known of a run's messages. It is the output of --json.
type Summary struct {
	RunID        string                `json:"run_id"`
	Folder       string                `json:"folder"`
	Fates        map[person.Fate]int64 `json:"fates"`
	Statuses     map[string]int64      `json:"statuses"`               // accepted messages by status
	DeliveredBy  map[string]int64      `json:"delivered_by"`           // by the channel that delivered first
	Read         int64                 `json:"read"`                   // accepted messages, read in the NHS App
	Nothing      int64                 `json:"nothing_known"`          // accepted messages without any event
	Contradicted int                   `json:"contradicted,omitempty"` // people with an event, and not sent to by the account
	Twice        int64                 `json:"taken_twice,omitempty"`  // messages that the service has under two ids
	Asked        *int64                `json:"asked,omitempty"`        // messages about which the service answered now
	Unanswered   int64                 `json:"unanswered,omitempty"`   // messages about which it did not
	WithoutID    int64                 `json:"without_id,omitempty"`   // accepted, and the service's id is not known
	Left         int64                 `json:"left,omitempty"`         // messages that were not asked about yet
	Unreadable   string                `json:"callbacks_unreadable,omitempty"`
	Strangers    int64                 `json:"rows_of_others,omitempty"` // rows of daily reports about messages that this run did not send
	Sample       *Sample               `json:"sample,omitempty"`
	Fallback     *Fallback             `json:"fallback,omitempty"`
}

// Fallback is a list of people who are to be reached in another way.
type Fallback struct {
	File   string           `json:"file"`
	Listed map[string]int64 `json:"listed"`   // people by reason
	Left   map[string]int64 `json:"left_out"` // people who were not reached either, and must not be written to
}

// Summary makes the summary of a run with this account.
func (r *Run) Summary(folded *ledger.Ledger, states *delivery.Sorter) (*Summary, error) {
	account := folded.Account()
	s := &Summary{
		RunID: r.Plan.RunID, Folder: r.Dir, Contradicted: folded.CountContradicted(),
		Fates: map[person.Fate]int64{}, Statuses: map[string]int64{}, DeliveredBy: map[string]int64{},
	}
	for _, fate := range person.Fates {
		s.Fates[fate] = account.Fates[fate]
	}
	for m, err := range r.Known(states) {
		if err != nil {
			return nil, err
		}
		s.add(&m)
	}
	return s, nil
}

func (s *Summary) add(m *Message) {
	if m.isTwice() {
		s.Twice++
	}
	switch state := m.State; {
	case m.Fate != person.Accepted:
	case state == nil:
		s.Nothing++
	default:
		status := state.Status
		if status == "" && state.Delivered {
			status = delivery.Delivered // by a channel
		}
		s.Statuses[cmp.Or(status, "other")]++
		if state.DeliveredChannel != "" {
			s.DeliveredBy[state.DeliveredChannel]++
		}
		if state.Read {
			s.Read++
		}
	}
}

// Print prints the summary for people, or for programs.
func (s *Summary) Print(w io.Writer, asJSON bool) error {
	if asJSON {
		out := json.NewEncoder(w)
		out.SetIndent("", "  ")
		return out.Encode(s)
	}
	if s.Sample != nil {
		s.Sample.print(w)
	}
	fmt.Fprintf(w, "\nwhat is known of the %d messages that were accepted\n", s.Fates[person.Accepted])
	for _, status := range mostFirst(s.Statuses) {
		fmt.Fprintf(w, "    %-22s %10d\n", status, s.Statuses[status])
	}
	fmt.Fprintf(w, "    %-22s %10d\n", "nothing", s.Nothing)
	if len(s.DeliveredBy) > 0 {
		fmt.Fprintf(w, "delivered by %s\n", inWords(s.DeliveredBy))
	}
	for _, c := range []struct {
		n     int64
		words string
	}{
		{s.Read, "%d were read in the NHS App"},
		{s.WithoutID, "%d cannot be asked about: the answer with the service's id was lost"},
		{s.Twice, "%d MESSAGES WERE TAKEN TWICE: the service has two ids for each, and their people got both"},
		{int64(s.Contradicted), "%d PEOPLE ARE CONTRADICTED: the service tells of their messages, " +
			"and this run has them as not sent to; cohort status says what to do"},
		{s.Strangers, "%d rows of the reports are about messages of others"},
	} {
		if c.n > 0 {
			fmt.Fprintf(w, "  "+c.words+"\n", c.n)
		}
	}
	if s.Unreadable != "" {
		fmt.Fprintf(w, "  CALLBACKS ARE MISSING, because they cannot be read: %s\n", s.Unreadable)
	}
	if f := s.Fallback; f != nil {
		fmt.Fprintf(w, "fallback %s: %s\n", f.File, cmp.Or(inWords(f.Listed), "nobody"))
		if len(f.Left) > 0 {
			fmt.Fprintf(w, "  not reached either, and left out: %s\n", inWords(f.Left))
		}
		if n := f.Left[delivery.NoNews]; n > 0 {
			fmt.Fprintf(w, "  unknown: of %d messages there is no receipt, so nobody knows whether they were read; see docs/callbacks.md\n", n)
		}
	}
	return nil
}

// mostFirst returns the names with a count, the highest count first.
func mostFirst(counts map[string]int64) []string {
	return slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), strings.Compare(a, b))
	})
}

// inWords writes counts as in "7 sms, 2 letter".
func inWords(counts map[string]int64) string {
	var words []string
	for _, name := range mostFirst(counts) {
		words = append(words, fmt.Sprintf("%d %s", counts[name], name))
	}
	return strings.Join(words, ", ")
}
