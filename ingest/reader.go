package ingest

import (
	"context"
	"errors"
	"io"
	"iter"
	"sync"
	"sync/atomic"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"cohort/ingest/format"
	"cohort/ingest/format/csv"
	"cohort/ingest/format/file"
	"cohort/ingest/person"
)

// Reader reads the records of a cohort: of one stream, or of one file after another. It is not
// safe for concurrent use, except BytesRead, BytesDigested and OmitFields.
type Reader struct {
	ctx      context.Context
	options  Options // settled
	files    []part
	current  *file.File // the current file
	at       uint16     // its index
	next     int        // the index of the next file
	before   int64      // records of the files before the current one
	stream   bool       // made by NewReader: one file, open from the start
	checker  checker
	workers  int         // goroutines that parse a text file; 0: the consumer parses it
	chunk    int         // bytes that a worker takes at a time
	pool     *workerPool // of the current file; may be nil
	schema   *arrow.Schema
	read     atomic.Int64 // bytes read, as they stand in the files
	digested atomic.Int64 // bytes that Digest has read
	total    Summary      // of the records so far; without the empty lines of a file that the consumer parses
	yielded  int64        // rows
	batches  sync.Pool
	started  bool
	ended    bool
	kept     []keptValues // by the index in Options.Keep
	notes    []string     // the files, and lines of files, that are left out
}

// NewReader reads a cohort from one stream. It reads the header line and makes sure that a
// record follows. name is the file's name in errors. A zip, Parquet or Arrow file is refused,
// because it cannot be read from front to back: see Open. Errors are a *format.FileError when
// the file is not a cohort or lacks a column that the options name, errors of r, or an error
// in the options.
func NewReader(r io.Reader, name string, o Options) (*Reader, error) {
	return newStream(context.Background(), r, name, o)
}

func newStream(ctx context.Context, r io.Reader, name string, o Options) (*Reader, error) {
	d, err := newReader(ctx, o)
	if err != nil {
		return nil, err
	}
	d.files, d.next, d.stream = []part{{name: name, info: FileInfo{Path: name}}}, 1, true
	how := d.options.opening()
	how.Read = &d.read
	if d.current, err = file.OpenStream(ctx, r, how); err == nil {
		d.checker.rules.mapping, err = plan(d.current.Source, d.options)
	}
	if err != nil {
		return nil, named(err, name)
	}
	d.describe(&d.files[0], d.current)
	return d, nil
}

func newReader(ctx context.Context, o Options) (*Reader, error) {
	o, err := o.settled()
	if err != nil {
		return nil, err
	}
	d := &Reader{ctx: ctx, options: o, chunk: csv.ChunkSize, schema: schema(person.Texts(o.Fields, o.Keep)), total: Summary{Reasons: reasons(o)}}
	d.checker = checker{rules: newRules(o), model: model(o), tally: &d.total, bare: new(atomic.Bool)}
	d.batches.New = func() any { return newBatch(&d.batches, o.BatchRows, d.schema.NumFields()-person.FirstField) }
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
		person.ColumnRoute:     {Name: "route", Type: arrow.PrimitiveTypes.Uint8},
	}
	for _, field := range fields {
		columns = append(columns, arrow.Field{Name: field, Type: arrow.BinaryTypes.String, Nullable: true})
	}
	return arrow.NewSchema(columns, nil)
}

// Schema is the layout of the batches: package person's columns, then one for each of
// Options.Fields and Options.Keep, null where the record is invalid. Find columns by index, because a field may
// share its name with one of person's columns.
func (d *Reader) Schema() *arrow.Schema { return d.schema }

// Records yields the cohort's records in their order, in batches of 1 to Options.BatchRows
// rows. The Reader releases a batch when the consumer asks for the next or leaves the loop. To
// keep a batch longer, or to give it to another goroutine, Retain it first and Release it
// later. Strings taken out of a batch alias its memory.
//
// An error comes last, with a nil batch, and refuses the whole cohort: nothing that was yielded
// before may be sent. It is a *format.FileError when a file is at fault. Records can be called
// once. Nothing that it starts outlives it.
func (d *Reader) Records() iter.Seq2[arrow.Record, error] {
	return func(yield func(arrow.Record, error) bool) {
		if d.started {
			yield(nil, errors.New("ingest: the records of "+d.files[0].name+" have been read already"))
			return
		}
		d.started = true
		if err := d.follow(); err != nil {
			yield(nil, err)
			return
		}
		defer func() {
			d.stop()
			if d.current != nil {
				d.current.Close()
			}
		}()
		if d.current != nil {
			d.begin()
		}
		for {
			b, err := d.batch()
			var record arrow.Record // nil: the cohort has ended
			if b != nil {
				b.count(d.yielded)
				d.yielded += int64(b.rows)
				record = b.record(d.schema)
			}
			if err == nil {
				err = d.lookAtKept(record)
			}
			if err != nil {
				if record != nil {
					record.Release()
				}
				yield(nil, named(d.blame(err), d.files[d.at].name))
				return
			}
			if record == nil {
				d.ended = true
				return
			}
			more := yield(record, nil)
			record.Release()
			if !more {
				return
			}
		}
	}
}

// OmitFields lets Records leave the fields of further records empty. They are judged as before.
// It is safe for concurrent use.
func (d *Reader) OmitFields() { d.checker.bare.Store(true) }

// Summary is the account of the records so far: of the whole cohort once Records has ended
// without an error.
func (d *Reader) Summary() Summary {
	s := d.total
	s.Invalid, s.Bytes, s.Reasons, s.Notes = s.Records-s.Sendable, d.read.Load(), ranked(s.Reasons), d.notes
	if d.current != nil {
		s.BlankLines += d.current.Source.Blanks()
	}
	return s
}

// note records that something of a file is left out.
func (d *Reader) note(name, what string) {
	if what != "" {
		d.notes = append(d.notes, name+": "+what)
	}
}

// BytesRead is the number of bytes that Records has read, as they stand in the files. It is
// safe for concurrent use.
func (d *Reader) BytesRead() int64 { return d.read.Load() }

// BytesDigested is the number of bytes that Digest has read. It is safe for concurrent use.
func (d *Reader) BytesDigested() int64 { return d.digested.Load() }

// begin starts to parse the current file.
func (d *Reader) begin() {
	d.checker.file, d.checker.rules.garbled = d.at, garbled(d.current.Format)
	if t, delimited := d.current.Source.(*csv.Sheet); delimited && d.workers > 0 {
		d.pool = newWorkerPool(d.workers, d.chunk, t, d.checker, &d.batches)
	}
}

// stop ends the parsing of the current file.
func (d *Reader) stop() {
	if d.pool != nil {
		d.pool.close()
		d.pool = nil
	}
}

// batch returns the next batch, with records of one file; nil when the cohort has ended.
func (d *Reader) batch() (*batch, error) {
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
		b, err := d.take()
		if err == io.EOF {
			err = d.finish()
		}
		if err != nil {
			return nil, err
		}
		if b != nil {
			return b, nil
		}
	}
	if d.total.Records == 0 {
		return nil, &format.FileError{Problem: "there are no records", Fix: "ask the sender for the file again"}
	}
	return nil, nil
}

// take returns the next batch of the current file. io.EOF, with or without a batch, says that
// the file has no more.
func (d *Reader) take() (*batch, error) {
	if d.pool != nil {
		return d.pool.next(&d.total)
	}
	b := d.batches.Get().(*batch)
	b.reset()
	err := d.checker.fill(b, d.current.Source)
	if b.rows == 0 {
		d.batches.Put(b)
		b = nil
	}
	return b, err
}

// Values yields only the first of Options.Fields, for each sendable record. It takes the place
// of Records. A value is valid until the next.
func (d *Reader) Values() iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for batch, err := range d.Records() {
			if err != nil {
				yield("", err)
				return
			}
			values := batch.Column(person.FirstField).(*array.String)
			for i := range values.Len() {
				if values.IsValid(i) && !yield(values.Value(i), nil) {
					return
				}
			}
		}
	}
}

// named puts a file's name on an error.
func named(err error, name string) error {
	if refused, ok := errors.AsType[*format.FileError](err); ok {
		refused.File = name
		return refused
	}
	return &readError{name, err}
}

// readError is an error of reading, with the file's name.
type readError struct {
	name string
	err  error
}

func (e *readError) Error() string { return "reading " + e.name + ": " + e.err.Error() }
func (e *readError) Unwrap() error { return e.err }
