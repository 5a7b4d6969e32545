package reach

import (
	"regexp"
	"slices"
	"strings"
	"unicode"

	"cohort/ingest/person"
)

// Answer says whether a person can be reached by the NHS App.
type Answer string

// The answers.
const (
	Unknown       Answer = "unknown"       // there is no practice, or no report of it
	No            Answer = "no"            // the practice's report does not name the person
	Yes           Answer = "yes"           // has the app, and notifications off
	Notifications Answer = "notifications" // has the app, and notifications on
)

// User is a person whom a practice's report names.
type User struct {
	Number        person.NHSNumber
	Notifications bool
}

// State says what the service has of a practice.
type State string

// The states of a practice.
const (
	Reported State = ""        // a report
	Missing  State = "missing" // none
	Refused  State = "refused" // it takes the code for none of a practice
)

var codeForm = regexp.MustCompile(`^[0-9A-Z]{3,10}$`)

// Code is the ODS code in a value of a cohort, in capitals; false when it is none. A
// practice's has letters and digits: what stands in a column that was named by mistake, a
// name or a number, is not told to the service.
func Code(value string) (string, bool) {
	code := strings.ToUpper(strings.TrimSpace(value))
	return code, codeForm.MatchString(code) && strings.ContainsAny(code, "0123456789") && strings.ContainsFunc(code, unicode.IsLetter)
}

// pack makes the entries of a report: sorted, and each person once. Of whom it names
// twice it is enough that notifications are on in one place.
func pack(users []User) []uint64 {
	entries := make([]uint64, len(users))
	for i, u := range users {
		entries[i] = u.Number.Uint64() << 1
		if u.Notifications {
			entries[i]++
		}
	}
	slices.Sort(entries)
	n := 0
	for i, e := range entries {
		if i+1 < len(entries) && entries[i+1]>>1 == e>>1 {
			continue // the later one has notifications on, if either has
		}
		entries[n] = e
		n++
	}
	return entries[:n]
}
