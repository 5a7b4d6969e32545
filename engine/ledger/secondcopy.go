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

// reconcile brings the second copy of the revisions up to the log. A revision is
// written to the log first, so a copy that the log does not have means that the log
// is an older one.
func (p *Log) reconcile(logged, kept []string) error {
	if err := SameRevisions(logged, kept); err != nil {
		return err
	}
	for _, r := range logged[len(kept):] {
		if err := p.Revisions.Commit(record.KindRevision, []byte(r)); err != nil {
			return fmt.Errorf("revisions: %w", err)
		}
	}
	p.Copied = uint64(len(logged))
	return nil
}

// sameRevisions says whether the second copy of the revisions holds nothing but what the
// log does, in its order. It may lack the last of them.
func SameRevisions(logged, kept []string) error {
	for i, r := range kept {
		if i >= len(logged) || logged[i] != r {
			return fmt.Errorf("%w: the folder %s holds a revision that the log does not; has the log been restored from a backup?", ErrIllegal, RevisionsFolder)
		}
	}
	return nil
}

// revised records newer forms for an older one, in the log and in the second copy.
// When it returns nil the newer forms may be sent.
func (p *Log) Revised(r *record.Revision) error {
	if err := p.commit(record.KindRevision, r, r.Encode); err != nil {
		return err
	}
	if err := p.Revisions.Commit(record.KindRevision, p.scratch.B); err != nil {
		return fmt.Errorf("revisions: %w", err)
	}
	p.Copied++
	return nil
}

// together is how many revisions a suppression list may ask for before they are made
// durable.
const together = 1024

// revisedByList records newer forms for an older one, as revised does, and leaves it to
// settleRevisions to make it durable: a list may touch every batch.
func (p *Log) RevisedByList(r *record.Revision) error {
	if err := p.Answer(record.KindRevision, r, r.Encode); err != nil {
		return err
	}
	p.unsettled = append(p.unsettled, slices.Clone(p.scratch.B))
	if len(p.unsettled) < together {
		return nil
	}
	return p.SettleRevisions()
}

// settleRevisions makes durable what revisedByList and tooLate have recorded, in the log
// and then in the second copy. When it returns nil the newer forms may be sent.
func (p *Log) SettleRevisions() error {
	if err := p.Log.Flush(); err != nil {
		return fmt.Errorf("progress log: %w", err)
	}
	for _, r := range p.unsettled {
		if err := p.Revisions.Append(record.KindRevision, r); err != nil {
			return fmt.Errorf("revisions: %w", err)
		}
	}
	if err := p.Revisions.Flush(); err != nil {
		return fmt.Errorf("revisions: %w", err)
	}
	p.Copied += uint64(len(p.unsettled))
	p.unsettled = p.unsettled[:0]
	return nil
}

// ErrRevisions says that the second copy of the revisions is damaged or missing.
var ErrRevisions = errors.New("the second copy of the revisions is not whole")

// errNoCopy says that there is no second copy of the revisions, not even an empty one.
var ErrNoCopy = errors.New("the second copy of the revisions is missing")

// readCopy reads the second copy of the revisions. hold is why it is not the whole of
// them, as an earlier recovery noted; empty: it is.
func ReadCopy(dir string, plan *plan.Plan) (revisions []string, hold string, err error) {
	tail, err := journal.Read(filepath.Join(dir, RevisionsFolder), plan.Run, journal.Options{}, func(r journal.Record) error {
		if r.Type == record.KindRevision {
			revisions = append(revisions, string(r.Payload))
			return nil
		}
		rec, err := record.Decode(r.Type, r.Payload)
		if note, ok := rec.(*record.Recovered); ok && err == nil {
			hold = note.Hold
			return nil
		}
		return fmt.Errorf("%w: the second copy of the revisions holds something else", ErrIllegal)
	})
	if err == nil && tail.Segment == 0 {
		err = ErrNoCopy
	}
	switch {
	case err == nil:
		return revisions, hold, nil
	case IsDamage(err), errors.Is(err, ErrNoCopy):
		return nil, "", fmt.Errorf("revisions: %w: %w", ErrRevisions, err)
	}
	return nil, "", fmt.Errorf("revisions: %w", err)
}

// CopiedRevisions counts the revisions in their second copy. ErrRevisions says that it is
// not the whole of them.
func CopiedRevisions(dir string, plan *plan.Plan) (uint64, error) {
	revisions, hold, err := ReadCopy(dir, plan)
	if err == nil && hold != "" {
		err = fmt.Errorf("revisions: %w: it was begun when the one before was lost", ErrRevisions)
	}
	return uint64(len(revisions)), err
}

// RenewRevisions puts a second copy of the revisions aside that is damaged, beside a log
// that is sound. The next OpenProgressLog makes another from the log. The caller holds the
// folder's lock.
func RenewRevisions(dir string, at time.Time) (aside string, err error) {
	aside = FreeName(dir, RevisionsFolder+".lost-"+StampOf(at))
	if err := Rename(dir, RevisionsFolder, aside); err != nil {
		return "", fmt.Errorf("revisions: %w", err)
	}
	return filepath.Join(dir, aside), nil
}
