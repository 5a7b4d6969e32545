package record

import (
	"fmt"
	"time"

	"cohort/engine/journal"
	"cohort/engine/plan"
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

type RunOpened struct {
	Plan    [32]byte
	At      time.Time
	PID     uint64
	Host    string
	Version string
	Key     string // fingerprint of the credential under which references are remembered
}

type Attempt struct {
	Form        plan.FormID
	N           uint16
	At          time.Time
	Correlation [16]byte
}

type Outcome struct {
	Form   plan.FormID
	N      uint16
	At     time.Time
	Result Result
	Status int
	Code   string

	RetryAfter time.Duration // NotAccepted, Held: what the service asked for; whole milliseconds
	IDs        []string      // nil when decoded: rawIDs has them, and most readers want none
	RawIDs     []byte
}

type InDoubt struct {
	Form       plan.FormID
	N          uint16
	At         time.Time
	Status     int
	Code       string
	RetryAfter time.Duration // what the service asked for; whole milliseconds
}

type Revision struct {
	Form    plan.FormID // the one that is replaced; the new one itself where refused messages are taken up
	N       uint16      // of the attempt whose answer asked for it; 0: a suppression list did
	At      time.Time
	Status  int
	Code    string
	Number  uint16 // of the new revision; its parts are counted from 0
	Parts   []plan.Form
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

type ListedLate struct {
	Batch  uint32
	At     time.Time
	People []RefusedRow // ascending positions; no reason in words
}

type Control struct {
	At     time.Time
	Verb   string
	Detail string
}

type RunClosed struct {
	At     time.Time
	Counts [7]uint64 // in the order of person.Fates
}

func (r *RunOpened) Encode(e *Encoder) {
	e.bytes(r.Plan[:])
	e.time(r.At)
	e.uint(r.PID)
	e.Text(r.Host)
	e.Text(r.Version)
	e.Text(r.Key)
}

func (r *Attempt) Encode(e *Encoder) {
	e.form(r.Form)
	e.uint(uint64(r.N))
	e.time(r.At)
	e.bytes(r.Correlation[:])
}

func (r *Outcome) Encode(e *Encoder) {
	e.form(r.Form)
	e.uint(uint64(r.N))
	e.time(r.At)
	e.uint(uint64(r.Result))
	e.uint(uint64(r.Status))
	e.Text(r.Code)
	e.uint(uint64(r.RetryAfter.Milliseconds()))
	e.uint(uint64(len(r.IDs)))
	for _, id := range r.IDs {
		e.Text(id)
	}
}

func (r *InDoubt) Encode(e *Encoder) {
	e.form(r.Form)
	e.uint(uint64(r.N))
	e.time(r.At)
	e.uint(uint64(r.Status))
	e.Text(r.Code)
	e.uint(uint64(r.RetryAfter.Milliseconds()))
}

func (r *Revision) Encode(e *Encoder) {
	e.form(r.Form)
	e.uint(uint64(r.N))
	e.time(r.At)
	e.uint(uint64(r.Status))
	e.Text(r.Code)
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
		e.Text(row.Code)
		e.Text(row.Reason)
	}
	if r.Sure { // what an older version wrote does not say, and counts as not sure
		e.uint(1)
	}
}

func (r *ListedLate) Encode(e *Encoder) {
	e.uint(uint64(r.Batch))
	e.time(r.At)
	e.uint(uint64(len(r.People)))
	for _, p := range r.People {
		e.uint(uint64(p.Position))
		e.Text(p.Code)
	}
}

func (r *Control) Encode(e *Encoder) {
	e.time(r.At)
	e.Text(r.Verb)
	e.Text(r.Detail)
}

func (r *RunClosed) Encode(e *Encoder) {
	e.time(r.At)
	for _, n := range r.Counts {
		e.uint(n)
	}
}

func (r *RunOpened) decode(d *Decoder) {
	*r = RunOpened{Plan: d.digest(), At: d.time(), PID: d.uint(), Host: d.text(), Version: d.text(), Key: d.text()}
}

func (r *Attempt) decode(d *Decoder) {
	*r = Attempt{Form: d.form(), N: d.small(), At: d.time()}
	copy(r.Correlation[:], d.Bytes(16))
}

func (r *Outcome) decode(d *Decoder) {
	*r = Outcome{Form: d.form(), N: d.small(), At: d.time(), Result: Result(d.uint()), Status: int(d.uint()), Code: d.text(), RetryAfter: time.Duration(d.uint()) * time.Millisecond}
	r.RawIDs, d.B = d.B, nil
}

// ids decodes the ids of the messages of an accepted form, in the body's order.
func (r *Outcome) Ids() ([]string, error) {
	d := &Decoder{B: r.RawIDs}
	ids := make([]string, d.Count(1))
	for i := range ids {
		ids[i] = d.text()
	}
	return ids, d.end()
}

// eachID is ids for a reader of one after the other, who makes no text of each: a decoder
// that stands at the first, and how many there are. All of them have been looked at.
func (r *Outcome) EachID() (first *Decoder, n int, err error) {
	d := &Decoder{B: r.RawIDs}
	n = d.Count(1)
	first = &Decoder{B: d.B}
	for range n {
		d.Bytes(d.Count(1))
	}
	return first, n, d.end()
}

func (r *InDoubt) decode(d *Decoder) {
	*r = InDoubt{Form: d.form(), N: d.small(), At: d.time(), Status: int(d.uint()), Code: d.text(), RetryAfter: time.Duration(d.uint()) * time.Millisecond}
}

func (r *Revision) decode(d *Decoder) {
	*r = Revision{Form: d.form(), N: d.small(), At: d.time(), Status: int(d.uint()), Code: d.text(), Number: d.small()}
	for range d.Count(37) {
		r.Parts = append(r.Parts, plan.Form{
			From: uint32(d.uint()), To: uint32(d.uint()), Messages: uint32(d.uint()), Bytes: uint32(d.uint()),
			SHA256: d.digest(), Dropped: d.positions(),
		})
	}
	for range d.Count(3) {
		row := RefusedRow{Position: uint32(d.uint()), Code: d.text(), Reason: d.text()}
		if n := len(r.Refused); n > 0 && r.Refused[n-1].Code == row.Code {
			row.Code = r.Refused[n-1].Code // one text for all, since they may be a whole cohort
		}
		r.Refused = append(r.Refused, row)
	}
	if len(d.B) > 0 {
		r.Sure, d.failed = true, d.uint() != 1 || d.failed
	}
}

func (r *ListedLate) decode(d *Decoder) {
	*r = ListedLate{Batch: uint32(d.uint()), At: d.time()}
	for range d.Count(2) {
		r.People = append(r.People, RefusedRow{Position: uint32(d.uint()), Code: d.text()})
	}
}

func (r *Control) decode(d *Decoder) {
	*r = Control{At: d.time(), Verb: d.text(), Detail: d.text()}
}

func (r *RunClosed) decode(d *Decoder) {
	r.At = d.time()
	for i := range r.Counts {
		r.Counts[i] = d.uint()
	}
}

// decodeRecord reads the payload of a journal record of any kind of this package.
func Decode(t journal.Type, payload []byte) (any, error) {
	d := &Decoder{B: payload}
	var r interface{ decode(*Decoder) }
	switch t {
	case KindRunOpened:
		r = new(RunOpened)
	case KindAttempt:
		r = new(Attempt)
	case KindOutcome:
		r = new(Outcome)
	case KindInDoubt:
		r = new(InDoubt)
	case KindRevision:
		r = new(Revision)
	case KindResolved:
		r = new(Resolved)
	case KindControl:
		r = new(Control)
	case KindRunClosed:
		r = new(RunClosed)
	case KindListedLate:
		r = new(ListedLate)
	case KindRecovered:
		r = new(Recovered)
	default:
		return nil, fmt.Errorf("records of kind %d are not known to this version of cohort", t)
	}
	r.decode(d)
	return r, d.end()
}

// part names one of the newer forms.
func (r *Revision) Part(i int) plan.FormID {
	return plan.FormID{Batch: r.Form.Batch, Revision: r.Number, Part: uint16(i)}
}
