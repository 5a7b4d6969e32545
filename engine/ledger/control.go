package ledger

import (
	"cmp"
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"cohort/engine/pace"
	"cohort/engine/record"
)

// Command is a command of an operator, to a run at work or between two starts. It holds over starts, until another
// command replaces it.
type Command struct {
	Verb   record.Verb
	Pace   pace.Override // for VerbPace
	Of     record.Verb   // for VerbReason: the command that the reason is for
	By     string        // the person
	Reason string        // may be empty
}

// Event is a decision of a person or of the run itself.
type Event struct {
	At     time.Time `json:"at"`
	Verb   string    `json:"verb"`
	Detail string    `json:"detail,omitempty"` // in words
}

// mostEvents limits the events of a ledger; the latest stay.
const mostEvents = 100

// haltCode is the code at the end of the detail of a ControlHalted.
var haltCode = regexp.MustCompile(` \[([a-z_]+)\]$`)

func (l *Ledger) control(r *record.Control) error {
	f := &l.facts
	switch r.Verb { // these are not events
	case record.ControlLists:
		f.Lists = nil // a later version may record less
		return readDetail(r, &f.Lists)
	case record.ControlWitness:
		f.Witness = new(Witness)
		if err := readDetail(r, f.Witness); err != nil || len(f.Witness.Files) == 0 {
			return illegal("the record %q names no files", r.Verb)
		}
		return nil
	case record.ControlStretch:
		return readDetail(r, &f.Stretch)
	case record.ControlReported:
		f.Reported = r.Detail
		return nil
	case record.ControlLeft:
		f.Ended, f.EndedAt = r.Verb, r.At
		return nil
	}
	detail, err := record.Printable(r.Detail), error(nil)
	switch r.Verb {
	case record.ControlTaken:
		f.Reported = ""
		batches, words, _ := strings.Cut(r.Detail, " ")
		detail, err = record.Printable(words), l.uploadTaken(batches)
	case record.ControlConfirmed:
		reference, _, _ := strings.Cut(r.Detail, " ")
		f.Confirmed = append(f.Confirmed, reference)
	case record.ControlHalted, record.ControlStopped, record.ControlInDoubt:
		f.Ended, f.EndedAt, f.HaltCode = r.Verb, r.At, ""
		if code := haltCode.FindStringSubmatch(r.Detail); code != nil && r.Verb == record.ControlHalted {
			f.HaltCode = code[1]
		}
		if r.Verb == record.ControlHalted {
			tally(&l.traffic.Halts, 0, cmp.Or(f.HaltCode, Other), 1)
		}
	case record.ControlSuperseded:
		f.Superseded = r.Detail
	case record.ControlResent:
		l.deciding = true
	default:
		if isCommand(r) {
			detail, err = f.command(r)
		}
	}
	if err != nil {
		return err
	}
	f.LastControl = r.Verb + ": " + detail
	f.Events = append(f.Events, Event{r.At.UTC(), record.Printable(r.Verb), detail})
	if n := len(f.Events) - mostEvents; n > 0 {
		f.Events = slices.Delete(f.Events, 0, n)
	}
	return nil
}

func readDetail(r *record.Control, to any) error {
	if json.Unmarshal([]byte(r.Detail), to) != nil {
		return illegal("the detail of the record %q is not readable", r.Verb)
	}
	return nil
}

// isCommand reports whether a Control is a command of an operator.
func isCommand(r *record.Control) bool {
	switch record.Verb(r.Verb) {
	case record.VerbPause, record.VerbContinue, record.VerbPace, record.VerbStop, record.VerbReason:
		return true
	}
	return false
}

// command folds a command and returns it in words.
func (f *Facts) command(r *record.Control) (detail string, err error) {
	var d record.CommandDetail
	if err := readDetail(r, &d); err != nil {
		return "", err
	}
	switch record.Verb(r.Verb) {
	case record.VerbPause:
		f.Paused = d.Words()
	case record.VerbContinue:
		f.Paused = ""
	case record.VerbPace:
		if f.Override = d.Override; d.PerSecond == 0 {
			f.Override = pace.Override{} // a time without a rate means nothing
			return "the campaign's pace again, " + d.Words(), nil
		}
	case record.VerbReason:
		if d.Of == record.VerbPause && f.Paused != "" {
			f.Paused = record.CommandDetail{By: d.By, Reason: d.Reason}.Words()
		}
	}
	return d.Words(), nil
}

// PausedBy folds the commands among some records of a damaged log. It returns the person who paused the run, and the
// reason; empty when the run is not paused.
func PausedBy(controls []*record.Control) string {
	var f Facts
	for _, c := range controls {
		if isCommand(c) {
			_, _ = f.command(c)
		}
	}
	return f.Paused
}

// Batches writes batch numbers as the detail of ControlTaken has them, such as "1-4,9".
func Batches(numbers []uint32) string {
	numbers = slices.Compact(slices.Sorted(slices.Values(numbers)))
	var text strings.Builder
	for i := 0; i < len(numbers); {
		n := 1
		for i+n < len(numbers) && numbers[i+n] == numbers[i]+uint32(n) {
			n++
		}
		if i > 0 {
			text.WriteByte(',')
		}
		text.WriteString(strconv.FormatUint(uint64(numbers[i]), 10))
		if n > 1 {
			text.WriteString("-" + strconv.FormatUint(uint64(numbers[i+n-1]), 10))
		}
		i += n
	}
	return text.String()
}

// batchesOf reads what Batches wrote. A batch number is below end.
func batchesOf(text string, end int) (numbers []uint32, err error) {
	for part := range strings.SplitSeq(text, ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		from, err := strconv.ParseUint(first, 10, 32)
		to, e := strconv.ParseUint(last, 10, 32)
		if err != nil || e != nil || to < from || to >= uint64(end) {
			return nil, illegal("a refused upload names batches that do not exist: %q", part)
		}
		for batch := from; batch <= to; batch++ {
			numbers = append(numbers, uint32(batch))
		}
	}
	return numbers, nil
}
