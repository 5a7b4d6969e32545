package report_test

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/apache/arrow/go/v15/arrow"

	"cohort/engine"
	"cohort/engine/delivery"
	"cohort/engine/report"
	"cohort/ingest/person"
)

func (*source) Keep() []string { return nil }

// keeping is a source of records with two kept columns: one with few values, and one with a value for each person.
type keeping struct{ *source }

func (keeping) Keep() []string { return []string{"icb", "Reason"} }

func icbOf(row int64) string {
	if row%5 == 0 {
		return ""
	}
	return fmt.Sprintf("Q%d", row%7)
}

func townOf(row int64) string { return fmt.Sprintf("town é %d", row) }

func (k keeping) Below(end int64, valid func(*person.Stretch) error, invalid func(*person.Record) error) error {
	return k.source.Below(end, func(s *person.Stretch) error {
		s.Kept = []func(int) string{func(i int) string { return icbOf(s.Rows[i]) }, func(i int) string { return townOf(s.Rows[i]) }}
		return valid(s)
	}, invalid)
}

// stateOf makes up what the service said about the message of a row.
func stateOf(row int64) (s delivery.State, known bool) {
	switch row % 4 {
	case 0:
		s = delivery.State{Status: delivery.Delivered, Delivered: true, Read: row%8 == 0}
	case 1:
		s = delivery.State{Status: delivery.Failed}
	case 2:
		s = delivery.State{Status: "sending"}
	}
	return s, row%4 < 3
}

func statesOf(c *cohort) iter.Seq2[delivery.Sorted, error] {
	return func(yield func(delivery.Sorted, error) bool) {
		for _, r := range c.records {
			if s, known := stateOf(r.Row); known && r.Fate == "" && !yield(delivery.Sorted{Row: r.Row, State: s}, nil) {
				return
			}
		}
	}
}

func TestKeptColumnsAreInTheReportAndGroupIt(t *testing.T) {
	c := newCohort()
	s := &service{pattern: map[engine.Reference]int{}, messages: map[string]*known{}}
	path := filepath.Join(t.TempDir(), "report.parquet")
	groups := report.Groups{Column: "icb"}
	var figures report.Figures
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		in := send(t, dir, c, s)
		in.Records = keeping{&source{records: c.records}}
		must(t, writeFile(path, in))

		in = input(t, dir, in.Plan, c, in.Account)
		in.Records, in.States, in.AsOf = keeping{&source{records: c.records}}, statesOf(c), time.Now()
		must(t, report.Write(in, report.By(&groups), report.Sum(&figures, time.Time{})))

		in.Records, in.States = keeping{&source{records: c.records}}, nil
		if err := report.Write(in, report.Parquet(io.Discard), report.By(&report.Groups{Column: "Reason"})); !errors.Is(err, report.ErrManyGroups) {
			t.Errorf("a value for each person: %v", err)
		}
	})
	readBack(t, path, func(table arrow.Table, _ map[string]string) {
		icbs, _ := column(t, table, "icb")
		towns, _ := column(t, table, "kept_Reason")
		for i, r := range c.records {
			icb, town := icbOf(r.Row), townOf(r.Row)
			if r.Fate == person.Invalid {
				icb, town = "", ""
			}
			if icbs[i] != icb || towns[i] != town {
				t.Fatalf("row %d (%s) has %q and %q, want %q and %q", r.Row, r.Fate, icbs[i], towns[i], icb, town)
			}
		}
		if fields := table.Schema().Fields(); fields[len(fields)-2].Name != "icb" || fields[len(fields)-1].Name != "kept_Reason" {
			t.Errorf("the columns are %v", table.Schema())
		}
	})

	want := map[string]map[string]int64{"": {}}
	for _, r := range c.records {
		value := icbOf(r.Row)
		if r.Fate == person.Invalid {
			value = ""
		}
		n := want[value]
		if n == nil {
			n = map[string]int64{}
			want[value] = n
		}
		fate := r.Fate
		if k := s.messages[reference(r.Row)]; fate == "" && k != nil {
			fate = k.fate
		} else if fate == "" {
			fate = person.NotSent
		}
		n["records"]++
		n[string(fate)]++
		if state, known := stateOf(r.Row); fate == person.Accepted && !(known && (state.Delivered || state.Read || state.Status == delivery.Failed)) {
			n["not_known"]++
		} else if fate == person.Accepted {
			for name, is := range map[string]bool{"delivered": state.Delivered, "read": state.Read, "failed": state.Status == delivery.Failed} {
				if is {
					n[name]++
				}
			}
		}
	}
	if len(groups.Groups) != len(want) {
		t.Errorf("there are %d groups, want %d", len(groups.Groups), len(want))
	}
	for _, g := range groups.Groups {
		value := ""
		if g.Value != nil {
			value = *g.Value
		}
		got := g.Counts
		for name, n := range got {
			if n != (report.Count{N: want[value][name]}) {
				t.Errorf("group %q: %s %v, want %d", value, name, n, want[value][name])
			}
		}
	}
	checkFigures(t, &figures, want)
	if groups.Total.Counts["records"] != (report.Count{N: rows}) {
		t.Errorf("the total is %v", groups.Total)
	}
}

// checkFigures compares figures with counts by value and fate.
func checkFigures(t *testing.T, f *report.Figures, want map[string]map[string]int64) {
	t.Helper()
	all := map[string]int64{}
	for value, n := range want {
		for name, n := range n {
			all[name] += n
		}
		for name, got := range report.Counts(true, f.Groups[0].Values[value]) {
			if got != (report.Count{N: n[name]}) {
				t.Errorf("figures of %q: %s %v, want %v", value, name, got, n)
			}
		}
	}
	for _, fate := range person.Fates {
		because := int64(0)
		for r, n := range f.Reasons {
			if r.Fate == fate {
				because += n
			}
		}
		if n := all[string(fate)]; f.Fates[fate] != n || fate != person.Accepted && because != n {
			t.Errorf("figures have %d as %s, %d with a reason, want %d", f.Fates[fate], fate, because, n)
		}
	}
	sent, open := int64(0), int64(0)
	for _, n := range f.Sent {
		sent += n
	}
	for _, n := range f.Open {
		open += n
	}
	delivered, failed := f.Reached[""]+f.Reached["nhsapp"], f.Failed[report.Failure{}]
	if f.Records != rows || delivered != all["delivered"] || failed != all["failed"] || delivered+failed+open != all["accepted"] || delivered == 0 || failed == 0 {
		t.Errorf("figures: %+v, want %v", f, all)
	}
	if sent == 0 || sent > all["accepted"] || f.First.After(f.Last) {
		t.Errorf("%d of %d have a time, from %s to %s", sent, all["accepted"], f.First, f.Last)
	}
}

func reference(row int64) string {
	r := run.References().Message(row)
	return r.String()
}
