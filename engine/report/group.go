package report

import (
	"fmt"
	"math"

	"cohort/engine/outcome"
	"cohort/ingest/person"
)

// rowsInGroup bounds the memory, because at most mostAtOnce groups exist at a time.
const rowsInGroup = 1 << 16

// group has the records of one row group, by row. Records arrive shard by shard.
type group struct {
	first      int64 // row of the first place
	outcomes   []*outcomeValues
	lines      []int64
	numbers    []uint64 // noNumber: found has the invalid text
	files      []uint16
	shards     []uint16 // the number of shards: the record is in no shard
	ids        [][]byte
	found      map[int]string
	references map[int]string
}

// mostReasons bounds the memory for the outcomes of invalid records. Most files have few
// different ones.
const mostReasons = 1000

const noNumber = math.MaxUint64

// begin empties the group for n rows.
func (g *group) begin(first int64, n int) {
	if g.lines == nil {
		*g = group{
			lines: make([]int64, n), numbers: make([]uint64, n), files: make([]uint16, n), shards: make([]uint16, n),
			outcomes: make([]*outcomeValues, n), ids: make([][]byte, n), found: map[int]string{}, references: map[int]string{},
		}
	}
	g.first = first
	g.lines, g.numbers, g.files, g.shards = g.lines[:n], g.numbers[:n], g.files[:n], g.shards[:n]
	clear(g.outcomes)
	clear(g.ids)
	g.outcomes, g.ids = g.outcomes[:n], g.ids[:n]
	clear(g.found)
	clear(g.references)
}

// reader fills groups in the order of the rows. One goroutine at a time uses it.
type reader struct {
	in       Input
	verdicts []*outcomeValues // nil for records to send
	lanes    []laneOutcome    // by lane
	invalids map[person.Verdict]*outcomeValues
	counts   []int64 // by index into person.Fates
	files    int
}

// laneOutcome is the latest outcome of a lane. Neighbouring records mostly share it.
type laneOutcome struct {
	outcome *outcome.Message
	values  *outcomeValues
}

func newReader(in Input) (*reader, error) {
	r := &reader{
		in: in, counts: make([]int64, len(person.Fates)), files: len(in.Plan.Cohort.Files),
		lanes: make([]laneOutcome, len(in.Plan.LaneStarts)), invalids: map[person.Verdict]*outcomeValues{},
	}
	for _, v := range in.Records.Verdicts() {
		var s *outcomeValues
		if v.Fate != "" {
			var err error
			if s, err = newOutcomeValues(v, nil, ""); err != nil {
				return nil, err
			}
		}
		r.verdicts = append(r.verdicts, s)
	}
	return r, nil
}

// fill reads n rows into the group, beginning with row first. Each row must exist exactly once.
func (r *reader) fill(g *group, first int64, n int) error {
	g.begin(first, n)
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
	return err
}

// end fails if there are more records than the plan has.
func (r *reader) end() error {
	more := fmt.Errorf("there are more records than the %d of the plan", r.in.Plan.Records)
	return r.in.Records.Below(math.MaxInt64, func(*person.Stretch) error { return more }, func(*person.Record) error { return more })
}

// put enters a record into the group and returns its place.
func (r *reader) put(g *group, row, line int64, file int, s *outcomeValues) (place int, err error) {
	at := row - g.first
	switch {
	case at < 0 || at >= int64(len(g.outcomes)) || g.outcomes[at] != nil:
		return 0, fmt.Errorf("record %d is there twice", row)
	case file >= r.files:
		return 0, fmt.Errorf("record %d is of file %d, and the plan knows %d files", row, file+1, r.files)
	}
	place = int(at)
	g.outcomes[place], g.lines[place], g.files[place] = s, line, uint16(file)
	r.counts[s.fate]++
	return place, nil
}

func (r *reader) stretch(g *group, s *person.Stretch) error {
	for i, row := range s.Rows {
		if int(s.Verdicts[i]) >= len(r.verdicts) {
			return fmt.Errorf("record %d has an unknown verdict", row)
		}
		result, id := r.verdicts[s.Verdicts[i]], []byte(nil)
		if result == nil {
			lane := s.Lane(i)
			outcome, known, err := r.in.Trail.At(lane, s.Position+uint32(i))
			if err != nil {
				return err
			}
			last := &r.lanes[lane]
			if last.outcome != outcome {
				if last.values, err = newOutcomeValues(person.Verdict{}, outcome, r.in.Plan.TemplateOf(lane)); err != nil {
					return err
				}
				last.outcome = outcome
			}
			result, id = last.values, known
		}
		place, err := r.put(g, row, s.Lines[i], int(s.Files[i]), result)
		if err != nil {
			return err
		}
		g.shards[place], g.numbers[place], g.ids[place] = uint16(s.Shard), s.Numbers[i], id
		if s.Reference != nil {
			if reference := s.Reference(i); reference != "" {
				g.references[place] = reference
			}
		}
	}
	return nil
}

func (r *reader) invalid(g *group, record *person.Record) error {
	v := person.Verdict{Fate: record.Fate, Code: record.Code, Reason: record.Reason}
	result := r.invalids[v]
	if result == nil {
		var err error
		if result, err = newOutcomeValues(v, nil, ""); err != nil {
			return err
		}
		if len(r.invalids) == mostReasons {
			clear(r.invalids)
		}
		r.invalids[v] = result
	}
	place, err := r.put(g, record.Row, record.Line, record.File, result)
	if err != nil {
		return err
	}
	g.shards[place], g.numbers[place] = uint16(len(r.lanes)), noNumber
	g.found[place] = record.Number
	if record.Reference != "" {
		g.references[place] = record.Reference
	}
	return nil
}
