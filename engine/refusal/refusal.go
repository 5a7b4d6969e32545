// Package refusal holds the errors that end a command on purpose: a start that is refused
// before the first attempt, and a run that ended before every record had its final fate.
//
// A refusal is a code and facts. Its sentence stands in say.go, under its code, and nowhere
// else. The facts hold no personal data.
package refusal

import (
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strconv"
	"strings"
)

// Refused says that nothing was attempted, and what to do. Within an Ended it says how the run ended.
type Refused struct {
	Code  string         // names the reason; it stays the same when its sentence is reworded
	Facts map[string]any // what the sentence names
}

// New makes a refusal from a code and pairs of a name and a value, as log/slog takes them. The
// error of a fact named "cause" is wrapped.
func New(code string, facts ...any) error {
	r := &Refused{Code: code, Facts: make(map[string]any, len(facts)/2)}
	for i := 0; i+1 < len(facts); i += 2 {
		r.Facts[facts[i].(string)] = facts[i+1]
	}
	return r
}

func (r *Refused) Error() string {
	sentence, ok := sentences[r.Code]
	if !ok {
		return fmt.Sprint(r.Code, " ", r.Facts)
	}
	return fill(sentence, r.Facts)
}

func (r *Refused) Unwrap() error {
	cause, _ := r.Facts["cause"].(error)
	return cause
}

// fact is the place of a fact in a sentence: its name, and the verb of package fmt that formats it.
var fact = regexp.MustCompile(`\{([a-z_0-9]+)(?::(%[^}]+))?\}`)

// fill puts facts into a sentence. A fact that is missing shows as its name in braces.
func fill(sentence string, facts map[string]any) string {
	return fact.ReplaceAllStringFunc(sentence, func(place string) string {
		parts := fact.FindStringSubmatch(place)
		value, ok := facts[parts[1]]
		switch {
		case !ok:
			return place
		case parts[2] != "":
			return fmt.Sprintf(parts[2], value)
		}
		if err, is := value.(error); is {
			value = plain(err)
		}
		return fmt.Sprint(value)
	})
}

// plain is the text of an error, without the system call that found no file.
func plain(err error) string {
	text := err.Error()
	if p := (*fs.PathError)(nil); errors.As(err, &p) {
		text = strings.ReplaceAll(text, p.Error(), p.Path+": "+p.Err.Error())
	}
	return text
}

// Ended is the error of a run that ended before every record had its final fate.
type Ended struct {
	Err  error
	Code int    // the exit code
	Next string // the command that goes on
}

func (e *Ended) Error() string { return e.Err.Error() }
func (e *Ended) Unwrap() error { return e.Err }

func Thousands(n int64) string {
	text := strconv.FormatInt(n, 10)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

func OneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// Code is the code of the refusal that an error is or wraps; empty when it is none.
func Code(err error) string {
	if r := (*Refused)(nil); errors.As(err, &r) {
		return r.Code
	}
	return ""
}
