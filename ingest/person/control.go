package person

import (
	"encoding/binary"
	"unicode"
	"unicode/utf8"
)

// CodeControl is the reason code of a record with a value for which HasControl is true.
const CodeControl = "message_has_control"

// HasControl reports whether a text holds a character that no message may hold. They are the
// control characters except tab, carriage return and line feed, the line and paragraph
// separators (U+2028, U+2029), and the characters that change the direction of text (U+202A
// to U+202E, U+2066 to U+2069). Nobody can see them, and the NHS App refuses the first.
func HasControl[T string | []byte](text T) bool {
	for i := 0; i < len(text); {
		if i+8 <= len(text) && Odd(binary.LittleEndian.Uint64([]byte(text[i:i+8]))) == 0 {
			i += 8
			continue
		}
		r, size := rune(text[i]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRuneInString(string(text[i:min(i+utf8.UTFMax, len(text))]))
		}
		if isControl(r) {
			return true
		}
		i += size
	}
	return false
}

func isControl(r rune) bool {
	switch r {
	case '\t', '\r', '\n':
		return false
	}
	return unicode.IsControl(r) || 0x2028 <= r && r <= 0x202E || 0x2066 <= r && r <= 0x2069
}

// Odd has the high bit of each byte of w that is neither from space to tilde nor a line feed.
func Odd(w uint64) uint64 {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	low := w &^ tops
	return (w | ^(low+0x60*ones)&(low^'\n'*ones+0x7f*ones) | (low + ones)) & tops
}
