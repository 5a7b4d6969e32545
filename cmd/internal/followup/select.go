package followup

import (
	"cmp"
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"time"

	"cohort/ingest/person"
)

// Selection has the people due, and counts the others.
type Selection struct {
	Due     int64             `json:"due"`
	LeftOut map[Verdict]int64 `json:"left_out"` // by verdict, or by the fate in the parent
	Next    time.Time         `json:"next_due,omitzero"`

	Accepted int64 `json:"accepted"`  // messages of the parent
	WithNews int64 `json:"with_news"` // those with any event

	rows rows // of the people due
}

// Select finds the people who are due at now, and are not in taken. It writes them to out as a cohort file: the
// NHS number and the columns, in the order of the parent's rows. cohort has the columns that the spool does not have.
// day is the day of the messages, such as 20270131.
// Its memory does not grow with the number of people, but by a bit for each record.
func (p *Parent) Select(
	ctx context.Context, a *Ask, taken rows, columns []string, cohort Cohort, now time.Time, day int64, out io.Writer,
) (*Selection, error) {
	s := &selecting{
		Selection: Selection{LeftOut: map[Verdict]int64{}, rows: newRows(p.Plan.Records)},
		ask:       a, taken: taken, now: now, day: day, last: slices.Index(columns, a.Rule.NotAfter), columns: len(columns),
	}
	write := csv.NewWriter(out)
	if err := write.Write(append([]string{"nhs_number"}, columns...)); err != nil {
		return nil, err
	}
	err := p.each(ctx, columns, cohort, s.take, func() error {
		slices.SortFunc(s.block, func(a, b due) int { return cmp.Compare(a.row, b.row) })
		for _, d := range s.block {
			if err := write.Write(d.values); err != nil {
				return err
			}
		}
		s.block = s.block[:0]
		return nil
	})
	write.Flush()
	return &s.Selection, cmp.Or(err, write.Error())
}

type selecting struct {
	Selection
	ask     *Ask
	taken   rows
	now     time.Time
	day     int64
	columns int
	last    int // the column with the last day; -1: none
	block   []due
}

type due struct {
	row    int64
	values []string
}

func (s *selecting) take(r *record) error {
	if r.outcome.Fate == person.Accepted {
		s.Accepted++
		if r.state != nil {
			s.WithNews++
		}
	}
	v, at := s.ask.judge(r, s.now)
	if (v == Due || v == NotYet) && s.ask.Rule.NotAfter != "" {
		if late := lastDay(r.value(s.last), s.day); late != Due {
			v = late
		}
	}
	switch {
	case (v == Due || v == NotYet) && s.taken.has(r.row):
		v = Taken
	case v == NotYet && (s.Next.IsZero() || at.Before(s.Next)):
		s.Next = at
	}
	if v != Due {
		s.LeftOut[v]++
		return nil
	}
	values := []string{r.number.Digits()}
	for i := range s.columns {
		values = append(values, r.value(i))
	}
	s.block = append(s.block, due{r.row, values})
	s.rows.add(r.row)
	s.Due++
	return nil
}

// Print prints the counts.
func (s *Selection) Print(w io.Writer) {
	fmt.Fprintf(w, "  %-20s %12d\n", "due", s.Due)
	for _, v := range Words {
		if n := s.LeftOut[v.Verdict]; n > 0 {
			fmt.Fprintf(w, "  %-20s %12d  %s\n", v.Verdict, n, v.Words)
		}
	}
	fmt.Fprintf(w, "  the service has told of %d of %d accepted messages\n", s.WithNews, s.Accepted)
}

// Known reports whether enough is known of the parent's messages for anybody to be due.
func (s *Selection) Known(a *Ask) bool {
	return len(a.Rule.Unless) == 0 || float64(s.WithNews) >= a.Rule.Known*float64(s.Accepted)
}

// rows is a set of rows of a cohort file: a bit for each.
type rows []byte

func newRows(records int64) rows { return make(rows, records/8+1) }

func (r rows) add(row int64)      { r[row/8] |= 1 << (row % 8) }
func (r rows) has(row int64) bool { return r[row/8]&(1<<(row%8)) != 0 }

func (r rows) union(other rows) {
	for i, b := range other {
		r[i] |= b
	}
}
