package ingest

import (
	"context"
	"errors"
	"io"
	"iter"
	"sync"
	"sync/atomic"

	"github.com/apache/arrow/go/v15/arrow"

	"cohort/ingest/person"
)

// Reader reads the records of a cohort: of one stream, or of one file after another.
// It is not safe for concurrent use, but for BytesRead and BytesDigested.
type Reader struct {
	ctx      context.Context
	options  Options // settled
	files    []part
	current  *opened // the file under work
	at       uint16  // its index
	next     int     // the index of the file behind it
	before   int64   // records of the files before it
	stream   bool    // made by NewReader: one file, open from the start
	rules    rules
	schema   *arrow.Schema
	read     atomic.Int64 // bytes, as they stand in the files
	digested atomic.Int64 // bytes that Digest has read
	blank    int64        // of the files before this one
	records  int64
	sendable int64
	test     int64 // sendable records of test patients
	reasons  []Reason
	model    string // what a record's number of values is held against
	pool     sync.Pool
	started  bool
	ended    bool
	words    []byte
	shown    []byte
}

// NewReader reads a cohort of one stream. It reads the header line and makes sure that
// a record follows. name is how errors call the file. What cannot be read from front
// to back, a zip, a Parquet file or an Arrow file, is refused: see Open. Errors are a
// *FileError when the file is no cohort or lacks a column that the options ask for,
// errors of r, or an error in the options.
func NewReader(r io.Reader, name string, o Options) (*Reader, error) {
	d, err := newReader(context.Background(), o)
	if err != nil {
		return nil, err
	}
	d.files, d.next, d.stream = []part{{name: name, info: FileInfo{Path: name}}}, 1, true
	raw := &tap{ctx: d.ctx, src: r, read: &d.read}
	if d.current, err = open(raw, nil, d.options, false); err == nil {
		d.rules.mapping, err = plan(d.current.source, d.options)
	}
	if err != nil {
		return nil, named(err, name)
	}
	d.files[0].info.Format, d.files[0].info.Sequence = d.current.format, d.current.sequence
	d.files[0].mesh = d.current.source.header().personalisation()
	d.rules.garbled = d.current.garbled()
	return d, nil
}

func newReader(ctx context.Context, o Options) (*Reader, error) {
	o, err := o.settled()
	if err != nil {
		return nil, err
	}
	d := &Reader{ctx: ctx, options: o, rules: newRules(o), schema: schema(o.Fields), reasons: reasons(o), model: model(o)}
	d.pool.New = func() any { return newBatch(&d.pool, o.BatchRows, len(o.Fields)) }
	return d, nil
}

func schema(fields []string) *arrow.Schema {
	columns := []arrow.Field{
		person.ColumnRow:       {Name: "row", Type: arrow.PrimitiveTypes.Int64},
		person.ColumnFile:      {Name: "file", Type: arrow.PrimitiveTypes.Uint16},
		person.ColumnLine:      {Name: "line", Type: arrow.PrimitiveTypes.Int64},
		person.ColumnNumber:    {Name: "number", Type: arrow.PrimitiveTypes.Uint64, Nullable: true},
		person.ColumnFound:     {Name: "found", Type: arrow.BinaryTypes.String, Nullable: true},
		person.ColumnCode:      {Name: "code", Type: arrow.BinaryTypes.String, Nullable: true},
		person.ColumnReason:    {Name: "reason", Type: arrow.BinaryTypes.String, Nullable: true},
		person.ColumnReference: {Name: "reference", Type: arrow.BinaryTypes.String, Nullable: true},
		person.ColumnOrder:     {Name: "order", Type: arrow.PrimitiveTypes.Int64},
		person.ColumnWithdrawn: {Name: "withdrawn", Type: arrow.FixedWidthTypes.Boolean},
	}
	for _, field := range fields {
		columns = append(columns, arrow.Field{Name: field, Type: arrow.BinaryTypes.String, Nullable: true})
	}
	return arrow.NewSchema(columns, nil)
}

// Schema is the layout of the batches: person's columns, then one for each of
// Options.Fields, null where the record is invalid. A field may share its name with
// one of person's columns: find columns by index.
func (d *Reader) Schema() *arrow.Schema { return d.schema }

// Records yields the cohort's records in their order, in batches of at most
// Options.BatchRows rows that are never empty. A batch is the consumer's until it
// asks for the next or leaves the loop: the Reader releases it then, so the consumer
// does not. To keep a batch longer, or to hand it to another goroutine, Retain it
// first and Release it later. Strings taken out of a batch alias its memory and die
// with it.
//
// An error is the last thing yielded, with a nil batch, and refuses the cohort as a
// whole: what was yielded before it must not be sent. It is a *FileError when a file
// is at fault. Records can be called once; nothing that it starts outlives it.
func (d *Reader) Records() iter.Seq2[arrow.Record, error] {
	return func(yield func(arrow.Record, error) bool) {
		if d.started {
			yield(nil, errors.New("ingest: the records of "+d.files[0].name+" have been read already"))
			return
		}
		d.started = true
		defer func() {
			if d.current != nil {
				d.current.close()
			}
		}()
		for {
			b, err := d.batch()
			if err != nil {
				yield(nil, named(err, d.files[d.at].name))
				return
			}
			if b == nil {
				d.ended = true
				return
			}
			record := b.record(d.schema)
			more := yield(record, nil)
			record.Release()
			if !more {
				return
			}
		}
	}
}

// Summary is the account of what Records has read: of the whole cohort once it has
// ended without error.
func (d *Reader) Summary() Summary {
	s := Summary{
		Records:  d.records,
		Sendable: d.sendable, Test: d.test,
		Invalid:    d.records - d.sendable,
		BlankLines: d.blank,
		Bytes:      d.read.Load(),
		Reasons:    ranked(d.reasons),
	}
	if d.current != nil {
		s.BlankLines += d.current.source.blanks()
	}
	return s
}

// BytesRead says how many bytes of the files Records has taken so far, for a progress
// bar beside it: any goroutine may ask at any time.
func (d *Reader) BytesRead() int64 { return d.read.Load() }

// BytesDigested says the same of Digest.
func (d *Reader) BytesDigested() int64 { return d.digested.Load() }

// batch fills the next batch, nil when the cohort has ended.
func (d *Reader) batch() (*batch, error) {
	b := d.pool.Get().(*batch)
	b.reset()
	for {
		if d.ctx.Err() != nil {
			return nil, context.Cause(d.ctx)
		}
		if d.current == nil {
			if more, err := d.open(); err != nil {
				return nil, err
			} else if !more {
				break
			}
		}
		err := d.fill(b)
		if err == nil {
			return b, nil
		}
		if err != io.EOF {
			return nil, err
		}
		if err := d.finish(); err != nil {
			return nil, err
		}
	}
	if b.rows > 0 {
		return b, nil
	}
	if d.records == 0 {
		return nil, &FileError{Problem: "there are no records", Fix: "ask the sender for the file again"}
	}
	return nil, nil
}

// fill takes records of the current file until the batch is full; io.EOF says that the
// file has ended first.
func (d *Reader) fill(b *batch) error {
	source, s := d.current.source, d.current.source.values()
	fields, dressed := d.rules.fields, d.rules.dressed
	for !b.full() {
		record, line, err := source.next()
		if err != nil {
			return err
		}
		d.records++
		b.begin(d.at, d.records, line)
		if k := d.rules.reference; k >= 0 && k < s.count {
			b.reference(clean(s.value(record, k)))
		}
		j := d.rules.judge(s, record)
		if j.verdict != sendable {
			d.reasons[j.verdict].add(d.at, line)
			b.refuse(d.found(s, record), d.reasons[j.verdict].Code, d.explain(s, j.verdict))
			continue
		}
		d.sendable++
		if j.number.IsTest() {
			d.test++
		}
		if d.rules.mapping.order >= 0 {
			b.order[b.rows] = j.order
		}
		if j.withdrawn {
			b.gone.set(b.rows)
		}
		if !dressed {
			for i, k := range fields {
				b.field(i, s.value(record, k))
			}
		} else {
			for i, k := range fields {
				b.field(i, d.rules.dress(i, s.value(record, k)))
			}
		}
		b.accept(j.number)
	}
	return nil
}
