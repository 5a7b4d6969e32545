package engine

import (
	"fmt"
	"time"

	"cohort/engine/journal"
)

// The records of the progress log. Their numbers are part of the format.
//
//	RunOpened   a process took the run on: plan digest, time, process, host, version, key
//	Attempt     a request is about to be sent: form, number, time, correlation id
//	Outcome     an answer that settles an attempt: form, number, time, result, status, code, ids
//	InDoubt     an attempt that got no answer, or none to be understood
//	Revision    newer forms for an older one, and the rows that were refused
//	            by number 0 as the attempt: without the people that a suppression list names
//	            of itself: refused messages once more, in a form of their own; or, without
//	            one, those of the refused whom a list names, so that they never are
//	            with a code of CodeUploadRefused: of a form that was accepted, in a file that
//	            the service has refused since
//	Control     what a person or the run itself decided: verb and detail
//	RunClosed   every record has its final fate: the account
//	ListedLate  people whom a suppression list names and of whom a batch was already attempted
//	Resolved    what a person decided about a form that no answer could settle
//	Recovered   the log before this one is lost: every form may have been attempted. So many
//	            Revisions follow it, copied from beside the log
const (
	recordRunOpened  journal.Type = 1
	recordAttempt    journal.Type = 2
	recordOutcome    journal.Type = 3
	recordInDoubt    journal.Type = 4
	recordRevision   journal.Type = 5
	recordResolved   journal.Type = 6
	recordControl    journal.Type = 7
	recordRunClosed  journal.Type = 8
	recordListedLate journal.Type = 9
	recordRecovered  journal.Type = 10
)

// Result is what an Outcome, or a person in a Resolved, says of its form.
type Result uint8

// The results.
const (
	ResultAccepted        Result = 1 // with ids, or with none where none are given (Answer.NoIDs)
	ResultAcceptedUnknown Result = 2 // by an earlier attempt; ids not known
	ResultNotAccepted     Result = 3 // to be tried again
	ResultHeld            Result = 4 // in doubt, and no replay can settle it
	ResultForeign         Result = 5 // the reference is somebody else's
	ResultReplay          Result = 6 // by a person alone: to be replayed though people of it are listed
	ResultResend          Result = 7 // by a person alone: to be sent again though it is in doubt
)

type runOpened struct {
	Plan    [32]byte
	At      time.Time
	PID     uint64
	Host    string
	Version string
	Key     string // fingerprint of the credential under which references are remembered
}

type attempt struct {
	Form        FormID
	N           uint16
	At          time.Time
	Correlation [16]byte
}

type outcome struct {
	Form   FormID
	N      uint16
	At     time.Time
	Result Result
	Status int
	Code   string

	RetryAfter time.Duration // NotAccepted, Held: what the service asked for; whole milliseconds
	IDs        []string      // nil when decoded: rawIDs has them, and most readers want none
	rawIDs     []byte
}

type inDoubt struct {
	Form       FormID
	N          uint16
	At         time.Time
	Status     int
	Code       string
	RetryAfter time.Duration // what the service asked for; whole milliseconds
}

type revision struct {
	Form    FormID // the one that is replaced; the new one itself where refused messages are taken up
	N       uint16 // of the attempt whose answer asked for it; 0: a suppression list did
	At      time.Time
	Status  int
	Code    string
	Number  uint16 // of the new revision; its parts are counted from 0
	Parts   []Form
	Refused []RefusedRow // by the service, or by the list; of itself: who is listed
	Sure    bool         // every request of the form was answered, so that none can be under way; not said by lists
}

// RefusedRow is one record that the service refused by its content, or that a
// suppression list names.
type RefusedRow struct {
	Position uint32 // in its shard
	Code     string
	Reason   string
}

type listedLate struct {
	Batch  uint32
	At     time.Time
	People []RefusedRow // ascending positions; no reason in words
}

type control struct {
	At     time.Time
	Verb   string
	Detail string
}

type runClosed struct {
	At     time.Time
	Counts [7]uint64 // in the order of person.Fates
}

func (r *runOpened) encode(e *encoder) {
	e.bytes(r.Plan[:])
	e.time(r.At)
	e.uint(r.PID)
	e.text(r.Host)
	e.text(r.Version)
	e.text(r.Key)
}

func (r *attempt) encode(e *encoder) {
	e.form(r.Form)
	e.uint(uint64(r.N))
	e.time(r.At)
	e.bytes(r.Correlation[:])
}

func (r *outcome) encode(e *encoder) {
	e.form(r.Form)
	e.uint(uint64(r.N))
	e.time(r.At)
	e.uint(uint64(r.Result))
	e.uint(uint64(r.Status))
	e.text(r.Code)
	e.uint(uint64(r.RetryAfter.Milliseconds()))
	e.uint(uint64(len(r.IDs)))
	for _, id := range r.IDs {
		e.text(id)
	}
}

func (r *inDoubt) encode(e *encoder) {
	e.form(r.Form)
	e.uint(uint64(r.N))
	e.time(r.At)
	e.uint(uint64(r.Status))
	e.text(r.Code)
	e.uint(uint64(r.RetryAfter.Milliseconds()))
}

func (r *revision) encode(e *encoder) {
	e.form(r.Form)
	e.uint(uint64(r.N))
	e.time(r.At)
	e.uint(uint64(r.Status))
	e.text(r.Code)
	e.uint(uint64(r.Number))
	e.uint(uint64(len(r.Parts)))
	for i := range r.Parts {
		p := &r.Parts[i]
		e.uint(uint64(p.From))
		e.uint(uint64(p.To))
		e.uint(uint64(p.Messages))
		e.uint(uint64(p.Bytes))
		e.bytes(p.SHA256[:])
		e.positions(p.Dropped)
	}
	e.uint(uint64(len(r.Refused)))
	for _, row := range r.Refused {
		e.uint(uint64(row.Position))
		e.text(row.Code)
		e.text(row.Reason)
	}
	if r.Sure { // what an older version wrote does not say, and counts as not sure
		e.uint(1)
	}
}

func (r *listedLate) encode(e *encoder) {
	e.uint(uint64(r.Batch))
	e.time(r.At)
	e.uint(uint64(len(r.People)))
	for _, p := range r.People {
		e.uint(uint64(p.Position))
		e.text(p.Code)
	}
}

func (r *control) encode(e *encoder) {
	e.time(r.At)
	e.text(r.Verb)
	e.text(r.Detail)
}

func (r *runClosed) encode(e *encoder) {
	e.time(r.At)
	for _, n := range r.Counts {
		e.uint(n)
	}
}

func (r *runOpened) decode(d *decoder) {
	*r = runOpened{Plan: d.digest(), At: d.time(), PID: d.uint(), Host: d.text(), Version: d.text(), Key: d.text()}
}

func (r *attempt) decode(d *decoder) {
	*r = attempt{Form: d.form(), N: d.small(), At: d.time()}
	copy(r.Correlation[:], d.bytes(16))
}

func (r *outcome) decode(d *decoder) {
	*r = outcome{Form: d.form(), N: d.small(), At: d.time(), Result: Result(d.uint()), Status: int(d.uint()), Code: d.text(), RetryAfter: time.Duration(d.uint()) * time.Millisecond}
	r.rawIDs, d.b = d.b, nil
}

// ids decodes the ids of the messages of an accepted form, in the body's order.
func (r *outcome) ids() ([]string, error) {
	d := &decoder{b: r.rawIDs}
	ids := make([]string, d.count(1))
	for i := range ids {
		ids[i] = d.text()
	}
	return ids, d.end()
}

// eachID is ids for a reader of one after the other, who makes no text of each: a decoder
// that stands at the first, and how many there are. All of them have been looked at.
func (r *outcome) eachID() (first *decoder, n int, err error) {
	d := &decoder{b: r.rawIDs}
	n = d.count(1)
	first = &decoder{b: d.b}
	for range n {
		d.bytes(d.count(1))
	}
	return first, n, d.end()
}

func (r *inDoubt) decode(d *decoder) {
	*r = inDoubt{Form: d.form(), N: d.small(), At: d.time(), Status: int(d.uint()), Code: d.text(), RetryAfter: time.Duration(d.uint()) * time.Millisecond}
}

func (r *revision) decode(d *decoder) {
	*r = revision{Form: d.form(), N: d.small(), At: d.time(), Status: int(d.uint()), Code: d.text(), Number: d.small()}
	for range d.count(37) {
		r.Parts = append(r.Parts, Form{
			From: uint32(d.uint()), To: uint32(d.uint()), Messages: uint32(d.uint()), Bytes: uint32(d.uint()),
			SHA256: d.digest(), Dropped: d.positions(),
		})
	}
	for range d.count(3) {
		row := RefusedRow{Position: uint32(d.uint()), Code: d.text(), Reason: d.text()}
		if n := len(r.Refused); n > 0 && r.Refused[n-1].Code == row.Code {
			row.Code = r.Refused[n-1].Code // one text for all, since they may be a whole cohort
		}
		r.Refused = append(r.Refused, row)
	}
	if len(d.b) > 0 {
		r.Sure, d.failed = true, d.uint() != 1 || d.failed
	}
}

func (r *listedLate) decode(d *decoder) {
	*r = listedLate{Batch: uint32(d.uint()), At: d.time()}
	for range d.count(2) {
		r.People = append(r.People, RefusedRow{Position: uint32(d.uint()), Code: d.text()})
	}
}

func (r *control) decode(d *decoder) {
	*r = control{At: d.time(), Verb: d.text(), Detail: d.text()}
}

func (r *runClosed) decode(d *decoder) {
	r.At = d.time()
	for i := range r.Counts {
		r.Counts[i] = d.uint()
	}
}

// decodeRecord reads the payload of a journal record of any kind of this package.
func decodeRecord(t journal.Type, payload []byte) (any, error) {
	d := &decoder{b: payload}
	var r interface{ decode(*decoder) }
	switch t {
	case recordRunOpened:
		r = new(runOpened)
	case recordAttempt:
		r = new(attempt)
	case recordOutcome:
		r = new(outcome)
	case recordInDoubt:
		r = new(inDoubt)
	case recordRevision:
		r = new(revision)
	case recordResolved:
		r = new(resolved)
	case recordControl:
		r = new(control)
	case recordRunClosed:
		r = new(runClosed)
	case recordListedLate:
		r = new(listedLate)
	case recordRecovered:
		r = new(recovered)
	default:
		return nil, fmt.Errorf("records of kind %d are not known to this version of cohort", t)
	}
	r.decode(d)
	return r, d.end()
}
