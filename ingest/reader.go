package ingest

import (
	"context"
	"errors"
	"io"
	"iter"
	"sync"
	"sync/atomic"

	"github.com/apache/arrow/go/v15/arrow"

	"cohort/ingest/format"
	"cohort/ingest/format/csv"
	"cohort/ingest/format/file"
	"cohort/ingest/person"
)

// Reader reads the records of a cohort: of one stream, or of one file after another.
// It is not safe for concurrent use, but for BytesRead and BytesDigested.
type Reader struct {
	ctx      context.Context
	options  Options // settled
	files    []part
	current  *file.File // the file under work
	at       uint16     // its index
	next     int        // the index of the file behind it
	before   int64      // records of the files before it
	stream   bool       // made by NewReader: one file, open from the start
	checker  checker
	workers  int         // that parse a text file; none when the consumer does so itself
	chunk    int         // bytes that one of them takes at a time
	pool     *workerPool // of the current file, if there is one
	schema   *arrow.Schema
	read     atomic.Int64 // bytes, as they stand in the files
	digested atomic.Int64 // bytes that Digest has read
	total    tally        // of what was read; empty lines only of what is behind or parsed in chunks
	yielded  int64        // rows
	batches  sync.Pool
	started  bool
	ended    bool
	notes    []string // what of the files is left out
}

// NewReader reads a cohort of one stream. It reads the header line and makes sure that
// a record follows. name is how errors call the file. What cannot be read from front
// to back, a zip, a Parquet file or an Arrow file, is refused: see Open. Errors are a
// *FileError when the file is no cohort or lacks a column that the options ask for,
// errors of r, or an error in the options.
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
	d := &Reader{ctx: ctx, options: o, chunk: csv.ChunkSize, schema: schema(o.Fields), total: tally{reasons: reasons(o)}}
	d.checker = checker{rules: newRules(o), model: model(o), tally: &d.total}
	d.batches.New = func() any { return newBatch(&d.batches, o.BatchRows, len(o.Fields)) }
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
			if err != nil {
				yield(nil, named(d.blame(err), d.files[d.at].name))
				return
			}
			if b == nil {
				d.ended = true
				return
			}
			b.count(d.yielded)
			d.yielded += int64(b.rows)
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
		Records:    d.total.records,
		Sendable:   d.total.sendable,
		Test:       d.total.test,
		Nearly:     d.total.nearly,
		Invalid:    d.total.records - d.total.sendable,
		BlankLines: d.total.blank,
		Bytes:      d.read.Load(),
		Reasons:    ranked(d.total.reasons),
		Notes:      d.notes,
	}
	if d.current != nil {
		s.BlankLines += d.current.Source.Blanks()
	}
	return s
}

// note keeps what is left out of a file.
func (d *Reader) note(name, what string) {
	if what != "" {
		d.notes = append(d.notes, name+": "+what)
	}
}

// BytesRead says how many bytes of the files Records has taken so far, for a progress
// bar beside it: any goroutine may ask at any time.
func (d *Reader) BytesRead() int64 { return d.read.Load() }

// BytesDigested says the same of Digest.
func (d *Reader) BytesDigested() int64 { return d.digested.Load() }

// begin starts the parsing of the current file, which is planned.
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

// batch returns the next batch, nil when the cohort has ended. It holds records of one
// file.
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
	if d.total.records == 0 {
		return nil, &format.FileError{Problem: "there are no records", Fix: "ask the sender for the file again"}
	}
	return nil, nil
}

// take returns the next batch of the current file; io.EOF, beside a batch or none, says
// that it has no more.
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
