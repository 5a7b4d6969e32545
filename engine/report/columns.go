package report

import (
	"path/filepath"

	"github.com/parquet-go/parquet-go"

	"cohort/engine"
	"cohort/engine/plan"
	"cohort/ingest/person"
)

// columns writes groups as row groups of the file.
type columns struct {
	references engine.References
	files      []parquet.Value // by index into the plan's files
	shards     []parquet.Value // by shard; the last is for records without a shard
	out        *parquet.ConcurrentRowGroupWriter

	buffer  [chunk]parquet.Value
	text    []byte // the values in buffer point into it
	nothing parquet.Value
}

func newColumns(out *parquet.GenericWriter[row], plan *plan.Plan) *columns {
	c := &columns{references: plan.References, out: out.BeginRowGroup(), text: make([]byte, 0, chunk*len(engine.Reference{})), nothing: null(columnFileMessageReference)}
	for _, f := range plan.Cohort.Files {
		c.files = append(c.files, parquet.ByteArrayValue([]byte(filepath.Base(f.Path))))
	}
	for shard := range plan.LaneStarts {
		c.shards = append(c.shards, present(parquet.Int32Value(int32(shard)), columnShard))
	}
	c.shards = append(c.shards, null(columnShard))
	return c
}

// chunk is the number of values of a column that are made and written at a time. They fit in
// the first cache of the processor.
const chunk = 256

// values has a function for each column. It makes the value of one record of a group.
var values = [...]func(c *columns, g *group, i int) parquet.Value{
	columnRow: func(_ *columns, g *group, i int) parquet.Value {
		return parquet.Int64Value(g.first + int64(i))
	},
	columnFile: func(c *columns, g *group, i int) parquet.Value { return c.files[g.files[i]] },
	columnLine: func(_ *columns, g *group, i int) parquet.Value {
		return parquet.Int64Value(g.lines[i])
	},
	columnNHSNumber:            (*columns).number,
	columnOutcome:              func(_ *columns, g *group, i int) parquet.Value { return g.outcomes[i].outcome },
	columnReasonCode:           func(_ *columns, g *group, i int) parquet.Value { return g.outcomes[i].code },
	columnReason:               func(_ *columns, g *group, i int) parquet.Value { return g.outcomes[i].reason },
	columnShard:                func(c *columns, g *group, i int) parquet.Value { return c.shards[g.shards[i]] },
	columnBatchReference:       func(_ *columns, g *group, i int) parquet.Value { return g.outcomes[i].batch },
	columnMessageReference:     (*columns).messageReference,
	columnMessageID:            func(_ *columns, g *group, i int) parquet.Value { return optionalText(g.ids[i], columnMessageID) },
	columnFileMessageReference: (*columns).fileReference,
	columnAttempts:             func(_ *columns, g *group, i int) parquet.Value { return g.outcomes[i].attempts },
	columnFirstAttemptAt:       func(_ *columns, g *group, i int) parquet.Value { return g.outcomes[i].first },
	columnAcceptedAt:           func(_ *columns, g *group, i int) parquet.Value { return g.outcomes[i].accepted },
	columnTemplateVersion:      func(_ *columns, g *group, i int) parquet.Value { return g.outcomes[i].template },
}

// write compresses the columns of a group into a row group in memory.
func (c *columns) write(g *group) error {
	for column, out := range c.out.ColumnWriters() {
		value := values[column]
		for from := 0; from < len(g.outcomes); from += chunk {
			buffer := c.buffer[:min(chunk, len(g.outcomes)-from)]
			c.text = c.text[:0]
			for i := range buffer {
				buffer[i] = value(c, g, from+i)
			}
			if _, err := out.WriteRowValues(buffer); err != nil { // it copies them
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
	if !g.outcomes[i].planned {
		return null(columnMessageReference)
	}
	from := len(c.text)
	reference := c.references.Message(g.first + int64(i))
	c.text = append(c.text, reference[:]...)
	return present(parquet.ByteArrayValue(c.text[from:]), columnMessageReference)
}

func (c *columns) fileReference(g *group, i int) parquet.Value {
	if len(g.references) == 0 {
		return c.nothing
	}
	return optionalText([]byte(g.references[i]), columnFileMessageReference)
}
