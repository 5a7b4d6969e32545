package metrics

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"time"

	"cohort/engine/campaign"
	"cohort/engine/control"
	"cohort/engine/disk"
	"cohort/engine/journal"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/runfolder"
)

// Folder looks at a run from outside, again and again. It asks the process at work. Without one it reads the log, and
// after that only what is new in it. It is safe for concurrent use.
type Folder struct {
	Dir string

	mu       sync.Mutex
	campaign *campaign.Campaign
	plan     *plan.Plan
	ledger   *ledger.Ledger // nil: not read
	tail     journal.Tail
	counter  counter
}

// Look returns the run as it is now, in the state that cohort status finds.
func (f *Folder) Look(ctx context.Context) (*Run, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	call, err := runfolder.ReadCall(f.Dir)
	if err != nil {
		return nil, err
	}
	r := &Run{Folder: f.Dir, RunID: call.RunID}
	if f.campaign, _, _, err = runfolder.ReadCampaign(f.Dir, call); err == nil {
		r.Campaign = f.campaign
	}
	holder, busy := disk.LockHolder(filepath.Join(f.Dir, runfolder.LockFile))
	at := ledger.Standing{Busy: busy, Holder: ledger.Process{PID: holder.PID, Host: holder.Host, Since: holder.Since}}
	switch sends := holder.Doing == "" || holder.Doing == "send" || holder.Doing == "resume"; {
	case !busy && !sends:
		at.Holder = ledger.Process{}
	case busy:
		at.Asking = holder.Doing == "reconcile"
		if now, err := control.Snapshot(ctx, f.Dir); err == nil && now != nil {
			r.Now, r.Live, at.Answers, at.Says = *now, true, true, now.State
		}
	}
	if err := f.open(); err != nil {
		return nil, err
	}
	if f.plan == nil {
		r.State, r.Now.At = at.State(), time.Now()
		return r, nil
	}
	r.Plan = &f.plan.Header
	if r.Live {
		r.State = r.Now.State
		f.ledger = nil // memory for one ledger is in the process at work
		return r, nil
	}
	if at.Ledger, err = f.read(); err != nil {
		return nil, err
	}
	account, left := at.Ledger.Tally()
	r.State = at.State()
	r.Now.At, r.Now.Account, r.Now.Left, r.Now.Traffic = time.Now(), account, left, at.Ledger.Traffic()
	return r, nil
}

// open opens the plan, once there is one.
func (f *Folder) open() error {
	if f.plan != nil {
		return nil
	}
	p, err := plan.Open(f.Dir)
	if err == nil {
		f.plan = p
	} else if !errors.Is(err, plan.ErrNone) {
		return runfolder.Damaged(err)
	}
	return nil
}

// read reads what is new in the log. It reads a log anew that was replaced.
func (f *Folder) read() (l *ledger.Ledger, err error) {
	if f.ledger != nil {
		if f.tail, err = ledger.ReadLog(f.Dir, f.plan, f.tail, f.ledger.Apply); err == nil {
			return f.ledger, nil
		}
	}
	if f.ledger, err = ledger.New(f.plan); err == nil {
		f.tail, err = ledger.ReadLog(f.Dir, f.plan, journal.Tail{}, f.ledger.Apply)
	}
	if err != nil {
		f.ledger = nil
		return nil, runfolder.Unsound(f.Dir, err)
	}
	return f.ledger, nil
}

// WithDelivery is Look, and counts what the services said of the messages. Not in a process that sends.
func (f *Folder) WithDelivery(ctx context.Context) (*Run, error) {
	r, err := f.Look(ctx)
	if err == nil && r.Plan != nil {
		r.Delivery = f.counter.count(f.Dir, r.Now.At)
	}
	return r, err
}

// Close gives back what Look has opened.
func (f *Folder) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.plan == nil {
		return nil
	}
	return f.plan.Close()
}
