package columnar

import (
	"encoding/binary"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

// readDictionary reads the values that pages refer to.
func (c *parquetColumn) readDictionary(data []byte, values int) {
	require(c.dictionary == nil && values >= 0 && values <= len(data))
	c.dictionary = make([][]byte, values)
	next := c.plain(data)
	for i := range c.dictionary {
		c.dictionary[i] = next()
	}
}

// decoder yields the values of a page, at most most. It panics when there are too few.
func (c *parquetColumn) decoder(data []byte, most int, encoding format.Encoding) func() []byte {
	switch encoding {
	case format.Plain:
		return c.plain(data)
	case format.PlainDictionary, format.RLEDictionary: //lint:ignore SA1019 older writers use it
		r := runs{data: data[1:], width: uint(data[0])}
		require(r.width <= 32)
		return func() []byte { return c.dictionary[r.next()] }
	case format.RLE:
		require(c.Type.V == format.Boolean)
		r := runs{data: data[4:], width: 1}
		return func() []byte { return []byte{byte(r.next())} }
	case format.DeltaByteArray:
		skipDeltas(skipDeltas(data, most), most)
	case format.DeltaBinaryPacked, format.DeltaLengthByteArray:
		skipDeltas(data, most)
	}
	of := parquet.FixedLenByteArrayType(c.width())
	switch c.Type.V {
	case format.Int32:
		of = parquet.Int32Type
	case format.Int64:
		of = parquet.Int64Type
	case format.Float:
		of = parquet.FloatType
	case format.Double:
		of = parquet.DoubleType
	case format.ByteArray:
		of = parquet.ByteArrayType
	}
	decoded, err := of.Decode(of.NewValues(nil, nil), data, parquet.LookupEncoding(encoding))
	require(err == nil)
	values, ends := decoded.Data()
	i, width := -1, c.width()
	return func() []byte {
		if i++; width == 0 {
			return values[ends[i]:ends[i+1]]
		}
		return values[i*width : (i+1)*width]
	}
}

// plain yields values in plain encoding.
func (c *parquetColumn) plain(data []byte) func() []byte {
	width := int64(c.width())
	switch {
	case c.Type.V == format.Boolean:
		r := runs{data: data, width: 1, left: 8 * len(data), packed: true}
		return func() []byte { return []byte{byte(r.next())} }
	case c.Type.V == format.ByteArray:
		return func() []byte {
			n := int64(binary.LittleEndian.Uint32(data))
			data = data[4:]
			return front(&data, n)
		}
	}
	require(width > 0)
	return func() []byte { return front(&data, width) }
}

// front takes bytes from the front.
func front(data *[]byte, n int64) []byte {
	taken := (*data)[:n:n]
	*data = (*data)[n:]
	return taken
}

// runs decodes Parquet's RLE encoding: numbers of a few bits, repeated or packed.
type runs struct {
	data   []byte
	width  uint
	left   int // numbers of the run to come
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

// packedBits reads a number of width bits, the lowest bit first.
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

// skipDeltas checks delta-encoded numbers, and returns the bytes behind them. More than most
// numbers are damage: the library would take memory for any number of them.
func skipDeltas(data []byte, most int) []byte {
	block, parts, values := uvarint(&data), uvarint(&data), uvarint(&data)
	require(parts > 0 && parts <= block && block <= 1<<16 && values <= uint64(most))
	_ = varint(&data)
	for done := uint64(1); done < values; {
		_ = varint(&data)
		for _, width := range front(&data, int64(parts)) {
			if done < values {
				front(&data, min(int64(len(data)), int64(block/parts)*int64(width)/8))
			}
			done += block / parts
		}
	}
	return data
}
