package simulator

import (
	"fmt"
	"hash/maphash"
	"io"
	"iter"
	"slices"

	"cohort/sinks/simulator/ledger"
)

// Report is the report of a run, as the sender writes it. Its fates are the sender's words.
type Report struct {
	Run      string // in a few characters
	Records  int64
	Complete bool     // the run has ended
	Fates    []string // in the order of the summary
	Outcomes iter.Seq2[Outcome, error]

	Row func(messageReference string) (row int64, ours bool) // from 1
}

// Outcome is one record of a report.
type Outcome struct {
	Row                        int64
	Fate, NHSNumber, MessageID string
}

const (
	accepted = "accepted" // fate: the ledger must hold the message once
	inDoubt  = "in_doubt" // fate: the ledger may hold the message once
)

// A DifferError says that a report and a ledger differ.
type DifferError struct {
	Places    int64
	OtherSeed bool // every id differs
}

func (e *DifferError) Error() string {
	if e.OtherSeed {
		return fmt.Sprintf("the ledger and the report differ in %d places; every message id differs: "+
			"start --check with the --seed of the simulator", e.Places)
	}
	return fmt.Sprintf("the ledger and the report differ in %d places", e.Places)
}

// Check compares the report of a run with the State file of the simulator that served it, and
// writes the differences and a summary. It names rows and never people. When they differ, the
// error is a *DifferError. It takes nine bytes for each record of the report, and eight for
// each message of the ledger.
func Check(out io.Writer, report Report, state string, seed uint64) error {
	c := newCheck(out, report)
	if err := c.readLedger(ledger.ReadState(state, seed)); err != nil {
		return fmt.Errorf("the simulator's state cannot be read: %w", err)
	}
	if err := c.compare(); err != nil {
		return fmt.Errorf("the report cannot be read: %w", err)
	}
	if len(c.people) == 0 && c.fates[accepted] > 0 {
		return fmt.Errorf("the simulator's state has no message of run %s; "+
			"name the --state file of the simulator that the run was sent to", report.Run)
	}
	c.print()
	if c.differ > 0 {
		return &DifferError{Places: c.differ, OtherSeed: c.otherID > 0 && c.same == 0}
	}
	return nil
}

type check struct {
	out    io.Writer
	report Report
	hash   maphash.Seed

	times   []uint8  // acceptances of a record's message, by row - 1
	ids     []uint32 // of the message's id, a hash
	numbers []uint32 // of the NHS number, a hash
	people  []uint64 // a hash of each NHS number in the ledger, for this run

	others  int64 // messages of other runs in the ledger
	same    int64 // accepted under the same id
	otherID int64 // accepted under another id
	unknown int64 // accepted, without an id in the report
	doubted int64 // in doubt, and in the ledger
	fates   map[string]int64
	differ  int64
}

func newCheck(out io.Writer, r Report) *check {
	return &check{
		out: out, report: r, hash: maphash.MakeSeed(), fates: map[string]int64{},
		times: make([]uint8, r.Records), ids: make([]uint32, r.Records), numbers: make([]uint32, r.Records),
	}
}

func (c *check) short(text string) uint32 { return uint32(maphash.String(c.hash, text)) }

func (c *check) readLedger(messages iter.Seq2[ledger.Accepted, error]) error {
	for a, err := range messages {
		if err != nil {
			return err
		}
		row, ours := c.report.Row(a.MessageReference)
		if !ours {
			c.others++
			continue
		}
		i := row - 1
		c.times[i] += min(1, 255-c.times[i])
		c.ids[i], c.numbers[i] = c.short(a.MessageID), c.short(a.NHSNumber)
		c.people = append(c.people, maphash.String(c.hash, a.NHSNumber))
	}
	return nil
}

func (c *check) compare() error {
	for o, err := range c.report.Outcomes {
		if err != nil {
			return err
		}
		i := o.Row - 1
		if i < 0 || i >= int64(len(c.times)) {
			return fmt.Errorf("it has a row %d, but only %d records", o.Row, len(c.times))
		}
		c.fates[o.Fate]++
		switch times := c.times[i]; {
		case times > 1:
			c.differs(o.Row, fmt.Sprintf("is %s, and the ledger has it %d times", o.Fate, times))
		case o.Fate == inDoubt:
			c.doubted += int64(times)
		case o.Fate != accepted && times > 0:
			c.differs(o.Row, fmt.Sprintf("is %s, and the ledger has it", o.Fate))
		case o.Fate != accepted:
		case times == 0:
			c.differs(o.Row, "is accepted, and the ledger does not have it")
		case c.short(o.NHSNumber) != c.numbers[i]:
			c.differs(o.Row, "is accepted, and the ledger has it for another person")
		case o.MessageID == "":
			c.unknown++
		case c.short(o.MessageID) != c.ids[i]:
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

const mostNamed = 20

func (c *check) differs(row int64, words string) {
	if c.differ++; c.differ <= mostNamed {
		fmt.Fprintf(c.out, "row %d %s\n", row, words)
	}
}

func (c *check) print() {
	if c.differ > mostNamed {
		fmt.Fprintf(c.out, "%d differences in all\n", c.differ)
	}
	records := int64(0)
	for _, fate := range c.report.Fates {
		records += c.fates[fate]
		words := "none may be in the ledger"
		switch fate {
		case accepted:
			words = fmt.Sprintf("each must be in the ledger once: %d under the same id, %d without an id in the report",
				c.same, c.unknown)
		case inDoubt:
			words = fmt.Sprintf("the ledger has %d of them", c.doubted)
		}
		fmt.Fprintf(c.out, "  %-12s %10d  %s\n", fate, c.fates[fate], words)
	}
	fmt.Fprintf(c.out, "report   %d records, run %s\n", records, c.report.Run)
	fmt.Fprintf(c.out, "ledger   %d messages of this run, and %d others\n", len(c.people), c.others)
	if !c.report.Complete {
		fmt.Fprintln(c.out, "the report is not complete: the run had not ended when it was written")
	}
	if c.differ == 0 {
		fmt.Fprintln(c.out, "they agree")
	}
}
