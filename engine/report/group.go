package report

import (
	"fmt"
	"math"

	"cohort/engine/outcome"
	"cohort/ingest/person"
)

// rowsInGroup bounds the memory: a few groups are made at a time, whatever the cohort.
const rowsInGroup = 1 << 16

// group is the rows of one row group, with a place for each: records come shard by shard
// and stand by row where they are put.
type group struct {
	first      int64 // row of the first place
	stories    []*story
	lines      []int64
	numbers    []uint64 // noNumber: found has what stood in its place
	files      []uint16
	shards     []uint16 // the number of shards: none
	ids        [][]byte
	found      map[int]string
	references map[int]string
}

// mostReasons bounds the memory for the stories of invalid records, of which a file mostly
// has few different ones.
const mostReasons = 1000

const noNumber = math.MaxUint64

// begin empties the group for n rows.
func (g *group) begin(first int64, n int) {
	if g.lines == nil {
		*g = group{lines: make([]int64, n), numbers: make([]uint64, n), files: make([]uint16, n), shards: make([]uint16, n), found: map[int]string{}, references: map[int]string{}}
		g.stories, g.ids = make([]*story, n), make([][]byte, n)
	}
	g.first = first
	g.lines, g.numbers, g.files, g.shards = g.lines[:n], g.numbers[:n], g.files[:n], g.shards[:n]
	clear(g.stories)
	clear(g.ids)
	g.stories, g.ids = g.stories[:n], g.ids[:n]
	clear(g.found)
	clear(g.references)
}

// reader fills groups, in the order of the rows. One goroutine at a time has it.
type reader struct {
	in       Input
	verdicts []*story // nil for the one to send to
	told     []told   // by lane
	invalids map[person.Verdict]*story
	counts   []int64 // by index into person.Fates
	files    int
}

// told is what the trail has told last of a lane.
type told struct {
	outcome *outcome.Message
	story   *story
}

func newReader(in Input) (*reader, error) {
	r := &reader{in: in, counts: make([]int64, len(person.Fates)), files: len(in.Plan.Cohort.Files), told: make([]told, len(in.Plan.ShardStarts)), invalids: map[person.Verdict]*story{}}
	for _, v := range in.Records.Verdicts() {
		var s *story
		if v.Fate != "" {
			var err error
			if s, err = storyOf(v, nil, ""); err != nil {
				return nil, err
			}
		}
		r.verdicts = append(r.verdicts, s)
	}
	return r, nil
}

// fill reads n rows from first on into the group. Each must be there, and once.
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
		err = fmt.Errorf("of the records %d to %d there are %d missing", first, first+int64(n)-1, missing)
	}
	return err
}

// end makes sure that the rows that were read are all that there are.
func (r *reader) end() error {
	more := fmt.Errorf("there are more records than the %d of the plan", r.in.Plan.Records)
	return r.in.Records.Below(math.MaxInt64, func(*person.Stretch) error { return more }, func(*person.Record) error { return more })
}

// put takes the place of a row.
func (r *reader) put(g *group, row, line int64, file int, s *story) (place int, err error) {
	at := row - g.first
	switch {
	case at < 0 || at >= int64(len(g.stories)) || g.stories[at] != nil:
		return 0, fmt.Errorf("record %d is there twice", row)
	case file >= r.files:
		return 0, fmt.Errorf("record %d is of file %d, and the plan knows %d files", row, file+1, r.files)
	}
	place = int(at)
	g.stories[place], g.lines[place], g.files[place] = s, line, uint16(file)
	r.counts[s.fate]++
	return place, nil
}

func (r *reader) stretch(g *group, s *person.Stretch) error {
	for i, row := range s.Rows {
		if int(s.Verdicts[i]) >= len(r.verdicts) {
			return fmt.Errorf("record %d has an unknown verdict", row)
		}
		story, id := r.verdicts[s.Verdicts[i]], []byte(nil)
		if story == nil {
			lane := s.Lane(i)
			outcome, known, err := r.in.Trail.At(lane, s.Position+uint32(i))
			if err != nil {
				return err
			}
			last := &r.told[lane]
			if last.outcome != outcome {
				if last.story, err = storyOf(person.Verdict{}, outcome, r.in.Plan.TemplateOf(lane)); err != nil {
					return err
				}
				last.outcome = outcome
			}
			story, id = last.story, known
		}
		place, err := r.put(g, row, s.Lines[i], int(s.Files[i]), story)
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
	story := r.invalids[v]
	if story == nil {
		var err error
		if story, err = storyOf(v, nil, ""); err != nil {
			return err
		}
		if len(r.invalids) == mostReasons {
			clear(r.invalids)
		}
		r.invalids[v] = story
	}
	place, err := r.put(g, record.Row, record.Line, record.File, story)
	if err != nil {
		return err
	}
	g.shards[place], g.numbers[place] = uint16(len(r.told)), noNumber
	g.found[place] = record.Number
	if record.Reference != "" {
		g.references[place] = record.Reference
	}
	return nil
}
