package ledger

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"cohort/engine/journal"
	"cohort/engine/plan"
	"cohort/engine/record"
)

// catchUp adds to the second copy the revisions that only the log has. A revision is written to the log first, so a
// copy with more revisions means that the log is an older one.
func (p *Log) catchUp(logged, kept []string) error {
	if err := SameRevisions(logged, kept); err != nil {
		return err
	}
	for _, r := range logged[len(kept):] {
		if err := p.copies.Commit(record.KindRevision, []byte(r)); err != nil {
			return inCopy(err)
		}
	}
	p.copied = uint64(len(logged))
	return nil
}

// SameRevisions returns an error unless the second copy has the revisions of the log, in the same order. It may lack
// the last of them.
func SameRevisions(logged, kept []string) error {
	for i, r := range kept {
		if i >= len(logged) || logged[i] != r {
			return illegal("the folder %s holds a revision that the log does not; has the log been restored from a backup?", RevisionsFolder)
		}
	}
	return nil
}

func (p *Log) Copied() uint64 { return p.copied }

// Revised records newer forms for an older one, in the log and in the second copy. After nil, they may be sent.
func (p *Log) Revised(r *record.Revision) error {
	if err := p.commit(r); err != nil {
		return err
	}
	if err := p.copies.Commit(record.KindRevision, p.scratch); err != nil {
		return inCopy(err)
	}
	p.copied++
	return nil
}

// mostUnsettled limits the revisions that are not durable yet.
const mostUnsettled = 1024

// RevisedByList is Revised without waiting for the disk, since a list may touch every batch. SettleRevisions makes
// the revision durable.
func (p *Log) RevisedByList(r *record.Revision) error {
	if err := p.Append(r); err != nil {
		return err
	}
	p.unsettled = append(p.unsettled, slices.Clone(p.scratch))
	if len(p.unsettled) < mostUnsettled {
		return nil
	}
	return p.SettleRevisions()
}

// SettleRevisions makes durable what RevisedByList and TooLate have recorded, in the log and then in the second copy.
// After nil, the newer forms may be sent.
func (p *Log) SettleRevisions() error {
	if err := p.Flush(); err != nil {
		return err
	}
	for _, r := range p.unsettled {
		if err := p.copies.Append(record.KindRevision, r); err != nil {
			return inCopy(err)
		}
	}
	if err := p.copies.Flush(); err != nil {
		return inCopy(err)
	}
	p.copied += uint64(len(p.unsettled))
	p.unsettled = p.unsettled[:0]
	return nil
}

// ErrRevisions says that the second copy of the revisions is damaged or missing.
var ErrRevisions = errors.New("the second copy of the revisions is not whole")

// ErrNoCopy says that there is no second copy of the revisions, not even an empty one.
var ErrNoCopy = errors.New("the second copy of the revisions is missing")

// ReadCopy reads the second copy of the revisions. A hold is the reason why the copy is incomplete, as an earlier
// recovery noted; empty: it is complete.
func ReadCopy(dir string, plan *plan.Plan) (revisions []string, hold string, err error) {
	read := func(r journal.Record) error {
		if r.Type == record.KindRevision {
			revisions = append(revisions, string(r.Payload))
			return nil
		}
		rec, err := record.Decode(r.Type, r.Payload)
		if note, ok := rec.(*record.Recovered); ok && err == nil {
			hold = note.Hold
			return nil
		}
		return illegal("the second copy of the revisions holds something else")
	}
	tail, err := journal.Read(filepath.Join(dir, RevisionsFolder), plan.Run, journal.Options{}, read)
	if err == nil && tail.Segment == 0 {
		err = ErrNoCopy
	}
	switch {
	case err == nil:
		return revisions, hold, nil
	case IsDamage(err), errors.Is(err, ErrNoCopy):
		return nil, "", fmt.Errorf("revisions: %w: %w", ErrRevisions, err)
	}
	return nil, "", inCopy(err)
}

// CopiedRevisions counts the revisions in the second copy. ErrRevisions says that the copy is incomplete.
func CopiedRevisions(dir string, plan *plan.Plan) (uint64, error) {
	revisions, hold, err := ReadCopy(dir, plan)
	if err == nil && hold != "" {
		err = fmt.Errorf("revisions: %w: it was begun when the one before was lost", ErrRevisions)
	}
	return uint64(len(revisions)), err
}

// RenewRevisions puts a damaged second copy aside, beside a sound log. The next Open makes another from the log. The
// caller holds the folder's lock.
func RenewRevisions(dir string, at time.Time) (aside string, err error) {
	aside = AsideName(dir, RevisionsFolder, at)
	return filepath.Join(dir, aside), inCopy(Rename(dir, RevisionsFolder, aside))
}
