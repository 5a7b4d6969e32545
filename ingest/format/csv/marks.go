package csv

import "encoding/binary"

// stride is the number of bytes that the splitter examines together. It is the number of bits
// of a word, so that one mask holds the bytes that matter. Splitting costs mostly one branch
// misprediction for each stride, and a record takes two or three strides.
const stride = 64

const (
	lowBits  = 0x0101010101010101
	highBits = 0x8080808080808080
	feeds    = '\n' * lowBits
	quotes   = '"' * lowBits

	// filler stands behind the end of the text. It is no delimiter.
	filler = '0'
)

// marks has a bit for each byte of b that is a line feed, a quote or the delimiter. Each byte
// of commas is the delimiter. The lowest bit is the first byte's.
func marks(b *[stride]byte, commas uint64) uint64 {
	low := mark(binary.LittleEndian.Uint64(b[0:]), commas) |
		mark(binary.LittleEndian.Uint64(b[8:]), commas)<<8 |
		mark(binary.LittleEndian.Uint64(b[16:]), commas)<<16 |
		mark(binary.LittleEndian.Uint64(b[24:]), commas)<<24
	return low | mark(binary.LittleEndian.Uint64(b[32:]), commas)<<32 |
		mark(binary.LittleEndian.Uint64(b[40:]), commas)<<40 |
		mark(binary.LittleEndian.Uint64(b[48:]), commas)<<48 |
		mark(binary.LittleEndian.Uint64(b[56:]), commas)<<56
}

// mark is marks for eight bytes. The XOR of two equal bytes is 0. Adding 0x7f to seven bits
// leaves the high bit 0 only where they are 0. The multiplication collects the high bits in
// the upper byte: it moves bit 8k+7 to bit 56+k, and no two sums of shifts are equal.
func mark(x, commas uint64) uint64 {
	const most = 0x7f * lowBits
	y := x & most
	none := (y ^ commas + most) & (y ^ feeds + most) & (y ^ quotes + most)
	return ^(none | x) & highBits * 0x0002040810204081 >> 56
}

// lastMarks is marks for fewer bytes than a stride.
func lastMarks(rest []byte, commas uint64) uint64 {
	var b [stride]byte
	for i := range b[copy(b[:], rest):] {
		b[len(rest)+i] = filler
	}
	return marks(&b, commas)
}
