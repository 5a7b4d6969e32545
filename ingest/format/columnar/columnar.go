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

// columnarKind is a kind of file that is read by columns.
type Kind string

// The kinds, as errors call them.
const (
	Parquet     Kind = "Parquet"
	Arrow       Kind = "Arrow"
	ArrowStream Kind = "Arrow stream"
)

// columnar is a file of columns, Parquet or Arrow. Its rows are written out as text one
// by one, so that the checks behind it are those of a text file.
type File struct {
	kind    Kind
	memory  ceiling
	batches batches
	open    bool // the metadata has been read
	fields  []field
	Head    format.Header
	wanted  []int // the columns in use
	zone    *time.Location
	padded  []bool // which of wanted are NHS numbers as numbers
	rows    int    // in the batch
	at      int    // the row in it
	row     int64
	buffer  []byte
	split   format.Values
}

// batches yields the rows of a file batch by batch.
type batches interface {
	fields() []field

	// choose says which columns are wanted and how, once, before the first batch.
	choose(wanted []int, styles []style)

	// next begins the next batch, errNoBatch behind the last. io.EOF is damage, as it is
	// wherever a library meets an end.
	next() (rows int, err error)

	// write appends the text of a wanted column's value. It is asked of every wanted column
	// of a row, and of one row after another.
	write(dst []byte, column, row int) ([]byte, error)

	// where names the place that the reader has come to, for errors.
	where() string

	close()
}

// errNoBatch is the end of a file that is complete.
var errNoBatch = errors.New("ingest: no more record batches")

// field is a column of a file.
type field struct {
	name   string
	kind   string // what its values are called
	text   bool   // its values have a text
	number bool   // they are numbers
	short  bool   // they are numbers that cannot have ten digits
}

// openColumnar reads the metadata of a Parquet or Arrow file, or of an Arrow stream. The
// instants in it are written out in a zone; UTC when nil.
func Open(kind Kind, handle *os.File, stream io.Reader, zone *time.Location) (*File, error) {
	c := &File{kind: kind, zone: cmp.Or(zone, time.UTC), Head: format.Header{Type: format.TypeArrow, Named: true}}
	err := c.guard(func() (err error) {
		switch kind {
		case Parquet:
			c.Head.Type = format.TypeParquet
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
		c.Head.Names = append(c.Head.Names, strings.TrimSpace(field.name))
	}
	return c, nil
}

// close frees the memory of the current batch.
func (c *File) Close() { c.batches.close() }

func (c *File) Header() format.Header  { return c.Head }
func (c *File) Values() *format.Values { return &c.split }
func (c *File) Blanks() int64          { return 0 }

// use looks at the wanted columns, and at the first rows.
func (c *File) Use(columns []format.Column) error {
	is := map[int]format.Column{} // a column may be wanted for several reasons
	for _, w := range columns {
		is[w.At] = format.Column{Number: is[w.At].Number || w.Number, Day: is[w.At].Day || w.Day}
	}
	c.wanted = slices.Sorted(maps.Keys(is))
	var styles []style
	for _, k := range c.wanted {
		f, name := c.fields[k], strconv.Quote(c.Head.Names[k])
		switch {
		case !f.text:
			return refuse("the column "+name+" holds "+f.kind+" values, which have no plain text", "send it as text")
		case is[k].Number && f.short:
			return refuse("the column "+name+" holds floating-point numbers of 32 bits, in which an NHS number loses digits", "ask the sender to write it as text")
		}
		c.padded = append(c.padded, is[k].Number && f.number)
		styles = append(styles, style{zone: c.zone, days: is[k].Day})
	}
	c.split.Spans = make([]format.Span, len(c.Head.Names))
	c.split.Count = len(c.Head.Names)
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

// write writes out the next row.
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
		b = append(b, '\n') // so that two values never make up a character
		if len(b) > format.MaxRecord {
			return &format.FileError{Line: c.row + 1, Problem: "a record is longer than 1 MiB", Fix: "ask the sender for the file without what is not needed"}
		}
	}
	c.buffer = b
	return nil
}

// plainNumber makes ten digits of an NHS number that stands as a number: a fraction of
// noughts goes, and the noughts in front come back.
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

// guard calls into the libraries, and says of what goes wrong there what it means for
// the file.
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
