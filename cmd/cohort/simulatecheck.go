package main

import (
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"

	"github.com/zeebo/xxh3"

	"cohort/engine/refusal"
	"cohort/engine/report"
	"cohort/ingest/person"
	"cohort/sinks/simulator"
)

// ledgerCheck holds the report of a run against the ledger of the simulator that it was sent
// to. It takes nine bytes a record of the report, eight more a message of the ledger, and the
// table.
type ledgerCheck struct {
	out     io.Writer
	table   *rowTable
	times   []uint8  // how often the ledger has a record's message, by row - 1
	ids     []uint32 // of the message's id, a hash
	numbers []uint32 // of the NHS number, a hash
	people  []uint64 // whom the ledger has for this run: a hash of the NHS number

	strangers int64 // messages of the ledger that are none of the report's
	same      int64 // accepted under the same id
	otherID   int64 // and under another one
	unknown   int64 // whose id the report does not know
	either    int64 // in doubt, and in the ledger
	fates     map[person.Fate]int64
	differ    int64
}

// mostDifferences is how many rows are named.
const mostDifferences = 20

// checkLedger is simulate --check. An error of its own means that they differ.
func checkLedger(out io.Writer, path, state string, seed uint64) error {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, reportFile)
	}
	f, err := report.OpenReport(path)
	if err != nil {
		return refusal.New("the report cannot be read: %w", err)
	}
	defer func() { _ = f.Close() }()
	n := f.Records
	c := &ledgerCheck{out: out, table: newRowTable(f.Run, n), times: make([]uint8, n), ids: make([]uint32, n), numbers: make([]uint32, n), fates: map[person.Fate]int64{}}
	if err := c.ledger(simulator.ReadState(state, seed)); err != nil {
		return refusal.New("the simulator's state cannot be read: %w", err)
	}
	if err := c.report(f.Outcomes()); err != nil {
		return refusal.New("the report cannot be read: %w", err)
	}
	if len(c.people) == 0 && c.fates[person.Accepted] > 0 {
		return refusal.New("the simulator's state has no message of run %s: it is another simulator's, or the run was sent elsewhere", f.Run.Short())
	}
	c.print(f)
	switch {
	case c.differ == 0:
		return nil
	case c.otherID > 0 && c.same == 0:
		return fmt.Errorf("the ledger and the report differ in %d places; every id is another one: was the simulator started with another --seed?", c.differ)
	}
	return fmt.Errorf("the ledger and the report differ in %d places", c.differ)
}

// ledger reads what the simulator has accepted.
func (c *ledgerCheck) ledger(accepted iter.Seq2[simulator.Accepted, error]) error {
	for a, err := range accepted {
		if err != nil {
			return err
		}
		row, ours := c.table.row(a.MessageReference)
		if !ours {
			c.strangers++
			continue
		}
		i := row - 1
		c.times[i] += min(1, 255-c.times[i])
		c.ids[i], c.numbers[i] = shortHash(a.MessageID), shortHash(a.NHSNumber)
		c.people = append(c.people, xxh3.HashString(a.NHSNumber))
	}
	return nil
}

// report compares each record.
func (c *ledgerCheck) report(outcomes iter.Seq2[report.Outcome, error]) error {
	for o, err := range outcomes {
		if err != nil {
			return err
		}
		i := o.Row - 1
		if i < 0 || i >= int64(len(c.times)) {
			return fmt.Errorf("there is a row %d among %d", o.Row, len(c.times))
		}
		c.fates[o.Fate]++
		switch times := c.times[i]; {
		case times > 1:
			c.differs(o.Row, fmt.Sprintf("is %s, and the ledger has it %d times", o.Fate, times))
		case o.Fate == person.InDoubt:
			c.either += int64(times)
		case o.Fate != person.Accepted && times > 0:
			c.differs(o.Row, fmt.Sprintf("is %s, and the ledger has it", o.Fate))
		case o.Fate != person.Accepted:
		case times == 0:
			c.differs(o.Row, "is accepted, and the ledger does not have it")
		case shortHash(o.NHSNumber) != c.numbers[i]:
			c.differs(o.Row, "is accepted, and the ledger has it for another person")
		case o.MessageID == "":
			c.unknown++
		case shortHash(o.MessageID) != c.ids[i]:
			c.otherID++
			c.differs(o.Row, "is accepted under another id than the ledger's")
		default:
			c.same++
		}
	}
	slices.Sort(c.people)
	for i := 1; i < len(c.people); i++ {
		if c.people[i] == c.people[i-1] {
			c.differ++
			fmt.Fprintln(c.out, "a person was accepted twice in this run")
		}
	}
	return nil
}

// differs names a row.
func (c *ledgerCheck) differs(row int64, words string) {
	if c.differ++; c.differ <= mostDifferences {
		fmt.Fprintf(c.out, "row %d %s\n", row, words)
	}
}

func (c *ledgerCheck) print(f *report.File) {
	if c.differ > mostDifferences {
		fmt.Fprintf(c.out, "and so on: %d differences\n", c.differ)
	}
	records := int64(0)
	for _, fate := range person.Fates {
		records += c.fates[fate]
		words := "none may be in the ledger"
		switch fate {
		case person.Accepted:
			words = fmt.Sprintf("each must be in the ledger once: %d under the same id, %d whose id the report does not know", c.same, c.unknown)
		case person.InDoubt:
			words = fmt.Sprintf("of which the ledger has %d", c.either)
		}
		fmt.Fprintf(c.out, "  %-12s %10d  %s\n", fate, c.fates[fate], words)
	}
	fmt.Fprintf(c.out, "report   %d records, run %s\nledger   %d messages of this run, and %d others\n", records, f.Run.Short(), len(c.people), c.strangers)
	if !f.Complete {
		fmt.Fprintln(c.out, "the report is not complete: it says how things stood when it was written")
	}
	if c.differ == 0 {
		fmt.Fprintln(c.out, "they agree")
	}
}
