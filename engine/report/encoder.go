package report

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/bits"
	"slices"

	"github.com/parquet-go/parquet-go/encoding/delta"
	"github.com/parquet-go/parquet-go/encoding/rle"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// encoder encodes row groups: begin, then each column in the order of the file, then end. Every reader knows the
// encodings that it chooses. It is not safe for concurrent use.
type encoder struct {
	*compressor
	columns []format.SchemaElement
	chunks  []chunk
	next    int   // column
	err     error // the first

	// Of the present column:
	levels     []byte           // by row: 1 if it has a value
	plain      []byte           // the values, PLAIN
	ordinals   []int32          // of the values in the dictionary
	dictionary map[string]int32 // from a value to its ordinal
	ofEntry    []int32          // ordinals; see shared
	body       []byte           // of a page, before compression
	runs       []byte           // of levels or ordinals
	packed     []byte           // the body, compressed
}

// chunk is a column of a row group: the page of its dictionary if it has one, and one page of data.
type chunk struct {
	format.ColumnMetaData // without the places of pages
	pages                 []byte
	dictionary            int // bytes of pages
}

func newEncoder(f *parquetFile) *encoder {
	columns := f.Schema[1:] // the first is the root
	return &encoder{
		compressor: newCompressor(), columns: columns,
		chunks: make([]chunk, len(columns)), dictionary: map[string]int32{},
	}
}

func (e *encoder) begin(rows int) {
	e.levels, e.next = slices.Grow(e.levels[:0], rows)[:rows], 0
}

// end returns the row group. It is valid until the next begins.
func (e *encoder) end() ([]chunk, error) {
	if e.next < len(e.columns) {
		e.must(nil, fmt.Errorf("column %s is missing; this is a defect of cohort", e.columns[e.next].Name))
	}
	return e.chunks, e.err
}

func (e *encoder) column(encodings ...format.Encoding) *chunk {
	c, s := &e.chunks[e.next], &e.columns[e.next]
	e.next++
	*c = chunk{pages: c.pages[:0], ColumnMetaData: format.ColumnMetaData{
		Type: s.Type.V, PathInSchema: []string{s.Name}, Encoding: encodings, Codec: format.Zstd, NumValues: int64(len(e.levels)),
	}}
	e.plain, e.ordinals, e.ofEntry = e.plain[:0], e.ordinals[:0], e.ofEntry[:0]
	return c
}

// integers encodes a column of integers that mostly rise by one.
func (e *encoder) integers(values []int64) {
	c := e.column(format.DeltaBinaryPacked)
	for _, v := range []int64{slices.Min(values), slices.Max(values)} {
		c.bound(binary.LittleEndian.AppendUint64(nil, uint64(v)))
	}
	e.body = e.must(new(delta.BinaryPackedEncoding).EncodeInt64(e.body, values))
	e.packed = e.pack(e.packed[:0], e.body)
	e.data(c, format.DeltaBinaryPacked, len(e.body))
}

// own encodes a column of values that rows seldom share. value appends that of a row; an empty one is null.
func (e *encoder) own(value func(dst []byte, row int) []byte) {
	c, plain := e.column(format.Plain, format.RLE), e.plain
	var length []byte // of a text
	if c.Type == format.ByteArray {
		length = make([]byte, 4)
	}
	for i := range e.levels {
		at := len(plain)
		plain = value(append(plain, length...), i)
		v := plain[at+len(length):]
		if len(v) == 0 {
			plain, e.levels[i] = plain[:at], 0
			c.Statistics.NullCount++
			continue
		}
		if len(length) > 0 {
			binary.LittleEndian.PutUint32(plain[at:], uint32(len(v)))
		}
		e.levels[i] = 1
		c.bound(v)
	}
	e.plain = plain
	e.head(c)
	e.packValues(c, e.body)
	e.data(c, format.Plain, len(e.body)+len(e.plain))
}

// packValues packs the head, and the values of a column.
func (e *encoder) packValues(c *chunk, head []byte) {
	if c.Type == format.ByteArray {
		e.packed = e.packTexts(e.packed[:0], head, e.plain, c.common())
	} else {
		e.packed = e.pack(e.packed[:0], append(head, e.plain...))
	}
}

// mostShared limits the values in a dictionary.
const mostShared = rowsInGroup / 8

// shared encodes a column with values that many rows share: a row has that of entry which[row]. There are n entries.
// value appends that of an entry; an empty one is null.
func (e *encoder) shared(which []uint16, n int, value func(dst []byte, entry int) []byte) {
	c := e.column(format.RLEDictionary, format.Plain, format.RLE)
	if n == 1 && len(value(e.body[:0], 0)) == 0 {
		e.nulls(c)
		return
	}
	clear(e.dictionary)
	for range n {
		e.ofEntry = append(e.ofEntry, unknown)
	}
	levels, ordinals := e.levels[:len(which)], e.ordinals
	for i, entry := range which {
		ordinal := e.ofEntry[entry]
		if ordinal == unknown {
			e.body = value(e.body[:0], int(entry))
			ordinal = e.define(c, e.body)
			e.ofEntry[entry] = ordinal
			if ordinal == mostShared { // single messages each have their own
				e.next--
				e.own(func(dst []byte, row int) []byte { return value(dst, int(which[row])) })
				return
			}
		}
		if levels[i] = 1; ordinal == null {
			levels[i] = 0
			continue
		}
		ordinals = append(ordinals, ordinal)
	}
	e.ordinals = ordinals
	if len(e.dictionary) == 0 {
		e.nulls(c)
		return
	}
	c.Statistics.NullCount = int64(len(which) - len(e.ordinals))
	e.head(c)
	e.packValues(c, nil)
	e.page(c, len(e.plain), format.PageHeader{
		Type:                 format.DictionaryPage,
		DictionaryPageHeader: thrift.New(format.DictionaryPageHeader{NumValues: int32(len(e.dictionary)), Encoding: format.Plain}),
	})
	c.dictionary = len(c.pages)
	width := max(1, bits.Len(uint(len(e.dictionary)-1)))
	e.runs = e.must((&rle.Encoding{BitWidth: width}).EncodeInt32(e.runs, e.ordinals))
	e.body = append(append(e.body, byte(width)), e.runs...)
	e.packed = e.pack(e.packed[:0], e.body)
	e.data(c, format.RLEDictionary, len(e.body))
}

// nulls encodes a column without values.
func (e *encoder) nulls(c *chunk) {
	clear(e.levels)
	c.Encoding, c.Statistics.NullCount = c.Encoding[1:], int64(len(e.levels))
	e.head(c)
	e.packed = e.pack(e.packed[:0], e.body)
	e.data(c, format.Plain, len(e.body))
}

// Instead of an ordinal.
const (
	unknown = -1 - iota
	null
)

// define returns the ordinal of a value. A new value goes into the dictionary.
func (e *encoder) define(c *chunk, value []byte) int32 {
	if len(value) == 0 {
		return null
	}
	ordinal, found := e.dictionary[string(value)]
	if found {
		return ordinal
	}
	ordinal = int32(len(e.dictionary))
	e.dictionary[string(value)] = ordinal
	if c.Type == format.ByteArray {
		e.plain = binary.LittleEndian.AppendUint32(e.plain, uint32(len(value)))
	}
	e.plain = append(e.plain, value...)
	c.bound(value)
	return ordinal
}

// head begins the body of a page of data: with the levels, unless each row must have a value.
func (e *encoder) head(c *chunk) {
	e.body = e.body[:0]
	if s := &e.columns[e.next-1]; s.RepetitionType.V == format.Optional {
		e.runs = e.must((&rle.Encoding{BitWidth: 1}).EncodeLevels(e.runs, e.levels))
		e.body = append(binary.LittleEndian.AppendUint32(e.body, uint32(len(e.runs))), e.runs...)
	} else if c.Statistics.NullCount > 0 {
		e.must(nil, fmt.Errorf("a value of column %s is missing; this is a defect of cohort", s.Name))
	}
}

// data appends the page of data in packed.
func (e *encoder) data(c *chunk, encoding format.Encoding, size int) {
	e.page(c, size, format.PageHeader{Type: format.DataPage, DataPageHeader: thrift.New(format.DataPageHeader{
		NumValues: int32(len(e.levels)), Encoding: encoding, DefinitionLevelEncoding: format.RLE, RepetitionLevelEncoding: format.RLE,
		Statistics: format.Statistics{NullCount: c.Statistics.NullCount},
	})})
}

// page appends the page in packed. size is its size before compression.
func (e *encoder) page(c *chunk, size int, h format.PageHeader) {
	h.UncompressedPageSize, h.CompressedPageSize, h.CRC = int32(size), int32(len(e.packed)), int32(crc32.ChecksumIEEE(e.packed))
	head := e.must(thrift.Marshal(new(thrift.CompactProtocol), &h))
	c.pages = append(append(c.pages, head...), e.packed...)
	c.TotalUncompressedSize += int64(len(head) + size)
}

// must keeps the first error for end.
func (e *encoder) must(b []byte, err error) []byte {
	if e.err == nil {
		e.err = err
	}
	return b
}

// bound extends the bounds of the column to a value.
func (c *chunk) bound(value []byte) {
	s := &c.Statistics
	if s.MinValue == nil || less(c.Type, value, s.MinValue) {
		s.MinValue = append(s.MinValue[:0], value...)
	}
	if s.MaxValue == nil || less(c.Type, s.MaxValue, value) {
		s.MaxValue = append(s.MaxValue[:0], value...)
	}
}

func less(of format.Type, a, b []byte) bool {
	switch of {
	case format.Int32:
		return int32(binary.LittleEndian.Uint32(a)) < int32(binary.LittleEndian.Uint32(b))
	case format.Int64:
		return int64(binary.LittleEndian.Uint64(a)) < int64(binary.LittleEndian.Uint64(b))
	}
	return bytes.Compare(a, b) < 0
}

// common returns the number of bytes that all values begin with.
func (c *chunk) common() (n int) {
	least, most := c.Statistics.MinValue, c.Statistics.MaxValue
	for n < min(len(least), len(most)) && least[n] == most[n] {
		n++
	}
	return n
}
