package ingest

import (
	"sync"
	"sync/atomic"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"cohort/ingest/person"
)

// maxBatchText is the number of bytes of text after which a batch ends early, so that long
// values do not cost memory.
const maxBatchText = 4 << 20

// text is a column of UTF-8 in Arrow's layout. The next value, or the end, fills in rows
// without a value.
type text struct {
	offsets []int32 // offsets[row+1] is the end of row's value
	filled  int     // rows done
	data    []byte
}

func newText(rows int) text { return text{offsets: make([]int32, rows+1)} }

func (t *text) reset() { t.filled, t.data = 0, t.data[:0] }

func (t *text) add(row int, value []byte) {
	if t.filled < row {
		t.fill(row)
	}
	if n := len(t.data); len(value) <= 32 && cap(value) >= 32 && cap(t.data) >= n+32 {
		// Most values are short. Copying 16 bytes twice is cheaper than a call that copies the
		// exact number. The next value overwrites the surplus.
		*(*[16]byte)(t.data[n : n+16]) = [16]byte(value[:16])
		*(*[16]byte)(t.data[n+16 : n+32]) = [16]byte(value[16:32])
		t.data = t.data[:n+len(value)]
	} else {
		t.data = append(t.data, value...)
	}
	t.filled = row + 1
	t.offsets[t.filled] = int32(len(t.data))
}

func (t *text) fill(rows int) {
	end := int32(len(t.data))
	empty := t.offsets[t.filled+1 : rows+1]
	for i := range empty {
		empty[i] = end
	}
	t.filled = rows
}

// bitmap is one validity bit for each row.
type bitmap []byte

func (b bitmap) set(row int) { b[row>>3] |= 1 << (row & 7) }

// batch is the memory of one record batch. The goroutine that fills it owns it until record
// lends it out; then the record's holders own it. It is the allocator of its own buffers, so
// it goes back to the pool when the last buffer is released.
type batch struct {
	pool    *sync.Pool
	lent    atomic.Int32 // buffers not yet released
	rows    int
	text    int // bytes in the text columns
	row     []int64
	file    []uint16
	line    []int64
	order   []int64
	number  []uint64
	route   []uint8
	found   text
	code    text
	reason  text
	refs    text
	fields  []text
	ok      bitmap // sendable rows: number and fields
	bad     bitmap // invalid rows: code and reason
	named   bitmap // rows with something found
	quoted  bitmap // rows with a reference
	gone    bitmap // withdrawn rows; a column, not its validity
	invalid int
	founds  int
	quotes  int
}

func newBatch(pool *sync.Pool, rows, fields int) *batch {
	b := &batch{
		pool:   pool,
		row:    make([]int64, rows),
		file:   make([]uint16, rows),
		line:   make([]int64, rows),
		order:  make([]int64, rows),
		number: make([]uint64, rows),
		route:  make([]uint8, rows),
		found:  newText(rows),
		code:   newText(rows),
		reason: newText(rows),
		refs:   newText(rows),
		ok:     make(bitmap, (rows+7)/8),
		bad:    make(bitmap, (rows+7)/8),
		named:  make(bitmap, (rows+7)/8),
		quoted: make(bitmap, (rows+7)/8),
		gone:   make(bitmap, (rows+7)/8),
	}
	for range fields {
		b.fields = append(b.fields, newText(rows))
	}
	return b
}

func (b *batch) reset() {
	b.rows, b.text, b.invalid, b.founds, b.quotes = 0, 0, 0, 0, 0
	for _, bits := range []bitmap{b.ok, b.bad, b.named, b.quoted, b.gone} {
		clear(bits)
	}
	for _, t := range []*text{&b.found, &b.code, &b.reason, &b.refs} {
		t.reset()
	}
	for i := range b.fields {
		b.fields[i].reset()
	}
}

func (b *batch) full() bool { return b.rows == len(b.row) || b.text >= maxBatchText }

// begin starts the next row; accept or refuse must follow.
func (b *batch) begin(file uint16, line int64) {
	b.file[b.rows], b.line[b.rows] = file, line
}

// count numbers the rows, from last+1 on.
func (b *batch) count(last int64) {
	for i := range b.row[:b.rows] {
		b.row[i] = last + int64(i) + 1
	}
}

// reference sets the file's own message reference for the current row. An empty one is null.
func (b *batch) reference(value []byte) {
	if len(value) > 0 {
		b.quoted.set(b.rows)
		b.quotes++
		b.refs.add(b.rows, value)
		b.text += len(value)
	}
}

// field sets the value of a field for the current row.
func (b *batch) field(i int, value []byte) {
	b.fields[i].add(b.rows, value)
	b.text += len(value)
}

// accept ends a sendable row. Its fields must be set.
func (b *batch) accept(number person.NHSNumber) {
	b.ok.set(b.rows)
	b.number[b.rows] = number.Uint64()
	b.rows++
}

// refuse ends an invalid row. An empty found is null.
func (b *batch) refuse(found []byte, code, reason string) {
	b.bad.set(b.rows)
	b.invalid++
	b.number[b.rows], b.order[b.rows], b.route[b.rows] = 0, 0, 0
	if len(found) > 0 {
		b.named.set(b.rows)
		b.founds++
	}
	b.found.add(b.rows, found)
	b.code.add(b.rows, []byte(code))
	b.reason.add(b.rows, []byte(reason))
	b.text += len(found) + len(code) + len(reason)
	b.rows++
}

// record lends the batch out. It returns to the pool when the record, and everything retained
// from it, is released.
func (b *batch) record(schema *arrow.Schema) arrow.Record {
	b.lent.Store(1) // until every buffer is counted
	used := (b.rows + 7) / 8
	ok, bad, named, quoted := b.buffer(b.ok[:used]), b.buffer(b.bad[:used]), b.buffer(b.named[:used]), b.buffer(b.quoted[:used])
	columns := []arrow.Array{
		person.ColumnRow:       b.column(arrow.PrimitiveTypes.Int64, 0, nil, b.buffer(arrow.Int64Traits.CastToBytes(b.row[:b.rows]))),
		person.ColumnFile:      b.column(arrow.PrimitiveTypes.Uint16, 0, nil, b.buffer(arrow.Uint16Traits.CastToBytes(b.file[:b.rows]))),
		person.ColumnLine:      b.column(arrow.PrimitiveTypes.Int64, 0, nil, b.buffer(arrow.Int64Traits.CastToBytes(b.line[:b.rows]))),
		person.ColumnNumber:    b.column(arrow.PrimitiveTypes.Uint64, b.invalid, ok, b.buffer(arrow.Uint64Traits.CastToBytes(b.number[:b.rows]))),
		person.ColumnFound:     b.texts(&b.found, b.rows-b.founds, named),
		person.ColumnCode:      b.texts(&b.code, b.rows-b.invalid, bad),
		person.ColumnReason:    b.texts(&b.reason, b.rows-b.invalid, bad),
		person.ColumnReference: b.texts(&b.refs, b.rows-b.quotes, quoted),
		person.ColumnOrder:     b.column(arrow.PrimitiveTypes.Int64, 0, nil, b.buffer(arrow.Int64Traits.CastToBytes(b.order[:b.rows]))),
		person.ColumnWithdrawn: b.column(arrow.FixedWidthTypes.Boolean, 0, nil, b.buffer(b.gone[:used])),
		person.ColumnRoute:     b.column(arrow.PrimitiveTypes.Uint8, 0, nil, b.buffer(b.route[:b.rows])),
	}
	for i := range b.fields {
		columns = append(columns, b.texts(&b.fields[i], b.invalid, ok))
	}
	record := array.NewRecord(schema, columns, int64(b.rows))
	for _, c := range columns {
		c.Release()
	}
	for _, shared := range []*memory.Buffer{ok, bad, named, quoted} {
		shared.Release()
	}
	b.Free(nil)
	return record
}

func (b *batch) buffer(data []byte) *memory.Buffer {
	b.lent.Add(1)
	return memory.NewBufferWithAllocator(data, b)
}

func (b *batch) texts(t *text, nulls int, valid *memory.Buffer) arrow.Array {
	t.fill(b.rows)
	return b.column(arrow.BinaryTypes.String, nulls, valid, b.buffer(arrow.Int32Traits.CastToBytes(t.offsets[:b.rows+1])), b.buffer(t.data))
}

// column makes an array from its own buffers and a shared validity bitmap.
func (b *batch) column(of arrow.DataType, nulls int, valid *memory.Buffer, own ...*memory.Buffer) arrow.Array {
	data := array.NewData(of, b.rows, append([]*memory.Buffer{valid}, own...), nil, nulls, 0)
	defer data.Release()
	for _, buffer := range own {
		buffer.Release()
	}
	return array.MakeFromData(data)
}

// Allocate implements memory.Allocator. A record's buffers never grow.
func (b *batch) Allocate(size int) []byte { return make([]byte, size) }

// Reallocate implements memory.Allocator. A record's buffers never grow.
func (b *batch) Reallocate(size int, old []byte) []byte {
	return append(make([]byte, 0, size), old...)[:size]
}

// Free takes one buffer back. The last one returns the batch to the pool.
func (b *batch) Free([]byte) {
	if b.lent.Add(-1) == 0 {
		b.pool.Put(b)
	}
}
