// Package value reads the values that a campaign gives a type: dates, times, postcodes and mobile numbers. It also
// reads the values that order the records of a person.
package value

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"cohort/ingest/person"
)

// Type is the form that the values of a field must have, because a template relies on it.
type Type string

// The types.
const (
	Date     Type = "date"      // 2027-01-31, 20270131 or 31/01/2027
	Time     Type = "time"      // 09:30, 09:30:00 or 0930
	Postcode Type = "postcode"  // of the United Kingdom, with or without its space
	UKMobile Type = "uk_mobile" // 07…, +447…, 00447… or 447…, with spaces, hyphens or brackets
)

// TypeNames lists the types, for an error.
const TypeNames = "date, time, postcode or uk_mobile"

// types holds each type's name for its values, and the check of a value.
var types = map[Type]struct {
	words string
	holds func([]byte) bool
}{
	Date:     {"a date", isDate},
	Time:     {"a time", isTime},
	Postcode: {"a postcode", isPostcode},
	UKMobile: {"a UK mobile number", isUKMobile},
}

// Known reports whether the type is one of the above.
func (t Type) Known() bool {
	_, known := types[t]
	return known
}

// Check is the check of a value of the type; nil if the type is not known.
func (t Type) Check() func(value []byte) bool { return types[t].holds }

// Holds reports whether a value is of the type, which must be known.
func (t Type) Holds(value string) bool { return types[t].holds([]byte(value)) }

// Words is the name for a value of the type, as in "a date".
func (t Type) Words() string { return types[t].words }

// fits reports whether text matches a pattern: 9 is a digit, A a letter, and any other
// character itself.
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

// isDate accepts 2027-01-31, 20270131 and 31/01/2027.
func isDate(v []byte) bool {
	_, ok := DayNumber(v)
	return ok
}

// DayNumber reads such a date as 20270131, so that later days have higher numbers.
func DayNumber(v []byte) (n int64, ok bool) {
	var digits uint64
	switch {
	case len(v) == 8:
		digits = binary.LittleEndian.Uint64(v)
	case len(v) == 10 && v[4] == '-' && v[7] == '-':
		digits = two(v) | two(v[2:])<<16 | two(v[5:])<<32 | two(v[8:])<<48
	case len(v) == 10 && v[2] == '/' && v[5] == '/':
		digits = two(v[6:]) | two(v[8:])<<16 | two(v[3:])<<32 | two(v)<<48
	}
	day, ok := person.EightDigits(digits)
	return int64(day), ok && exists(int(day/10_000), int(day/100%100), int(day%100))
}

// Day reads a value of type Date, with white space around it, as a number such as 20270131.
func Day(value string) (n int64, ok bool) { return DayNumber([]byte(strings.TrimSpace(value))) }

// two returns the first two bytes of v.
func two(v []byte) uint64 { return uint64(binary.LittleEndian.Uint16(v)) }

// IsMoment reports whether a value is a date with a time of day behind it.
func IsMoment(v []byte) bool {
	return len(v) > 13 && fits(v[:10], "9999-99-99") && (v[10] == 'T' || v[10] == ' ') && fits(v[11:13], "99")
}

// exists reports whether the calendar has a day, in the years from 1800 to 2299.
func exists(year, month, day int) bool {
	if year < 1800 || year >= 2300 || month < 1 || month > 12 || day < 1 {
		return false
	}
	return day <= 28 || day <= time.Date(year, time.Month(month+1), 0, 0, 0, 0, 0, time.UTC).Day()
}

func isTime(v []byte) bool {
	const zeros = '0' | '0'<<8
	hour, minute, second := uint64(0), uint64(0), uint64(zeros)
	switch {
	case len(v) == 4:
		hour, minute = two(v), two(v[2:])
	case len(v) == 5 && v[2] == ':':
		hour, minute = two(v), two(v[3:])
	case len(v) == 8 && v[2] == ':' && v[5] == ':':
		hour, minute, second = two(v), two(v[3:]), two(v[6:])
	}
	t, ok := person.EightDigits(zeros | hour<<16 | minute<<32 | second<<48)
	return ok && t/10_000 < 24 && t/100%100 < 60 && t%100 < 60
}

func isPostcode(v []byte) bool {
	var room [8]byte
	return len(WrittenPostcode(room[:0], v)) > 0
}

// WrittenPostcode appends a postcode to dst, which has room for 8 bytes, with one space in the
// usual place. For any other value it appends nothing.
func WrittenPostcode(dst, v []byte) []byte {
	code := dst
	for len(v) > 0 {
		c := v[0]
		r, size := utf8.DecodeRune(v)
		v = v[size:]
		if visible(c) && len(code) < 7 {
			code = append(code, c)
		} else if visible(c) || !person.Invisible(r) {
			return dst
		}
	}
	if len(code) < 5 {
		return dst
	}
	area, rest := code[:len(code)-3], code[len(code)-3:]
	known := slices.ContainsFunc([]string{"A9", "A99", "A9A", "AA9", "AA99", "AA9A"}, func(pattern string) bool { return fits(area, pattern) })
	if !fits(rest, "9AA") || !known && !(bytes.EqualFold(area, []byte("GIR")) && bytes.EqualFold(rest, []byte("0AA"))) {
		return dst
	}
	return slices.Insert(code, len(area), ' ')
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

func visible(c byte) bool { return c-'!' <= '~'-'!' }
