package ingest

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"
	"strconv"
	"sync"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/format"
	"github.com/pierrec/lz4/v4"
)

// parquetColumn reads the values of one column, a page at a time.
type parquetColumn struct {
	source   *io.SectionReader
	memory   *ceiling
	leaf     parquetLeaf
	optional bool
	width    int // bytes of a value; 0 when they differ
	text     func(dst, value []byte) []byte

	codec      format.CompressionCodec
	at         int64 // of the next page in the file
	left       int64 // values of the row group that no page has brought yet
	dictionary [][]byte
	inPage     int   // values of the page that were not taken yet
	filled     *runs // says which values there are; nil when there are all
	encoding   format.Encoding
	values     []byte // of the page, encoded
	present    int    // how many of them there can be at most
	value      func() []byte
}

// open begins a row group.
func (c *parquetColumn) open(chunk *format.ColumnMetaData) {
	require(c.left == 0 && c.inPage == 0)
	c.codec, c.left, c.dictionary = chunk.Codec, chunk.NumValues, nil
	c.at = chunk.DataPageOffset
	if d := chunk.DictionaryPageOffset; d > 0 && d < c.at {
		c.at = d
	}
}

// write appends the text of the next value, nothing when there is none.
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
	if c.value == nil {
		c.value = c.decoder()
	}
	return c.text(dst, c.value()), nil
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
	size := int(header.UncompressedPageSize)
	switch header.Type {
	case format.DictionaryPage:
		if data, err = c.unpack(data, size); err == nil {
			c.readDictionary(data, int(header.DictionaryPageHeader.V.NumValues))
		}
	case format.DataPage:
		if data, err = c.unpack(data, size); err != nil {
			return err
		}
		h := &header.DataPageHeader.V
		c.filled = nil
		if c.optional {
			require(h.DefinitionLevelEncoding == format.RLE)
			levels := int(binary.LittleEndian.Uint32(data))
			c.filled = &runs{data: data[4 : 4+levels], width: 1}
			data = data[4+levels:]
		}
		c.begin(data, h.NumValues, h.Encoding)
	case format.DataPageV2:
		h := &header.DataPageHeaderV2.V
		repeated, levels := int(h.RepetitionLevelsByteLength), int(h.DefinitionLevelsByteLength)
		require(repeated >= 0 && levels >= 0)
		c.filled = nil
		if c.optional {
			c.filled = &runs{data: data[repeated : repeated+levels], width: 1}
		}
		data = data[repeated+levels:]
		if !h.IsCompressed.Valid || h.IsCompressed.V {
			data, err = c.unpack(data, size-repeated-levels)
		}
		c.begin(data, h.NumValues, h.Encoding)
	}
	return err
}

// header reads the header of the next page.
func (c *parquetColumn) header() (*format.PageHeader, error) {
	for size := int64(4 << 10); ; size *= 16 { // it may hold values
		start, err := readAt(c.source, c.at, min(size, c.source.Size()-c.at))
		if err != nil {
			return nil, err
		}
		header := new(format.PageHeader)
		length, err := decodeThrift(start, header)
		if err == nil {
			c.at += int64(length)
			return header, nil
		}
		if size >= 1<<20 || size >= c.source.Size()-c.at {
			return nil, err
		}
	}
}

func (c *parquetColumn) begin(data []byte, values int32, encoding format.Encoding) {
	require(values >= 0 && int64(values) <= c.left)
	c.left -= int64(values)
	c.values, c.present, c.inPage, c.encoding, c.value = data, int(values), int(values), encoding, nil
}

// unpackZstd unpacks a zstd frame into the room that it is given, and no more.
var unpackZstd = sync.OnceValue(func() *zstd.Decoder {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecodeAllCapLimit(true))
	if err != nil {
		panic(err)
	}
	return d
})

// unpack unpacks a page of a known size.
func (c *parquetColumn) unpack(packed []byte, size int) ([]byte, error) {
	if c.codec == format.Uncompressed {
		require(len(packed) == size)
		return packed, nil
	}
	require(mayUnpack(int64(len(packed)), int64(size)))
	c.memory.check(int64(size))
	if size == 0 {
		return nil, nil
	}
	page := make([]byte, size)
	n, err := 0, error(nil)
	switch c.codec {
	case format.Snappy:
		if n, err = snappy.DecodedLen(packed); err == nil && n == size {
			_, err = snappy.Decode(page, packed)
		}
	case format.Gzip:
		var z *gzip.Reader
		if z, err = gzip.NewReader(bytes.NewReader(packed)); err == nil {
			n, err = io.ReadFull(z, page)
		}
	case format.Brotli:
		n, err = io.ReadFull(brotli.NewReader(bytes.NewReader(packed)), page)
	case format.Zstd:
		var out []byte
		out, err = unpackZstd().DecodeAll(packed, page[:0])
		n = len(out)
	case format.Lz4Raw:
		n, err = lz4.UncompressBlock(packed, page)
	case format.Lz4:
		if n = unpackHadoop(packed, page); n != size {
			n, err = lz4.UncompressBlock(packed, page) // as Arrow once wrote it
		}
	default:
		return nil, &FileError{Problem: "the column " + strconv.Quote(c.leaf.Name) + " is packed with " + c.codec.String() + ", which cannot be read", Fix: "ask the sender to pack the file with snappy or zstd"}
	}
	require(err != nil || n == size)
	return page, err
}

// unpackHadoop unpacks LZ4 as Hadoop writes it: blocks with both lengths before each.
func unpackHadoop(packed, page []byte) (done int) {
	for len(packed) >= 8 {
		size, length := int(binary.BigEndian.Uint32(packed)), int(binary.BigEndian.Uint32(packed[4:]))
		packed = packed[8:]
		if length > len(packed) || size > len(page)-done {
			return -1
		}
		n, err := lz4.UncompressBlock(packed[:length], page[done:done+size])
		if err != nil || n != size {
			return -1
		}
		packed, done = packed[length:], done+size
	}
	return done
}
