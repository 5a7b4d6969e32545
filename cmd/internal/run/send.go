package run

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"

	"cohort/cmd/internal/earlier"
	"cohort/cmd/internal/intake"
	"cohort/cmd/internal/terminal"
	"cohort/engine"
	"cohort/engine/campaign"
	"cohort/engine/dispatch"
	"cohort/engine/event"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/reach"
	"cohort/engine/refusal"
	"cohort/engine/runfolder"
	"cohort/shard"
)

// send is one call of send, up to the sealed plan.
//
//	identify ─▶ locate ─▶ hold the folder ─▶ prepare (once) ─▶ start
type send struct {
	run     *Runner
	options Options
	resumed bool // there is a folder without a plan to go on from
	reading *intake.Reading
	at      place
}

// Send starts a run from its campaign and cohort files, or goes on with it.
func (r *Runner) Send(ctx context.Context, o Options) error {
	r.goOnAs(o)
	return (&send{run: r, options: o}).do(ctx)
}

func (s *send) do(ctx context.Context) error {
	r := s.run
	text, err := os.ReadFile(r.Call.Campaign)
	if err != nil {
		return refusal.New("campaign_unreadable", "cause", err)
	}
	if r.Campaign, err = campaign.Parse(text, r.Call.Campaign); err != nil {
		return refusal.New("campaign_invalid", "cause", err)
	}
	r.CampaignText, r.Frozen = text, r.Campaign.Frozen()
	if r.Campaign.File != nil && r.Call.Simulate {
		return refusal.New("files_need_no_simulator")
	}
	if err := intake.CanAlert(r.Campaign); err != nil {
		return err
	}
	r.sweep()
	s.reading = intake.NewReading(r.Campaign, r.screen, r.Call.Cohort)
	if r.followUp != nil {
		r.followUp.ready(s.reading)
	}
	defer func() { s.reading.Copy.Drop() }()
	if err := s.identify(ctx); err != nil {
		return err
	}
	if s.at, err = r.locate(); err != nil {
		return err
	}
	if r.followUp != nil {
		if err := r.followUp.note(r.Id, s.at.folder); err != nil {
			return err
		}
	}
	if r.Folder, err = runfolder.Hold(s.at.folder, "send", r.Network, r.Log); err != nil {
		return err
	}
	defer r.Folder.Release()
	defer r.End()
	planned, err := plan.Open(s.at.folder)
	if errors.Is(err, plan.ErrNone) {
		return s.begin(ctx)
	}
	if err != nil {
		return runfolder.Damaged(err)
	}
	defer func() { _ = planned.Close() }()
	if planned.Run != r.Id {
		if changed := runfolder.PlanChanged(r.Folder.Path, planned); changed != nil {
			return changed
		}
		return refusal.New("folder_of_another_run", "folder", s.at.folder, "held_run", planned.Run.Short(), "run", r.Id.Short())
	}
	log, err := runfolder.Fold(s.at.folder, planned)
	if err != nil {
		return err
	}
	again, err := s.planAgain(planned, log.Ledger)
	if err != nil {
		return err
	}
	if again {
		return s.begin(ctx)
	}
	return (&start{run: r, options: s.options, plan: planned, log: log, copy: s.reading.Copy}).resume(ctx)
}

// identify reads the cohort once, to compute the run's id.
func (s *send) identify(ctx context.Context) error {
	r := s.run
	err := s.open(ctx)
	if ctx.Err() != nil {
		code := "stopped_before_sending"
		if s.reading.Copy != nil {
			code = "stopped_reading_stdin"
		}
		return &refusal.Ended{Err: refusal.New(code), Code: refusal.ExitStopped, Next: s.options.again()}
	}
	if err != nil {
		return err
	}
	cohort := s.reading.Cohort
	if want := r.Campaign.Cohort.Expect.SHA256; want != "" && want != cohort.SHA256 {
		return refusal.New("cohort_not_expected", "sha256", cohort.SHA256)
	}
	r.Service = r.Campaign.ServiceID(r.Call.Simulate)
	r.Id = engine.NewRunID(r.Campaign.Name, s.reading.Digest, r.Service)
	r.chain = r.Id.String()
	if f := r.followUp; f != nil {
		r.Id, r.chain = engine.NewFollowUpID(f.of.Root, f.of.Rule, r.Id), f.of.Root
	}
	event.SetRun(r.Log, r.Id.Short())
	if s.resumed && r.Call.RunID != r.Id.String() {
		return refusal.New("run_identity_changed", "folder", r.RunFolder, "run", r.Call.RunID, "command", r.sendCommand())
	}
	r.Call.RunID = r.Id.String()
	return nil
}

// open opens the cohort and computes its digest.
func (s *send) open(ctx context.Context) error {
	if runfolder.FromStdin(s.run.Call.Cohort) {
		if err := s.receive(ctx); err != nil {
			return err
		}
	}
	if err := s.reading.Open(ctx); err != nil {
		return err
	}
	return s.reading.Identify(ctx)
}

// receive copies standard input to where the run's folder will be. A run that was stopped before it
// had a plan has the copy already.
func (s *send) receive(ctx context.Context) error {
	r := s.run
	if s.resumed {
		path := filepath.Join(r.RunFolder, runfolder.StdinFile)
		if _, err := os.Stat(path); err != nil {
			return refusal.New("stdin_copy_gone", "folder", r.RunFolder, "command", r.sendCommand())
		}
		s.reading.Paths, s.reading.Stdin = []string{path}, true
		return nil
	}
	dir := r.Runs
	if r.RunFolder != "" {
		// The folder may be a filesystem of its own, so the copy is made in it if it exists.
		dir = filepath.Dir(r.RunFolder)
		if _, err := os.Stat(r.RunFolder); err == nil {
			if err := runfolder.CheckFolder(r.RunFolder); err != nil {
				return err
			}
			dir = r.RunFolder
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return refusal.New("stdin_not_saved", "cause", err)
	}
	terminal.PartWith(ctx, s.options.again())
	in := r.stdin
	if r.followUp != nil {
		in = r.followUp.people
	}
	return s.reading.TakeStdin(ctx, dir, in, "send")
}

// keep moves the copy of standard input into the run's folder. A run that is stopped without a plan
// goes on from there.
func (s *send) keep(ctx context.Context) error {
	if s.reading.Copy == nil {
		return nil
	}
	path := s.run.Folder.File(runfolder.StdinFile)
	if err := s.reading.Copy.MoveTo(path); err != nil {
		return refusal.New("stdin_copy_not_moved", "cause", err)
	}
	terminal.PartWith(ctx, s.goOn())
	s.reading.Paths = []string{path}
	err := s.reading.Open(ctx)
	if ctx.Err() != nil {
		return &dispatch.Stopped{Code: "signal", Why: "stopped while preparing; nothing was sent"}
	}
	return err
}

// goOn is the command that goes on while there is no plan.
func (s *send) goOn() string {
	if s.run.followUp != nil {
		return s.options.again() // by then other people may be due
	}
	return s.run.GoOn()
}

// sendCommand is the send that the run's folder remembers.
func (r *Runner) sendCommand() string {
	words := append([]string{"send", "-c", r.Call.Campaign}, append(r.Call.Cohort, "--run="+r.RunFolder)...)
	if r.Call.Simulate {
		words = append(words, "--simulate")
	}
	if r.Call.NewCohort {
		words = append(words, "--new-cohort")
	}
	if r.Call.RestOf != "" {
		words = append(words, "--rest-of="+r.Call.RestOf)
	}
	if r.Call.SendAgain != "" {
		words = append(words, "--send-again="+r.Call.SendAgain)
	}
	return refusal.Command(words...)
}

// prepare reads the cohort into the run's folder and seals the plan, which next starts.
func (s *send) prepare(ctx context.Context, next *start) error {
	r := s.run
	if _, err := os.Stat(r.Folder.File(ledger.LogFolder)); err == nil {
		return refusal.New("plan_lost", "folder", r.Folder.Path)
	}
	if err := s.fixReach(); err != nil {
		return err
	}
	defer s.reading.App.Close()
	if err := r.Folder.Remember(r.Call, r.CampaignText); err != nil {
		return err
	}
	if err := s.keep(ctx); err != nil {
		return err
	}
	if err := r.Connect(); err != nil {
		return err
	}
	if err := r.notElsewhere(ctx); err != nil {
		return err
	}
	before, err := s.holdEarlier(ctx)
	if err != nil {
		return err
	}
	defer before.Release()
	s.reading.Earlier = before
	names := r.Id.References()
	if s.at.older { // a service knows a batch or a message again by its reference
		names = r.Id.OlderReferences()
	}
	p := &intake.Preparation{
		Reading: s.reading, Folder: r.Folder, References: names, Sink: r.Sink, Rehearsal: r.Call.Simulate,
		Header: plan.Header{Service: r.Service, Frozen: r.Frozen, RestOf: r.Call.RestOf, SendAgain: r.Call.SendAgain, BeganAgain: s.at.again, OlderNames: s.at.older, FollowUp: r.followUp.header()},
		Compare: func(ctx context.Context, spool *shard.Spool) error {
			return next.compare(ctx, spool, before.Named(), r.Call.SendAgain != "", nil)
		},
	}
	if err := p.Prepare(ctx); err != nil {
		return err
	}
	next.spool = p.Spool
	next.plan, err = runfolder.Plan(r.Folder.Path)
	return err
}

// holdEarlier holds the runs that the plan must take into account. Sealing the plan closes them for
// good, so it checks first what would refuse the send.
func (s *send) holdEarlier(ctx context.Context) (_ *earlier.Runs, err error) {
	r := s.run
	rest, err := r.restOf(ctx)
	if err != nil {
		return nil, err
	}
	reg, err := r.lookInRegister()
	if err != nil {
		return nil, err
	}
	before, err := earlier.Hold(withFollowUps(reg, slices.Concat(s.at.others, rest)), r.Call.SendAgain != "")
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			before.Release()
		}
	}()
	if of, people := before.Unsent(rest); r.followUp != nil && people > 0 {
		return nil, refusal.New("followup_would_close", "run", of.RunID, "campaign", of.Campaign, "folder", of.Folder,
			"people", people, "command", refusal.Command("resume", of.Folder))
	}
	if s.at.again || r.Call.NewCohort || r.Call.RestOf != "" {
		// The reason given is for lost folders or for people of other campaigns. People reached by
		// readable runs stay excluded.
		before.Everybody = false
	}
	if len(before.Named()) == 0 {
		return before, nil
	}
	if before.Others, err = r.linksOfOthers(); err != nil {
		return nil, err
	}
	if err := before.Closable(ClockOf(ctx)(), r.Call.SendAgain != ""); err != nil {
		return nil, err
	}
	if err := r.reachable(ctx); err != nil {
		return nil, notReady(err)
	}
	return before, nil
}

// fixReach saves who has the NHS App before the run is prepared. A preparation that was killed and
// is made again uses the same reports.
func (s *send) fixReach() error {
	r := s.run
	if r.Campaign.Reach == nil {
		return nil
	}
	path := r.Folder.File(runfolder.UsersFile)
	if was, err := runfolder.ReadCall(r.Folder.Path); err == nil && was.Reach != "" {
		if x, err := reach.OpenFixed(path); err == nil && x.Digest == was.Reach {
			r.Log.Info("who has the NHS App is known from the preparation that was stopped", event.AppUsers, "as_of", x.Day)
			s.reading.App.Reports, r.Call.Reach = x, x.Digest
			return nil
		}
	}
	day := intake.Today(r.Campaign, r.Log)
	err := s.reading.FixReach(day, path)
	switch {
	case errors.Is(err, reach.ErrNone) && r.Call.Simulate:
		r.Log.Warn("who has the NHS App was not fetched today; in this rehearsal nobody knows it of anybody", event.AppUsers, "fetch_it_with", intake.ReachCommand(r.Campaign, r.Call.Cohort))
		return nil
	case errors.Is(err, reach.ErrNone):
		return refusal.New("reach_not_fetched", "problem", intake.Unfetched(day, r.Campaign, r.Call.Cohort))
	case err != nil:
		return refusal.New("reach_not_saved", "cause", err)
	}
	r.Call.Reach = s.reading.App.Reports.Digest
	return nil
}
