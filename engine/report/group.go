package report

import (
	"fmt"
	"math"
	"slices"

	"cohort/engine/delivery"
	"cohort/engine/ledger"
	"cohort/engine/outcome"
	"cohort/ingest/person"
)

// rowsInGroup bounds the memory, because at most mostAtOnce groups exist at a time.
const rowsInGroup = 1 << 14

// group has the records of one row group, by row. Records arrive shard by shard.
type group struct {
	rows       []int64
	outcomes   []uint16 // by index into told; 0: there is no record yet
	lines      []int64
	numbers    []uint64 // noNumber: found has the invalid text
	found      []string
	references []string
	files      []uint16
	shards     []uint16 // the number of lanes: the record is in no shard
	ids        [][]byte
	states     []uint16   // by index into known; 0: the service has said nothing
	kept       [][]string // by column to keep: the values

	known    []delivery.State          // of messages
	told     []told                    // the different outcomes
	lanes    []laneTold                // by lane: the latest outcome. Neighbouring records mostly share it
	verdicts map[person.Verdict]uint16 // the outcomes of records that were never to be sent
}

type told struct {
	outcome.Message
	planned  bool // it was to be sent, so it has a message reference
	template string
	fate     int // index into person.Fates
}

type laneTold struct {
	message *outcome.Message
	of      uint16 // index into told
}

const noNumber = math.MaxUint64

func (g *group) begin(first int64, n, lanes, keep int) {
	if g.lines == nil {
		*g = group{
			rows: make([]int64, n), outcomes: make([]uint16, n), lines: make([]int64, n), numbers: make([]uint64, n), found: make([]string, n),
			references: make([]string, n), files: make([]uint16, n), shards: make([]uint16, n), ids: make([][]byte, n), states: make([]uint16, n),
			kept: make([][]string, keep), lanes: make([]laneTold, lanes), verdicts: map[person.Verdict]uint16{},
		}
	}
	g.shorten(n)
	for i := range g.rows {
		g.rows[i] = first + int64(i)
	}
	clear(g.outcomes)
	clear(g.ids)
	clear(g.states)
	clear(g.known) // it holds texts
	g.known = append(g.known[:0], delivery.State{})
	clear(g.found)
	clear(g.references)
	for c := range g.kept {
		g.kept[c] = make([]string, n)
	}
	clear(g.lanes)
	clear(g.verdicts)
	g.told = append(g.told[:0], told{})
}

// reader fills groups in the order of the rows. One goroutine at a time uses it.
type reader struct {
	in       *Input
	verdicts []person.Verdict
	counts   []int64 // by index into person.Fates

	nextState func() (delivery.Sorted, error, bool) // nil: there are none left
	state     delivery.Sorted                       // the next
	stateErr  error
}

// advance goes on to the next state. The last one is followed by one of no row.
func (r *reader) advance() {
	last, more := r.state.Row, false
	if r.state, r.stateErr, more = r.nextState(); !more {
		r.nextState = nil
	} else if r.stateErr == nil && r.state.Row <= last {
		r.stateErr = fmt.Errorf("the state of row %d comes after row %d; this is a defect of cohort", r.state.Row, last)
	}
}

// learn adds the states of the group's messages.
func (r *reader) learn(g *group) error {
	end := g.rows[0] + int64(len(g.rows))
	for r.nextState != nil && r.stateErr == nil && r.state.Row < end {
		i := r.state.Row - g.rows[0]
		g.states[i] = uint16(len(g.known))
		g.known = append(g.known, r.state.State)
		if g.ids[i] == nil { // the answer with the id was lost
			g.ids[i] = []byte(r.state.State.MessageID)
		}
		r.advance()
	}
	return r.stateErr
}

// stateOf returns the state of the message at a place; nil: the service has said nothing.
func (g *group) stateOf(place int) *delivery.State {
	if g.states[place] == 0 {
		return nil
	}
	return &g.known[g.states[place]]
}

// keep leaves out the records with another fate than these.
func (g *group) keep(only []person.Fate) {
	n := 0
	for i := range g.rows {
		if !slices.Contains(only, g.told[g.outcomes[i]].Fate) {
			continue
		}
		g.rows[n], g.outcomes[n], g.lines[n], g.numbers[n], g.found[n] = g.rows[i], g.outcomes[i], g.lines[i], g.numbers[i], g.found[i]
		g.references[n], g.files[n], g.shards[n], g.ids[n], g.states[n] = g.references[i], g.files[i], g.shards[i], g.ids[i], g.states[i]
		for _, values := range g.kept {
			values[n] = values[i]
		}
		n++
	}
	g.shorten(n)
}

// shorten leaves n records.
func (g *group) shorten(n int) {
	g.rows, g.outcomes, g.lines, g.numbers, g.found = g.rows[:n], g.outcomes[:n], g.lines[:n], g.numbers[:n], g.found[:n]
	g.references, g.files, g.shards, g.ids, g.states = g.references[:n], g.files[:n], g.shards[:n], g.ids[:n], g.states[:n]
}

// fill reads n rows into the group, beginning with row first. Each row must exist exactly once.
func (r *reader) fill(g *group, first int64, n int) error {
	g.begin(first, n, len(r.in.Plan.LaneStarts), len(r.in.Records.Keep()))
	missing := n
	err := r.in.Records.Below(first+int64(n), func(s *person.Stretch) error {
		missing -= len(s.Rows)
		return r.stretch(g, s)
	}, func(record *person.Record) error {
		missing--
		return r.invalid(g, record)
	})
	if err == nil && missing > 0 {
		err = fmt.Errorf("%d of the records %d to %d are missing", missing, first, first+int64(n)-1)
	}
	if err == nil {
		err = r.learn(g)
	}
	if err == nil && len(r.in.Only) > 0 {
		g.keep(r.in.Only)
	}
	return err
}

// end fails if there are more records, or states, than the plan has.
func (r *reader) end() error {
	if r.nextState != nil {
		return fmt.Errorf("there is a state of row %d, and the plan has %d records; this is a defect of cohort", r.state.Row, r.in.Plan.Records)
	}
	more := fmt.Errorf("there are more records than the %d of the plan", r.in.Plan.Records)
	return r.in.Records.Below(math.MaxInt64, func(*person.Stretch) error { return more }, func(*person.Record) error { return more })
}

func (g *group) add(t told) (uint16, error) {
	if t.fate = slices.Index(person.Fates, t.Fate); t.fate < 0 {
		return 0, fmt.Errorf("%q is not a fate; this is a defect of cohort", t.Fate)
	}
	g.told = append(g.told, t)
	return uint16(len(g.told) - 1), nil
}

// verdict returns the index of the outcome of a record that was never to be sent.
func (g *group) verdict(v person.Verdict) (of uint16, err error) {
	of = g.verdicts[v]
	if of == 0 {
		of, err = g.add(told{Message: outcome.Message{Fate: v.Fate, Code: v.Code, Reason: v.Reason}})
		g.verdicts[v] = of
	}
	return of, err
}

// outcome returns the index of the outcome of a record to send, and the message's id.
func (r *reader) outcome(g *group, lane person.Lane, position uint32) (of uint16, id []byte, err error) {
	message, id, err := r.in.Trail.At(lane, position)
	if err != nil {
		return 0, nil, err
	}
	last := &g.lanes[lane]
	if last.message != message {
		last.message = message
		last.of, err = g.add(told{Message: *message, planned: true, template: r.in.Plan.TemplateOf(lane)})
	}
	return last.of, id, err
}

func (r *reader) put(g *group, row, line int64, file int, of uint16) (place int, err error) {
	at := row - g.rows[0]
	switch {
	case at < 0 || at >= int64(len(g.outcomes)) || g.outcomes[at] != 0:
		return 0, fmt.Errorf("record %d is there twice", row)
	case file >= len(r.in.Plan.Cohort.Files):
		return 0, fmt.Errorf("record %d is of file %d, and the plan knows %d files", row, file+1, len(r.in.Plan.Cohort.Files))
	}
	place = int(at)
	g.outcomes[place], g.lines[place], g.files[place] = of, line, uint16(file)
	r.counts[g.told[of].fate]++
	return place, nil
}

func (r *reader) stretch(g *group, s *person.Stretch) error {
	for i, row := range s.Rows {
		if int(s.Verdicts[i]) >= len(r.verdicts) {
			return fmt.Errorf("record %d has an unknown verdict", row)
		}
		var of uint16
		var id []byte
		var err error
		if v := r.verdicts[s.Verdicts[i]]; v.Fate != "" {
			if v.Fate == person.Suppressed && r.in.Trail.Ledger.IsOutsider(s.Lane(i), s.Position+uint32(i)) {
				v.Reason = "the plan left the person out (" + v.Code + "), and the service reports about the message, so it has it"
				v.Code = ledger.CodeContradicted
			}
			of, err = g.verdict(v)
		} else {
			of, id, err = r.outcome(g, s.Lane(i), s.Position+uint32(i))
		}
		if err != nil {
			return err
		}
		place, err := r.put(g, row, s.Lines[i], int(s.Files[i]), of)
		if err != nil {
			return err
		}
		g.shards[place], g.numbers[place], g.ids[place] = uint16(s.Shard), s.Numbers[i], id
		for c, value := range s.Kept {
			g.kept[c][place] = value(i)
		}
		if s.Reference != nil {
			g.references[place] = s.Reference(i)
		}
	}
	return nil
}

func (r *reader) invalid(g *group, record *person.Record) error {
	of, err := g.verdict(person.Verdict{Fate: record.Fate, Code: record.Code, Reason: record.Reason})
	if err != nil {
		return err
	}
	place, err := r.put(g, record.Row, record.Line, record.File, of)
	if err != nil {
		return err
	}
	g.shards[place], g.numbers[place] = uint16(len(g.lanes)), noNumber
	g.found[place], g.references[place] = record.Number, record.Reference
	return nil
}
