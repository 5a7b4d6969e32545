package status

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"cohort/cmd/internal/reconcile"
	"cohort/engine/campaign"
	"cohort/engine/disk"
	"cohort/engine/journal"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/refusal"
	"cohort/engine/runfolder"
)

// Reader reads the state of a run again and again. It folds only what the log has got since the last time. It is not
// safe for concurrent use.
type Reader struct {
	dir    string
	plan   *plan.Plan // nil: there is none yet
	folded *ledger.Ledger
	tail   journal.Tail
}

// NewReader returns a Reader of the run in a folder. Close ends it.
func NewReader(dir string) *Reader { return &Reader{dir: dir} }

// Close closes the plan and forgets what was folded.
func (r *Reader) Close() {
	if r.plan != nil {
		_ = r.plan.Close() // it was opened for reading
	}
	*r = Reader{dir: r.dir}
}

// Read reads the state of the run.
func (r *Reader) Read(ctx context.Context) (*Status, error) {
	call, err := runfolder.ReadCall(r.dir)
	if err != nil {
		return nil, err
	}
	holder, busy := disk.LockHolder(filepath.Join(r.dir, runfolder.LockFile))
	if !busy && !Sends(holder) {
		holder = disk.Holder{} // that it is gone says nothing of the run's own sender
	}
	s, p := &Status{RunID: call.RunID, Folder: r.dir}, campaign.Pace{Location: time.UTC}
	if c, _, _, err := runfolder.ReadCampaign(r.dir, call); err == nil { // else the times are UTC, as they say
		p = c.Pace
	}
	s.Zone = p.Location
	at := ledger.Standing{Busy: busy, Holder: ledger.Process{PID: holder.PID, Host: holder.Host, Since: holder.Since}, Asking: holder.Doing == reconcile.Verb}
	if busy {
		s.PID, s.Host = holder.PID, holder.Host
		s.ask(ctx)
		if at.Answers = s.Live != nil; at.Answers {
			at.Says = s.Live.State
		}
	}
	if err = r.fold(call.RunID); errors.Is(err, plan.ErrNone) {
		if !busy && runfolder.RefusedFor(r.dir) {
			return nil, refusal.New("cohort_was_refused", "folder", r.dir, "file", filepath.Join(r.dir, runfolder.RejectsFile))
		}
		s.State, s.Gone = at.State(), at.Gone()
		return s, nil
	}
	if err != nil {
		return nil, err
	}
	at.Ledger, s.Position = r.folded, r.tail.Seq
	s.fill(r.plan, at)
	s.expect(p)
	return s, s.addFiles(r.plan)
}

// fold folds what is new. When that fails, it begins anew: another log may have taken the log's place.
func (r *Reader) fold(runID string) error {
	if r.plan != nil && r.plan.RunID == runID {
		tail, err := r.folded.ReadOn(r.dir, r.tail)
		if err == nil {
			r.tail = tail
			return nil
		}
	}
	r.Close()
	planned, err := plan.Open(r.dir)
	if errors.Is(err, plan.ErrNone) {
		return err
	}
	if err != nil {
		return runfolder.Damaged(err)
	}
	folded, err := ledger.New(planned)
	if err == nil {
		r.plan, r.folded = planned, folded
		r.tail, err = folded.ReadOn(r.dir, journal.Tail{})
	}
	if err != nil {
		r.Close()
		return runfolder.Unsound(r.dir, err)
	}
	return nil
}
