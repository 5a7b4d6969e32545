package ingest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/apache/arrow/go/v15/arrow"

	"cohort/ingest/person"
)

// Options say which columns of a cohort file matter. The zero value reads the
// numbers of the column nhs_number and nothing else.
type Options struct {
	Columns   map[string][]string // field: the headers it may have. A field without an entry has its own name as header. The field nhs_number is the NHS number
	Fields    []string            // the fields to carry, in this order; not nhs_number, which is always carried
	Required  []string            // the fields that may be neither empty nor white space
	Only      Range               // which NHS numbers may be sent to; the others' records are invalid
	BatchRows int                 // the most rows in a batch, 4096 when 0
}

// Reader reads one cohort file: CSV by RFC 4180, comma, header line, UTF-8 with or
// without byte order mark, LF or CRLF line ends. It is not safe for concurrent use.
type Reader struct {
	name     string
	window   window
	split    splitter
	schema   *arrow.Schema
	columns  int   // values in the header
	number   int   // the number's column
	fields   []int // the column of each field
	required []int // the column of each required field
	rows     int
	line     int64 // where the next record starts
	blank    int64
	records  int64
	sendable int64
	only     Range
	test     int64 // sendable records of test patients
	reasons  []Reason
	pool     sync.Pool
	started  bool
	words    []byte
	shown    []byte
}

// NewReader reads the header line and makes sure that a record follows. name is how
// errors call the file. Errors are a *FileError when the file is no cohort or lacks
// a column that the options ask for, errors of r, or an error in the options.
func NewReader(r io.Reader, name string, o Options) (*Reader, error) {
	if o.BatchRows < 0 {
		return nil, fmt.Errorf("ingest: %d rows in a batch", o.BatchRows)
	}
	for i, field := range o.Fields {
		if field == numberField || slices.Contains(o.Fields[:i], field) {
			return nil, fmt.Errorf("ingest: the field %s is carried already", field)
		}
	}
	d := &Reader{name: name, window: window{src: r}, line: 1, rows: o.BatchRows, reasons: reasons(o.Required, o.Only), only: o.Only}
	if d.rows == 0 {
		d.rows = 4096
	}
	d.pool.New = func() any { return newBatch(&d.pool, d.rows, len(o.Fields)) }
	if err := d.start(o); err != nil {
		return nil, d.named(err)
	}
	d.schema = schema(o.Fields)
	return d, nil
}

// start looks at the first bytes, reads the header and looks for a first record.
func (d *Reader) start(o Options) error {
	if err := d.window.fill(); err != nil {
		return err
	}
	first := d.window.buf[:d.window.end]
	if err := sniff(first, d.window.done); err != nil {
		return err
	}
	if bytes.HasPrefix(first, []byte(bom)) {
		d.window.start = len(bom)
	}
	h, err := d.header()
	if err != nil {
		return err
	}
	all := slices.Concat([]string{numberField}, o.Fields, o.Required)
	at, refused := h.columns(all, o.Columns)
	if refused != nil {
		return refused
	}
	d.columns = len(h.names)
	d.number, d.fields, d.required = at[0], at[1:1+len(o.Fields)], at[1+len(o.Fields):]
	if _, err := d.peek(); err == io.EOF {
		return &FileError{Problem: "there are no records after the header line", Fix: "ask the sender for the file again"}
	} else if err != nil {
		return err
	}
	return nil
}

func (d *Reader) header() (header, error) {
	record, err := d.peek()
	if err == nil {
		d.split.spans = make([]span, d.split.count)
		record, err = d.peek() // again, now that there is room for every value
	}
	switch {
	case err == io.EOF:
		return header{}, &FileError{Problem: "the file holds nothing but empty lines", Fix: "ask the sender for the file again"}
	case err != nil:
		return header{}, err
	case !utf8.Valid(record):
		return header{}, &FileError{Line: d.line, Problem: "the header line holds bytes that are not UTF-8", Fix: "save the file as UTF-8"}
	}
	h := header{line: d.line}
	for k := range d.split.spans {
		h.names = append(h.names, strings.TrimSpace(string(d.split.value(record, k))))
	}
	d.consume(record)
	return h, nil
}

func schema(fields []string) *arrow.Schema {
	columns := []arrow.Field{
		person.ColumnRow:    {Name: "row", Type: arrow.PrimitiveTypes.Int64},
		person.ColumnLine:   {Name: "line", Type: arrow.PrimitiveTypes.Int64},
		person.ColumnNumber: {Name: "number", Type: arrow.PrimitiveTypes.Uint64, Nullable: true},
		person.ColumnFound:  {Name: "found", Type: arrow.BinaryTypes.String, Nullable: true},
		person.ColumnCode:   {Name: "code", Type: arrow.BinaryTypes.String, Nullable: true},
		person.ColumnReason: {Name: "reason", Type: arrow.BinaryTypes.String, Nullable: true},
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

// Records yields the file's records in their order, in batches of at most
// Options.BatchRows rows that are never empty. A batch is the consumer's until it
// asks for the next or leaves the loop: the Reader releases it then, so the consumer
// does not. To keep a batch longer, or to hand it to another goroutine, Retain it
// first and Release it later. Strings taken out of a batch alias its memory and die
// with it.
//
// An error is the last thing yielded, with a nil batch, and refuses the file as a
// whole: what was yielded before it must not be sent. It is a *FileError when the
// file is at fault. Records can be called once.
func (d *Reader) Records() iter.Seq2[arrow.Record, error] {
	return func(yield func(arrow.Record, error) bool) {
		if d.started {
			yield(nil, errors.New("ingest: the records of "+d.name+" have been read already"))
			return
		}
		d.started = true
		for {
			b, err := d.batch()
			if err != nil {
				yield(nil, d.named(err))
				return
			}
			if b == nil {
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

// Summary is the account of what Records has read: of the whole file once it has
// ended without error.
func (d *Reader) Summary() Summary {
	return Summary{
		Records:  d.records,
		Sendable: d.sendable, Test: d.test,
		Invalid:    d.records - d.sendable,
		BlankLines: d.blank,
		Bytes:      d.window.total,
		Reasons:    ranked(d.reasons),
	}
}

// batch fills the next batch, nil when the file has ended.
func (d *Reader) batch() (*batch, error) {
	b := d.pool.Get().(*batch)
	b.reset()
	for !b.full() {
		record, err := d.peek()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		line := d.line
		d.consume(record)
		d.records++
		b.begin(d.records, line)
		number, v := d.judge(record)
		if v != sendable {
			d.reasons[v].add(line)
			b.refuse(d.found(record), d.reasons[v].Code, d.explain(v))
			continue
		}
		d.sendable++
		if number.IsTest() {
			d.test++
		}
		for i, k := range d.fields {
			b.field(i, d.split.value(record, k))
		}
		b.accept(number)
	}
	if b.rows == 0 {
		return nil, nil
	}
	return b, nil
}
