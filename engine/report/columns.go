package report

import (
	"path/filepath"

	"github.com/parquet-go/parquet-go"

	"cohort/engine"
	"cohort/engine/plan"
	"cohort/ingest/person"
)

// columns writes groups to one row group of the file after another.
type columns struct {
	run    engine.RunID
	files  []parquet.Value // by index into the plan's files
	shards []parquet.Value // by shard, and behind them that of a record in none
	out    *parquet.ConcurrentRowGroupWriter

	made    [strip]parquet.Value
	text    []byte // what they point to
	nothing parquet.Value
}

func newColumns(out *parquet.GenericWriter[row], plan *plan.Plan) *columns {
	c := &columns{run: plan.Run, out: out.BeginRowGroup(), text: make([]byte, 0, strip*len(engine.Reference{})), nothing: null(columnFileMessageReference)}
	for _, f := range plan.Cohort.Files {
		c.files = append(c.files, parquet.ByteArrayValue([]byte(filepath.Base(f.Path))))
	}
	for shard := range plan.ShardStarts {
		c.shards = append(c.shards, present(parquet.Int32Value(int32(shard)), columnShard))
	}
	c.shards = append(c.shards, null(columnShard))
	return c
}

// strip is how many values of a column are made at a time, few enough to stay in the
// processor's nearest cache until they are written.
const strip = 256

// values makes the value of a column at a place of a group.
var values = [...]func(c *columns, g *group, i int) parquet.Value{
	columnRow: func(_ *columns, g *group, i int) parquet.Value {
		return parquet.Int64Value(g.first + int64(i))
	},
	columnFile: func(c *columns, g *group, i int) parquet.Value { return c.files[g.files[i]] },
	columnLine: func(_ *columns, g *group, i int) parquet.Value {
		return parquet.Int64Value(g.lines[i])
	},
	columnNHSNumber:            (*columns).number,
	columnOutcome:              func(_ *columns, g *group, i int) parquet.Value { return g.stories[i].outcome },
	columnReasonCode:           func(_ *columns, g *group, i int) parquet.Value { return g.stories[i].code },
	columnReason:               func(_ *columns, g *group, i int) parquet.Value { return g.stories[i].reason },
	columnShard:                func(c *columns, g *group, i int) parquet.Value { return c.shards[g.shards[i]] },
	columnBatchReference:       func(_ *columns, g *group, i int) parquet.Value { return g.stories[i].batch },
	columnMessageReference:     (*columns).messageReference,
	columnMessageID:            func(_ *columns, g *group, i int) parquet.Value { return optionalText(g.ids[i], columnMessageID) },
	columnFileMessageReference: (*columns).fileReference,
	columnAttempts:             func(_ *columns, g *group, i int) parquet.Value { return g.stories[i].attempts },
	columnFirstAttemptAt:       func(_ *columns, g *group, i int) parquet.Value { return g.stories[i].first },
	columnAcceptedAt:           func(_ *columns, g *group, i int) parquet.Value { return g.stories[i].accepted },
	columnTemplateVersion:      func(_ *columns, g *group, i int) parquet.Value { return g.stories[i].template },
}

// write writes the columns of a group, compressed, to a row group in memory.
func (c *columns) write(g *group) error {
	for column, out := range c.out.ColumnWriters() {
		value := values[column]
		for from := 0; from < len(g.stories); from += strip {
			made := c.made[:min(strip, len(g.stories)-from)]
			c.text = c.text[:0]
			for i := range made {
				made[i] = value(c, g, from+i)
			}
			if _, err := out.WriteRowValues(made); err != nil { // it copies what it is given
				return err
			}
		}
	}
	return c.out.Flush()
}

func (c *columns) number(g *group, i int) parquet.Value {
	if g.numbers[i] == noNumber {
		return optionalText([]byte(g.found[i]), columnNHSNumber)
	}
	from := len(c.text)
	c.text = person.NHSNumber(g.numbers[i]).AppendDigits(c.text)
	return present(parquet.ByteArrayValue(c.text[from:]), columnNHSNumber)
}

func (c *columns) messageReference(g *group, i int) parquet.Value {
	if !g.stories[i].planned {
		return null(columnMessageReference)
	}
	from := len(c.text)
	reference := c.run.MessageReference(g.first + int64(i))
	c.text = append(c.text, reference[:]...)
	return present(parquet.ByteArrayValue(c.text[from:]), columnMessageReference)
}

func (c *columns) fileReference(g *group, i int) parquet.Value {
	if len(g.references) == 0 {
		return c.nothing
	}
	return optionalText([]byte(g.references[i]), columnFileMessageReference)
}
