package summary

import (
	_ "embed" // the words
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"cohort/engine/delivery"
	"cohort/engine/ledger"
	"cohort/engine/report"
)

//go:embed words.txt
var wordsText string

// words are words for codes.
var words = func() map[string]string {
	all := map[string]string{}
	for line := range strings.Lines(wordsText) {
		code, text, _ := strings.Cut(strings.TrimSpace(line), "\t")
		all[code] = text
	}
	return all
}()

// plainCode is a code that may be shown. A text that somebody typed is not one.
var plainCode = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.-]{0,39}$`)

// codeWords are words for a code of a campaign or a service.
func codeWords(code string) string {
	switch {
	case code == "":
		return "No reason given"
	case words[code] != "":
		return words[code]
	case strings.HasPrefix(code, ledger.CodeUploadRefused):
		return "The service refused the upload with it"
	case code == report.Rest || !plainCode.MatchString(code):
		return "Another one"
	case strings.ToLower(code) != code: // the service's own
		return code
	}
	return capital(strings.NewReplacer("_", " ", "-", " ").Replace(code))
}

func capital(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	return string(unicode.ToUpper(first)) + text[size:]
}

func failureWords(f report.Failure) string {
	known, said := delivery.WordsFor(f.Code, ""), words[f.Supplier]
	switch {
	case said != "" && (known == "" || strings.HasSuffix(f.Code, "SUPE_0007")): // the supplier says more
		return channelWords(f.Channel) + ": " + said
	case known != "":
		return capital(known)
	}
	return codeWords(f.Code)
}

func channelWords(channel string) string {
	if channel == "" {
		return "Channel not known"
	}
	return codeWords(channel)
}

func progressWords(p report.Progress) string {
	switch {
	case p == report.Progress{}:
		return "No word at all since the service took it"
	case p.Status == delivery.NoSuch || p.Status == report.Rest:
		return codeWords(p.Status)
	case p.Channel != "":
		return "On its way: " + channelWords(p.Channel)
	case p.Failed:
		return "One channel failed, the next is due"
	}
	return "The service works on it"
}

// number writes 3,400,000.
func number(n int64) string {
	if n < 0 {
		return "−" + number(-n)
	}
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// share writes n as a share of all: empty under ten, whole per cents under a thousand.
func share(n, of int64) string {
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

// plural writes a number with its noun, such as 12 people.
func plural(n int64, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return number(n) + " " + more
}

// span writes how long something took.
func span(d time.Duration) string {
	hours := int64(d / time.Hour)
	switch {
	case d < time.Minute:
		return plural(max(1, int64(d/time.Second)), "second", "seconds")
	case d < time.Hour:
		return plural(int64(d/time.Minute), "minute", "minutes")
	case d%(24*time.Hour) == 0 && hours > 24:
		return plural(hours/24, "day", "days")
	case d%time.Hour == 0:
		return plural(hours, "hour", "hours")
	case hours < 48:
		return fmt.Sprintf("%d h %d min", hours, int64(d/time.Minute)%60)
	}
	return fmt.Sprintf("%d days %d h", hours/24, hours%24)
}

// oneLine is a text without line breaks, and without characters that nobody sees, such as those that turn its direction.
func oneLine(text string) string {
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
