package run

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"cohort/cmd/internal/cohortspool"
	"cohort/cmd/internal/earlier"
	"cohort/cmd/internal/intake"
	"cohort/cmd/internal/terminal"
	"cohort/engine/build"
	"cohort/engine/campaign"
	"cohort/engine/control"
	"cohort/engine/dispatch"
	"cohort/engine/journal"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/refusal"
	"cohort/engine/register"
	"cohort/engine/runfolder"
	"cohort/ingest/person"
	"cohort/shard"
	"cohort/sinks"
	"cohort/sinks/apim"
)

// dispatch sends what the plan still has to send.
func (s *Runner) dispatchRun(ctx context.Context, plan *plan.Plan) error {
	// With the plan sealed the spool is the cohort. Personal data need not lie about twice.
	s.piped.Drop()
	s.Folder.Forget()
	spool, err := cohortspool.Open(s.Folder.File(runfolder.SpoolFolder), plan)
	if err != nil {
		return err
	}
	defer func() { _ = spool.Close() }()
	folded, err := ledger.Read(s.Folder.Path, plan)
	if err != nil {
		return runfolder.Unsound(s.Folder.Path, err)
	}
	if done, err := s.nothingToDo(ctx, plan, folded, spool); done {
		return err
	}
	if err := s.admitted(plan, folded); err != nil {
		return err
	}
	if err := s.isLatest(plan, folded); err != nil {
		return err
	}
	if left := folded.Account().Fates[person.NotSent]; s.compared == nil && left > 0 && !s.Settle { // a plan that was sealed a while ago
		rest := &earlier.Unsent{Folder: s.Folder.Path, Plan: plan, Ledger: folded, People: left, Consented: s.Call.Consented}
		if folded.Attempts == 0 {
			rest = nil
		}
		if err := s.overlap(ctx, spool, plan.Earlier, s.SendAgain != "" || rest == nil && plan.SendAgain != "", rest); ctx.Err() != nil {
			return s.stopped(&dispatch.Stopped{Code: "signal", Why: "stopped before anything was sent"})
		} else if err != nil {
			return err
		}
	}
	if err := s.checkService(ctx, plan, folded); err != nil {
		return err
	}
	key, err := s.Key()
	if err != nil {
		return refusal.New("api_key_unusable", "cause", err)
	}
	if folded.AnyInDoubt() && folded.Key != "" && folded.Key != key && !s.Call.Simulate && !plan.NeverAgain && !s.OneApp {
		return refusal.New("key_changed", "command", refusal.Command("resume", s.Folder.Path, "--one-application"), "report", refusal.Command("report", s.Folder.Path))
	}
	if days := plan.Forgotten(ClockOf(ctx)()); days > 0 && folded.Settleable() > 0 {
		return tooOld(s.Folder.Path, days)
	}
	suppress, err := s.suppress(ctx, spool, folded)
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(s.Folder.File(runfolder.ListsFolder)) }()
	log, err := ledger.Open(s.Folder.Path, plan)
	if errors.Is(err, journal.ErrFull) {
		return refusal.New("no_room_for_log", "cause", err)
	}
	if err != nil {
		return runfolder.Unsound(s.Folder.Path, err)
	}
	runfolder.WarnOfRegisters(s.Log, s.Campaign, s.Call.Simulate)
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	s.Log.Info("sending", "run", plan.Run.Short(), "folder", s.Folder.Path, "messages", plan.Messages, "batches", plan.Batches(), "service", plan.Service)
	terminal.PartWith(ctx, s.GoOn())
	stopping := context.AfterFunc(ctx, func() {
		s.Log.Info("stopping: requests under way may finish, for 45 s at most; once more to leave at once, which is safe")
	})
	defer stopping()
	if folded.Paused != "" {
		s.Log.Warn("the run is paused, and stays so: to go on, "+refusal.Command("continue", s.Folder.Path), "paused", folded.Paused)
	}
	levers, noLevers := control.Serve(s.Folder.Path, s.screen.Latest.Load, s.Log)
	defer noLevers()
	s.screen.Begin(plan, s.Campaign.Pace)
	summary, err := dispatch.Run(ctx, dispatch.Job{
		Plan: plan, Log: log, Source: spool, Sink: s.Sink,
		Start: ledger.Start{At: time.Now(), Version: build.Version(), Key: key},
		Opened: func() error {
			if err := log.NoteWitness(time.Now(), s.Folder.Path, ""); err != nil {
				return runfolder.RoomOr(err, refusal.New("folder_unwritable", "cause", err), s.Folder.Path)
			}
			if plan.SendAgain != "" && folded.Starts == 0 {
				if err := log.SendAgain(time.Now(), plan.SendAgain); err != nil {
					return refusal.New("send_again_not_recorded", "cause", err)
				}
			}
			if plan.RestOf != "" && folded.Starts == 0 {
				if err := log.RestOf(time.Now(), plan.RestOf); err != nil {
					return refusal.New("rest_of_not_recorded", "cause", err)
				}
			}
			if s.SendAgain != "" {
				if err := log.SendAgain(time.Now(), s.SendAgain); err != nil {
					return refusal.New("send_again_not_recorded", "cause", err)
				}
			}
			if s.consented {
				if err := s.Folder.Remember(s.Call, s.CampaignText); err != nil {
					return err
				}
			}
			return s.register(plan, folded)
		},
		Levers: levers, Lists: suppress, Pace: s.Campaign.Pace, OneWindow: s.OneWindow, Settle: s.Settle, StopIf: s.Campaign.StopIf, GiveUpAfter: s.Campaign.GiveUpAfter, Service: sinks.CalledBy(s.Campaign),
		Logger: s.Log, Progress: func(now dispatch.Snapshot) {
			s.screen.Show(now)
			s.reached(log.Mark, stop, now.Attempts, now.Revisions)
		},
	})
	s.screen.End()
	_ = log.Mark() // the log knows all
	if e := log.Close(); err == nil && e != nil {
		err = &dispatch.Stopped{Code: "log_unwritable", Why: "the progress log cannot be written", Cause: e, Halt: true}
	}
	return s.Conclude(ctx, plan, spool, summary, err)
}

// key is the fingerprint of the credential under which the service remembers references;
// empty where there is none to sign in to.
func (s *Runner) Key() (string, error) {
	if s.Tokens == nil {
		return "", nil
	}
	return s.Tokens.Fingerprint()
}

// nothingToDo says of a run that cannot or need not go on what there is to say.
func (s *Runner) nothingToDo(ctx context.Context, plan *plan.Plan, ledger *ledger.Ledger, spool *shard.Spool) (bool, error) {
	live, held, foreign := ledger.Unsettled()
	switch {
	case foreign > 0:
		err := refusal.New("foreign_batches", "batches", foreign)
		if !s.attended {
			s.onHalt(err.Error())
		}
		return true, &refusal.Ended{Err: err, Code: refusal.ExitStopped, Next: refusal.Command("decide", s.Folder.Path)}
	case live > 0 || !ledger.Closed && held == 0:
		return false, nil
	}
	s.Log.Info("this run is finished: nothing is sent", "run", plan.Run.Short(), "folder", s.Folder.Path)
	return true, s.Conclude(ctx, plan, spool, dispatch.Summary{Account: ledger.Account(), Routes: ledger.ByRoute(), Attempts: ledger.Attempts, Revisions: uint64(ledger.Revisions), ListedLate: ledger.ListedLate(), Held: held, Finished: true}, nil)
}

// suppress reads the suppression lists as they are now, so that one that is wrong refuses
// the start. Nil when the campaign has none.
func (s *Runner) suppress(ctx context.Context, spool *shard.Spool, ledger *ledger.Ledger) (dispatch.Lists, error) {
	l := s.Lists()
	for _, was := range ledger.Lists {
		if !slices.ContainsFunc(l.Of, func(list campaign.List) bool { return list.File == was.File }) {
			s.Log.Warn("a suppression list is no longer in the campaign file; those whom it named stay left out", "list", filepath.Base(was.File))
		}
	}
	if len(l.Of) == 0 {
		return nil, nil
	}
	first, err := l.Listing(ctx, s.Folder.Path, spool, ledger.Lists)
	if ctx.Err() != nil {
		return nil, s.stopped(&dispatch.Stopped{Code: "signal", Why: "stopped before anything was sent"})
	}
	if err != nil {
		return nil, refusal.New("lists_not_applied", "cause", err)
	}
	return l.ForRun(s.Folder.Path, spool, first), nil
}

// check makes sure that the service can be reached before the first attempt. A run
// that has begun goes on trying by itself when the service is merely silent.
func (s *Runner) checkService(ctx context.Context, plan *plan.Plan, ledger *ledger.Ledger) error {
	if live, _, _ := ledger.Unsettled(); live == 0 {
		return nil
	}
	err := s.reachable(ctx)
	if ctx.Err() != nil {
		return s.stopped(&dispatch.Stopped{Code: "signal", Why: "stopped before anything was sent"})
	}
	if err == nil {
		return nil
	}
	if refusal.Code(err) != "" {
		return err
	}
	if m := (*apim.Mistake)(nil); ledger.Attempts > 0 && (!errors.As(err, &m) || !m.Permanent()) {
		s.Log.Warn("the service does not answer; the run goes on trying", "give_up_after", s.Campaign.GiveUpAfter.String(), "problem", refusal.OneLine(err.Error()))
		return nil
	}
	return refusal.New("service_not_ready", "cause", err)
}

// reachable says whether anything may be sent and could be: the campaign's last day, the
// token, the service's address.
func (s *Runner) reachable(ctx context.Context) error {
	if err := intake.InTime(s.Campaign); err != nil {
		return err
	}
	return s.Sink.Check(ctx)
}

// conclude writes the report, prints the account, and says how the run ended.
func (s *Runner) Conclude(ctx context.Context, plan *plan.Plan, spool *shard.Spool, summary dispatch.Summary, err error) error {
	if stopped := (*dispatch.Stopped)(nil); err != nil && !errors.As(err, &stopped) {
		return err
	}
	var reported error
	if !reportIsCurrent(s.Folder.Path) {
		if summary.Account.Fates[person.Suppressed] > plan.Static[string(person.Suppressed)] { // lists have named people since
			reported = intake.WriteRejectsNow(s.Folder.Path, plan, spool)
		}
		if reported == nil { // it comes last, and is current only when both are
			reported = WriteReport(s.Folder.File(runfolder.ReportFile), s.Folder.Path, plan, spool)
		}
	}
	printAccount(s.Stdout, plan, summary.Account, summary.Routes, summary.ListedLate)
	if reported == nil {
		fmt.Fprintf(s.Stdout, "report   %s\n", s.Folder.File(runfolder.ReportFile))
	}
	if rejects := summary.Account.Fates[person.Invalid] + summary.Account.Fates[person.Duplicate] + summary.Account.Fates[person.Suppressed]; rejects > 0 {
		fmt.Fprintf(s.Stdout, "rejects  %s\n", s.Folder.File(runfolder.RejectsFile))
	}
	if e := summary.Account.Check(); e != nil {
		return e
	}
	if err != nil {
		if reported != nil {
			s.Log.Warn("the report could not be written", "problem", reported.Error())
		}
		s.note(plan, register.Begun, summary)
		if stopped := (*dispatch.Stopped)(nil); errors.As(err, &stopped) && stopped.Halt {
			s.onHalt(stopped.Error())
		}
		if summary.Foreign > 0 {
			return &refusal.Ended{Err: err, Code: refusal.ExitStopped, Next: refusal.Command("decide", s.Folder.Path)}
		}
		return s.stopped(err)
	}
	if reported != nil {
		return s.stopped(fmt.Errorf("everything is sent and recorded, but the report could not be written: %w", reported))
	}
	if !summary.Finished {
		s.note(plan, register.Begun, summary)
		return s.stopped(errors.New("what could be settled is settled, and nothing else was sent (--settle)"))
	}
	if summary.Account.Fates[person.InDoubt] > 0 {
		s.note(plan, register.Begun, summary)
		next := s.GoOn()
		switch {
		case !plan.NeverAgain: // it was held by what is known after a recovery, or by a 413
			next = refusal.Command("decide", s.Folder.Path)
		case !s.Call.Simulate:
			next = s.Asks()
		}
		return &refusal.Ended{Err: refusal.New("in_doubt", "messages", summary.Account.Fates[person.InDoubt]),
			Code: refusal.ExitInDoubt, Next: next}
	}
	if err := s.join(ctx, plan, spool); err != nil {
		s.note(plan, register.Begun, summary)
		return s.stopped(err)
	}
	s.note(plan, register.Finished, summary)
	return nil
}

func (s *Runner) stopped(err error) error {
	return &refusal.Ended{Err: err, Code: refusal.ExitStopped, Next: s.GoOn()}
}

// goOn is the command that goes on with the run.
func (s *Runner) GoOn() string {
	words := []string{"resume", s.Folder.Path}
	if s.OneWindow {
		words = append(words, "--one-window")
	}
	return refusal.Command(words...)
}
