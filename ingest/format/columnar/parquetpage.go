package columnar

import (
	"encoding/binary"
	"hash/crc32"
	"io"
	"strconv"
	"sync"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
	"github.com/pierrec/lz4/v4"
)

// parquetColumn reads the values of one column, a page at a time.
type parquetColumn struct {
	parquetLeaf
	source *io.SectionReader
	memory *ceiling
	text   renderer

	codec      format.CompressionCodec
	at         int64 // of the next page in the file
	left       int64 // values of the row group in the pages to come
	dictionary [][]byte
	inPage     int   // values of the current page to come
	filled     *runs // 1 for a value and 0 for a null; nil when no value is null
	next       func() []byte
}

// open begins a row group.
func (c *parquetColumn) open(chunk *format.ColumnMetaData) {
	require(c.left == 0 && c.inPage == 0)
	c.codec, c.left, c.dictionary, c.at = chunk.Codec, chunk.NumValues, nil, chunk.DataPageOffset
	if d := chunk.DictionaryPageOffset; d > 0 && d < c.at {
		c.at = d
	}
}

// write appends the text of the next value; nothing for a null.
func (c *parquetColumn) write(dst []byte) ([]byte, error) {
	for c.inPage == 0 {
		if err := c.page(); err != nil {
			return nil, err
		}
	}
	c.inPage--
	if c.filled != nil && c.filled.next() == 0 {
		return dst, nil
	}
	return c.text(dst, c.next()), nil
}

// page reads the next page.
func (c *parquetColumn) page() error {
	require(c.left > 0)
	header, err := c.header()
	if err != nil {
		return err
	}
	c.memory.check(int64(header.CompressedPageSize))
	data, err := readAt(c.source, c.at, int64(header.CompressedPageSize))
	if err != nil {
		return err
	}
	c.at += int64(len(data))
	require(header.CRC == 0 || uint32(header.CRC) == crc32.ChecksumIEEE(data))
	size, v1, v2 := int(header.UncompressedPageSize), &header.DataPageHeader.V, &header.DataPageHeaderV2.V
	switch header.Type {
	case format.DictionaryPage:
		if data, err = c.unpack(data, size); err == nil {
			c.readDictionary(data, int(header.DictionaryPageHeader.V.NumValues))
		}
	case format.DataPage:
		if data, err = c.unpack(data, size); err != nil {
			return err
		}
		var levels []byte
		if c.RepetitionType.V == format.Optional {
			require(v1.DefinitionLevelEncoding == format.RLE)
			length := int64(binary.LittleEndian.Uint32(data))
			data = data[4:]
			levels = front(&data, length)
		}
		c.begin(levels, data, int(v1.NumValues), v1.Encoding)
	case format.DataPageV2:
		front(&data, int64(v2.RepetitionLevelsByteLength))
		levels := front(&data, int64(v2.DefinitionLevelsByteLength))
		if !v2.IsCompressed.Valid || v2.IsCompressed.V {
			data, err = c.unpack(data, size-int(v2.RepetitionLevelsByteLength)-len(levels))
		}
		c.begin(levels, data, int(v2.NumValues), v2.Encoding)
	}
	return err
}

// header reads the header of the next page.
func (c *parquetColumn) header() (*format.PageHeader, error) {
	for size := int64(4 << 10); ; size *= 16 { // statistics may hold long values
		size = min(size, c.source.Size()-c.at)
		start, err := readAt(c.source, c.at, size)
		if err != nil {
			return nil, err
		}
		header := new(format.PageHeader)
		length, err := decodeThrift(start, header)
		if err == nil || size >= 1<<20 || size == c.source.Size()-c.at {
			c.at += int64(length)
			return header, err
		}
	}
}

// begin begins the values of a page.
func (c *parquetColumn) begin(levels, data []byte, values int, encoding format.Encoding) {
	require(values >= 0 && int64(values) <= c.left)
	c.left -= int64(values)
	c.inPage, c.filled = values, nil
	if c.RepetitionType.V == format.Optional {
		c.filled = &runs{data: levels, width: 1}
	}
	c.next = func() []byte { // the first value makes the decoder
		c.next = c.decoder(data, values, encoding)
		return c.next()
	}
}

// unpackZstd is a decoder that never grows the room that it is given.
var unpackZstd = sync.OnceValues(func() (*zstd.Decoder, error) {
	return zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecodeAllCapLimit(true))
})

// unpack unpacks a page of a known size.
func (c *parquetColumn) unpack(packed []byte, size int) (page []byte, err error) {
	require(mayUnpack(int64(len(packed)), int64(size)))
	c.memory.check(int64(size))
	page = make([]byte, size)
	n := 0
	switch c.codec {
	case format.Lz4Raw:
		n, err = lz4.UncompressBlock(packed, page)
	case format.Lz4:
		if n = unpackHadoop(packed, page); n != size {
			n, err = lz4.UncompressBlock(packed, page) // as old versions of Arrow wrote it
		}
	case format.Zstd:
		var z *zstd.Decoder
		if z, err = unpackZstd(); err == nil {
			page, err = z.DecodeAll(packed, page[:0])
		}
		n = len(page)
	case format.LZO:
		return nil, refuse("the column "+strconv.Quote(c.Name)+" is packed with LZO, which cannot be read", "ask the sender to pack the file with snappy or zstd")
	case format.Snappy:
		n, err = snappy.DecodedLen(packed)
		require(err != nil || n == size)
		fallthrough
	default:
		page, err = parquet.LookupCompressionCodec(c.codec).Decode(page, packed)
		n = len(page)
	}
	require(err != nil || n == size)
	return page, err
}

// unpackHadoop unpacks LZ4 as Hadoop writes it: both lengths stand before each block.
func unpackHadoop(packed, page []byte) (done int) {
	for len(packed) >= 8 {
		size, length := int(binary.BigEndian.Uint32(packed)), int(binary.BigEndian.Uint32(packed[4:]))
		packed = packed[8:]
		if length > len(packed) || size > len(page)-done {
			return -1
		}
		if n, err := lz4.UncompressBlock(packed[:length], page[done:done+size]); err != nil || n != size {
			return -1
		}
		packed, done = packed[length:], done+size
	}
	return done
}
