package delivery

import (
	"regexp"
	"strings"
)

var inner = regexp.MustCompile(`([a-z])([A-Z])`)

// StatusOf writes the code of a receipt, such as NotificationAttempted, as a status: notification_attempted.
func StatusOf(code string) string {
	return strings.ToLower(inner.ReplaceAllString(code, "${1}_${2}"))
}

// failures has plain words for the codes of failures that the contract with NHS Notify lists. A code begins with MFR_
// for a message and with CFR_ for a channel. Codes of PDSV are about the person's record in PDS.
var failures = map[string]string{
	"PDSV_0001": "a contact detail in the person's record is not valid",
	"PDSV_0002": "a contact detail is missing in the person's record",
	"PDSV_0004": "the channel knows nobody with the NHS number",
	"PDSV_0006": "PDS has no record of the person",
	"PDSV_0008": "the person's record in PDS is not valid any more",
	"PDSV_0110": "the person has left the NHS's care in England: the record has an exit code",
	"PDSV_0111": "the person's record says informally that the person has died",
	"PDSV_0112": "the person's record says that the person has died",
	"SUPE_0007": "the supplier of the channel could not deliver the message",
}

func bare(code string) string {
	return strings.TrimPrefix(strings.TrimPrefix(code, "MFR_"), "CFR_")
}

// WordsFor returns plain words for a failure: ours where the code is known, and else the service's if they name nobody.
func WordsFor(code, reason string) string {
	if words, known := failures[bare(code)]; known {
		return words
	}
	return PlainWords(reason)
}

// PlainWords returns a service's words on one line. It returns none when they are long, or have so many digits or such
// signs that they may identify a person.
func PlainWords(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	digits := 0
	for _, c := range text {
		if '0' <= c && c <= '9' {
			digits++
		}
	}
	if digits > 4 || len(text) > 200 || strings.ContainsRune(text, '@') {
		return ""
	}
	return text
}

// forbids reports whether a code is about the person's whole record. A code of PDSV that this program does not know may be.
func forbids(code string) bool {
	return strings.HasPrefix(bare(code), "PDSV_") && !ofChannel(code)
}

// ofChannel reports whether a code is about a contact detail or a channel alone.
func ofChannel(code string) bool {
	switch bare(code) {
	case "PDSV_0001", "PDSV_0002", "PDSV_0004", "SUPE_0007":
		return true
	}
	return false
}

// ForbidsMessages reports whether the service says, or may say, that the person's record allows no message at all. It
// does so by a code, whenever that came. Or the message failed before any channel was tried, and no code says that only
// a channel is missing.
func (s *State) ForbidsMessages() bool {
	if s.Forbidden != "" || s.Status != Failed || s.Delivered {
		return s.Forbidden != ""
	}
	for _, a := range s.Attempts {
		if a.Supplier != "" || a.Status != "created" && a.Status != "skipped" || ofChannel(a.Code) {
			return false
		}
	}
	return !ofChannel(s.Code)
}
