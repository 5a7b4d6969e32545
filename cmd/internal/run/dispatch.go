package run

import (
	"context"
	"errors"
	"runtime"
	"time"

	"cohort/cmd/internal/terminal"
	"cohort/engine/build"
	"cohort/engine/control"
	"cohort/engine/dispatch"
	"cohort/engine/event"
	"cohort/engine/ledger"
	"cohort/engine/record"
	"cohort/engine/refusal"
	"cohort/engine/register"
	"cohort/engine/runfolder"
	"cohort/sinks"
)

// send runs the dispatch loop until the run ends or stops. It closes the log.
func (s *start) send(ctx context.Context, log *ledger.Log, lists dispatch.Lists) (dispatch.Summary, error) {
	r, c := s.run, s.run.Campaign
	runfolder.WarnOfRegisters(r.Log, c, r.Call.Simulate)
	permits, err := r.Permits()
	if err != nil {
		return dispatch.Summary{}, errors.Join(err, log.Close())
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	r.Log.Info("sending", event.Sending, "run", s.plan.Run.Short(), "folder", r.Folder.Path, "messages", s.plan.Messages, "batches", s.plan.Batches(), "service", s.plan.Service)
	terminal.PartWith(ctx, r.GoOn())
	stopping := context.AfterFunc(ctx, func() {
		r.Log.Info("stopping: requests under way may finish, for 45 s at most; once more to leave at once, which is safe", event.Stopping)
	})
	defer stopping()
	if s.ledger.Facts().Paused != "" {
		r.Log.Warn("the run is paused, and stays so: to go on, "+refusal.Command("continue", r.Folder.Path), event.Paused, "paused", s.ledger.Facts().Paused)
	}
	levers, noLevers := control.Serve(r.Folder.Path, r.screen.Latest.Load, r.Log)
	defer noLevers()
	r.screen.Begin(s.plan, c.Pace)
	s.export()
	job := dispatch.Job{
		Plan: s.plan, Log: log, Source: s.spool, Sink: r.Sink,
		Start: ledger.Start{At: time.Now(), Version: build.Version(), Key: s.key},
		Begin: &dispatch.Beginning{Notes: s.notes(), Remember: s.remember, Register: func() error {
			if err := s.register(); err != nil {
				return err
			}
			return s.settle(log, s.spool)
		}},
		Orders: levers, Lists: lists, News: s.plan.FollowUp != nil, Pace: c.Pace, Permits: permits, OneWindow: s.options.OneWindow, Settle: s.options.Settle,
		StopIf: c.StopIf, GiveUpAfter: c.GiveUpAfter, Service: sinks.CalledBy(c), Logger: r.Log,
		Progress: func(now dispatch.Snapshot) {
			if r.Tokens != nil {
				now.Own.TokenExpires, now.Own.TokenFailing = r.Tokens.Standing()
			}
			r.screen.Show(now)
			s.reached(log.Mark, stop, now.Attempts, now.Revisions)
		},
	}
	if s.heard != nil {
		job.Inbox = s.heard
	}
	summary, err := dispatch.Run(ctx, job)
	r.screen.End()
	if errors.Is(err, dispatch.ErrNotBegun) {
		err = runfolder.RoomOr(err, refusal.New("folder_unwritable", "cause", err), r.Folder.Path)
	}
	_ = log.Mark() // the log has everything
	if e := log.Close(); err == nil && e != nil {
		err = &dispatch.Stopped{Code: "log_unwritable", Why: "the progress log cannot be written", Cause: e, Halt: true}
	}
	s.ledger, log = nil, nil
	runtime.GC() // there is memory for one ledger, and the limit must not rise for two
	return summary, err
}

// notes lists the decisions that this start records in the log before it sends anything.
func (s *start) notes() (all []record.Control) {
	add := func(verb, detail string, due bool) {
		if due && detail != "" {
			all = append(all, record.Control{At: time.Now(), Verb: verb, Detail: detail})
		}
	}
	first := s.ledger.Facts().Starts == 0
	add(record.ControlSendAgain, s.plan.SendAgain, first)
	add(record.ControlRestOf, s.plan.RestOf, first)
	add(record.ControlSendAgain, s.options.SendAgain, true)
	return all
}

// remember saves which runs a person has consented to repeat.
func (s *start) remember() error {
	if !s.consents {
		return nil
	}
	return s.run.Folder.Remember(s.run.Call, s.run.CampaignText)
}

// reached notes about once a second how far the run has come: in the registers, and with mark in the
// folder. If no register can be written, it stops a run at a service that takes a message twice.
func (s *start) reached(mark func() error, stop context.CancelCauseFunc, attempts, revisions uint64) {
	if attempts+revisions == s.noted || time.Since(s.notedAt) < time.Second {
		return
	}
	s.noted, s.notedAt = attempts+revisions, time.Now()
	told, err := register.ReachedAll(s.run.Campaign.Registers(), s.plan.RunID, attempts, revisions)
	if told == 0 && s.run.Campaign.NHSApp != nil && !s.run.Call.Simulate {
		stop(&dispatch.Stopped{Code: "register_unwritable", Why: "no register can be written", Cause: err, Halt: true})
	}
	if err = errors.Join(err, mark()); err != nil && !s.noteFailed {
		s.noteFailed = true
		s.run.Log.Warn("it could not be noted how far the run has come", event.RegisterNotTold, "problem", err.Error())
	}
}
