package summary

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"cohort/engine/delivery"
	"cohort/ingest/person"
)

const (
	noWord  = "No word at all since the service took it"
	tooMany = "other" // the rest, when there are too many kinds
	noValue = "No value in the file"
)

// fateWords are the fates in the order of the page, with their fills.
var fateWords = []struct {
	fate       person.Fate
	name, fill string
}{
	{person.Accepted, "Accepted: the service took the message", "c1"},
	{person.Refused, "Refused: the service said no", "c4"},
	{person.InDoubt, "In doubt: the answer never came", "c3"},
	{person.NotSent, "Not sent: not attempted, or certainly not taken", "none"},
	{person.Suppressed, "Suppressed: a person who must not be sent to", "out"},
	{person.Invalid, "Invalid: the record has a fault", "out"},
	{person.Duplicate, "Duplicate: another record of the same person", "out"},
}

// reasonWords are short words for the codes of records that never reach a service.
var reasonWords = map[string]string{
	person.CodeBadNumber: "NHS number is not valid", person.CodeWrongColumns: "Too many or too few values",
	person.CodeBadEncoding: "Characters cannot be read", person.CodeEmptyRequired: "A required value is empty",
	person.CodeBadType: "A date or other value cannot be read", person.CodeBadContact: "Contact details break the limits",
	person.CodeBadODSCode: "The sender's ODS code is not valid", person.CodeTooLong: "The message would be too long",
	person.CodeLongMessage: "The message is too long for the NHS App", person.CodeMarkup: "The message would show markup",
	person.CodeEmptyMessage: "The message would be empty", person.CodeShortAddress: "The address is too short",
	person.CodeBrokenAddress: "The address has a line break", person.CodeSupersedeCycle: "Replaced NHS numbers form a circle",
	person.CodeSupersedeFork: "The NHS number has two replacements", person.CodeWithdrawn: "Withdrawn in the file",
	person.CodeTestNumber: "NHS number of the wrong range", person.CodeAlreadySent: "Sent to in an earlier run",
	person.CodeInDoubtBefore: "In doubt in an earlier run", person.CodeReplaced: "The file has a newer NHS number",
	person.CodeNoRoute: "No route takes the record", person.CodeControl: "The message holds a control character",
}

// plainCode is a code that may be shown. A text that somebody typed is not one.
var plainCode = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.-]{0,39}$`)

// codeWords are words for a code; other when it is no code.
func codeWords(code, other string) string {
	switch {
	case reasonWords[code] != "":
		return reasonWords[code]
	case code == tooMany || !plainCode.MatchString(code):
		return other
	case strings.ToLower(code) != code: // the service's own
		return code
	}
	words := strings.NewReplacer("_", " ", "-", " ").Replace(code)
	return capital(words)
}

// supplierWords are what suppliers say of a message that they could not deliver (GOV.UK Notify has the same words).
var supplierWords = map[string]string{
	"permanent_failure": "number or address does not work", "temporary_failure": "out of reach for too long",
	"technical_failure": "a fault on the way", "validation_failed": "the letter cannot be printed", "returned": "it came back",
	"rejected": "rejected", "cancelled": "cancelled", "virus_scan_failed": "the letter cannot be printed", "unnotified": "not notified",
}

// failureWords says why a message failed, and holds nothing that a person typed.
func failureWords(s *delivery.State) string {
	words := delivery.WordsFor(s.Code, "")
	if words != "" && !strings.HasSuffix(s.Code, "SUPE_0007") { // it says less than the supplier
		return capital(words)
	}
	if s.Status == "rejected" {
		return "Nobody in the NHS App has the NHS number"
	}
	for _, a := range slices.Backward(s.Attempts) {
		if said := supplierWords[a.Supplier]; said != "" && a.Status == delivery.Failed {
			return channelName(a.Channel) + ": " + said
		}
	}
	switch {
	case words != "":
		return capital(words)
	case s.Code == "":
		return "No reason given"
	}
	return codeWords(s.Code, "Another reason")
}

func capital(words string) string { return strings.ToUpper(words[:1]) + words[1:] }

func channelName(channel string) string {
	switch channel {
	case "nhsapp":
		return "NHS App"
	case "sms":
		return "Text message"
	case "email":
		return "Email"
	case "letter":
		return "Letter"
	case "":
		return "Channel not known"
	}
	return codeWords(channel, "Another channel")
}

// channelFill is the fill of a channel in the chart.
func channelFill(channel string) string {
	return cmp.Or(map[string]string{"nhsapp": "c1", "sms": "c2", "email": "c3", "letter": "c4"}[channel], "edge")
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
	if of < 10 {
		return ""
	}
	decimals, least := 1, 0.1
	if of < 1000 {
		decimals, least = 0, 1
	}
	percent := 100 * float64(n) / float64(of)
	switch {
	case n == 0:
		return "0%"
	case n == of:
		return "100%"
	case percent < least:
		return fmt.Sprintf("under %g%%", least)
	case percent > 100-least:
		return fmt.Sprintf("over %g%%", 100-least)
	}
	return strconv.FormatFloat(percent, 'f', decimals, 64) + "%"
}

// people writes "1 person" or "12 people".
func people(n int64) string { return plural(n, "person", "people") }

func plural(n int64, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return number(n) + " " + more
}

// span writes how long something took.
func span(d time.Duration) string {
	hours, minutes := int64(d/time.Hour), int64(d/time.Minute)%60
	switch {
	case d < time.Minute:
		return plural(max(1, int64(d.Round(time.Second)/time.Second)), "second", "seconds")
	case d < time.Hour:
		return fmt.Sprintf("%d min", minutes)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %d min", hours, minutes)
	}
	return fmt.Sprintf("%d days %d h", hours/24, hours%24)
}

func delayWords(d time.Duration) string {
	switch {
	case d < time.Hour:
		return plural(int64(d/time.Minute), "minute", "minutes")
	case d <= 24*time.Hour:
		return plural(int64(d/time.Hour), "hour", "hours")
	}
	return plural(int64(d/(24*time.Hour)), "day", "days")
}
