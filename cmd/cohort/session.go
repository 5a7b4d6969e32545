package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"cohort/engine"
	"cohort/engine/campaign"
	"cohort/engine/journal"
	"cohort/engine/register"
	"cohort/ingest"
	"cohort/ingest/person"
	"cohort/shard"
	"cohort/sinks/apim"
	"cohort/sinks/notify"
)

// session is one start of a run, from the call to the account.
//
//	identify ─▶ hold the folder ─▶ prepare (once) ─▶ open ─▶ check the service ─▶ register ─▶ engine.Run ─▶ report
type session struct {
	call      call
	runFolder string // chosen with --run; empty: under runs
	runs      string
	oneWindow bool
	stdout    io.Writer
	stderr    io.Writer

	campaign     *campaign.Campaign
	campaignText []byte
	frozen       []campaign.Setting // as the campaign file has them
	service      string
	cohort       engine.CohortFile
	digest       [32]byte
	id           engine.RunID
	fields       []string
	folder       *folder
	sink         *notify.Sink
	credentials  apim.Credentials
	log          *slog.Logger
	screen       *screen
}

// send starts a run from its campaign and cohort files, or goes on with it.
func (s *session) send(ctx context.Context) error {
	text, err := os.ReadFile(s.call.Campaign)
	if err != nil {
		return refuse("the campaign file cannot be read: %w", err)
	}
	if s.campaign, err = campaign.Parse(text, s.call.Campaign); err != nil {
		return refuse("%w", err)
	}
	s.campaignText = text
	if err := s.identify(ctx); err != nil {
		return err
	}
	path, earlier, err := s.locate()
	if err != nil {
		return err
	}
	if s.folder, err = holdFolder(path); err != nil {
		return err
	}
	defer s.folder.release()
	plan, err := engine.OpenPlan(path)
	if errors.Is(err, engine.ErrNoPlan) {
		return s.begin(ctx, earlier)
	}
	if err != nil {
		return refuse("%w", err)
	}
	defer func() { _ = plan.Close() }()
	if plan.Run != s.id {
		return refuse("%s holds run %s and this would be run %s; choose another folder with --run", path, plan.Run.Short(), s.id.Short())
	}
	return s.resume(ctx, plan)
}

// identify reads the cohort file once to know which run this is.
func (s *session) identify(ctx context.Context) error {
	sum, size, err := ingest.Digest(ctx, s.call.Cohort)
	if ctx.Err() != nil {
		return &ended{errors.New("stopped before anything was sent"), exitStopped,
			fmt.Sprintf("cohort send -c %s %s", shellWord(s.call.Campaign), shellWord(s.call.Cohort))}
	}
	if err != nil {
		return refuse("the cohort file cannot be read: %w", err)
	}
	s.digest = sum
	s.cohort = engine.CohortFile{Path: s.call.Cohort, SHA256: fmt.Sprintf("%x", sum), Bytes: size}
	if want := s.campaign.Cohort.Expect.SHA256; want != "" && want != s.cohort.SHA256 {
		return refuse("the cohort file is not the one that cohort.expect.sha256 names; it has SHA-256 %s", s.cohort.SHA256)
	}
	s.service = s.campaign.ServiceID(s.call.Simulate)
	s.id = engine.NewRunID(s.campaign.Name, sum, s.service)
	s.call.RunID = s.id.String()
	return nil
}

// locate asks the register where the run lives, if it was begun before, and which
// other runs of the campaign there are.
func (s *session) locate() (path string, others []register.Entry, err error) {
	path = filepath.Join(s.runs, s.campaign.Name+"-"+s.id.Short())
	if s.runFolder != "" {
		path = s.runFolder
	}
	r, err := register.Open(s.campaign.Register)
	if err != nil {
		return "", nil, refuse("%w", err)
	}
	defer func() { _ = r.Close() }()
	entry, begun := r.Run(s.id.String())
	if !begun {
		// Its plan, if there is one, says which runs it has taken into account; register
		// looks again before anything is sent.
		var known []engine.EarlierRun
		if plan, err := engine.OpenPlan(path); err == nil {
			known = plan.Earlier
			_ = plan.Close()
		}
		others, err = checkRegister(r, s.id, s.campaign.Name, s.service, known, s.call.NewCohort || s.call.SendAgain != "")
		return path, others, err
	}
	if _, err := os.Stat(entry.Folder); err != nil {
		if s.call.SendAgain != "" {
			return path, nil, nil
		}
		return "", nil, refuse("this run was begun on %s in %s, and that folder is not there; bring it back and nobody is sent to twice, or give --send-again and a reason", entry.Host, entry.Folder)
	}
	if s.runFolder != "" && s.runFolder != entry.Folder {
		return "", nil, refuse("this run lives in %s; leave --run out, or: cohort resume %s", entry.Folder, shellWord(entry.Folder))
	}
	return entry.Folder, nil, nil
}

// begin prepares a run that has no plan yet, and sends it.
func (s *session) begin(ctx context.Context, others []register.Entry) error {
	plan, err := s.prepare(ctx, others)
	if stopped := (*engine.Stopped)(nil); errors.As(err, &stopped) {
		return s.stopped(err)
	}
	if err != nil {
		s.folder.discard()
		return err
	}
	defer func() { _ = plan.Close() }()
	return s.dispatch(ctx, plan)
}

// prepare reads the cohort file into the run's folder and seals the plan.
func (s *session) prepare(ctx context.Context, others []register.Entry) (*engine.Plan, error) {
	if _, err := os.Stat(s.folder.file("log")); err == nil {
		return nil, refuse("%s holds a progress log and no plan: part of the folder is lost; restore it before anything is sent", s.folder.path)
	}
	if err := s.folder.remember(s.call, s.campaignText); err != nil {
		return nil, err
	}
	earlier, err := holdEarlier(others, s.call.SendAgain != "")
	if err != nil {
		return nil, err
	}
	defer earlier.release()
	if err := s.connect(); err != nil {
		return nil, err
	}
	p := &preparation{
		folder: s.folder, campaign: s.campaign, frozen: s.frozen, cohort: s.cohort, digest: s.digest, run: s.id, service: s.service,
		fields: s.fields, sink: s.sink, earlier: earlier, sendAgain: s.call.SendAgain, log: s.log,
	}
	if err := p.prepare(ctx); err != nil {
		return nil, err
	}
	return planned(s.folder.path)
}

// resume goes on with a run that has a plan.
func (s *session) resume(ctx context.Context, plan *engine.Plan) error {
	if err := s.folder.remember(s.call, s.campaignText); err != nil {
		return err
	}
	if err := campaign.Compare(plan.Frozen, s.campaign.Frozen()); err != nil {
		return refuse("%w", err)
	}
	if err := s.connect(); err != nil {
		return err
	}
	return s.dispatch(ctx, plan)
}

// connect makes the sink, with the simulator in this process when it is called for.
// The simulator goes with the process.
func (s *session) connect() (err error) {
	s.frozen = s.campaign.Frozen()
	if s.fields, err = fieldsOf(s.campaign); err != nil {
		return err
	}
	if s.call.Simulate {
		if _, err = embed(s.campaign); err != nil {
			return err
		}
	}
	s.sink, s.credentials, err = openSink(s.campaign, s.fields)
	return err
}

// dispatch sends what the plan still has to send.
func (s *session) dispatch(ctx context.Context, plan *engine.Plan) error {
	spool, err := openSpool(s.folder.file(spoolFolder), plan, true)
	if err != nil {
		return err
	}
	defer func() { _ = spool.Close() }()
	ledger, err := engine.ReadLedger(s.folder.path, plan)
	if err != nil {
		return damaged(err)
	}
	if done, err := s.nothingToDo(plan, ledger, spool); done {
		return err
	}
	if err := s.check(ctx, plan, ledger); err != nil {
		return err
	}
	key, err := s.credentials.Fingerprint()
	if err != nil {
		return refuse("%w", err)
	}
	if ledger.AnyInDoubt() && ledger.Key != "" && ledger.Key != key && !s.call.Simulate {
		return refuse("the API key is another one than when the run was last at work, and messages are in doubt: the service would not know their references and take them again; put the old key back until nothing is in doubt")
	}
	if err := s.register(plan, register.Begun); err != nil {
		return err
	}
	log, err := engine.OpenProgressLog(s.folder.path, plan)
	if errors.Is(err, journal.ErrFull) {
		return refuse("the progress log cannot be opened: %w; free some room and start again", err)
	}
	if err != nil {
		return damaged(err)
	}
	s.log.Info("sending", "run", plan.Run.Short(), "folder", s.folder.path, "messages", plan.Messages, "batches", plan.Batches(), "service", plan.Service)
	stopping := context.AfterFunc(ctx, func() {
		s.log.Info("stopping: requests under way may finish, for 45 s at most; once more to leave at once, which is safe")
	})
	defer stopping()
	s.screen.begin(plan, s.campaign.Pace)
	summary, err := engine.Run(ctx, engine.Job{
		Plan: plan, Log: log, Source: spool, Sink: s.sink,
		Start: engine.Start{At: time.Now(), Version: version(), Key: key},
		Pace:  s.campaign.Pace, OneWindow: s.oneWindow, StopIf: s.campaign.StopIf, GiveUpAfter: s.campaign.GiveUpAfter,
		Ceiling: mostConnections, Logger: s.log, Progress: s.screen.show,
	})
	s.screen.end()
	if e := log.Close(); err == nil && e != nil {
		err = &engine.Stopped{Why: "the progress log cannot be written", Cause: e, Halt: true}
	}
	return s.conclude(plan, spool, summary, err)
}

// nothingToDo says of a run that cannot or need not go on what there is to say.
func (s *session) nothingToDo(plan *engine.Plan, ledger *engine.Ledger, spool *shard.Spool) (bool, error) {
	live, held, foreign := ledger.Unsettled()
	switch {
	case ledger.Superseded != "":
		return true, refuse("run %s has taken this run's place (--new-cohort); nothing more is sent from here", ledger.Superseded[:8])
	case foreign > 0:
		return true, &ended{&engine.Stopped{Why: fmt.Sprintf("the service holds %d batches under references of this run that this run's log never sent: the log may have been restored from a backup, or a copy of the run is at work elsewhere. Nothing more is sent until a person has found out", foreign)},
			exitStopped, "cohort status " + shellWord(s.folder.path)}
	case live > 0 || !ledger.Closed && held == 0:
		return false, nil
	}
	s.log.Info("this run is finished: nothing is sent", "run", plan.Run.Short(), "folder", s.folder.path)
	return true, s.conclude(plan, spool, engine.Summary{Account: ledger.Account(), Held: held, Finished: true}, nil)
}

// check makes sure that the service can be reached before the first attempt. A run
// that has begun goes on trying by itself when the service is merely silent.
func (s *session) check(ctx context.Context, plan *engine.Plan, ledger *engine.Ledger) error {
	if live, _, _ := ledger.Unsettled(); live == 0 {
		return nil
	}
	if until := s.campaign.Pace.Until; !until.IsZero() && !time.Now().Before(until) {
		return refuse("pace.until has passed: nothing may be sent after %s; move it in the campaign file to go on", until.AddDate(0, 0, -1).Format(time.DateOnly))
	}
	err := s.sink.Check(ctx)
	if ctx.Err() != nil {
		return s.stopped(&engine.Stopped{Why: "stopped before anything was sent"})
	}
	if err == nil {
		return nil
	}
	if t := (*apim.TokenError)(nil); ledger.Attempts > 0 && (!errors.As(err, &t) || !t.Permanent()) {
		s.log.Warn("the service does not answer; the run goes on trying", "give_up_after", s.campaign.GiveUpAfter.String(), "problem", oneLine(err.Error()))
		return nil
	}
	return refuse("%w; nothing was sent", err)
}

// register notes the run's state, having looked once more whether another run stands
// in the way.
func (s *session) register(plan *engine.Plan, state register.State) error {
	r, err := register.Open(s.campaign.Register)
	if err != nil {
		return refuse("%w", err)
	}
	defer func() { _ = r.Close() }()
	if _, err := checkRegister(r, plan.Run, plan.Campaign, plan.Service, plan.Earlier, plan.SendAgain != ""); err != nil {
		return err
	}
	if entry, ok := r.Run(plan.RunID); ok && entry.State == state && entry.Folder == s.folder.path {
		return nil
	}
	for _, e := range plan.Earlier {
		if entry, ok := r.Run(e.RunID); ok && entry.State == register.Begun {
			entry.State, entry.Note = register.Superseded, "by "+plan.RunID
			if err := r.Record(entry); err != nil {
				return refuse("%w", err)
			}
		}
	}
	err = r.Record(register.Entry{
		RunID: plan.RunID, Campaign: plan.Campaign, Service: plan.Service, CohortSHA256: plan.Cohort.SHA256,
		Folder: s.folder.path, State: state, Note: plan.SendAgain,
	})
	if err != nil {
		return refuse("%w", err)
	}
	return nil
}

// conclude writes the report, prints the account, and says how the run ended.
func (s *session) conclude(plan *engine.Plan, spool *shard.Spool, summary engine.Summary, err error) error {
	if stopped := (*engine.Stopped)(nil); err != nil && !errors.As(err, &stopped) {
		return err
	}
	reported := writeReport(s.folder.path, s.folder.file(reportFile), plan, spool)
	printAccount(s.stdout, plan, summary.Account)
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
		if stopped := (*engine.Stopped)(nil); errors.As(err, &stopped) && stopped.Halt {
			s.onHalt(stopped)
		}
		return s.stopped(err)
	}
	if reported != nil {
		return s.stopped(fmt.Errorf("everything is sent and recorded, but the report could not be written: %w", reported))
	}
	if summary.Account.Fates[person.InDoubt] > 0 {
		return &ended{fmt.Errorf("%d messages are in doubt and no replay can settle them: they may have been accepted, and must not be sent again unless a person decides so", summary.Account.Fates[person.InDoubt]),
			exitInDoubt, s.goOn()}
	}
	if err := s.register(plan, register.Finished); err != nil {
		s.log.Warn("the register could not be told that the run is finished", "problem", err.Error())
	}
	return nil
}

func (s *session) stopped(err error) error { return &ended{err, exitStopped, s.goOn()} }

func (s *session) goOn() string { return "cohort resume " + shellWord(s.folder.path) }

// openSpool opens the spool that a plan was made from.
func openSpool(path string, plan *engine.Plan, verify bool) (*shard.Spool, error) {
	spool, err := shard.Open(path)
	if err != nil {
		return nil, damaged(err)
	}
	if fmt.Sprintf("%x", spool.Digest) != plan.Spool {
		err = fmt.Errorf("%s is not the spool that the plan was made from", path)
	} else if verify {
		err = spool.Manifest.Verify(path)
	}
	if err != nil {
		_ = spool.Close()
		return nil, damaged(err)
	}
	return spool, nil
}

func damaged(err error) error {
	return refuse("the run's folder is damaged: %w; restore it from a copy before anything is sent", err)
}
