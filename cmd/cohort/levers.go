package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"cohort/engine/disk"
	"cohort/engine/journal"
	"cohort/engine/ledger"
	"cohort/engine/record"
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
				done = fmt.Sprintf(done, command(next, l.folder))
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
	asked  asked
	folder string
	change ledger.PaceChange // of LeverPace: what it made of the rate
	noted  bool              // no process is at work on the run
}

// pull asks the process that is at work on the run or, when there is none, writes to the
// run's log what holds from the next start on.
func (l *pulling) pull(c *cobra.Command, dir string) (err error) {
	if l.folder, err = absolute(dir); err != nil {
		return err
	}
	if _, err := readCall(l.folder); err != nil {
		return err
	}
	if err := checkReason(l.asked.Reason); err != nil {
		return err
	}
	l.asked.By = whoAmI()
	return l.ask(c.Context())
}

func (l *pulling) ask(ctx context.Context) (err error) {
	l.change, err = ask(ctx, l.folder, l.asked)
	if err == nil {
		return nil
	}
	if !errors.Is(err, errNobody) {
		return refuse("%w", err)
	}
	return l.note()
}

// note writes what is asked to the log of a run that nobody is at work on.
func (l *pulling) note() error {
	held, err := disk.Acquire(filepath.Join(l.folder, lockFile), "pause, continue or pace")
	if busy := (*disk.HeldError)(nil); errors.As(err, &busy) {
		return refuse("the run is busy and does not listen: %w; it may be preparing: try again, or stop it with a signal", busy)
	}
	if err != nil {
		return roomOr(err, refuse("the run's folder cannot be locked: %w", err), l.folder)
	}
	defer func() { _ = held.Release() }()
	if l.asked.Verb == record.VerbStop {
		return refuse("no process is at work on %s: there is nothing to stop", l.folder)
	}
	plan, err := planned(l.folder)
	if err != nil {
		return err
	}
	defer func() { _ = plan.Close() }()
	folded, err := ledger.Read(l.folder, plan)
	if err != nil {
		return unsound(l.folder, err)
	}
	if folded.Facts().Superseded != "" {
		return refuse("another run has taken this one's place (%s): nothing is sent from here any more", folded.Facts().Superseded)
	}
	if live, _, _ := folded.Unsettled(); live == 0 {
		return refuse("the run has nothing left to send")
	}
	if l.asked.Verb == record.VerbPace {
		pace, err := paceOf(l.folder)
		if err != nil {
			return err
		}
		if l.change, err = folded.Repace(pace, l.asked.Pace, time.Now()); err != nil {
			return refuse("%w", err)
		}
		l.asked.Pace = l.change.Lever
	}
	log, err := ledger.Open(l.folder, plan)
	if err != nil {
		return roomOr(err, unsound(l.folder, err), l.folder)
	}
	l.noted = true
	if err = errors.Join(log.Command(time.Now(), l.asked.lever()), log.Close()); err != nil {
		return roomOr(err, refuse("the run's log cannot be written: %w", err), l.folder)
	}
	return nil
}

// roomOr says of an error that comes of a full disk what to do, and of another what is
// given.
func roomOr(err, other error, folder string) error {
	if errors.Is(err, journal.ErrFull) || errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return refuse("there is no room to note it: %w; nothing is changed: free some room in %s and ask again", err, folder)
	}
	return other
}

func whoAmI() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return fmt.Sprintf("user %d", os.Getuid())
}
