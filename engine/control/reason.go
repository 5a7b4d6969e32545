package control

import (
	"unicode/utf8"

	"cohort/engine/refusal"
)

// mostReason is how many characters of a reason the log keeps. Its readers see them all.
const mostReason = 1000

func CheckReason(reason string) error {
	if n := utf8.RuneCountInString(reason); n > mostReason {
		return refusal.New("the reason has %d characters, and %d are the most; say it shorter", n, mostReason)
	}
	return nil
}
