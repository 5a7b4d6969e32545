package delivery

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"cohort/engine/ledger"
	"cohort/ingest/person"
)

// Summary counts what is known of a run's messages. It is the output of --json.
type Summary struct {
	RunID      string                `json:"run_id"`
	Folder     string                `json:"folder"`
	Fates      map[person.Fate]int64 `json:"fates"`
	Statuses   map[string]int64      `json:"statuses"`                  // messages by status
	Nothing    int64                 `json:"nothing_known"`             // accepted messages without a fact
	Asked      *int64                `json:"asked,omitempty"`           // messages about which the service answered now
	Unanswered int64                 `json:"unanswered,omitempty"`      // messages about which it did not
	WithoutID  int64                 `json:"without_id,omitempty"`      // accepted, and the service's id is not known
	Left       int64                 `json:"left,omitempty"`            // messages that were not asked about yet
	Twice      int64                 `json:"taken_twice,omitempty"`     // messages that the service has under two ids
	Taken      int64                 `json:"rows_of_refused,omitempty"` // rows of daily reports about messages of an upload that was refused
	Unsent     int64                 `json:"rows_of_unsent,omitempty"`  // rows of daily reports about records that were never uploaded
	Strangers  int64                 `json:"rows_of_others,omitempty"`  // rows of daily reports about messages that this run did not send
	File       string                `json:"file"`
	Fallback   *FallbackSummary      `json:"fallback,omitempty"`
}

// Summary makes the summary of a run with this account and these facts by status.
func (d *Facts) Summary(account ledger.Account, statuses map[string]int64) *Summary {
	s := &Summary{
		RunID: d.Plan.RunID, Folder: d.Dir, File: d.Path(),
		Fates: map[person.Fate]int64{}, Statuses: statuses, Nothing: account.Fates[person.Accepted],
	}
	for _, fate := range person.Fates {
		s.Fates[fate] = account.Fates[fate]
	}
	for _, n := range statuses {
		s.Nothing = max(0, s.Nothing-n)
	}
	return s
}

// Print prints the summary for people, or for programs.
func (s *Summary) Print(w io.Writer, asJSON bool) error {
	if asJSON {
		out := json.NewEncoder(w)
		out.SetIndent("", "  ")
		return out.Encode(s)
	}
	fmt.Fprintf(w, "\nwhat is known of the %d messages that were accepted\n", s.Fates[person.Accepted])
	names := slices.SortedFunc(maps.Keys(s.Statuses), func(a, b string) int {
		return cmp.Or(cmp.Compare(s.Statuses[b], s.Statuses[a]), strings.Compare(a, b))
	})
	for _, name := range names {
		fmt.Fprintf(w, "    %-22s %10d\n", cmp.Or(name, "other"), s.Statuses[name])
	}
	fmt.Fprintf(w, "    %-22s %10d\n", "nothing", s.Nothing)
	printCounts(w, []counted{
		{s.WithoutID, "%d cannot be asked about: the answer with the service's id was lost"},
		{s.Twice, "%d MESSAGES WERE TAKEN TWICE: the service has two ids for each, and their people got both"},
		{s.Taken, "%d ROWS OF THE REPORTS ARE ABOUT MESSAGES OF A REFUSED UPLOAD: they may have reached people, and nobody of that upload is sent to again; ask NHS Notify what became of it"},
		{s.Unsent, "%d ROWS OF THE REPORTS ARE ABOUT RECORDS THAT WERE NEVER UPLOADED by this run: find out who sent to them"},
		{s.Strangers, "%d rows of the reports are about messages of others"},
	})
	fmt.Fprintf(w, "delivery %s\n", s.File)
	if s.Fallback != nil {
		s.Fallback.print(w)
	}
	return nil
}

type counted struct {
	n     int64
	words string
}

func printCounts(w io.Writer, all []counted) {
	for _, c := range all {
		if c.n > 0 {
			fmt.Fprintf(w, "  "+c.words+"\n", c.n)
		}
	}
}
