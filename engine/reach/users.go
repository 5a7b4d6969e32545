package reach

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"cohort/ingest/person"
)

// Answer is the app status of a person.
type Answer string

const (
	Unknown       Answer = "unknown"       // the practice or its report is missing
	No            Answer = "no"            // the practice's report does not name the person
	Yes           Answer = "yes"           // has the app, and notifications off
	Notifications Answer = "notifications" // has the app, and notifications on
)

type User struct {
	Number        person.NHSNumber
	Notifications bool
}

// State is the kind of answer that the service gave for a practice.
type State string

const (
	Reported State = ""        // a report
	Missing  State = "missing" // none
	Refused  State = "refused" // the service does not know the code as a practice
)

var codeForm = regexp.MustCompile(`^[0-9A-Z]{3,10}$`)

// Code returns the ODS code in a value of a cohort, in capitals, or false if it is not one. The code of a practice has
// letters and digits. So the names or numbers of a wrong column never go to the service.
func Code(value string) (string, bool) {
	code := strings.ToUpper(strings.TrimSpace(value))
	return code, codeForm.MatchString(code) && strings.ContainsAny(code, "0123456789") && strings.ContainsFunc(code, unicode.IsLetter)
}

// pack makes the entries of a report: sorted, and each person once. A person who is listed
// twice has notifications if one of the two has them.
func pack(users []User) []uint64 {
	entries := make([]uint64, len(users))
	for i, u := range users {
		entries[i] = u.Number.Uint64() << 1
		if u.Notifications {
			entries[i]++
		}
	}
	slices.SortFunc(entries, func(a, b uint64) int { return cmp.Compare(b, a) }) // the one with notifications on first
	entries = slices.CompactFunc(entries, func(a, b uint64) bool { return a>>1 == b>>1 })
	slices.Reverse(entries)
	return entries
}
