package ingest

import "encoding/binary"

// The shapes of dates and times.
var (
	isoDay      = newShape("9999-99-99")
	plainDay    = newShape("99999999")
	britishDay  = newShape("99/99/9999")
	plainTime   = newShape("9999")
	minuteTime  = newShape("99:99")
	secondTime  = newShape("99:99:99")
	plainMoment = newShape("99999999-999999")
)

// shape is a pattern of digits and other ASCII characters, made ready to be compared
// with many values: it takes its bytes all at once, as two words that may overlap. A byte
// exclusive-or its base is below 10 for a digit and 0 for any other character of the
// pattern, and adding its room then leaves the high bit alone.
type shape struct {
	length int
	base   [2]uint64
	room   [2]uint64
}

// newShape makes a shape of a pattern of 4 to 16 bytes, in which 9 is a digit and all
// else is itself.
func newShape(pattern string) shape {
	base, room := []byte(pattern), []byte(pattern)
	for i, c := range base {
		room[i] = 0x80 - 1
		if c == '9' {
			base[i], room[i] = '0', 0x80-10
		}
	}
	s := shape{length: len(pattern)}
	s.base[0], s.base[1] = ends(base)
	s.room[0], s.room[1] = ends(room)
	return s
}

// highBits1 is the high bit of each byte.
const highBits = 0x8080808080808080

// fits says whether a value has the shape.
func (s *shape) fits(value []byte) bool {
	if len(value) != s.length {
		return false
	}
	a, b := ends(value)
	a ^= s.base[0]
	b ^= s.base[1]
	return (a|(a&^highBits+s.room[0])|b|(b&^highBits+s.room[1]))&highBits == 0
}

// ends are the first and the last bytes of 4 to 16, which make up all of them.
func ends(text []byte) (first, last uint64) {
	if len(text) >= 8 {
		return binary.LittleEndian.Uint64(text), binary.LittleEndian.Uint64(text[len(text)-8:])
	}
	return uint64(binary.LittleEndian.Uint32(text)), uint64(binary.LittleEndian.Uint32(text[len(text)-4:]))
}
