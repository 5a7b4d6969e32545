package ledger

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"cohort/engine"
	"cohort/engine/disk"
	"cohort/engine/journal"
	"cohort/engine/plan"
	"cohort/engine/record"
)

// The folders of a run with records. The new folders replace lost ones; beside the others they are litter.
const (
	LogFolder       = "log"       // the progress log
	RevisionsFolder = "revisions" // the second copy of the revisions, in case the log is lost
	NewLogFolder    = "log.new"
	NewCopyFolder   = "revisions.new"
)

// Log is the progress log of a run that this process works on: the records on disk, and their ledger. Attempt, Failed
// and Err are safe for concurrent use. Everything else, the ledger too, belongs to one goroutine.
type Log struct {
	Ledger     *Ledger
	dir        string
	opened     bool // by Open, in this process
	log        *journal.Log
	copies     *journal.Log // the second copy of the revisions
	scratch    []byte
	unsettled  [][]byte // revisions that are not in the second copy yet
	copied     uint64   // revisions in the second copy
	mark       mark     // of this process, after NoteWitness
	markBefore mark     // the mark under its former name
}

type Start struct {
	At      time.Time
	Version string
	Key     string // fingerprint of the credential; the service remembers references for it
}

// Folded is a progress log that was read so that it can be opened.
type Folded struct {
	Ledger *Ledger // Open takes it over
	fsys   disk.FS
	dir    string
	log    *journal.Replayed
	logged []string // the revisions
}

// Fold reads the progress log in a run's folder. The caller holds the folder's lock. IsDamage knows the errors of a
// damaged or missing log.
func Fold(dir string, plan *plan.Plan) (*Folded, error) {
	if err := LostLog(dir, plan); err != nil {
		return nil, err
	}
	return foldOn(nil, dir, plan)
}

func foldOn(fsys disk.FS, dir string, plan *plan.Plan) (*Folded, error) {
	ledger, err := New(plan)
	if err != nil {
		return nil, err
	}
	f := &Folded{Ledger: ledger, fsys: fsys, dir: dir}
	f.log, err = journal.Replay(filepath.Join(dir, LogFolder), plan.Run, journal.Options{FS: fsys}, func(r journal.Record) error {
		if r.Type == record.KindRevision {
			f.logged = append(f.logged, string(r.Payload))
		}
		return ledger.Apply(r)
	})
	if err == nil {
		err = ledger.Whole()
	}
	return f, inLog(err)
}

// Open is Fold, and then Open of what was folded.
func Open(dir string, plan *plan.Plan) (*Log, error) {
	f, err := Fold(dir, plan)
	if err != nil {
		return nil, err
	}
	return f.Open()
}

// OpenOn is Open on another filesystem, for tests only: a filesystem that breaks its promises loses attempts.
func OpenOn(fsys disk.FS, dir string, plan *plan.Plan) (*Log, error) {
	f, err := foldOn(fsys, dir, plan)
	if err != nil {
		return nil, err
	}
	return f.Open()
}

// Open makes the log ready for more records. The caller has held the lock since Fold.
func (f *Folded) Open() (_ *Log, err error) {
	ledger, plan, dir := f.Ledger, f.Ledger.Plan, f.dir
	p := &Log{Ledger: ledger, dir: dir}
	var kept []string
	marked := false
	if p.log, err = f.log.Open(); err != nil {
		return nil, inLog(err)
	}
	defer func() {
		if err != nil {
			_ = p.Close()
		}
	}()
	options := journal.Options{Reserve: -1, FS: f.fsys}
	p.copies, err = journal.Open(filepath.Join(dir, RevisionsFolder), plan.Run, options, func(r journal.Record) error {
		if r.Type == record.KindRevision {
			kept = append(kept, string(r.Payload))
		}
		marked = marked || r.Type == record.KindRecovered
		return nil
	})
	if err != nil {
		return nil, inCopy(err)
	}
	if err = p.catchUp(f.logged, kept); err == nil && ledger.facts.Hold == HoldRevisionsLost && !marked {
		// The copy was lost once more. A later recovery must know that it was never whole again.
		note := &record.Recovered{Plan: plan.Digest, At: ledger.facts.Recovered, Since: plan.Created, Hold: ledger.facts.Hold}
		err = p.copies.Commit(record.KindRecovered, record.Append(nil, note))
	}
	return p, err
}

func inLog(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("progress log: %w", err)
}

func inCopy(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("revisions: %w", err)
}

// Open records, durably, that this process works on the run.
func (p *Log) Open(s Start) error {
	host, _ := os.Hostname()
	err := p.commit(&record.RunOpened{
		Plan: p.Ledger.Plan.Digest, At: s.At, PID: uint64(os.Getpid()), Host: host, Version: s.Version, Key: s.Key,
	})
	p.opened = p.opened || err == nil
	return err
}

// Take folds a start into a ledger without writing it: what a process left without an answer is in doubt.
func (l *Ledger) Take(s Start) error {
	return l.Fold(&record.RunOpened{Plan: l.Plan.Digest, At: s.At, Key: s.Key}, journal.Position{})
}

func (p *Log) commit(r record.Record) error { return p.write(r, p.log.Commit) }

// Append records something and does not wait for the disk: after a crash, a lost answer leaves the attempt in doubt.
func (p *Log) Append(r record.Record) error { return p.write(r, p.log.Append) }

func (p *Log) write(r record.Record, how func(journal.Type, []byte) error) error {
	p.scratch = record.Append(p.scratch[:0], r)
	if err := how(r.Kind(), p.scratch); err != nil {
		return inLog(err)
	}
	return p.Ledger.Fold(r, journal.Position{})
}

func (p *Log) Flush() error { return inLog(p.log.Flush()) }

// Control records a decision, durably.
func (p *Log) Control(at time.Time, verb, detail string) error {
	return p.commit(&record.Control{At: at, Verb: verb, Detail: detail})
}

func (p *Log) controlJSON(at time.Time, verb string, detail any) error {
	text, err := json.Marshal(detail)
	if err != nil {
		return err
	}
	return p.Control(at, verb, string(text))
}

// End records, durably, how this process ended. On a full disk it uses the room that is reserved for answers.
func (p *Log) End(at time.Time, verb, detail string) error {
	if err := p.Append(&record.Control{At: at, Verb: verb, Detail: detail}); err != nil {
		return err
	}
	return p.log.Flush()
}

// Supersede records that another run replaces this one. Nothing more is sent from this run.
func (p *Log) Supersede(at time.Time, by engine.RunID, folder string) error {
	return p.Control(at, record.ControlSuperseded, by.Short()+" in "+folder)
}

// Command records a command of an operator, durably.
func (p *Log) Command(at time.Time, c Command) error {
	detail := record.CommandDetail{By: c.By, Reason: c.Reason, Of: c.Of, Override: c.Pace}
	return p.controlJSON(at, string(c.Verb), detail)
}

// ListsApplied records, durably, which suppression lists were applied.
func (p *Log) ListsApplied(at time.Time, read []plan.ListRead) error {
	return p.controlJSON(at, record.ControlLists, read)
}

// TooLate records people who were listed after their batch was attempted. It does not wait for the disk.
func (p *Log) TooLate(r *record.ListedLate) error {
	if len(r.People) == 0 {
		return nil
	}
	return p.Append(r)
}

// Finish records that every record has its final fate.
func (p *Log) Finish(at time.Time, a Account) error {
	return p.commit(&record.RunClosed{At: at, Counts: a.Counts()})
}

// Attempt makes the intent to send a form durable. After nil, the request may be sent. It is safe for concurrent use
// and does not touch the ledger: the ledger's goroutine calls Attempted afterwards.
func (p *Log) Attempt(a *record.Attempt) error {
	return inLog(p.log.Commit(record.KindAttempt, record.Append(nil, a)))
}

// Attempted folds an attempt that Attempt has written.
func (p *Log) Attempted(a *record.Attempt) error { return p.Ledger.Fold(a, journal.Position{}) }

func (p *Log) Dir() string { return p.dir }

// Failed is closed when the disk has refused a write. From then on no attempt can be recorded.
func (p *Log) Failed() <-chan struct{} { return p.log.Failed() }

// Err returns the reason for closing Failed.
func (p *Log) Err() error { return p.log.Err() }

// Syncs returns how many writes of this process became durable, and how long they took together.
func (p *Log) Syncs() (n int64, took time.Duration) { return p.log.Syncs() }

// Close makes everything durable and closes the files. Unless the process has noted its end, Close notes that it
// ended in good order. Otherwise it would look killed.
func (p *Log) Close() (err error) {
	if p.opened && p.Ledger.facts.Ended == "" {
		_ = p.End(time.Now(), record.ControlLeft, "")
	}
	for _, l := range []*journal.Log{p.log, p.copies} {
		if l != nil {
			err = errors.Join(err, l.Close())
		}
	}
	return err
}

// Read folds the progress log of a run and changes nothing. A process may be writing to the log. Damage is an error
// that IsDamage knows.
func Read(dir string, plan *plan.Plan) (*Ledger, error) {
	return ReadWith(dir, plan, func(journal.Record) error { return nil })
}

// ReadWith is Read, and calls also with each record. An error of also ends it.
func ReadWith(dir string, plan *plan.Plan, also func(journal.Record) error) (*Ledger, error) {
	l, err := New(plan)
	if err == nil {
		err = LostLog(dir, plan)
	}
	if err == nil {
		_, err = ReadLog(dir, plan, journal.Tail{}, func(r journal.Record) error { return cmp.Or(l.Apply(r), also(r)) })
	}
	if err != nil {
		return nil, err
	}
	return l, inLog(l.Whole())
}

// ReadOn folds the records of a run's log behind tail, and returns the new tail. It changes nothing on the disk, and a
// process may be writing to the log. After an error the ledger must not be used.
func (l *Ledger) ReadOn(dir string, tail journal.Tail) (journal.Tail, error) {
	err := LostLog(dir, l.Plan)
	if err == nil {
		tail, err = ReadLog(dir, l.Plan, tail, l.Apply)
	}
	return tail, cmp.Or(err, inLog(l.Whole()))
}

// ReadLog calls fn with each record of a run's log behind tail, and returns the new tail. The zero tail is the start
// of the log. It changes nothing, and a process may be writing to the log.
func ReadLog(dir string, plan *plan.Plan, tail journal.Tail, fn func(journal.Record) error) (journal.Tail, error) {
	tail, err := journal.ReadOn(filepath.Join(dir, LogFolder), plan.Run, journal.Options{}, tail, fn)
	return tail, inLog(err)
}
