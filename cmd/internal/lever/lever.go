// Package lever delivers what an operator orders of a run: pause, continue, another pace, stop, and the reason for one
// of them. Terminal and page share it, so the log has the same record from both.
package lever

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"cohort/engine/control"
	"cohort/engine/disk"
	"cohort/engine/ledger"
	"cohort/engine/record"
	"cohort/engine/refusal"
	"cohort/engine/runfolder"
)

// Order is an order of an operator to a run.
type Order struct {
	control.Request
	Folder string            // of the run
	Change ledger.PaceChange // of the rate, once it is delivered
	Noted  bool              // no process is at work on the run: the order holds from the next start on

	zone  *time.Location // of the campaign, for the words of another pace
	above string         // which ceiling of the campaign the rate is above
}

// New is an order of this user to the run in a folder.
func New(folder string, verb record.Verb, reason string) *Order {
	return &Order{Request: control.Request{Verb: verb, By: control.WhoAmI(), Reason: reason}, Folder: folder}
}

// Words says what holds now, and what goes on.
func (o *Order) Words() string {
	switch o.Verb {
	case record.VerbPause:
		return "paused; to go on: " + refusal.Command("continue", o.Folder)
	case record.VerbContinue:
		return "continues"
	case record.VerbStop:
		return "stopping; to go on: " + refusal.Command("resume", o.Folder)
	}
	if o.above != "" {
		return o.above + "\n" + answerPace(o.Change, o.Noted, o.zone)
	}
	return answerPace(o.Change, o.Noted, o.zone)
}

// Deliver asks the process at work on the run. When there is none, it writes to the run's log,
// for the next start.
func (o *Order) Deliver(ctx context.Context) (err error) {
	if err := control.CheckReason(o.Reason); err != nil {
		return err
	}
	o.Change, err = control.Ask(ctx, o.Folder, o.Request)
	if errors.Is(err, control.ErrNobody) {
		return o.note()
	}
	if err != nil {
		return refusal.New("command_not_taken", "cause", err)
	}
	return nil
}

// note writes the operation to the log. No process is at work on the run.
func (o *Order) note() error {
	held, err := disk.Acquire(filepath.Join(o.Folder, runfolder.LockFile), "pause, continue or pace")
	if busy := (*disk.HeldError)(nil); errors.As(err, &busy) {
		return refusal.New("run_not_listening", "cause", busy)
	}
	if err != nil {
		return runfolder.RoomOr(err, refusal.New("folder_unlockable", "cause", err), o.Folder)
	}
	defer func() { _ = held.Release() }()
	if o.Verb == record.VerbStop {
		return refusal.New("nothing_to_stop", "folder", o.Folder)
	}
	plan, err := runfolder.Plan(o.Folder)
	if err != nil {
		return err
	}
	defer func() { _ = plan.Close() }()
	folded, err := ledger.Read(o.Folder, plan)
	if err != nil {
		return runfolder.Unsound(o.Folder, err)
	}
	if folded.Facts().Superseded != "" {
		return refusal.New("run_superseded", "run", folded.Facts().Superseded)
	}
	if live, _, _ := folded.Unsettled(); live == 0 {
		return refusal.New("nothing_left_to_send")
	}
	if o.Verb == record.VerbPace {
		own, err := paceOf(o.Folder)
		if err != nil {
			return err
		}
		if o.Change, err = folded.Repace(own, o.Pace, time.Now()); err != nil {
			return refusal.New("pace_refused", "cause", err)
		}
		o.Pace = o.Change.Lever
	}
	o.Noted = true
	return runfolder.WithLog(o.Folder, plan, func(log *ledger.Log) error {
		err := log.Command(time.Now(), o.Lever())
		if err != nil {
			err = runfolder.RoomOr(err, refusal.New("log_unwritable", "cause", err), o.Folder)
		}
		return err
	})
}

// DeliverLater is Deliver. It tries again while the process at work is ending, as it does after a stop: it takes
// no commands any more, and it still holds the log.
func (o *Order) DeliverLater(ctx context.Context) error {
	each := time.NewTicker(500 * time.Millisecond)
	defer each.Stop()
	for tries := 60; ; tries-- {
		err := o.Deliver(ctx)
		if tries == 0 || !errors.Is(err, control.ErrEnding) && !errors.As(err, new(*disk.HeldError)) {
			return err
		}
		select {
		case <-each.C:
		case <-ctx.Done():
			return err
		}
	}
}
