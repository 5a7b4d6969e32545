package ingest

import (
	"bytes"
	"time"
)

// Type is what the values of a field must look like, because a template relies on it.
type Type string

// The types.
const (
	Date     Type = "date"      // 2027-01-31, 20270131 or 31/01/2027
	Time     Type = "time"      // 09:30, 09:30:00 or 0930
	Postcode Type = "postcode"  // of the United Kingdom, with or without its space
	UKMobile Type = "uk_mobile" // 07…, +447…, 00447… or 447…, with spaces, hyphens or brackets
)

const typeNames = "date, time, postcode or uk_mobile"

// types says of each type how its values are told and called.
var types = map[Type]struct {
	words string
	holds func([]byte) bool
}{
	Date:     {"a date", isDate},
	Time:     {"a time", isTime},
	Postcode: {"a postcode", isPostcode},
	UKMobile: {"a UK mobile number", isUKMobile},
}

// Holds says whether a value is of the type, which must be one of the above.
func (t Type) Holds(value string) bool { return types[t].holds([]byte(value)) }

// Words is what a value of the type is called, as in "a date".
func (t Type) Words() string { return types[t].words }

// fits says whether text has the shape of a pattern: 9 is a digit, A a letter, all
// else is itself.
func fits(text []byte, pattern string) bool {
	if len(text) != len(pattern) {
		return false
	}
	for i, c := range text {
		switch p := pattern[i]; p {
		case '9':
			if c < '0' || c > '9' {
				return false
			}
		case 'A':
			if c |= 0x20; c < 'a' || c > 'z' {
				return false
			}
		default:
			if c != p {
				return false
			}
		}
	}
	return true
}

// digits reads ASCII digits.
func digits(text []byte) (n int) {
	for _, c := range text {
		n = n*10 + int(c-'0')
	}
	return n
}

func isDate(v []byte) bool {
	_, ok := day(v)
	if !ok && fits(v, "99/99/9999") {
		_, ok = calendar(digits(v[6:]), digits(v[3:5]), digits(v[:2]))
	}
	return ok
}

// day reads 2027-01-31 or 20270131.
func day(v []byte) (time.Time, bool) {
	switch {
	case fits(v, "9999-99-99"):
		return calendar(digits(v[:4]), digits(v[5:7]), digits(v[8:]))
	case fits(v, "99999999"):
		return calendar(digits(v[:4]), digits(v[4:6]), digits(v[6:]))
	}
	return time.Time{}, false
}

// calendar makes a day that there is, of the years in which people live.
func calendar(year, month, day int) (time.Time, bool) {
	t := time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC)
	return t, year >= 1800 && year < 2300 && t.Month() == time.Month(month) && t.Day() == day
}

func isTime(v []byte) bool {
	switch {
	case fits(v, "9999"):
		return digits(v[:2]) < 24 && digits(v[2:]) < 60
	case fits(v, "99:99:99"):
		return digits(v[:2]) < 24 && digits(v[3:5]) < 60 && digits(v[6:]) < 60
	}
	return fits(v, "99:99") && digits(v[:2]) < 24 && digits(v[3:]) < 60
}

func isPostcode(v []byte) bool {
	if len(v) < 5 || len(v) > 8 || !fits(v[len(v)-3:], "9AA") {
		return false
	}
	area := bytes.TrimSuffix(v[:len(v)-3], []byte{' '})
	for _, pattern := range []string{"A9", "A99", "A9A", "AA9", "AA99", "AA9A"} {
		if fits(area, pattern) {
			return true
		}
	}
	return bytes.EqualFold(area, []byte("GIR")) && bytes.EqualFold(v[len(v)-3:], []byte("0AA"))
}

func isUKMobile(v []byte) bool {
	var room [16]byte
	n := room[:0]
	for i, c := range v {
		switch {
		case '0' <= c && c <= '9':
			if len(n) == cap(n) {
				return false
			}
			n = append(n, c)
		case c == '+' && i == 0:
			n = append(n, "00"...)
		case c != ' ' && c != '-' && c != '(' && c != ')':
			return false
		}
	}
	for _, prefix := range []string{"0044", "44"} {
		if rest, found := bytes.CutPrefix(n, []byte(prefix)); found {
			n = bytes.TrimPrefix(rest, []byte{'0'}) // +44 (0)7…
			return fits(n, "7999999999")
		}
	}
	return fits(n, "07999999999")
}
