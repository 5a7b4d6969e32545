package ingest

import (
	"errors"
	"io"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"
)

// columnar is a file of columns, Parquet or Arrow. Its rows are written out as text one
// by one, so that the checks behind it are those of a text file.
type columnar struct {
	kind    kind
	memory  ceiling
	batches batches
	fields  []arrow.Field
	head    header
	wanted  []int // the columns in use
	texts   []renderer
	padded  int // which of wanted is an NHS number as a number, -1 when it is text
	columns []chunks
	rows    int // in the batch
	at      int // the row in it
	row     int64
	buffer  []byte
	split   splitter
}

// batches yields the rows of a file batch by batch.
type batches interface {
	fields() []arrow.Field

	// choose says which columns are wanted, once, before the first batch.
	choose(wanted []int) error

	// next yields the chunks of each wanted column, io.EOF behind the last batch. They hold
	// until the next call.
	next() (columns []chunks, rows int, err error)

	close()
}

// chunks are the values of one column in a batch, and where the next row is in the
// first of them. Together they have a value for every row.
type chunks struct {
	arrays []arrow.Array
	at     int
}

// columnar builds the layers of a Parquet or Arrow file.
func (f *opened) columnar(k kind, r io.Reader, beside bool) error {
	c := &columnar{kind: k}
	err := c.guard(func() (err error) {
		switch k {
		case kindParquet:
			c.batches, err = newParquet(f.raw.ctx, f.handle, &c.memory)
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
		return err
	})
	if err != nil {
		return err
	}
	f.closers = append(f.closers, c.batches.close)
	f.source, f.format.Type = c, strings.ToLower(string(kindArrowFile))
	if k == kindParquet {
		f.format.Type = typeParquet
	}
	c.fields = c.batches.fields()
	c.head = header{kind: f.format.Type, named: true}
	for _, field := range c.fields {
		c.head.names = append(c.head.names, strings.TrimSpace(field.Name))
	}
	return nil
}

func (c *columnar) header() header    { return c.head }
func (c *columnar) values() *splitter { return &c.split }
func (c *columnar) blanks() int64     { return 0 }

// use takes the NHS number's column first.
func (c *columnar) use(columns []int) error {
	c.wanted = slices.Compact(slices.Sorted(slices.Values(columns)))
	c.padded = -1
	if renderWhole(c.fields[columns[0]].Type) != nil || arrow.IsFloating(c.fields[columns[0]].Type.ID()) {
		c.padded = slices.Index(c.wanted, columns[0])
	}
	for _, k := range c.wanted {
		text := renderText(c.fields[k].Type)
		if text == nil {
			return &FileError{
				Problem: "the column " + strconv.Quote(c.head.names[k]) + " holds " + c.fields[k].Type.Name() + " values, which have no plain text",
				Fix:     "send it as text",
			}
		}
		c.texts = append(c.texts, text)
	}
	c.split.spans = make([]span, len(c.head.names))
	c.split.count = len(c.head.names)
	if err := c.guard(func() error { return c.batches.choose(c.wanted) }); err != nil {
		return err
	}
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
			c.columns, c.rows, err = c.batches.next()
			return err
		})
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
func (c *columnar) write() error {
	b := c.buffer[:0]
	for i, k := range c.wanted {
		from := len(b)
		chunk := &c.columns[i]
		for chunk.at == chunk.arrays[0].Len() {
			chunk.arrays, chunk.at = chunk.arrays[1:], 0
		}
		if chunk.arrays[0].IsValid(chunk.at) {
			b = c.texts[i](b, chunk.arrays[0], chunk.at)
		}
		chunk.at++
		if i == c.padded {
			b = pad(b, from)
		}
		c.split.spans[k] = span{start: int32(from), end: int32(len(b))}
		b = append(b, '\n') // so that two values never make up a character
	}
	if len(b) > maxRecord {
		return &FileError{Line: c.row + 1, Problem: "a record is longer than 1 MiB", Fix: "ask the sender for the file without what is not needed"}
	}
	c.buffer = b
	return nil
}

// pad gives an NHS number back the noughts that a number column has lost.
func pad(b []byte, from int) []byte {
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
	if err == nil || err == io.EOF {
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
	return &FileError{Problem: "the " + string(c.kind) + " file is cut short or damaged", Fix: "ask the sender for the file again"}
}
