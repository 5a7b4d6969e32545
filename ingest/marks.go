package ingest

import "encoding/binary"

// stride is how many bytes the splitter looks at together: as many as a word has bits, so
// that the bytes that matter are a mask. A record is two or three of them, and each
// costs the processor one wrongly foreseen end of a loop, which is what splitting costs
// most of.
const stride = 64

const (
	lowBits  = 0x0101010101010101
	highBits = 0x8080808080808080
	feeds    = '\n' * lowBits
	quotes   = '"' * lowBits

	// filler stands behind the end of the text. It is no delimiter.
	filler = '0'
)

// marks has a bit for each byte of b that is a line feed, a quote or the delimiter, which
// commas has in each of its bytes. The lowest bit is the first byte's.
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

// mark is marks of eight bytes. Without its high bit a byte that is like another leaves 0
// when the two are exclusive-ored, and then alone does adding 0x7f to it leave the high
// bit 0. The multiplication gathers the high bits in the upper byte: the k-th has to go
// from bit 8k+7 to 56+k, and no two sums of shifts are equal.
func mark(x, commas uint64) uint64 {
	const most = 0x7f * lowBits
	y := x & most
	none := (y ^ commas + most) & (y ^ feeds + most) & (y ^ quotes + most)
	return ^(none | x) & highBits * 0x0002040810204081 >> 56
}

// lastMarks is marks of fewer bytes.
func lastMarks(rest []byte, commas uint64) uint64 {
	var b [stride]byte
	for i := range b[copy(b[:], rest):] {
		b[len(rest)+i] = filler
	}
	return marks(&b, commas)
}
