package columnar

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"cohort/ingest/format"
)

// Kind is a kind of file, as errors call it.
type Kind string

// The kinds.
const (
	Parquet     Kind = "Parquet"
	Arrow       Kind = "Arrow"
	ArrowStream Kind = "Arrow stream"
)

// File is a Parquet or Arrow file, or an Arrow stream. It is a format.Source.
type File struct {
	kind    Kind
	memory  ceiling
	batches batches
	open    bool // the metadata is read
	fields  []field
	head    format.Header
	wanted  []int // the columns in use
	zone    *time.Location
	padded  []bool // for each of wanted: it holds NHS numbers, as numbers
	rows    int    // in the current batch
	at      int    // the next of them
	row     int64
	buffer  []byte
	split   format.Values
}

// batches yields the rows of a file, batch by batch.
type batches interface {
	fields() []field

	// choose sets the wanted columns and their styles, once, before the first batch.
	choose(wanted []int, styles []style)

	// next begins the next batch. It returns errNoBatch behind the last. io.EOF means damage.
	next() (rows int, err error)

	// write appends the text of a value. column is an index into wanted. The caller asks for
	// every column of a row, and for one row after another.
	write(dst []byte, column, row int) ([]byte, error)

	// where names the current place in the file, for errors.
	where() string

	close()
}

// errNoBatch is the end of a file that is complete.
var errNoBatch = errors.New("ingest: no more record batches")

// field describes a column of a file.
type field struct {
	name   string
	kind   string // the name of its type
	text   bool   // its values can be written as plain text
	number bool   // its values are numbers
	short  bool   // its values are numbers that cannot hold ten digits
}

// Open reads the metadata of the file handle, or of the stream when kind is ArrowStream.
// Instants are written out in the zone; UTC when nil. The file must be closed.
func Open(kind Kind, handle *os.File, stream io.Reader, zone *time.Location) (*File, error) {
	c := &File{kind: kind, zone: cmp.Or(zone, time.UTC), head: format.Header{Type: format.TypeArrow, Named: true}}
	err := c.guard(func() (err error) {
		switch kind {
		case Parquet:
			c.head.Type = format.TypeParquet
			c.batches, err = newParquet(handle, &c.memory)
		case Arrow:
			c.batches, err = newArrowFile(handle, &c.memory)
		default:
			c.batches, err = newArrowStream(stream, &c.memory)
		}
		if err == nil {
			c.fields = c.batches.fields()
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	c.open = true
	for _, field := range c.fields {
		c.head.Names = append(c.head.Names, strings.TrimSpace(field.name))
	}
	return c, nil
}

// Close frees the memory of the current batch. It does not close the handle.
func (c *File) Close() { c.batches.close() }

// Header implements format.Source, as Values, Blanks and Next do.
func (c *File) Header() format.Header  { return c.head }
func (c *File) Values() *format.Values { return &c.split }
func (c *File) Blanks() int64          { return 0 }

// Use checks the types of the columns, and reads the first batch.
func (c *File) Use(columns []format.Column) error {
	is := map[int]format.Column{} // several fields may use one column
	for _, w := range columns {
		is[w.At] = format.Column{Number: is[w.At].Number || w.Number, Day: is[w.At].Day || w.Day}
	}
	c.wanted = slices.Sorted(maps.Keys(is))
	var styles []style
	for _, k := range c.wanted {
		f, name := c.fields[k], strconv.Quote(c.head.Names[k])
		switch {
		case !f.text:
			return refuse("the column "+name+" holds "+f.kind+" values, which have no plain text", "send it as text")
		case is[k].Number && f.short:
			return refuse("the column "+name+" holds floating-point numbers of 32 bits, and an NHS number loses digits there", "ask the sender to write it as text")
		}
		c.padded = append(c.padded, is[k].Number && f.number)
		styles = append(styles, style{zone: c.zone, days: is[k].Day})
	}
	c.split.Spans = make([]format.Span, len(c.head.Names))
	c.split.Count = len(c.head.Names)
	c.batches.choose(c.wanted, styles)
	if err := c.fill(); err == io.EOF {
		return refuse("there are no records in the file", "ask the sender for the file again")
	} else if err != nil {
		return err
	}
	return nil
}

// fill takes the next batch that holds rows.
func (c *File) fill() error {
	for c.at == c.rows {
		err := c.guard(func() (err error) {
			c.rows, err = c.batches.next()
			return err
		})
		if err == errNoBatch {
			return io.EOF
		}
		if err != nil {
			return err
		}
		c.at = 0
	}
	return nil
}

func (c *File) Next() (record []byte, line int64, err error) {
	if err := c.fill(); err != nil {
		return nil, 0, err
	}
	if err := c.guard(c.write); err != nil {
		return nil, 0, err
	}
	c.at++
	c.row++
	return c.buffer, c.row, nil
}

// write writes the next row as text.
func (c *File) write() (err error) {
	b := c.buffer[:0]
	for i, k := range c.wanted {
		from := len(b)
		if b, err = c.batches.write(b, i, c.at); err != nil {
			return err
		}
		if c.padded[i] {
			b = plainNumber(b, from)
		}
		c.split.Spans[k] = format.Span{Start: int32(from), End: int32(len(b))}
		b = append(b, '\n') // so that two values never form one character
		if len(b) > format.MaxRecord {
			return &format.FileError{Line: c.row + 1, Problem: "a record is longer than 1 MiB", Fix: "ask the sender for the file without what is not needed"}
		}
	}
	c.buffer = b
	return nil
}

// plainNumber makes ten digits of an NHS number that was stored as a number. It removes a
// fraction of zeros, and restores leading zeros.
func plainNumber(b []byte, from int) []byte {
	whole, fraction, _ := bytes.Cut(b[from:], []byte{'.'})
	if len(bytes.Trim(fraction, "0")) == 0 {
		b = b[:from+len(whole)]
	}
	n := len(b) - from
	if n == 0 || n >= 10 {
		return b
	}
	for _, c := range b[from:] {
		if c < '0' || c > '9' {
			return b
		}
	}
	return slices.Insert(b, from, []byte("0000000000")[n:]...)
}

// guard calls into the libraries, and translates their errors and panics.
func (c *File) guard(call func() error) (err error) {
	defer func() {
		if recover() != nil { // the libraries panic on some damaged files
			err = c.damaged()
		}
	}()
	err = call()
	if err == nil || err == errNoBatch {
		return err
	}
	if _, disk := errors.AsType[*fs.PathError](err); disk {
		return err
	}
	if refused, ok := errors.AsType[*format.FileError](err); ok {
		return refused
	}
	if source, ok := errors.AsType[*sourceError](err); ok {
		return source.err
	}
	return c.damaged()
}

func (c *File) damaged() *format.FileError {
	if c.memory.hit {
		return &format.FileError{
			Problem: "the " + string(c.kind) + " file asks for more than 128 MiB at once: it is damaged, or written in too large record batches",
			Fix:     "ask the sender for the file again, in record batches of at most 100,000 rows",
		}
	}
	where := ", in its footer"
	if c.kind == ArrowStream {
		where = ", in its schema"
	}
	if c.open {
		where = ", " + c.batches.where()
	}
	return refuse("the "+string(c.kind)+" file is cut short or damaged"+where, "ask the sender for the file again")
}

func refuse(problem, fix string) *format.FileError {
	return &format.FileError{Problem: problem, Fix: fix}
}
