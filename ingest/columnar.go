package ingest

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"
)

// columnar is a file of columns, Parquet or Arrow. Its rows are written out as text one
// by one, so that the checks behind it are those of a text file.
type columnar struct {
	kind    kind
	memory  ceiling
	batches batches
	open    bool // the metadata has been read
	fields  []field
	head    header
	wanted  []int // the columns in use
	numbers []int // the columns of NHS numbers
	days    []int // the columns of dates
	zone    *time.Location
	padded  []bool // which of wanted are NHS numbers as numbers
	rows    int    // in the batch
	at      int    // the row in it
	row     int64
	buffer  []byte
	split   splitter
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

// columnar builds the layers of a Parquet or Arrow file.
func (f *opened) columnar(k kind, r io.Reader, o Options, beside bool) error {
	c := &columnar{kind: k, zone: o.Zone}
	if c.zone == nil {
		c.zone = time.UTC
	}
	err := c.guard(func() (err error) {
		switch k {
		case kindParquet:
			c.batches, err = newParquet(f.handle, &c.memory)
		case kindArrowFile:
			c.batches, err = newArrowFile(f.handle, &c.memory)
		default:
			if beside {
				p := newPump(r)
				f.closers = append(f.closers, p.close)
				r = p
			}
			c.batches, err = newArrowStream(r, &c.memory)
		}
		if err == nil {
			c.fields = c.batches.fields()
		}
		return err
	})
	if err != nil {
		return err
	}
	c.open = true
	f.closers = append(f.closers, c.batches.close)
	f.source, f.format.Type = c, strings.ToLower(string(kindArrowFile))
	if k == kindParquet {
		f.format.Type = typeParquet
	}
	c.head = header{kind: f.format.Type, named: true}
	for _, field := range c.fields {
		c.head.names = append(c.head.names, strings.TrimSpace(field.name))
	}
	return nil
}

func (c *columnar) header() header    { return c.head }
func (c *columnar) values() *splitter { return &c.split }
func (c *columnar) blanks() int64     { return 0 }

// use looks at the wanted columns, and at the first rows.
func (c *columnar) use(columns []int) error {
	c.wanted = slices.Compact(slices.Sorted(slices.Values(columns)))
	var styles []style
	for _, k := range c.wanted {
		f, number := c.fields[k], slices.Contains(c.numbers, k)
		switch {
		case !f.text:
			return &FileError{Problem: "the column " + strconv.Quote(c.head.names[k]) + " holds " + f.kind + " values, which have no plain text", Fix: "send it as text"}
		case number && f.short:
			return &FileError{Problem: "the column " + strconv.Quote(c.head.names[k]) + " holds floating-point numbers of 32 bits, in which an NHS number loses digits", Fix: "ask the sender to write it as text"}
		}
		c.padded = append(c.padded, number && f.number)
		styles = append(styles, style{zone: c.zone, days: slices.Contains(c.days, k)})
	}
	c.split.spans = make([]span, len(c.head.names))
	c.split.count = len(c.head.names)
	c.batches.choose(c.wanted, styles)
	if err := c.fill(); err == io.EOF {
		return &FileError{Problem: "there are no records in the file", Fix: "ask the sender for the file again"}
	} else if err != nil {
		return err
	}
	return nil
}

// fill takes the next batch that holds rows.
func (c *columnar) fill() error {
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

func (c *columnar) next() (record []byte, line int64, err error) {
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
func (c *columnar) write() (err error) {
	b := c.buffer[:0]
	for i, k := range c.wanted {
		from := len(b)
		if b, err = c.batches.write(b, i, c.at); err != nil {
			return err
		}
		if c.padded[i] {
			b = plainNumber(b, from)
		}
		c.split.spans[k] = span{start: int32(from), end: int32(len(b))}
		b = append(b, '\n') // so that two values never make up a character
		if len(b) > maxRecord {
			return &FileError{Line: c.row + 1, Problem: "a record is longer than 1 MiB", Fix: "ask the sender for the file without what is not needed"}
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
func (c *columnar) guard(call func() error) (err error) {
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
	if refused, ok := errors.AsType[*FileError](err); ok {
		return refused
	}
	if source, ok := errors.AsType[*sourceError](err); ok {
		return source.err
	}
	return c.damaged()
}

func (c *columnar) damaged() *FileError {
	if c.memory.hit {
		return &FileError{
			Problem: "the " + string(c.kind) + " file asks for more than 128 MiB at once: it is damaged, or written in too large record batches",
			Fix:     "ask the sender for the file again, in record batches of at most 100,000 rows",
		}
	}
	where := ", in its footer"
	if c.kind == kindArrowStream {
		where = ", in its schema"
	}
	if c.open {
		where = ", " + c.batches.where()
	}
	return &FileError{Problem: "the " + string(c.kind) + " file is cut short or damaged" + where, Fix: "ask the sender for the file again"}
}
