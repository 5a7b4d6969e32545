package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"cohort/engine/campaign"
	"cohort/engine/dispatch"
	"cohort/engine/journal"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/record"
	"cohort/engine/register"
	"cohort/ingest/person"
	"cohort/shard"
	"cohort/sinks/apim"
)

// dispatch sends what the plan still has to send.
func (s *session) dispatch(ctx context.Context, plan *plan.Plan) error {
	// With the plan sealed the spool is the cohort. Personal data need not lie about twice.
	s.piped.drop()
	s.folder.forget()
	spool, err := openSpool(s.folder.file(spoolFolder), plan)
	if err != nil {
		return err
	}
	defer func() { _ = spool.Close() }()
	folded, err := ledger.Read(s.folder.path, plan)
	if err != nil {
		return unsound(s.folder.path, err)
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
	if left := folded.Account().Fates[person.NotSent]; s.compared == nil && left > 0 && !s.settle { // a plan that was sealed a while ago
		rest := &unsent{folder: s.folder.path, plan: plan, ledger: folded, people: left, consented: s.call.Consented}
		if folded.Attempts == 0 {
			rest = nil
		}
		if err := s.overlap(ctx, spool, plan.Earlier, s.sendAgain != "" || rest == nil && plan.SendAgain != "", rest); ctx.Err() != nil {
			return s.stopped(&dispatch.Stopped{Why: "stopped before anything was sent"})
		} else if err != nil {
			return err
		}
	}
	if err := s.check(ctx, plan, folded); err != nil {
		return err
	}
	key, err := s.key()
	if err != nil {
		return refuse("%w", err)
	}
	if folded.AnyInDoubt() && folded.Key != "" && folded.Key != key && !s.call.Simulate && !plan.NeverAgain {
		return refuse("the API key is another one than when the run was last at work, and messages are in doubt: the service would not know their references and take them again; put the old key back until nothing is in doubt")
	}
	if age := clockOf(ctx)().Sub(plan.Created); folded.Settleable() > 0 && age > remembered && !s.call.Simulate && s.campaign.File == nil {
		return refuse("messages are in doubt and the plan is %d days old: the service may have forgotten their references by now and take them again; nothing more is sent from here", int(age.Hours()/24))
	}
	suppress, err := s.suppress(ctx, spool, folded)
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(s.folder.file(listsFolder)) }()
	log, err := ledger.Open(s.folder.path, plan)
	if errors.Is(err, journal.ErrFull) {
		return refuse("the progress log cannot be opened: %w; free some room and start again", err)
	}
	if err != nil {
		return unsound(s.folder.path, err)
	}
	warnOfRegisters(s.log, s.campaign, s.call.Simulate)
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	s.log.Info("sending", "run", plan.Run.Short(), "folder", s.folder.path, "messages", plan.Messages, "batches", plan.Batches(), "service", plan.Service)
	partWith(ctx, s.goOn())
	stopping := context.AfterFunc(ctx, func() {
		s.log.Info("stopping: requests under way may finish, for 45 s at most; once more to leave at once, which is safe")
	})
	defer stopping()
	if folded.Paused != "" {
		s.log.Warn("the run is paused, and stays so: to go on, "+command("continue", s.folder.path), "paused", folded.Paused)
	}
	levers, noLevers := control(s.folder.path, s.screen.latest.Load, s.log)
	defer noLevers()
	s.screen.begin(plan, s.campaign.Pace)
	summary, err := dispatch.Run(ctx, dispatch.Job{
		Plan: plan, Log: log, Source: spool, Sink: s.sink,
		Start: ledger.Start{At: time.Now(), Version: version(), Key: key},
		Begin: &dispatch.Beginning{
			Notes: s.notes(plan, folded.Starts == 0),
			Remember: func() error {
				if !s.consented {
					return nil
				}
				return s.folder.remember(s.call, s.campaignText)
			},
			Register: func() error { return s.register(plan, folded) },
		},
		Orders: levers, Lists: suppress, Pace: s.campaign.Pace, OneWindow: s.oneWindow, Settle: s.settle, StopIf: s.campaign.StopIf, GiveUpAfter: s.campaign.GiveUpAfter, Service: calledBy(s.campaign),
		Logger: s.log, Progress: func(now dispatch.Snapshot) {
			s.screen.show(now)
			s.reached(log.Mark, stop, now.Attempts, now.Revisions)
		},
	})
	s.screen.end()
	if errors.Is(err, dispatch.ErrNotBegun) {
		err = roomOr(err, refuse("%w", err), s.folder.path)
	}
	_ = log.Mark() // the log knows all
	if e := log.Close(); err == nil && e != nil {
		err = &dispatch.Stopped{Why: "the progress log cannot be written", Cause: e, Halt: true}
	}
	return s.conclude(ctx, plan, spool, summary, err)
}

// notes are the decisions that this start writes to the log before it sends anything.
func (s *session) notes(plan *plan.Plan, first bool) (all []record.Control) {
	add := func(verb, detail string, holds bool) {
		if holds && detail != "" {
			all = append(all, record.Control{At: time.Now(), Verb: verb, Detail: detail})
		}
	}
	add(record.ControlSendAgain, plan.SendAgain, first)
	add(record.ControlRestOf, plan.RestOf, first)
	add(record.ControlSendAgain, s.sendAgain, true)
	return all
}

// key is the fingerprint of the credential under which the service remembers references;
// empty where there is none to sign in to.
func (s *session) key() (string, error) {
	if s.tokens == nil {
		return "", nil
	}
	return s.tokens.Fingerprint()
}

// nothingToDo says of a run that cannot or need not go on what there is to say.
func (s *session) nothingToDo(ctx context.Context, plan *plan.Plan, ledger *ledger.Ledger, spool *shard.Spool) (bool, error) {
	live, held, foreign := ledger.Unsettled()
	switch {
	case foreign > 0:
		err := fmt.Errorf("the service holds %d batches under references of this run that this run's log never sent: the log may be an older copy, or another copy of the run is at work. Nothing more is sent from here until a person has decided", foreign)
		if !s.attended {
			s.onHalt(err.Error())
		}
		return true, &ended{err, exitStopped, command("recover", s.folder.path)}
	case live > 0 || !ledger.Closed && held == 0:
		return false, nil
	}
	s.log.Info("this run is finished: nothing is sent", "run", plan.Run.Short(), "folder", s.folder.path)
	return true, s.conclude(ctx, plan, spool, dispatch.Summary{Account: ledger.Account(), Routes: ledger.ByRoute(), Attempts: ledger.Attempts, Revisions: uint64(ledger.Revisions), ListedLate: ledger.ListedLate(), Held: held, Finished: true}, nil)
}

// suppress reads the suppression lists as they are now, so that one that is wrong refuses
// the start. Nil when the campaign has none.
func (s *session) suppress(ctx context.Context, spool *shard.Spool, ledger *ledger.Ledger) (dispatch.Lists, error) {
	l := s.lists()
	for _, was := range ledger.Lists {
		if !slices.ContainsFunc(l.of, func(list campaign.List) bool { return list.File == was.File }) {
			s.log.Warn("a suppression list is no longer in the campaign file; those whom it named stay left out", "list", filepath.Base(was.File))
		}
	}
	if len(l.of) == 0 {
		return nil, nil
	}
	first, err := l.listing(ctx, s.folder.path, spool, ledger.Lists)
	if ctx.Err() != nil {
		return nil, s.stopped(&dispatch.Stopped{Why: "stopped before anything was sent"})
	}
	if err != nil {
		return nil, refuse("%w; nothing was sent by this start", err)
	}
	return l.forRun(s.folder.path, spool, first), nil
}

// check makes sure that the service can be reached before the first attempt. A run
// that has begun goes on trying by itself when the service is merely silent.
func (s *session) check(ctx context.Context, plan *plan.Plan, ledger *ledger.Ledger) error {
	if live, _, _ := ledger.Unsettled(); live == 0 {
		return nil
	}
	err := s.reachable(ctx)
	if ctx.Err() != nil {
		return s.stopped(&dispatch.Stopped{Why: "stopped before anything was sent"})
	}
	if err == nil {
		return nil
	}
	if refused := (*refusal)(nil); errors.As(err, &refused) {
		return err
	}
	if m := (*apim.Mistake)(nil); ledger.Attempts > 0 && (!errors.As(err, &m) || !m.Permanent()) {
		s.log.Warn("the service does not answer; the run goes on trying", "give_up_after", s.campaign.GiveUpAfter.String(), "problem", oneLine(err.Error()))
		return nil
	}
	return refuse("%w; nothing was sent", err)
}

// reachable says whether anything may be sent and could be: the campaign's last day, the
// token, the service's address.
func (s *session) reachable(ctx context.Context) error {
	if err := inTime(s.campaign); err != nil {
		return err
	}
	return s.sink.Check(ctx)
}

// inTime refuses a campaign whose last day has passed.
func inTime(c *campaign.Campaign) error {
	if until := c.Pace.Until; !until.IsZero() && !time.Now().Before(until) {
		return refuse("pace.until has passed: nothing may be sent after %s; move it in the campaign file to go on", until.AddDate(0, 0, -1).Format(time.DateOnly))
	}
	return nil
}

// conclude writes the report, prints the account, and says how the run ended.
func (s *session) conclude(ctx context.Context, plan *plan.Plan, spool *shard.Spool, summary dispatch.Summary, err error) error {
	if stopped := (*dispatch.Stopped)(nil); err != nil && !errors.As(err, &stopped) {
		return err
	}
	var reported error
	if !reportIsCurrent(s.folder.path) {
		if summary.Account.Fates[person.Suppressed] > plan.Static[string(person.Suppressed)] { // lists have named people since
			reported = writeRejectsNow(s.folder.path, plan, spool)
		}
		if reported == nil { // it comes last, and is current only when both are
			reported = writeReport(s.folder.file(reportFile), s.folder.path, plan, spool)
		}
	}
	printAccount(s.stdout, plan, summary.Account, summary.Routes, summary.ListedLate)
	if reported == nil {
		fmt.Fprintf(s.stdout, "report   %s\n", s.folder.file(reportFile))
	}
	if rejects := summary.Account.Fates[person.Invalid] + summary.Account.Fates[person.Duplicate] + summary.Account.Fates[person.Suppressed]; rejects > 0 {
		fmt.Fprintf(s.stdout, "rejects  %s\n", s.folder.file(rejectsFile))
	}
	if e := summary.Account.Check(); e != nil {
		return e
	}
	if err != nil {
		if reported != nil {
			s.log.Warn("the report could not be written", "problem", reported.Error())
		}
		s.note(plan, register.Begun, summary)
		if stopped := (*dispatch.Stopped)(nil); errors.As(err, &stopped) && stopped.Halt {
			s.onHalt(stopped.Error())
		}
		if summary.Foreign > 0 {
			return &ended{err, exitStopped, command("recover", s.folder.path)}
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
		next := s.goOn()
		switch {
		case !plan.NeverAgain: // it was held by what is known after a recovery, or by a 413
			next = command("recover", s.folder.path)
		case !s.call.Simulate:
			next = s.asks()
		}
		return &ended{fmt.Errorf("%d messages are in doubt and no replay can settle them: they may have been accepted, and must not be sent again unless a person decides so", summary.Account.Fates[person.InDoubt]),
			exitInDoubt, next}
	}
	if err := s.join(ctx, plan, spool); err != nil {
		s.note(plan, register.Begun, summary)
		return s.stopped(err)
	}
	s.note(plan, register.Finished, summary)
	return nil
}

func (s *session) stopped(err error) error { return &ended{err, exitStopped, s.goOn()} }

// remembered is for how long the service is relied upon to know a reference that it has
// had: nine months, and the days by which these differ.
const remembered = 270 * 24 * time.Hour

// goOn is the command that goes on with the run.
func (s *session) goOn() string {
	words := []string{"resume", s.folder.path}
	if s.oneWindow {
		words = append(words, "--one-window")
	}
	return command(words...)
}

// openSpool opens the spool that a plan was made from.
func openSpool(path string, plan *plan.Plan) (*shard.Spool, error) {
	spool, err := shard.Open(path)
	if err != nil {
		return nil, damaged(err)
	}
	if fmt.Sprintf("%x", spool.Digest) != plan.Spool {
		_ = spool.Close()
		return nil, damaged(fmt.Errorf("%s is not the spool that the plan was made from", path))
	}
	return spool, nil
}

func damaged(err error) error {
	return refuse("the run's folder is damaged: %w; restore it from a copy before anything is sent", err)
}
