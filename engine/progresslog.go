package engine

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
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
	log       *journal.Log
	revisions *journal.Log
	scratch   encoder
	unsettled [][]byte // revisions that the second copy lacks
}

// Start is what a process says of itself when it takes a run on.
type Start struct {
	At      time.Time
	Version string
	Key     string // fingerprint of the credential under which the service remembers references
}

// OpenProgressLog replays the progress log in a run's folder and makes it ready for
// more. The caller holds the folder's lock.
func OpenProgressLog(dir string, plan *Plan) (_ *ProgressLog, err error) {
	ledger, err := NewLedger(plan)
	if err != nil {
		return nil, err
	}
	p := &ProgressLog{Ledger: ledger}
	var logged, kept []string
	p.log, err = journal.Open(filepath.Join(dir, logFolder), plan.Run, journal.Options{}, func(r journal.Record) error {
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
	p.revisions, err = journal.Open(filepath.Join(dir, revisionsFolder), plan.Run, journal.Options{Reserve: -1}, func(r journal.Record) error {
		kept = append(kept, string(r.Payload))
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("revisions: %w", err)
	}
	return p, p.reconcile(logged, kept)
}

// reconcile brings the second copy of the revisions up to the log. A revision is
// written to the log first, so a copy that the log does not have means that the log
// is an older one.
func (p *ProgressLog) reconcile(logged, kept []string) error {
	for i, r := range kept {
		if i >= len(logged) || logged[i] != r {
			return fmt.Errorf("%w: the folder %s holds a revision that the log does not; has the log been restored from a backup?", ErrIllegal, revisionsFolder)
		}
	}
	for _, r := range logged[len(kept):] {
		if err := p.revisions.Commit(recordRevision, []byte(r)); err != nil {
			return fmt.Errorf("revisions: %w", err)
		}
	}
	return nil
}

// Open records that this process takes the run on.
func (p *ProgressLog) Open(s Start) error {
	host, _ := os.Hostname()
	r := &runOpened{Plan: p.plan.Digest, At: s.At, PID: uint64(os.Getpid()), Host: host, Version: s.Version, Key: s.Key}
	return p.commit(recordRunOpened, r, r.encode)
}

// Control records a decision, durably.
func (p *ProgressLog) Control(at time.Time, verb, detail string) error {
	r := &control{At: at, Verb: verb, Detail: detail}
	return p.commit(recordControl, r, r.encode)
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

// revised records newer forms for an older one, in the log and in the second copy.
// When it returns nil the newer forms may be sent.
func (p *ProgressLog) revised(r *revision) error {
	if err := p.commit(recordRevision, r, r.encode); err != nil {
		return err
	}
	if err := p.revisions.Commit(recordRevision, p.scratch.b); err != nil {
		return fmt.Errorf("revisions: %w", err)
	}
	return nil
}

// together is how many revisions a suppression list may ask for before they are made
// durable.
const together = 1024

// revisedByList records newer forms for an older one, as revised does, and leaves it to
// settleRevisions to make it durable: a list may touch every batch.
func (p *ProgressLog) revisedByList(r *revision) error {
	if err := p.answer(recordRevision, r, r.encode); err != nil {
		return err
	}
	p.unsettled = append(p.unsettled, slices.Clone(p.scratch.b))
	if len(p.unsettled) < together {
		return nil
	}
	return p.settleRevisions()
}

// settleRevisions makes durable what revisedByList and tooLate have recorded, in the log
// and then in the second copy. When it returns nil the newer forms may be sent.
func (p *ProgressLog) settleRevisions() error {
	if err := p.log.Flush(); err != nil {
		return fmt.Errorf("progress log: %w", err)
	}
	for _, r := range p.unsettled {
		if err := p.revisions.Append(recordRevision, r); err != nil {
			return fmt.Errorf("revisions: %w", err)
		}
	}
	p.unsettled = p.unsettled[:0]
	if err := p.revisions.Flush(); err != nil {
		return fmt.Errorf("revisions: %w", err)
	}
	return nil
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

// Close makes everything durable and lets go of the files.
func (p *ProgressLog) Close() error {
	var err error
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
	if _, err := journal.Read(filepath.Join(dir, logFolder), plan.Run, journal.Options{}, l.Apply); err != nil {
		return nil, fmt.Errorf("progress log: %w", err)
	}
	return l, nil
}

// Fingerprint names a secret without telling it: the start of its SHA-256. It is
// meant for API keys, which nobody can guess.
func Fingerprint(digest [32]byte) string { return hex.EncodeToString(digest[:8]) }
