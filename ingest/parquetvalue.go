package ingest

import (
	"encoding/binary"
	"fmt"

	"github.com/parquet-go/parquet-go/format"
)

// readDictionary reads the values that pages refer to.
func (c *parquetColumn) readDictionary(data []byte, values int) {
	require(c.dictionary == nil && values >= 0 && values <= len(data))
	c.values = data
	c.dictionary = make([][]byte, values)
	next := c.plain()
	for i := range c.dictionary {
		c.dictionary[i] = next()
	}
}

// decoder yields the values of the page, whatever their encoding. What it yields lasts
// until the next call. It panics when the page holds too few.
func (c *parquetColumn) decoder() func() []byte {
	data := c.values
	switch kind := c.leaf.Type.V; c.encoding {
	case format.Plain:
		return c.plain()
	case format.PlainDictionary, format.RLEDictionary:
		r := runs{data: data[1:], width: uint(data[0])}
		require(r.width <= 32)
		return func() []byte { return c.dictionary[r.next()] }
	case format.RLE:
		require(kind == format.Boolean)
		r := runs{data: data[4:], width: 1}
		return func() []byte { return []byte{byte(r.next())} }
	case format.DeltaBinaryPacked:
		require(kind == format.Int32 || kind == format.Int64)
		d, number := c.deltas(data), make([]byte, 8)
		return func() []byte {
			binary.LittleEndian.PutUint64(number, uint64(d.next()))
			return number[:c.width]
		}
	case format.DeltaLengthByteArray:
		lengths := c.deltas(data)
		data = lengths.rest()
		return func() []byte { return front(&data, lengths.next()) }
	case format.DeltaByteArray:
		prefixes := c.deltas(data)
		lengths := c.deltas(prefixes.rest())
		data = lengths.rest()
		var last []byte
		return func() []byte {
			last = append(last[:prefixes.next()], front(&data, lengths.next())...)
			c.memory.check(int64(len(last)))
			return last
		}
	case format.ByteStreamSplit:
		require(c.width > 0)
		n, at, value := len(data)/c.width, 0, make([]byte, c.width)
		return func() []byte {
			require(at < n)
			for i := range value {
				value[i] = data[i*n+at]
			}
			at++
			return value
		}
	}
	panic(fmt.Sprintf("ingest: the encoding %s", c.encoding))
}

// plain yields values that stand one behind the other.
func (c *parquetColumn) plain() func() []byte {
	data := c.values
	switch {
	case c.leaf.Type.V == format.Boolean:
		r := runs{data: data, width: 1, left: 8 * len(data), packed: true}
		return func() []byte { return []byte{byte(r.next())} }
	case c.leaf.Type.V == format.ByteArray:
		return func() []byte {
			n := int64(binary.LittleEndian.Uint32(data))
			data = data[4:]
			return front(&data, n)
		}
	}
	require(c.width > 0)
	return func() []byte { return front(&data, int64(c.width)) }
}

// front takes bytes from the front.
func front(data *[]byte, n int64) []byte {
	taken := (*data)[:n:n]
	*data = (*data)[n:]
	return taken
}

// runs are numbers of a few bits, as runs of one number and as numbers packed one behind
// the other.
type runs struct {
	data   []byte
	width  uint
	left   int // numbers in the run
	packed bool
	bit    uint // of the next packed number
	number uint64
}

func (r *runs) next() uint64 {
	for r.left == 0 {
		if r.packed {
			r.data = r.data[min(uint(len(r.data)), (r.bit+7)/8):]
		}
		header := uvarint(&r.data)
		require(header>>1 <= 1<<31)
		r.left, r.packed, r.bit = int(header>>1), header&1 == 1, 0
		if r.packed {
			r.left *= 8
			continue
		}
		r.number = 0
		for i, b := range front(&r.data, int64(r.width+7)/8) {
			r.number |= uint64(b) << (8 * i)
		}
	}
	r.left--
	if r.packed {
		r.number = packedBits(r.data, r.bit, r.width)
		r.bit += r.width
	}
	return r.number
}

// packedBits reads a number of a few bits, the lowest first.
func packedBits(data []byte, from, width uint) uint64 {
	data = data[from/8 : (from+width+7)/8]
	var room [16]byte
	copy(room[:], data)
	low, shift := binary.LittleEndian.Uint64(room[:]), from%8
	number := low >> shift
	if shift > 0 {
		number |= uint64(room[8]) << (64 - shift)
	}
	return number & (uint64(1)<<width - 1)
}

func uvarint(data *[]byte) uint64 {
	n, size := binary.Uvarint(*data)
	require(size > 0)
	*data = (*data)[size:]
	return n
}

func varint(data *[]byte) int64 {
	n, size := binary.Varint(*data)
	require(size > 0)
	*data = (*data)[size:]
	return n
}

// deltas are numbers as differences from the number before, packed in blocks.
type deltas struct {
	data   []byte
	left   int // numbers
	first  bool
	last   int64
	minis  int // parts of a block, each with a width of its own
	size   int // numbers in such a part
	least  int64
	widths []byte
	part   []byte
	inPart int
	bit    uint
}

func (c *parquetColumn) deltas(data []byte) *deltas {
	block, minis, values := uvarint(&data), uvarint(&data), uvarint(&data)
	require(minis > 0 && block > 0 && block <= 1<<16 && block%minis == 0 && block/minis%8 == 0 && values <= uint64(c.present))
	return &deltas{last: varint(&data), data: data, left: int(values), first: true, minis: int(minis), size: int(block / minis)}
}

func (d *deltas) next() int64 {
	require(d.left > 0)
	d.left--
	if d.first {
		d.first = false
		return d.last
	}
	if d.inPart == 0 {
		if len(d.widths) == 0 {
			d.least = varint(&d.data)
			d.widths = front(&d.data, int64(d.minis))
		}
		require(d.widths[0] <= 64)
		d.part = front(&d.data, int64(min(len(d.data), d.size*int(d.widths[0])/8)))
		d.bit, d.inPart = 0, d.size
	}
	width := uint(d.widths[0])
	d.last += d.least + int64(packedBits(d.part, d.bit, width))
	d.bit += width
	if d.inPart--; d.inPart == 0 {
		d.widths = d.widths[1:]
	}
	return d.last
}

// rest is what stands behind the numbers.
func (d *deltas) rest() []byte {
	all := *d
	for all.left > 0 {
		all.next()
	}
	return all.data
}
