package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"cohort/engine/control"
	"cohort/engine/disk"
	"cohort/engine/ledger"
	"cohort/engine/record"
	"cohort/engine/refusal"
	"cohort/engine/runfolder"
)

const leverWords = `It is noted in the run's log with the time, your user name and the reason, and holds from one
start to the next. When no process is at work on the run it is noted all the same, and
holds from the next start on.

Exit codes: 0 it holds; 10 it does not, and why.
`

func pauseCommand() *cobra.Command {
	return leverCommand("pause", record.VerbPause, "Send nothing more until the run is told to continue",
		"Pause keeps the process where it is: requests under way finish, and nothing new is sent.\n",
		"paused; to go on: %s", "continue")
}

func continueCommand() *cobra.Command {
	return leverCommand("continue", record.VerbContinue, "Let a paused run send again", "Continue takes a pause back.\n", "continues", "")
}

func stopCommand() *cobra.Command {
	return leverCommand("stop", record.VerbStop, "Have the process that is at work on a run end",
		"Stop lets requests under way finish and ends the process with exit 3, as Ctrl-C does.\n", "stopping; to go on: %s", "resume")
}

// leverCommand is a verb that pulls a lever without more to say.
func leverCommand(name string, verb record.Verb, short, long, done, next string) *cobra.Command {
	var l pulling
	c := &cobra.Command{
		Use: name + " DIR", Short: short, Long: long + leverWords,
		Args: arguments(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			l.asked.Verb = verb
			if err := l.pull(c, args[0]); err != nil {
				return err
			}
			if next != "" {
				done = fmt.Sprintf(done, refusal.Command(next, l.folder))
			}
			fmt.Fprintln(c.OutOrStdout(), done)
			l.explain(c)
			return nil
		},
	}
	c.Flags().StringVar(&l.asked.Reason, "reason", "", "why, for those who read the log later")
	return c
}

// pulling is one pull of a lever.
type pulling struct {
	asked  control.Request
	folder string
	change ledger.PaceChange // of LeverPace: what it made of the rate
	noted  bool              // no process is at work on the run
}

// pull asks the process that is at work on the run or, when there is none, writes to the
// run's log what holds from the next start on.
func (l *pulling) pull(c *cobra.Command, dir string) (err error) {
	if l.folder, err = runfolder.Absolute(dir); err != nil {
		return err
	}
	if _, err := runfolder.ReadCall(l.folder); err != nil {
		return err
	}
	if err := control.CheckReason(l.asked.Reason); err != nil {
		return err
	}
	l.asked.By = control.WhoAmI()
	return l.ask(c.Context())
}

func (l *pulling) ask(ctx context.Context) (err error) {
	l.change, err = control.Ask(ctx, l.folder, l.asked)
	if err == nil {
		return nil
	}
	if !errors.Is(err, control.ErrNobody) {
		return refusal.New("command_not_taken", "cause", err)
	}
	return l.note()
}

// note writes what is asked to the log of a run that nobody is at work on.
func (l *pulling) note() error {
	held, err := disk.Acquire(filepath.Join(l.folder, runfolder.LockFile), "pause, continue or pace")
	if busy := (*disk.HeldError)(nil); errors.As(err, &busy) {
		return refusal.New("run_not_listening", "cause", busy)
	}
	if err != nil {
		return runfolder.RoomOr(err, refusal.New("folder_unlockable", "cause", err), l.folder)
	}
	defer func() { _ = held.Release() }()
	if l.asked.Verb == record.VerbStop {
		return refusal.New("nothing_to_stop", "folder", l.folder)
	}
	plan, err := runfolder.Plan(l.folder)
	if err != nil {
		return err
	}
	defer func() { _ = plan.Close() }()
	folded, err := ledger.Read(l.folder, plan)
	if err != nil {
		return runfolder.Unsound(l.folder, err)
	}
	if folded.Facts().Superseded != "" {
		return refusal.New("run_superseded", "run", folded.Facts().Superseded)
	}
	if live, _, _ := folded.Unsettled(); live == 0 {
		return refusal.New("nothing_left_to_send")
	}
	if l.asked.Verb == record.VerbPace {
		pace, err := paceOf(l.folder)
		if err != nil {
			return err
		}
		if l.change, err = folded.Repace(pace, l.asked.Pace, time.Now()); err != nil {
			return refusal.New("pace_refused", "cause", err)
		}
		l.asked.Pace = l.change.Lever
	}
	log, err := ledger.Open(l.folder, plan)
	if err != nil {
		return runfolder.RoomOr(err, runfolder.Unsound(l.folder, err), l.folder)
	}
	l.noted = true
	if err = errors.Join(log.Command(time.Now(), l.asked.Lever()), log.Close()); err != nil {
		return runfolder.RoomOr(err, refusal.New("log_unwritable", "cause", err), l.folder)
	}
	return nil
}
