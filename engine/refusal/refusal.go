// Package refusal holds the errors that end a command on purpose: a start that is refused
// before the first attempt, and a run that ended before every record had its final fate.
package refusal

import (
	"fmt"
	"strings"
)

// Refused says that nothing was attempted, and what to do.
type Refused struct{ err error }

func (r *Refused) Error() string { return r.err.Error() }
func (r *Refused) Unwrap() error { return r.err }

// New makes a refusal. %w keeps a cause.
func New(format string, args ...any) error { return &Refused{fmt.Errorf(format, args...)} }

// Ended says how a run ended before every record had its final fate.
type Ended struct {
	Err  error
	Code int    // the exit code
	Next string // the command that goes on
}

func (e *Ended) Error() string { return e.Err.Error() }
func (e *Ended) Unwrap() error { return e.Err }

// OneLine puts a text on one line.
func OneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
