package engine

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"cohort/engine/journal"
)

// The folders of a run that hold records.
const (
	logFolder       = "log"       // the progress log
	revisionsFolder = "revisions" // revisions once more, for when the log is lost
)

// ProgressLog is the progress log of a run that this process has taken on: the
// records on disk and the ledger they fold to. Attempt is safe for concurrent use;
// everything else, the ledger included, belongs to one goroutine.
type ProgressLog struct {
	*Ledger
	dir        string
	opened     bool // by Open, in this process
	log        *journal.Log
	revisions  *journal.Log
	scratch    encoder
	unsettled  [][]byte // revisions that the second copy lacks
	copied     uint64   // revisions that it has
	mark       mark     // this process's, once NoteWitness has made it
	markBefore mark     // the name that the mark had before
}

// Start is what a process says of itself when it takes a run on.
type Start struct {
	At      time.Time
	Version string
	Key     string // fingerprint of the credential under which the service remembers references
}

// OpenProgressLog replays the progress log in a run's folder and makes it ready for
// more. The caller holds the folder's lock.
func OpenProgressLog(dir string, plan *Plan) (*ProgressLog, error) {
	return OpenProgressLogOn(nil, dir, plan)
}

// OpenProgressLogOn is OpenProgressLog on another filesystem than the operating system's,
// for tests. A run that sends to people is never opened with it: what fsys
// promises and does not keep, no replay can mend. Nil is the operating system's.
func OpenProgressLogOn(fsys journal.FS, dir string, plan *Plan) (_ *ProgressLog, err error) {
	if fsys == nil {
		if err := lostLog(dir, plan); err != nil {
			return nil, err
		}
	}
	ledger, err := NewLedger(plan)
	if err != nil {
		return nil, err
	}
	p := &ProgressLog{Ledger: ledger, dir: dir}
	var logged, kept []string
	marked := false
	p.log, err = journal.Open(filepath.Join(dir, logFolder), plan.Run, journal.Options{FS: fsys}, func(r journal.Record) error {
		if r.Type == recordRevision {
			logged = append(logged, string(r.Payload))
		}
		return ledger.Apply(r)
	})
	if err != nil {
		return nil, fmt.Errorf("progress log: %w", err)
	}
	defer func() {
		if err != nil {
			_ = p.Close()
		}
	}()
	if err := ledger.whole(); err != nil {
		return nil, fmt.Errorf("progress log: %w", err)
	}
	p.revisions, err = journal.Open(filepath.Join(dir, revisionsFolder), plan.Run, journal.Options{Reserve: -1, FS: fsys}, func(r journal.Record) error {
		if r.Type == recordRevision {
			kept = append(kept, string(r.Payload))
		}
		marked = marked || r.Type == recordRecovered
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("revisions: %w", err)
	}
	if err = p.reconcile(logged, kept); err == nil && p.Hold == HoldRevisionsLost && !marked {
		// Lost once more: whoever needs the copy must know that it was never whole again.
		note := &recovered{Plan: plan.Digest, At: p.Recovered, Since: plan.Created, Hold: p.Hold}
		p.scratch.b = p.scratch.b[:0]
		note.encode(&p.scratch)
		err = p.revisions.Commit(recordRecovered, p.scratch.b)
	}
	return p, err
}

// Open records that this process takes the run on.
func (p *ProgressLog) Open(s Start) error {
	host, _ := os.Hostname()
	r := &runOpened{Plan: p.plan.Digest, At: s.At, PID: uint64(os.Getpid()), Host: host, Version: s.Version, Key: s.Key}
	err := p.commit(recordRunOpened, r, r.encode)
	p.opened = p.opened || err == nil
	return err
}

// Control records a decision, durably.
func (p *ProgressLog) Control(at time.Time, verb, detail string) error {
	r := &control{At: at, Verb: verb, Detail: detail}
	return p.commit(recordControl, r, r.encode)
}

// end records how this process ended, durably. On a full disk it goes into the room that was
// reserved for answers.
func (p *ProgressLog) end(at time.Time, verb, detail string) error {
	r := &control{At: at, Verb: verb, Detail: detail}
	if err := p.answer(recordControl, r, r.encode); err != nil {
		return err
	}
	return p.log.Flush()
}

// Supersede records that another run takes this one's place. Nothing more is sent
// from this run.
func (p *ProgressLog) Supersede(at time.Time, by RunID, folder string) error {
	return p.Control(at, controlSuperseded, by.Short()+" in "+folder)
}

// SendAgain records that a person has said that people may be sent to again, and why.
func (p *ProgressLog) SendAgain(at time.Time, reason string) error {
	return p.Control(at, controlSendAgain, reason)
}

// RestOf records that a person has had the people of other campaigns left out.
func (p *ProgressLog) RestOf(at time.Time, campaigns string) error {
	return p.Control(at, controlRestOf, campaigns)
}

// Finish records that every record has its final fate.
func (p *ProgressLog) Finish(at time.Time, a Account) error {
	r := &runClosed{At: at, Counts: a.counts()}
	return p.commit(recordRunClosed, r, r.encode)
}

// Attempt makes the intent to send a form durable. When it returns nil the request
// may go out. It is safe for concurrent use and does not touch the ledger: attempted
// does, on the owner's goroutine.
func (p *ProgressLog) Attempt(a *attempt) error {
	var e encoder
	a.encode(&e)
	if err := p.log.Commit(recordAttempt, e.b); err != nil {
		return fmt.Errorf("progress log: %w", err)
	}
	return nil
}

// attempted folds an attempt that Attempt has written.
func (p *ProgressLog) attempted(a *attempt) error { return p.apply(a, journal.Position{}) }

// answer records an answer. It does not wait for the disk: a lost answer only puts
// the attempt in doubt again.
func (p *ProgressLog) answer(t journal.Type, record any, encode func(*encoder)) error {
	p.scratch.b = p.scratch.b[:0]
	encode(&p.scratch)
	if err := p.log.Append(t, p.scratch.b); err != nil {
		return fmt.Errorf("progress log: %w", err)
	}
	return p.apply(record, journal.Position{})
}

// tooLate records people whom a list names and of whom a batch was already attempted.
func (p *ProgressLog) tooLate(r *listedLate) error {
	if len(r.People) == 0 {
		return nil
	}
	return p.answer(recordListedLate, r, r.encode)
}

// listsApplied records, durably, what was read of the suppression lists when they were
// applied.
func (p *ProgressLog) listsApplied(at time.Time, read []ListRead) error {
	detail, err := json.Marshal(read)
	if err != nil {
		return err
	}
	return p.Control(at, controlLists, string(detail))
}

func (p *ProgressLog) commit(t journal.Type, record any, encode func(*encoder)) error {
	p.scratch.b = p.scratch.b[:0]
	encode(&p.scratch)
	if err := p.log.Commit(t, p.scratch.b); err != nil {
		return fmt.Errorf("progress log: %w", err)
	}
	return p.apply(record, journal.Position{})
}

// Failed is closed when the disk has refused a write. No attempt can be recorded from
// then on.
func (p *ProgressLog) Failed() <-chan struct{} { return p.log.Failed() }

// Err says why Failed is closed.
func (p *ProgressLog) Err() error { return p.log.Err() }

// Close makes everything durable and lets go of the files. A process that took the run on and has
// noted no other end notes that it ends in good order.
func (p *ProgressLog) Close() error {
	var err error
	if p.opened && p.Ended == "" {
		_ = p.end(time.Now(), controlLeft, "") // else it looks as if it had died
	}
	for _, l := range []*journal.Log{p.log, p.revisions} {
		if l != nil {
			err = errors.Join(err, l.Close())
		}
	}
	return err
}

// ReadLedger folds the progress log of a run, whether or not a process is writing to
// it, and changes nothing. ErrIllegal and *journal.CorruptError mean damage.
func ReadLedger(dir string, plan *Plan) (*Ledger, error) {
	l, err := NewLedger(plan)
	if err != nil {
		return nil, err
	}
	if err := lostLog(dir, plan); err != nil {
		return nil, err
	}
	if _, err = journal.Read(filepath.Join(dir, logFolder), plan.Run, journal.Options{}, l.Apply); err == nil {
		err = l.whole()
	}
	if err != nil {
		return nil, fmt.Errorf("progress log: %w", err)
	}
	return l, nil
}

// Fingerprint names a secret without telling it: the start of its SHA-256. It is
// meant for API keys, which nobody can guess.
func Fingerprint(digest [32]byte) string { return hex.EncodeToString(digest[:8]) }

// ReadLog calls fn with every record of a run's progress log behind tail, where an
// earlier reading ended, and returns where this one does. The zero tail is the log's
// start. It changes nothing and may run while a process writes.
func ReadLog(dir string, plan *Plan, tail journal.Tail, fn func(journal.Record) error) (journal.Tail, error) {
	tail, err := journal.ReadOn(filepath.Join(dir, logFolder), plan.Run, journal.Options{}, tail, fn)
	if err != nil {
		return tail, fmt.Errorf("progress log: %w", err)
	}
	return tail, nil
}
