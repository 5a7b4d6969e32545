package control

import (
	"unicode/utf8"

	"cohort/engine/refusal"
)

// mostReason is how many characters of a reason the log keeps. Its readers see them all.
const mostReason = 1000

func CheckReason(reason string) error {
	if n := utf8.RuneCountInString(reason); n > mostReason {
		return refusal.New("reason_too_long", "characters", n, "most", mostReason)
	}
	return nil
}
