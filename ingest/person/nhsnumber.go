package person

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"unicode"
)

// NHSNumber is a valid NHS number: ten digits, not all the same, with a correct check digit.
// The zero value is "no number".
//
// It masks itself in every formatter (fmt, slog, JSON, text), so that it cannot slip into a
// log or an error. Code that writes the digits to the wire or to disk uses Digits,
// AppendDigits or Uint64. Package fmt bypasses methods on unexported struct fields: never
// print a struct with an NHSNumber in one. It bypasses them for the verbs %p and %w too, but
// go vet refuses those.
type NHSNumber uint64

// The reasons why a text is not an NHS number. None of them holds the text.
var (
	ErrNumberMissing  = errors.New("the NHS number is empty")
	ErrNumberLength   = errors.New("the NHS number does not have ten digits")
	ErrNumberDigits   = errors.New("the NHS number holds something other than digits, spaces and hyphens")
	ErrNumberCheck    = errors.New("the NHS number's check digit is wrong")
	ErrNumberRepeated = errors.New("the NHS number repeats one digit ten times")
	ErrNumberNegative = errors.New("the NHS number is negative")
	ErrNumberFraction = errors.New("the NHS number is a number with a fraction")

	ErrNumberShortened = errors.New("a spreadsheet has shortened the NHS number (as 9.99E+09), and its last digits are lost")
)

// ParseNHSNumber reads an NHS number as people write it: ten ASCII digits, with white space
// and hyphens between and around them (the display form is 3-3-4). It also undoes what programs
// do to a number, where only one number is possible: invisible characters, other dashes,
// quotes around it, ".0" or NUL bytes behind it, ="9434765919". Any other control character is
// an error, and so is a minus before or behind the number, or the short form 9.43E+09. The
// checks come in this order: shortened, fraction, characters, empty, negative, length, check
// digit, repeated digits.
//
// The rule is the NHS Data Dictionary's: the first nine digits are weighted 10 to 2 and summed.
// The check digit is 11 less the sum modulo 11; 11 means 0, and 10 is never issued. Ten equal
// digits pass that rule, but are refused.
func ParseNHSNumber[T string | []byte](text T) (NHSNumber, error) {
	if len(text) == 10 { // ten plain digits, as nearly every file has them
		if number, check := tenDigits(text); check && number%1111111111 != 0 {
			return NHSNumber(number), nil
		}
	}
	number, err := parsePlain(text)
	if err == ErrNumberDigits {
		var tidied string
		if tidied, err = tidy(string(text)); err == nil {
			number, err = parsePlain(tidied)
		}
	}
	return number, err
}

// parsePlain reads digits, spaces, no-break spaces and hyphens.
func parsePlain[T string | []byte](text T) (NHSNumber, error) {
	var (
		number     uint64
		digits     int
		sum        uint64
		minus, end bool // a hyphen stands before all digits, or behind all
	)
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case '0' <= c && c <= '9':
			digits++
			end = false
			if digits > 10 {
				continue // too long; a stray character further on is the better reason
			}
			d := uint64(c - '0')
			number = number*10 + d
			if digits < 10 {
				sum += d * uint64(11-digits)
			}
		case c == '-':
			minus, end = minus || digits == 0, true
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
		case c == 0xC2 && i+1 < len(text) && text[i+1] == 0xA0: // U+00A0, no-break space
			i++
		default:
			return 0, ErrNumberDigits
		}
	}
	switch {
	case digits == 0:
		return 0, ErrNumberMissing
	case minus || end:
		return 0, ErrNumberNegative
	case digits != 10:
		return 0, ErrNumberLength
	case (11-sum%11)%11 != number%10: // a computed 10 equals no digit
		return 0, ErrNumberCheck
	case number%1111111111 == 0:
		return 0, ErrNumberRepeated
	}
	return NHSNumber(number), nil
}

// tenDigits reads ten bytes as a number. check reports whether they are digits with a correct
// check digit. It handles eight digits at once, because it runs for every record of a cohort.
func tenDigits[T string | []byte](text T) (number uint64, check bool) {
	_ = text[9]
	x := uint64(text[0]) | uint64(text[1])<<8 | uint64(text[2])<<16 | uint64(text[3])<<24 |
		uint64(text[4])<<32 | uint64(text[5])<<40 | uint64(text[6])<<48 | uint64(text[7])<<56
	ninth, tenth := uint64(text[8])-'0', uint64(text[9])-'0'
	eight, check := EightDigits(x)
	x ^= 0x3030303030303030
	const pairs = 0x00ff00ff00ff00ff
	even, odd := x&pairs, x>>8&pairs // the digits weighted 10, 8, 6, 4 and 9, 7, 5, 3
	sum := (even*(10<<48|8<<32|6<<16|4)+odd*(9<<48|7<<32|5<<16|3))>>48 + 2*ninth + tenth
	return eight*100 + ninth*10 + tenth, check && ninth < 10 && tenth < 10 && sum%11 == 0
}

// EightDigits reads the eight bytes of x, the lowest first, as a number. ok reports whether they
// are digits.
func EightDigits(x uint64) (n uint64, ok bool) {
	x ^= 0x3030303030303030 // a digit is below ten now, and no other byte is
	other := (x | (x&0x7f7f7f7f7f7f7f7f + 0x7676767676767676)) & 0x8080808080808080
	const pairs = 0x00ff00ff00ff00ff
	x = x&pairs*10 + x>>8&pairs
	x = x&0x000000ff000000ff*100 + x>>16&0x000000ff000000ff
	return x&0xffff*10000 + x>>32, other == 0
}

// Digits returns the ten digits. The caller is about to put a person's number
// somewhere: it must be the wire, the spool, or the report.
func (n NHSNumber) Digits() string {
	return string(n.AppendDigits(make([]byte, 0, 10)))
}

// AppendDigits appends the ten digits to dst.
func (n NHSNumber) AppendDigits(dst []byte) []byte {
	var d [10]byte
	v := uint64(n)
	for i := 9; i >= 0; i-- {
		d[i] = byte('0' + v%10)
		v /= 10
	}
	return append(dst, d[:]...)
}

// IsTest reports whether the number is a test patient's. It then starts with 9; no such number
// was ever issued.
func (n NHSNumber) IsTest() bool { return n >= 9000000000 }

// Uint64 returns the number as an integer below 10^10, as spools hold it.
func (n NHSNumber) Uint64() uint64 { return uint64(n) }

const masked = "NHS number withheld"

// Format masks the number under every verb of package fmt.
func (n NHSNumber) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(masked)) }

// String masks the number.
func (n NHSNumber) String() string { return masked }

// LogValue masks the number in structured logs.
func (n NHSNumber) LogValue() slog.Value { return slog.StringValue(masked) }

// MarshalText masks the number in JSON, YAML and XML.
func (n NHSNumber) MarshalText() ([]byte, error) { return []byte(masked), nil }

// HasNHSNumber reports whether a text may hold an NHS number: ten of its digits, whatever stands between them, are a
// valid one. Digits of any script count.
func HasNHSNumber(text string) bool {
	digits := strings.Map(func(r rune) rune {
		if !unicode.IsDigit(r) {
			return -1
		}
		zero := r
		for unicode.IsDigit(zero - 1) {
			zero-- // scripts' digits come in runs from 0 to 9, and some of the runs meet
		}
		return '0' + (r-zero)%10
	}, text)
	for i := range max(0, len(digits)-9) {
		if _, err := ParseNHSNumber(digits[i : i+10]); err == nil {
			return true
		}
	}
	return false
}
