package markup

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Number writes 3,400,000.
func Number(n int64) string {
	if n < 0 {
		return "−" + Number(-n)
	}
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Share writes n as a share of all: empty under ten, whole per cents under a thousand.
func Share(n, of int64) string {
	decimals, least := 1, 0.1
	if of < 1000 {
		decimals, least = 0, 1
	}
	percent := 100 * float64(n) / float64(max(1, of))
	switch {
	case of < 10:
		return ""
	case n > 0 && percent < least:
		return fmt.Sprintf("under %g%%", least)
	case n < of && percent > 100-least:
		return fmt.Sprintf("over %g%%", 100-least)
	case n == 0 || n == of:
		decimals = 0
	}
	return strconv.FormatFloat(percent, 'f', decimals, 64) + "%"
}

// Plural writes a number with its noun, such as 12 people.
func Plural(n int64, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return Number(n) + " " + more
}

// Span writes how long something took.
func Span(d time.Duration) string {
	hours := int64(d / time.Hour)
	switch {
	case d < time.Minute:
		return Plural(max(1, int64(d/time.Second)), "second", "seconds")
	case d < time.Hour:
		return Plural(int64(d/time.Minute), "minute", "minutes")
	case d%(24*time.Hour) == 0 && hours > 24:
		return Plural(hours/24, "day", "days")
	case d%time.Hour == 0:
		return Plural(hours, "hour", "hours")
	case hours < 48:
		return fmt.Sprintf("%d h %d min", hours, int64(d/time.Minute)%60)
	}
	return fmt.Sprintf("%d days %d h", hours/24, hours%24)
}

// OneLine is a text without line breaks, and without characters that nobody sees, such as those that turn its direction.
func OneLine(text string) string {
	return strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsControl(r) || unicode.Is(unicode.Cf, r):
			return -1
		}
		return r
	}, text)), " ")
}

// Capital is a text with a large first letter.
func Capital(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	return string(unicode.ToUpper(first)) + text[size:]
}
