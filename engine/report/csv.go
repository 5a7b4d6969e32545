package report

import (
	"bytes"
	"encoding/binary"
	"encoding/csv"
	"io"
	"strconv"
	"time"

	"github.com/parquet-go/parquet-go/format"

	"cohort/engine/plan"
)

// CSV is the outcome report as text: the same columns, in UTF-8, after RFC 4180. An unknown value is empty. A time is
// in UTC and to the millisecond.
func CSV(w io.Writer) Output {
	return func(in *Input) (output, error) {
		schema, err := newReport(io.Discard, in)
		if err != nil {
			return nil, err
		}
		c := &csvReport{columns: schema.Schema[1:], plan: in.Plan, w: w}
		names := make([]string, len(c.columns))
		for i := range names {
			names[i] = c.columns[i].Name
		}
		return c, c.write(w, func(out *csv.Writer) { _ = out.Write(names) })
	}
}

type csvReport struct {
	columns []format.SchemaElement
	plan    *plan.Plan
	w       io.Writer
}

// write writes lines to w. A line that does not fit is an error of w.
func (c *csvReport) write(w io.Writer, lines func(*csv.Writer)) error {
	out := csv.NewWriter(w)
	out.UseCRLF = true
	lines(out)
	out.Flush()
	return out.Error()
}

func (c *csvReport) maker() maker {
	var buf bytes.Buffer
	return func(g *group) (func() error, error) {
		var t textColumns
		g.columns(&t, c.plan)
		buf.Reset()
		err := c.write(&buf, func(out *csv.Writer) {
			line, value := make([]string, len(t)), []byte(nil)
			for i := range g.rows {
				for j, of := range t {
					value = of(value[:0], i)
					line[j] = textOf(&c.columns[j], value)
				}
				_ = out.Write(line)
			}
		})
		return func() error {
			_, err := c.w.Write(buf.Bytes())
			return err
		}, err
	}
}

func (c *csvReport) close(map[string]string) error { return nil }

// textColumns has a function for each column that appends the value of a row.
type textColumns []func(dst []byte, row int) []byte

func (t *textColumns) integers(values []int64) {
	t.own(func(dst []byte, i int) []byte { return binary.LittleEndian.AppendUint64(dst, uint64(values[i])) })
}

func (t *textColumns) own(value func(dst []byte, row int) []byte) { *t = append(*t, value) }

func (t *textColumns) shared(which []uint16, _ int, value func(dst []byte, entry int) []byte) {
	t.own(func(dst []byte, i int) []byte { return value(dst, int(which[i])) })
}

func textOf(column *format.SchemaElement, value []byte) string {
	switch {
	case len(value) == 0:
		return ""
	case column.Type.V == format.ByteArray:
		return string(value)
	case column.Type.V == format.Int32:
		return strconv.Itoa(int(int32(binary.LittleEndian.Uint32(value))))
	}
	number := int64(binary.LittleEndian.Uint64(value))
	if _, isTime := column.LogicalType.Value.(*format.TimestampType); isTime {
		return time.UnixMilli(number).UTC().Format("2006-01-02T15:04:05.000Z07:00")
	}
	return strconv.FormatInt(number, 10)
}
