package record

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	"cohort/engine/pace"
)

// LeverVerb is which lever it is.
type Verb string

// The levers. They are the verbs of Control records too.
const (
	VerbPause    Verb = "paused"      // nothing is sent until LeverContinue
	VerbContinue Verb = "continued"   // takes back LeverPause
	VerbPace     Verb = "pace"        // another rate than the campaign's
	VerbStop     Verb = "stop_wanted" // requests under way finish, and the process ends
	VerbReason   Verb = "reason"      // why another was pulled, said when it held already
)

// leverDetail is how a lever stands in the log.
type CommandDetail struct {
	By     string `json:"by"`
	Reason string `json:"reason,omitempty"`
	Of     Verb   `json:"of,omitempty"`
	pace.Override
}

// words says what a lever was pulled for.
func (d CommandDetail) Words() string {
	text := "by " + Printable(d.By)
	switch {
	case d.PerSecond > 0 && !d.FinishBy.IsZero():
		text = fmt.Sprintf("%g a second, to finish by %s, %s", d.PerSecond, d.FinishBy.Format(time.RFC3339), text)
	case d.PerSecond > 0:
		text = fmt.Sprintf("%g a second, %s", d.PerSecond, text)
	case d.Of != "":
		text = fmt.Sprintf("for %s, %s", d.Of, text)
	}
	if d.Reason != "" {
		text += ": " + Printable(d.Reason)
	}
	return text
}

// printable is what a person has typed, as it may stand on a terminal: what would move its
// cursor, break the line or turn the writing round is a space.
func Printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, text)
}
