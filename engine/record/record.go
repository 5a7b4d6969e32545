// Package record has the records of the progress log and their encoding.
package record

import (
	"bytes"
	"time"

	"cohort/engine/journal"
	"cohort/engine/plan"
)

// The kinds of record. Their numbers are part of the log's format.
const (
	KindRunOpened  journal.Type = 1
	KindAttempt    journal.Type = 2
	KindOutcome    journal.Type = 3
	KindInDoubt    journal.Type = 4
	KindRevision   journal.Type = 5
	KindResolved   journal.Type = 6
	KindControl    journal.Type = 7
	KindRunClosed  journal.Type = 8
	KindListedLate journal.Type = 9
	KindRecovered  journal.Type = 10
)

type Record interface {
	Kind() journal.Type
	code(c *coder)
}

// Result is the next step for a form. ledger.Decide returns it for an answer. An Outcome records the result of an
// answer, and a Resolved the decision of a person. Numbers below 100 are part of the log's format.
type Result uint8

const (
	ResultAccepted        Result = 1 // the message ids are known, or the sink has none (Answer.NoIDs)
	ResultAcceptedUnknown Result = 2 // accepted by an attempt that got no answer; the message ids are unknown
	ResultNotAccepted     Result = 3 // this attempt was certainly not accepted: try again later
	ResultHeld            Result = 4 // in doubt, and no replay can settle it
	ResultForeign         Result = 5 // the service has it, and this log never sent it
	ResultReplay          Result = 6 // in doubt: send the same bytes again. In a Resolved: although people in it are listed
	ResultResend          Result = 7 // only by a person: send again although it is in doubt

	ResultRevise Result = 100 // never in a record: a Revision drops the refused rows
	ResultSplit  Result = 101 // never in a record: a Revision cuts the form into parts
)

// RunOpened says that a process has started to work on the run.
type RunOpened struct {
	Plan    [32]byte // digest of plan.json
	At      time.Time
	PID     uint64
	Host    string
	Version string
	Key     string // fingerprint of the credential; the service remembers references for it
}

// Attempt says that a request is about to be sent.
type Attempt struct {
	Form        plan.FormID
	N           uint16 // counted from 1 for each form
	At          time.Time
	Correlation [16]byte
}

// Outcome is an answer that needs no new forms.
type Outcome struct {
	Form   plan.FormID
	N      uint16 // of the attempt
	At     time.Time
	Result Result
	Status int    // HTTP status; 0: none
	Code   string // the service's code, or one of ours

	RetryAfter time.Duration // the wait that the service asked for, in whole milliseconds (NotAccepted and Held)
	IDs        []string      // message ids; nil after decoding, see MessageIDs and EachID
	rawIDs     []byte
}

// InDoubt says that an attempt got no clear answer.
type InDoubt struct {
	Form       plan.FormID
	N          uint16 // of the attempt
	At         time.Time
	Status     int
	Code       string
	RetryAfter time.Duration // the wait that the service asked for, in whole milliseconds
}

// Revision replaces a form by newer forms. Its cause decides the fields:
//
//	an answer refused rows, or the request was too large   N is the attempt's number
//	a suppression list names people of the form            N is 0; Refused are the people who are excluded
//	refused messages are sent again                        Form is the new form itself; it has one part
//	a suppression list names refused people                Form is as above; no part: they are never sent again
//	the service refused an uploaded file                   Code begins with upload_refused_; no part
type Revision struct {
	Form    plan.FormID // the form that is replaced
	N       uint16
	At      time.Time
	Status  int
	Code    string
	Number  uint16 // of the new revision
	Parts   []plan.Form
	Refused []RefusedRow
	Sure    bool // every attempt of the form was answered, so no request can be on its way; lists leave it false
}

// RefusedRow is one record that the service refused by its content, or that a suppression list names.
type RefusedRow struct {
	Position uint32 // in its lane
	Code     string
	Reason   string
}

// Control is a decision of a person, or of the run itself.
type Control struct {
	At     time.Time
	Verb   string // one of the Control constants or a Verb
	Detail string
}

// RunClosed says that every record of the cohort has its final fate.
type RunClosed struct {
	At     time.Time
	Counts [7]uint64 // in the order of person.Fates
}

// ListedLate names people of a batch that a suppression list names after the batch was attempted.
type ListedLate struct {
	Batch  uint32
	At     time.Time
	People []RefusedRow // in ascending positions, without Reason
}

// Resolved settles a form that no answer could settle.
type Resolved struct {
	Form   plan.FormID
	At     time.Time
	Result Result   // AcceptedUnknown, Held, Replay or Resend by a person; Accepted or Foreign by what the service reports
	Reason string   // in the words of the person
	IDs    []string // message ids, in the order of the body (Accepted)
}

// Recovered says that the log before this one is lost, so every form may have been attempted. The Revisions behind
// it come from the second copy.
type Recovered struct {
	Plan      [32]byte
	At        time.Time
	Since     time.Time // no attempt was made before this time
	Hold      string    // the reason why nothing is replayed; empty: forms are replayed
	Attempts  uint64    // requests that the run has made at least
	Revisions uint64    // number of Revisions that follow
	Key       string    // fingerprint of the credential; empty: unknown
	Aside     string    // folder with the old log; empty: there was none
}

// Part returns the id of the new form with index i.
func (r *Revision) Part(i int) plan.FormID {
	return plan.FormID{Batch: r.Form.Batch, Revision: r.Number, Part: uint16(i)}
}

// IsOfRefused reports whether the revision is about messages that were refused earlier. It replaces no form.
func (r *Revision) IsOfRefused() bool { return r.Form.Revision == r.Number }

// MessageIDs decodes the message ids of an outcome, in the order of the body.
func (r *Outcome) MessageIDs() (ids []string, err error) {
	c := &coder{b: r.rawIDs, reading: true}
	list(c, &ids, 1, c.text)
	return ids, c.end()
}

// IDs iterates over message ids without making a string of each.
type IDs struct{ c coder }

func IDsOf(ids []string) *IDs {
	var c coder
	for i := range ids {
		c.text(&ids[i])
	}
	return &IDs{coder{b: c.b, reading: true}}
}

// Next returns the next id. The caller counts the ids and does not change the bytes.
func (i *IDs) Next() []byte { return i.c.raw() }

// EachID checks the message ids of an outcome, and returns an iterator and their number. The iterator has its own
// copy of the bytes.
func (r *Outcome) EachID() (ids *IDs, n int, err error) {
	c := coder{b: bytes.Clone(r.rawIDs), reading: true}
	n = c.length(0, 1)
	ids = &IDs{c}
	for range n {
		c.raw()
	}
	return ids, n, c.end()
}
