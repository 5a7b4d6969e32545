package format

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// highBits is the high bit of each byte.
const highBits = 0x8080808080808080

// CheckText reports whether a text is valid UTF-8, and whether it then holds a NUL byte. It
// skips ASCII many bytes at a time everywhere. utf8.Valid does so only up to the first
// letter beyond ASCII, and many names have one.
func CheckText(text []byte) (valid, nul bool) {
	for i := 0; i < len(text); {
		if i+32 <= len(text) {
			if b := (*[32]byte)(text[i:]); (binary.LittleEndian.Uint64(b[:])|binary.LittleEndian.Uint64(b[8:])|
				binary.LittleEndian.Uint64(b[16:])|binary.LittleEndian.Uint64(b[24:]))&highBits == 0 {
				i += 32
				continue
			}
		}
		if i+8 <= len(text) {
			odd := binary.LittleEndian.Uint64(text[i:]) & highBits
			if odd == 0 {
				i += 8
				continue
			}
			i += bits.TrailingZeros64(odd) >> 3
		} else if text[i] < utf8.RuneSelf {
			i++
			continue
		}
		// Most letters that are not ASCII take two bytes: C2 to DF and then 80 to BF.
		if i+1 < len(text) && text[i]-0xC2 <= 0xDF-0xC2 && text[i+1]&0xC0 == 0x80 {
			i += 2
			continue
		}
		r, size := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && size == 1 {
			return false, false
		}
		i += size
	}
	return true, bytes.IndexByte(text, 0) >= 0
}
