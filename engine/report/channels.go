package report

import (
	"encoding/binary"
	"io"
	"time"

	"cohort/engine/delivery"
)

// channelRow is one row of channels.parquet: one attempt to reach a person through a channel.
type channelRow struct {
	Row              int64      `parquet:"row"`
	MessageReference string     `parquet:"message_reference"`
	Channel          *string    `parquet:"channel,optional"`
	CascadeType      *string    `parquet:"cascade_type,optional"`
	CascadeOrder     *int32     `parquet:"cascade_order,optional"`
	ChannelStatus    *string    `parquet:"channel_status,optional"`
	SupplierStatus   *string    `parquet:"supplier_status,optional"`
	FailureCode      *string    `parquet:"failure_code,optional"`
	FailureReason    *string    `parquet:"failure_reason,optional"`
	HappenedAt       *time.Time `parquet:"happened_at,optional,timestamp(millisecond)"`
	Source           *string    `parquet:"source,optional"`
}

// Channels is a Parquet file with a row for each channel attempt. Its columns are those of channelRow.
func Channels(w io.Writer) Output {
	return func(in *Input) (output, error) {
		out, err := newParquetFile[channelRow](w, in.Version)
		if err != nil {
			return nil, err
		}
		return &channelFile{out, in, newEncoder(out)}, nil
	}
}

type channelFile struct {
	*parquetFile
	in *Input
	e  *encoder // of commits
}

func (c *channelFile) maker() maker {
	return func(g *group) (func() error, error) { return func() error { return c.commit(g) }, nil }
}

func (c *channelFile) commit(g *group) error {
	var rows []int64
	var attempts []*delivery.Attempt
	for i, row := range g.rows {
		if g.states[i] == 0 {
			continue
		}
		all := g.known[g.states[i]].Attempts
		for j := range all {
			rows, attempts = append(rows, row), append(attempts, &all[j])
			if len(rows) == rowsInGroup {
				if err := c.encode(rows, attempts); err != nil {
					return err
				}
				rows, attempts = rows[:0], attempts[:0]
			}
		}
	}
	return c.encode(rows, attempts)
}

// encode writes a row group, unless it is empty.
func (c *channelFile) encode(rows []int64, attempts []*delivery.Attempt) error {
	if len(rows) == 0 {
		return nil
	}
	e, each := c.e, make([]uint16, len(rows))
	for i := range each {
		each[i] = uint16(i)
	}
	column := func(value func(dst []byte, a *delivery.Attempt) []byte) {
		e.shared(each, len(each), func(dst []byte, i int) []byte { return value(dst, attempts[i]) })
	}
	text := func(of func(*delivery.Attempt) string) {
		column(func(dst []byte, a *delivery.Attempt) []byte { return append(dst, of(a)...) })
	}
	e.begin(len(rows))
	e.integers(rows)
	e.own(func(dst []byte, i int) []byte {
		reference := c.in.Plan.References.Message(rows[i])
		return append(dst, reference[:]...)
	})
	text(func(a *delivery.Attempt) string { return a.Channel })
	text(func(a *delivery.Attempt) string { return a.Cascade })
	column(func(dst []byte, a *delivery.Attempt) []byte {
		if a.Order == 0 {
			return dst
		}
		return binary.LittleEndian.AppendUint32(dst, uint32(a.Order))
	})
	text(func(a *delivery.Attempt) string { return a.Status })
	text(func(a *delivery.Attempt) string { return a.Supplier })
	text(func(a *delivery.Attempt) string { return a.Code })
	text(func(a *delivery.Attempt) string { return delivery.WordsFor(a.Code, a.Reason) })
	column(func(dst []byte, a *delivery.Attempt) []byte { return appendTime(dst, a.At) })
	text(func(a *delivery.Attempt) string { return string(a.Source) })
	chunks, err := e.end()
	if err != nil {
		return err
	}
	return c.append(chunks)
}
