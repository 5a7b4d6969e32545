package ledger

import (
	"encoding/json"
	"fmt"
	"time"

	"cohort/engine/pace"
	"cohort/engine/record"
)

// Lever is what a person asks of a run, while it is at work or between two starts. It
// holds from one start to the next until another takes its place.
type Command struct {
	Verb   record.Verb
	Pace   pace.Override // of LeverPace
	Of     record.Verb   // of LeverReason: what the reason is for
	By     string        // who asked
	Reason string        // may be empty
}

// Event is what a person or the run itself decided, for those who look at it later.
type Event struct {
	At     time.Time `json:"at"`
	Verb   string    `json:"verb"`
	Detail string    `json:"detail,omitempty"` // in words
}

// mostEvents is how many events a ledger keeps: the latest.
const mostEvents = 100

// lever folds a lever into the ledger.
func (l *Ledger) FoldCommand(c *record.Control) (detail string, err error) {
	var d record.CommandDetail
	if err := json.Unmarshal([]byte(c.Detail), &d); err != nil {
		return "", fmt.Errorf("%w: a lever of which nothing can be read", ErrIllegal)
	}
	switch record.Verb(c.Verb) {
	case record.VerbPause:
		l.Paused = d.Words()
	case record.VerbContinue:
		l.Paused = ""
	case record.VerbPace:
		if l.Override = d.Override; d.PerSecond == 0 {
			l.Override = pace.Override{} // a time without a rate is nothing to keep to
		}
	case record.VerbReason:
		if d.Of == record.VerbPause && l.Paused != "" {
			l.Paused = record.CommandDetail{By: d.By, Reason: d.Reason}.Words()
		}
	}
	if record.Verb(c.Verb) == record.VerbPace && d.PerSecond == 0 {
		return "the campaign's pace again, " + d.Words(), nil
	}
	return d.Words(), nil
}

// Pull records what a person asks of the run, durably.
func (p *Log) Command(at time.Time, lever Command) error {
	detail, err := json.Marshal(record.CommandDetail{By: lever.By, Reason: lever.Reason, Of: lever.Of, Override: lever.Pace})
	if err != nil {
		return err
	}
	return p.Control(at, string(lever.Verb), string(detail))
}
