package engine

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode"
)

// Lever is what a person asks of a run, while it is at work or between two starts. It
// holds from one start to the next until another takes its place.
type Lever struct {
	Verb   LeverVerb
	Pace   PaceLever // of LeverPace
	Of     LeverVerb // of LeverReason: what the reason is for
	By     string    // who asked
	Reason string    // may be empty
}

// LeverVerb is which lever it is.
type LeverVerb string

// The levers. They are the verbs of Control records too.
const (
	LeverPause    LeverVerb = "paused"      // nothing is sent until LeverContinue
	LeverContinue LeverVerb = "continued"   // takes back LeverPause
	LeverPace     LeverVerb = "pace"        // another rate than the campaign's
	LeverStop     LeverVerb = "stop_wanted" // requests under way finish, and the process ends
	LeverReason   LeverVerb = "reason"      // why another was pulled, said when it held already
)

// PaceLever is a rate that a person has asked for in place of the campaign's. The zero
// value is none: the campaign's holds again.
//
// With FinishBy, PerSecond is what it takes to be done by then from where the run was when
// it was asked for (Ledger.Repace). It stays that: what is lost later is not made up.
type PaceLever struct {
	PerSecond float64   `json:"per_second,omitempty"` // messages a second
	FinishBy  time.Time `json:"finish_by,omitzero"`   // what is left is spread until then
}

// leverDetail is how a lever stands in the log.
type leverDetail struct {
	By     string    `json:"by"`
	Reason string    `json:"reason,omitempty"`
	Of     LeverVerb `json:"of,omitempty"`
	PaceLever
}

// Event is what a person or the run itself decided, for those who look at it later.
type Event struct {
	At     time.Time `json:"at"`
	Verb   string    `json:"verb"`
	Detail string    `json:"detail,omitempty"` // in words
}

// mostEvents is how many events a ledger keeps: the latest.
const mostEvents = 100

// words says what a lever was pulled for.
func (d leverDetail) words() string {
	text := "by " + printable(d.By)
	switch {
	case d.PerSecond > 0 && !d.FinishBy.IsZero():
		text = fmt.Sprintf("%g a second, to finish by %s, %s", d.PerSecond, d.FinishBy.Format(time.RFC3339), text)
	case d.PerSecond > 0:
		text = fmt.Sprintf("%g a second, %s", d.PerSecond, text)
	case d.Of != "":
		text = fmt.Sprintf("for %s, %s", d.Of, text)
	}
	if d.Reason != "" {
		text += ": " + printable(d.Reason)
	}
	return text
}

// printable is what a person has typed, as it may stand on a terminal: what would move its
// cursor, break the line or turn the writing round is a space.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, text)
}

// lever folds a lever into the ledger.
func (l *Ledger) lever(c *control) (detail string, err error) {
	var d leverDetail
	if err := json.Unmarshal([]byte(c.Detail), &d); err != nil {
		return "", fmt.Errorf("%w: a lever of which nothing can be read", ErrIllegal)
	}
	switch LeverVerb(c.Verb) {
	case LeverPause:
		l.Paused = d.words()
	case LeverContinue:
		l.Paused = ""
	case LeverPace:
		if l.PaceLever = d.PaceLever; d.PerSecond == 0 {
			l.PaceLever = PaceLever{} // a time without a rate is nothing to keep to
		}
	case LeverReason:
		if d.Of == LeverPause && l.Paused != "" {
			l.Paused = leverDetail{By: d.By, Reason: d.Reason}.words()
		}
	}
	return d.words(), nil
}

// Pull records what a person asks of the run, durably.
func (p *ProgressLog) Pull(at time.Time, lever Lever) error {
	detail, err := json.Marshal(leverDetail{By: lever.By, Reason: lever.Reason, Of: lever.Of, PaceLever: lever.Pace})
	if err != nil {
		return err
	}
	return p.Control(at, string(lever.Verb), string(detail))
}

// Pull asks something of a run at work. Done is given nil when it holds, or why not.
type Pull struct {
	Lever
	Change *PaceChange  // of LeverPace: what it makes of the rate, known when Done is given nil; may be nil
	Done   chan<- error // with room for one
}

// pulled does what a person asks.
func (r *run) pulled(p Pull) {
	p.Done <- r.pull(p, time.Now())
}

func (r *run) pull(p Pull, now time.Time) error {
	if p.Verb == LeverPace {
		change, err := r.Log.Repace(r.Pace, p.Pace, now)
		if err != nil {
			return err
		}
		p.Pace = change.Lever
		if p.Change != nil {
			*p.Change = change
		}
	}
	if err := r.Log.Pull(now, p.Lever); err != nil {
		return err
	}
	r.obey(p.Lever)
	return nil
}

// obey brings the run to what the ledger says that a person wants.
func (r *run) obey(l Lever) {
	switch l.Verb {
	case LeverPause:
		r.Logger.Warn("the run is paused: nothing is sent until it is told to continue", "why", r.Log.Paused)
	case LeverContinue:
		now := time.Now()
		r.continued(now)
		if r.clockSet {
			r.clock, r.clockSet = r.clocks(now), false
		}
		r.Logger.Info("the run continues")
	case LeverPace:
		r.tempo.set(func(t *tempo) { t.lever = r.Log.PaceLever })
		r.short, r.late = time.Time{}, false // what was foretold was of another rate
		say := r.Logger.With("per_second", r.Log.PaceLever.PerSecond)
		if by := r.Log.PaceLever.FinishBy; !by.IsZero() {
			say = say.With("finish_by", by.Format(time.RFC3339))
		}
		say.Info("the pace was changed")
	case LeverReason:
		r.Logger.Info("the reason is noted", "event", r.Log.LastControl)
	case LeverStop:
		r.halt(&Stopped{Why: "stopped " + leverDetail{By: l.By, Reason: l.Reason}.words()})
	}
	r.gate.Pause(r.Log.Paused)
	r.gate.Wake()
}
