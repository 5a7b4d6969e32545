package report

import (
	"encoding/binary"
	"math/bits"

	"github.com/klauspost/compress/huff0"
	"github.com/klauspost/compress/zstd"
)

// compressor makes Zstandard frames. It is not safe for concurrent use.
type compressor struct {
	encoder  *zstd.Encoder
	huffman  huff0.Scratch
	literals []byte
}

// mostInBlock is the largest block of a Zstandard frame, in bytes (RFC 8878, 3.1.1.2.4).
const mostInBlock = 128 << 10

func newCompressor() *compressor {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
		zstd.WithWindowSize(mostInBlock), zstd.WithLowerEncoderMem(true), zstd.WithEncoderCRC(false))
	if err != nil {
		panic(err) // these options are never refused
	}
	return &compressor{encoder: e, huffman: huff0.Scratch{Reuse: huff0.ReusePolicyNone}}
}

// pack appends a frame of any bytes to dst.
func (c *compressor) pack(dst, body []byte) []byte { return c.encoder.EncodeAll(body, dst) }

// leastInRun is the least number of texts of one length that are worth blocks of their own.
const leastInRun = 64

// packTexts appends a frame to dst: the head, and then texts with their lengths. All texts begin with the same bytes; shared
// is their number. References, ids and NHS numbers hardly ever repeat. A search for repetitions is nearly all of the
// work of the library, and it finds the lengths and common beginnings. The blocks name them without a search.
func (c *compressor) packTexts(dst, head, texts []byte, shared int) []byte {
	dst = append(dst, 0x28, 0xB5, 0x2F, 0xFD, 0x80, 0x38) // the magic number, a size in four bytes, a window of 128 KiB
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(head)+len(texts)))
	dst = c.block(dst, head, matches{})
	from := 0
	for at := 0; at < len(texts); {
		size, n := run(texts[at:])
		if n >= leastInRun && size < 64 {
			dst = c.block(dst, texts[from:at], matches{})
			dst = c.run(dst, texts[at:at+n*size], size, min(shared, size-5, 24))
			from = at + n*size
		}
		at += n * size
	}
	dst = c.block(dst, texts[from:], matches{})
	return append(dst, 1, 0, 0) // the last block is empty
}

// run returns the size of the first text with its length, and how many texts in a row have it. They fit in a block.
func run(texts []byte) (size, n int) {
	length := binary.LittleEndian.Uint32(texts)
	size = 4 + int(length)
	for n = 1; (n+1)*size <= min(len(texts), mostInBlock) && binary.LittleEndian.Uint32(texts[n*size:]) == length; n++ {
	}
	return size, n
}

// run appends blocks with texts of one size, lengths included. Each text begins as the one before it, with its length
// and the shared bytes.
func (c *compressor) run(dst, texts []byte, size, shared int) []byte {
	same := 4 + shared
	first := matches{n: 1, literals: size, length: same, distance: size}
	dst = c.block(dst, texts[:size], first)
	c.literals = c.literals[:0]
	for at := size; at < len(texts); at += size {
		c.literals = append(c.literals, texts[at+same:at+size]...)
	}
	return c.block(dst, c.literals, matches{n: len(texts)/size - 2, literals: size - same, length: same})
}

// matches are n equal sequences of a block: so many literals, and then a copy of length bytes from the distance before
// them. Without a distance, it is that of the sequence before.
type matches struct{ n, literals, length, distance int }

// block appends a block that is not the last: literals coded by frequency, and sequences of them (RFC 8878, 3.1.1.3).
// Literals for which there is no room in one block are more blocks; they have no matches.
func (c *compressor) block(dst, literals []byte, m matches) []byte {
	for len(literals) > mostInBlock-8 { // the rest is for heads
		dst = c.block(dst, literals[:mostInBlock-8], matches{})
		literals = literals[mostInBlock-8:]
	}
	if len(literals) == 0 {
		return dst
	}
	at := len(dst)
	dst = append(dst, 0, 0, 0)
	if coded, _, err := huff0.Compress4X(literals, &c.huffman); err == nil { // 18 bits for each size
		dst = binary.LittleEndian.AppendUint32(dst, uint32(2|3<<2|len(literals)<<4|len(coded)<<22))
		dst = append(append(dst, byte(len(coded)>>10)), coded...)
	} else { // it does not pay
		dst = append(dst, byte(3<<2|len(literals)<<4), byte(len(literals)>>4), byte(len(literals)>>12))
		dst = append(dst, literals...)
	}
	dst = m.append(dst)
	size := len(dst) - at - 3
	dst[at], dst[at+1], dst[at+2] = byte(2<<1|size<<3), byte(size>>5), byte(size>>13)
	return dst
}

// literalCodes are the least numbers of literals with codes from 16. The next power of two is beyond them.
var literalCodes = []int{16, 18, 20, 22, 24, 28, 32, 40, 48, 64}

// append appends the section of sequences (RFC 8878, 3.1.1.3.2). Equal sequences have equal codes, so a code is named
// once and costs no bits. What remains of a number of literals or of a distance is in each sequence.
func (m matches) append(dst []byte) []byte {
	if m.n == 0 {
		return append(dst, 0)
	}
	code, rest, width := m.literals, 0, 0
	for i, least := range literalCodes[:len(literalCodes)-1] {
		if m.literals >= least {
			code, rest, width = 16+i, m.literals-least, bits.Len(uint(literalCodes[i+1]-least))-1
		}
	}
	distance := 0
	if m.distance > 0 {
		value := m.distance + 3
		distance = bits.Len(uint(value)) - 1
		rest |= (value - 1<<distance) << width
		width += distance
	}
	dst = append(dst, byte(0x80|m.n>>8), byte(m.n), 0x54, byte(code), byte(distance), byte(m.length-3))
	room, used := uint64(0), 0
	for range m.n {
		room |= uint64(rest) << used
		for used += width; used >= 8; used -= 8 {
			dst = append(dst, byte(room))
			room >>= 8
		}
	}
	return append(dst, byte(room|1<<used))
}
