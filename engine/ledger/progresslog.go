package ledger

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"cohort/engine"
	"cohort/engine/journal"
	"cohort/engine/plan"
	"cohort/engine/record"
)

// The folders of a run that hold records.
const (
	LogFolder       = "log"       // the progress log
	RevisionsFolder = "revisions" // revisions once more, for when the log is lost
)

// ProgressLog is the progress log of a run that this process has taken on: the
// records on disk and the ledger they fold to. Attempt is safe for concurrent use;
// everything else, the ledger included, belongs to one goroutine.
type Log struct {
	Ledger     *Ledger
	Dir        string
	opened     bool // by Open, in this process
	Log        *journal.Log
	Revisions  *journal.Log
	scratch    record.Encoder
	unsettled  [][]byte // revisions that the second copy lacks
	Copied     uint64   // revisions that it has
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
func Open(dir string, plan *plan.Plan) (*Log, error) {
	return OpenOn(nil, dir, plan)
}

// OpenProgressLogOn is OpenProgressLog on another filesystem than the operating system's,
// for tests. A run that sends to people is never opened with it: what fsys
// promises and does not keep, no replay can mend. Nil is the operating system's.
func OpenOn(fsys journal.FS, dir string, plan *plan.Plan) (_ *Log, err error) {
	if fsys == nil {
		if err := LostLog(dir, plan); err != nil {
			return nil, err
		}
	}
	ledger, err := New(plan)
	if err != nil {
		return nil, err
	}
	p := &Log{Ledger: ledger, Dir: dir}
	var logged, kept []string
	marked := false
	p.Log, err = journal.Open(filepath.Join(dir, LogFolder), plan.Run, journal.Options{FS: fsys}, func(r journal.Record) error {
		if r.Type == record.KindRevision {
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
	if err := ledger.Whole(); err != nil {
		return nil, fmt.Errorf("progress log: %w", err)
	}
	p.Revisions, err = journal.Open(filepath.Join(dir, RevisionsFolder), plan.Run, journal.Options{Reserve: -1, FS: fsys}, func(r journal.Record) error {
		if r.Type == record.KindRevision {
			kept = append(kept, string(r.Payload))
		}
		marked = marked || r.Type == record.KindRecovered
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("revisions: %w", err)
	}
	if err = p.reconcile(logged, kept); err == nil && p.Ledger.Hold == HoldRevisionsLost && !marked {
		// Lost once more: whoever needs the copy must know that it was never whole again.
		note := &record.Recovered{Plan: plan.Digest, At: p.Ledger.Recovered, Since: plan.Created, Hold: p.Ledger.Hold}
		p.scratch.B = p.scratch.B[:0]
		note.Encode(&p.scratch)
		err = p.Revisions.Commit(record.KindRecovered, p.scratch.B)
	}
	return p, err
}

// Open records that this process takes the run on.
func (p *Log) Open(s Start) error {
	host, _ := os.Hostname()
	r := &record.RunOpened{Plan: p.Ledger.Plan.Digest, At: s.At, PID: uint64(os.Getpid()), Host: host, Version: s.Version, Key: s.Key}
	err := p.commit(record.KindRunOpened, r, r.Encode)
	p.opened = p.opened || err == nil
	return err
}

// Control records a decision, durably.
func (p *Log) Control(at time.Time, verb, detail string) error {
	r := &record.Control{At: at, Verb: verb, Detail: detail}
	return p.commit(record.KindControl, r, r.Encode)
}

// end records how this process ended, durably. On a full disk it goes into the room that was
// reserved for answers.
func (p *Log) End(at time.Time, verb, detail string) error {
	r := &record.Control{At: at, Verb: verb, Detail: detail}
	if err := p.Answer(record.KindControl, r, r.Encode); err != nil {
		return err
	}
	return p.Log.Flush()
}

// Supersede records that another run takes this one's place. Nothing more is sent
// from this run.
func (p *Log) Supersede(at time.Time, by engine.RunID, folder string) error {
	return p.Control(at, record.ControlSuperseded, by.Short()+" in "+folder)
}

// Finish records that every record has its final fate.
func (p *Log) Finish(at time.Time, a Account) error {
	r := &record.RunClosed{At: at, Counts: a.Counts()}
	return p.commit(record.KindRunClosed, r, r.Encode)
}

// Attempt makes the intent to send a form durable. When it returns nil the request
// may go out. It is safe for concurrent use and does not touch the ledger: attempted
// does, on the owner's goroutine.
func (p *Log) Attempt(a *record.Attempt) error {
	var e record.Encoder
	a.Encode(&e)
	if err := p.Log.Commit(record.KindAttempt, e.B); err != nil {
		return fmt.Errorf("progress log: %w", err)
	}
	return nil
}

// attempted folds an attempt that Attempt has written.
func (p *Log) Attempted(a *record.Attempt) error { return p.Ledger.Fold(a, journal.Position{}) }

// answer records an answer. It does not wait for the disk: a lost answer only puts
// the attempt in doubt again.
func (p *Log) Answer(t journal.Type, record any, encode func(*record.Encoder)) error {
	p.scratch.B = p.scratch.B[:0]
	encode(&p.scratch)
	if err := p.Log.Append(t, p.scratch.B); err != nil {
		return fmt.Errorf("progress log: %w", err)
	}
	return p.Ledger.Fold(record, journal.Position{})
}

// tooLate records people whom a list names and of whom a batch was already attempted.
func (p *Log) TooLate(r *record.ListedLate) error {
	if len(r.People) == 0 {
		return nil
	}
	return p.Answer(record.KindListedLate, r, r.Encode)
}

// listsApplied records, durably, what was read of the suppression lists when they were
// applied.
func (p *Log) ListsApplied(at time.Time, read []plan.ListRead) error {
	detail, err := json.Marshal(read)
	if err != nil {
		return err
	}
	return p.Control(at, record.ControlLists, string(detail))
}

func (p *Log) commit(t journal.Type, record any, encode func(*record.Encoder)) error {
	p.scratch.B = p.scratch.B[:0]
	encode(&p.scratch)
	if err := p.Log.Commit(t, p.scratch.B); err != nil {
		return fmt.Errorf("progress log: %w", err)
	}
	return p.Ledger.Fold(record, journal.Position{})
}

// Failed is closed when the disk has refused a write. No attempt can be recorded from
// then on.
func (p *Log) Failed() <-chan struct{} { return p.Log.Failed() }

// Err says why Failed is closed.
func (p *Log) Err() error { return p.Log.Err() }

// Close makes everything durable and lets go of the files. A process that took the run on and has
// noted no other end notes that it ends in good order.
func (p *Log) Close() error {
	var err error
	if p.opened && p.Ledger.Ended == "" {
		_ = p.End(time.Now(), record.ControlLeft, "") // else it looks as if it had died
	}
	for _, l := range []*journal.Log{p.Log, p.Revisions} {
		if l != nil {
			err = errors.Join(err, l.Close())
		}
	}
	return err
}

// ReadLedger folds the progress log of a run, whether or not a process is writing to
// it, and changes nothing. ErrIllegal and *journal.CorruptError mean damage.
func Read(dir string, plan *plan.Plan) (*Ledger, error) {
	l, err := New(plan)
	if err != nil {
		return nil, err
	}
	if err := LostLog(dir, plan); err != nil {
		return nil, err
	}
	if _, err = journal.Read(filepath.Join(dir, LogFolder), plan.Run, journal.Options{}, l.Apply); err == nil {
		err = l.Whole()
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
func ReadLog(dir string, plan *plan.Plan, tail journal.Tail, fn func(journal.Record) error) (journal.Tail, error) {
	tail, err := journal.ReadOn(filepath.Join(dir, LogFolder), plan.Run, journal.Options{}, tail, fn)
	if err != nil {
		return tail, fmt.Errorf("progress log: %w", err)
	}
	return tail, nil
}
