package person

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Invisible reports whether a character is invisible: white space of any kind, a control
// character, or a character without width.
func Invisible(r rune) bool {
	if '!' <= r && r <= '~' {
		return false
	}
	return r == ' ' || unicode.In(r, unicode.Z, unicode.Cc, unicode.Cf, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector) ||
		r == '\u2800' // the empty Braille pattern
}

// Stray reports whether a character is a control character, but no tab or line end. Nobody
// writes one. In a damaged file it may replace lost text.
func Stray(r rune) bool {
	return r != '\t' && r != '\r' && r != '\n' && unicode.Is(unicode.Cc, r)
}

// quoteMarks may stand around a number: spreadsheets mark a text with an apostrophe.
const quoteMarks = "'\"`´‘’‚“”„ʼ′"

var (
	// wholeForm is a number with only zeros behind its decimal sign, with or without a sign
	// between the thousands.
	wholeForm = regexp.MustCompile(`^([0-9]{10}|[0-9](?:,[0-9]{3}){3}|[0-9](?:\.[0-9]{3}){3}|[0-9](?:'[0-9]{3}){3})(?:[.,]0*)?$`)

	// fractionForm is a number with a digit other than zero behind its decimal point.
	fractionForm = regexp.MustCompile(`^[0-9]+\.[0-9]*[1-9][0-9]*$`)

	// powerForm is a number in scientific notation.
	powerForm = regexp.MustCompile(`^([0-9])(?:[.,]([0-9]*))?[eE]\+?0*([0-9]+)$`)

	notDigits = regexp.MustCompile(`[^0-9]`)
)

// tidy removes what programs and people put into and around an NHS number, where the rest can
// only be one number. It does not change a text that it does not understand.
func tidy(text string) (string, error) {
	plain := strings.Map(func(r rune) rune {
		switch {
		case Stray(r):
			return r
		case r != utf8.RuneError && Invisible(r):
			return -1
		case r == '−' || unicode.Is(unicode.Pd, r): // the minus sign, and every dash
			return '-'
		}
		return r
	}, text)
	if filled := strings.TrimRight(plain, "\x00"); strings.ContainsAny(filled, "0123456789") {
		plain = filled // a field of a fixed width ends in NUL bytes
	}
	plain = strings.Trim(strings.TrimPrefix(plain, "="), quoteMarks) // ="9434765919" is how a spreadsheet keeps a text
	minus := strings.Trim(plain, "-") != plain
	plain = strings.ReplaceAll(plain, "-", "")
	if m := wholeForm.FindStringSubmatch(plain); m != nil {
		if minus {
			return "", ErrNumberNegative
		}
		return notDigits.ReplaceAllString(m[1], ""), nil
	}
	if fractionForm.MatchString(plain) {
		if minus {
			return "", ErrNumberNegative
		}
		return "", ErrNumberFraction
	}
	if m := powerForm.FindStringSubmatch(plain); m != nil {
		if digits := m[1] + m[2]; len(digits) == 10 && m[3] == "9" {
			return digits, nil
		}
		return "", ErrNumberShortened
	}
	return plain, nil
}
