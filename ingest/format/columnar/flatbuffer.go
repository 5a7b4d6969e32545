package columnar

import (
	"encoding/binary"

	"github.com/klauspost/compress/zstd"
)

// flatbuffer checks the metadata of an Arrow file before the library reads it, because the
// library believes every length. The methods panic when something lies outside of data.
type flatbuffer struct {
	data   []byte
	tables int // how many may still be visited; each takes at least four bytes
	depth  int
}

// maxDepth limits the nesting of tables.
const maxDepth = 100

func newFlatbuffer(data []byte) *flatbuffer { return &flatbuffer{data: data, tables: len(data) / 4} }

func (f *flatbuffer) root() int          { return f.follow(0) }
func (f *flatbuffer) follow(at int) int  { return at + int(binary.LittleEndian.Uint32(f.data[at:])) }
func (f *flatbuffer) int64(at int) int64 { return int64(binary.LittleEndian.Uint64(f.data[at:])) }

// slot finds a value of a table; 0 when it is not set.
func (f *flatbuffer) slot(table, slot int) int {
	layout := f.data[table-int(int32(binary.LittleEndian.Uint32(f.data[table:]))):]
	if at := 4 + 2*slot; at+2 <= int(binary.LittleEndian.Uint16(layout)) {
		if offset := int(binary.LittleEndian.Uint16(layout[at:])); offset > 0 {
			return table + offset
		}
	}
	return 0
}

// byte is a value of one byte.
func (f *flatbuffer) byte(table, slot int) byte {
	if at := f.slot(table, slot); at > 0 {
		return f.data[at]
	}
	return 0
}

// vector finds the elements of a vector or text. Each is width bytes long.
func (f *flatbuffer) vector(table, slot, width int) (at, elements int) {
	if at = f.slot(table, slot); at == 0 {
		return 0, 0
	}
	at = f.follow(at)
	elements = int(binary.LittleEndian.Uint32(f.data[at:]))
	at += 4
	require(elements <= (len(f.data)-at)/width)
	return at, elements
}

// table visits the table in a slot, if there is one.
func (f *flatbuffer) table(table, slot int, visit func(table int)) {
	if at := f.slot(table, slot); at > 0 {
		f.visit(f.follow(at), visit)
	}
}

// each visits every table of a vector.
func (f *flatbuffer) each(table, slot int, visit func(table int)) {
	at, elements := f.vector(table, slot, 4)
	for i := range elements {
		f.visit(f.follow(at+4*i), visit)
	}
}

func (f *flatbuffer) visit(table int, visit func(table int)) {
	f.tables--
	f.depth++
	require(f.tables >= 0 && f.depth <= maxDepth)
	visit(table)
	f.depth--
}

// require panics when a file is damaged: see File.guard.
func require(ok bool) {
	if !ok {
		panic("ingest: damaged")
	}
}

// message checks Arrow's table Message and the tables below it. The body must hold every
// buffer that they mention.
func (f *flatbuffer) message(body []byte, mem *ceiling) {
	const schema, dictionary, records = 1, 2, 3
	root := f.root()
	batch := func(table int) { f.batch(table, body, mem) }
	f.each(root, 4, f.pair)
	f.table(root, 2, func(header int) {
		switch f.byte(root, 1) {
		case schema:
			f.each(header, 1, f.field)
			f.each(header, 2, f.pair)
			f.vector(header, 3, 8)
		case dictionary:
			f.table(header, 1, batch)
		case records:
			batch(header)
		}
	})
}

func (f *flatbuffer) field(table int) {
	const timestamp, union = 10, 14
	f.vector(table, 0, 1)
	f.table(table, 3, func(of int) {
		switch f.byte(table, 2) {
		case timestamp:
			f.vector(of, 1, 1)
		case union:
			f.vector(of, 1, 4)
		}
	})
	f.table(table, 4, func(dictionary int) { f.table(dictionary, 1, func(int) {}) })
	f.each(table, 5, f.field)
	f.each(table, 6, f.pair)
}

// pair checks a key and a value of custom metadata.
func (f *flatbuffer) pair(table int) {
	f.vector(table, 0, 1)
	f.vector(table, 1, 1)
}

func (f *flatbuffer) batch(table int, body []byte, mem *ceiling) {
	asked := int64(0)
	buffers, n := f.vector(table, 2, 16)
	for ; n > 0; buffers, n = buffers+16, n-1 {
		at, length := f.int64(buffers), f.int64(buffers+8)
		buffer := body[at:][:length]
		if f.slot(table, 3) > 0 && length > 0 { // compressed
			length = unpackedLength(buffer)
		}
		mem.check(length)
		asked += length
	}
	mem.check(asked / maxBuffers)
	if at := f.slot(table, 0); at > 0 {
		require(f.int64(at) <= 8*asked) // a row takes a bit or more
	}
	counts, n := f.vector(table, 4, 8)
	for ; n > 0; counts, n = counts+8, n-1 {
		require(f.int64(counts) >= 0 && f.int64(counts) <= int64(len(f.data)))
	}
}

// maxBuffers limits the memory of a batch to this multiple of maxColumnar.
const maxBuffers = 8

// unpackedLength reads the unpacked length of a buffer in bytes. It panics when that is
// impossible.
func unpackedLength(buffer []byte) int64 {
	length := int64(binary.LittleEndian.Uint64(buffer))
	if length == -1 { // it is not compressed
		return int64(len(buffer))
	}
	require(mayUnpack(int64(len(buffer)), length))
	var frame zstd.Header
	require(frame.Decode(buffer[8:]) != nil || frame.WindowSize <= max(8<<20, uint64(length)))
	return length
}

// mayUnpack reports whether a number of packed bytes can hold a number of unpacked ones.
// Every codec writes at least four bytes for 128 KiB.
func mayUnpack(packed, unpacked int64) bool { return unpacked >= 0 && unpacked <= 1<<20+packed<<15 }
