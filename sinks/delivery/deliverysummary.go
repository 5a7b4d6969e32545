package delivery

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"cohort/engine/ledger"
	"cohort/ingest/person"
)

// deliverySummary is what is known of a run's messages; with --json it is what is printed.
type Summary struct {
	RunID      string                `json:"run_id"`
	Folder     string                `json:"folder"`
	Fates      map[person.Fate]int64 `json:"fates"`
	Statuses   map[string]int64      `json:"statuses"`                  // messages by what is known of them
	Nothing    int64                 `json:"nothing_known"`             // of the messages that were accepted
	Asked      *int64                `json:"asked,omitempty"`           // messages of which the service told now
	Unanswered int64                 `json:"unanswered,omitempty"`      // and those of which it did not
	WithoutID  int64                 `json:"without_id,omitempty"`      // accepted under an id that nobody knows
	Left       int64                 `json:"left,omitempty"`            // messages that the sweep has not come to
	Twice      int64                 `json:"taken_twice,omitempty"`     // messages that the service has under two ids
	Taken      int64                 `json:"rows_of_refused,omitempty"` // rows of daily reports about messages of an upload that was refused
	Unsent     int64                 `json:"rows_of_unsent,omitempty"`  // rows of daily reports about records that were never uploaded
	Strangers  int64                 `json:"rows_of_others,omitempty"`  // rows of daily reports about messages that this run did not send
	File       string                `json:"file"`
	Fallback   *FallbackSummary      `json:"fallback,omitempty"`
}

func (d *Facts) Summary(account ledger.Account, statuses map[string]int64) *Summary {
	s := &Summary{RunID: d.Plan.RunID, Folder: d.Folder.Path, Fates: map[person.Fate]int64{}, Statuses: statuses, Nothing: account.Fates[person.Accepted], File: d.Folder.File(FactsFile)}
	for _, fate := range person.Fates {
		s.Fates[fate] = account.Fates[fate]
	}
	for _, n := range statuses {
		s.Nothing = max(0, s.Nothing-n)
	}
	return s
}

// print prints it for people, or for programs.
func (s *Summary) Print(w io.Writer, asJSON bool) error {
	if asJSON {
		out := json.NewEncoder(w)
		out.SetIndent("", "  ")
		return out.Encode(s)
	}
	fmt.Fprintf(w, "\nwhat is known of the %d messages that were accepted\n", s.Fates[person.Accepted])
	names := make([]string, 0, len(s.Statuses))
	for name := range s.Statuses {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		if s.Statuses[a] != s.Statuses[b] {
			return int(s.Statuses[b] - s.Statuses[a])
		}
		return strings.Compare(a, b)
	})
	for _, name := range names {
		words := name
		if name == "" {
			words = "other"
		}
		fmt.Fprintf(w, "    %-22s %10d\n", words, s.Statuses[name])
	}
	fmt.Fprintf(w, "    %-22s %10d\n", "nothing", s.Nothing)
	if s.WithoutID > 0 {
		fmt.Fprintf(w, "  of %d the service's id is not known, since the answer with it was lost: nobody can ask for them\n", s.WithoutID)
	}
	if s.Twice > 0 {
		fmt.Fprintf(w, "  %d MESSAGES WERE TAKEN TWICE: the service has them under two ids each, and their people got both\n", s.Twice)
	}
	if s.Taken > 0 {
		fmt.Fprintf(w, "  %d ROWS OF THE REPORTS ARE ABOUT MESSAGES OF AN UPLOAD THAT THE SERVICE HAS REFUSED: they may have reached people, and nobody of that upload is sent to again; ask NHS Notify what became of it\n", s.Taken)
	}
	if s.Unsent > 0 {
		fmt.Fprintf(w, "  %d ROWS OF THE REPORTS ARE ABOUT RECORDS THAT WERE NEVER UPLOADED by this run: find out who has sent to them\n", s.Unsent)
	}
	if s.Strangers > 0 {
		fmt.Fprintf(w, "  %d rows of the reports are about messages of others\n", s.Strangers)
	}
	fmt.Fprintf(w, "delivery %s\n", s.File)
	if s.Fallback != nil {
		s.Fallback.print(w)
	}
	return nil
}
