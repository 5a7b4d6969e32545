package format

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"unicode/utf8"

	"cohort/ingest/person"
)

// CheckText reports whether a text is valid UTF-8. If it is, nul reports whether it holds a NUL
// byte, and plain that person.HasControl is false for all of it. It looks at ASCII many bytes at
// a time everywhere. utf8.Valid does so only up to the first letter beyond ASCII, and many names
// have one.
func CheckText(text []byte) (valid, nul, plain bool) {
	plain = true
	for i := 0; i < len(text); {
		if i+32 <= len(text) {
			const collect = 0x0002040810204081 // brings the high bits of eight bytes together in the upper byte
			b := (*[32]byte)(text[i:])
			w, x := person.Odd(binary.LittleEndian.Uint64(b[:])), person.Odd(binary.LittleEndian.Uint64(b[8:]))
			y, z := person.Odd(binary.LittleEndian.Uint64(b[16:])), person.Odd(binary.LittleEndian.Uint64(b[24:]))
			if w|x|y|z == 0 {
				i += 32
				continue
			}
			i += bits.TrailingZeros64(w*collect>>56 | x*collect>>56<<8 | y*collect>>56<<16 | z*collect>>56<<24)
		}
		// Most letters that are not ASCII take two bytes: C2 to DF and then 80 to BF.
		c, size := text[i], 1
		switch {
		case c == '\n' || c == '\r' || c == '\t' || c-' ' <= '~'-' ':
		case c < utf8.RuneSelf:
			plain = false
		case i+1 < len(text) && c-0xC2 <= 0xDF-0xC2 && text[i+1]&0xC0 == 0x80:
			size = 2
			plain = plain && (c != 0xC2 || text[i+1] >= 0xA0) // U+0080 to U+009F are controls
		default:
			var r rune
			if r, size = utf8.DecodeRune(text[i:]); r == utf8.RuneError && size == 1 {
				return false, false, false
			}
			plain = plain && !person.HasControl(text[i:i+size])
		}
		i += size
	}
	return true, !plain && bytes.IndexByte(text, 0) >= 0, plain
}
