package run

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"slices"
	"time"

	"cohort/cmd/internal/earlier"
	"cohort/cmd/internal/intake"
	"cohort/cmd/internal/terminal"
	"cohort/engine"
	"cohort/engine/campaign"
	"cohort/engine/dispatch"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/refusal"
	"cohort/engine/register"
	"cohort/engine/runfolder"
	"cohort/ingest"
	"cohort/shard"
	"cohort/sinks"
	"cohort/sinks/apim"
)

// session is one start of a run, from the call to the account.
//
//	identify ─▶ hold the folder ─▶ prepare (once) ─▶ open ─▶ check the service ─▶ register ─▶ engine.Run ─▶ report
type Runner struct {
	Call       runfolder.Call
	RunFolder  string // chosen with --run; empty: under runs
	Runs       string
	OneWindow  bool
	SendAgain  string // the reason that a resume was given for sending again
	Settle     bool   // replay what is in doubt, and send nothing else
	OneApp     bool   // a person says that every API key of the run belongs to one application
	beganAgain bool   // the run was begun before, and its folder is lost
	Network    bool   // the folder may be on a network filesystem
	resumed    bool   // there is a folder to go on from, and no plan in it
	stdin      io.Reader
	Stdout     io.Writer
	stderr     io.Writer
	attended   bool // a person at a terminal sees what is said

	Campaign     *campaign.Campaign
	CampaignText []byte
	Frozen       []campaign.Setting // as the campaign file has them
	Service      string
	cohort       plan.Cohort
	in           intake.Input
	piped        *intake.Stdin  // standard input, when that is the cohort; else nil
	reader       *ingest.Reader // of the cohort
	digest       [32]byte
	Id           engine.RunID
	fields       []string
	Folder       *runfolder.Folder
	Sink         sinks.Service
	Tokens       *apim.Tokens
	close        []func() // what ends with the session
	Words        []string // the call, for the case that nothing can be resumed yet
	Log          *slog.Logger
	screen       *terminal.Screen
	consented    bool              // a person has had the people of more runs sent to again
	compared     *earlier.Overlaps // with the runs of other campaigns; nil: not yet

	noted      uint64 // requests and revisions together, as the register was told last
	notedAt    time.Time
	noteFailed bool
}

// send starts a run from its campaign and cohort files, or goes on with it.
func (s *Runner) Send(ctx context.Context) error {
	text, err := os.ReadFile(s.Call.Campaign)
	if err != nil {
		return refusal.New("campaign_unreadable", "cause", err)
	}
	if s.Campaign, err = campaign.Parse(text, s.Call.Campaign); err != nil {
		return refusal.New("campaign_invalid", "cause", err)
	}
	s.CampaignText, s.Frozen = text, s.Campaign.Frozen()
	if s.Campaign.File != nil && s.Call.Simulate {
		return refusal.New("files_need_no_simulator")
	}
	if err := intake.CanAlert(s.Campaign); err != nil {
		return err
	}
	s.sweep()
	defer func() { s.piped.Drop() }()
	if err := s.identify(ctx); err != nil {
		return err
	}
	at, err := s.locate()
	if err != nil {
		return err
	}
	if s.Folder, err = runfolder.Hold(at.folder, "send", s.Network, s.Log); err != nil {
		return err
	}
	defer s.Folder.Release()
	defer s.End()
	s.beganAgain = at.again
	planned, err := plan.Open(at.folder)
	if errors.Is(err, plan.ErrNone) {
		return s.begin(ctx, at.others)
	}
	if err != nil {
		return runfolder.Damaged(err)
	}
	defer func() { _ = planned.Close() }()
	if planned.Run != s.Id {
		if changed := runfolder.PlanChanged(s.Folder.Path, planned); changed != nil {
			return changed
		}
		return refusal.New("folder_of_another_run", "folder", at.folder, "held_run", planned.Run.Short(), "run", s.Id.Short())
	}
	again, err := s.planAgain(planned, at)
	if err != nil {
		return err
	}
	if again {
		return s.begin(ctx, at.others)
	}
	return s.resume(ctx, planned)
}

// planAgain says whether a plan from which nothing was ever sent is to be made again,
// since the call or the campaign has changed; if so it takes the old one away.
func (s *Runner) planAgain(planned *plan.Plan, at place) (bool, error) {
	ledger, err := ledger.Read(at.folder, planned)
	if err != nil {
		return false, runfolder.Unsound(at.folder, err)
	}
	if at.begun && !at.again || ledger.Attempts > 0 || !ledger.Recovered.IsZero() {
		if s.Call.SendAgain != "" && planned.SendAgain == "" {
			return false, refusal.New("send_again_too_late")
		}
		if s.Call.RestOf != "" && s.Call.RestOf != planned.RestOf {
			return false, refusal.New("rest_of_too_late", "campaign", s.Call.RestOf)
		}
		return false, nil
	}
	missing := slices.ContainsFunc(at.others, func(other register.Entry) bool {
		return !slices.ContainsFunc(planned.Earlier, func(e plan.EarlierRun) bool { return e.RunID == other.RunID })
	})
	if campaign.Compare(planned.Frozen, s.Frozen) == nil && s.Call.SendAgain == planned.SendAgain && s.Call.RestOf == planned.RestOf && !(missing && s.Call.NewCohort) {
		return false, nil
	}
	if err := s.isLatest(planned, ledger); err != nil {
		return false, err
	}
	s.Log.Info("nothing was sent by the plan that is there, and the call or the campaign has changed: it is made again")
	for _, name := range []string{"revisions", "log", "plan.json"} { // a log without a plan would look like a loss
		if err := os.RemoveAll(s.Folder.File(name)); err != nil {
			return false, refusal.New("plan_not_made_again", "cause", err)
		}
	}
	return true, nil
}

// begin prepares a run that has no plan yet, and sends it.
func (s *Runner) begin(ctx context.Context, others []register.Entry) error {
	plan, err := s.prepare(ctx, others)
	if stopped := (*dispatch.Stopped)(nil); errors.As(err, &stopped) {
		return s.stopped(err)
	}
	if err != nil {
		s.piped.Drop()
		s.Folder.Discard()
		return err
	}
	defer func() { _ = plan.Close() }()
	if plan.NeverAgain {
		if err := s.NoteWitness(plan, ""); err != nil {
			return err
		}
	}
	return s.dispatchRun(ctx, plan)
}

// prepare reads the cohort file into the run's folder and seals the plan.
func (s *Runner) prepare(ctx context.Context, others []register.Entry) (*plan.Plan, error) {
	if _, err := os.Stat(s.Folder.File("log")); err == nil {
		return nil, refusal.New("plan_lost", "folder", s.Folder.Path)
	}
	if err := s.fixReports(); err != nil {
		return nil, err
	}
	if err := s.Folder.Remember(s.Call, s.CampaignText); err != nil {
		return nil, err
	}
	if err := s.keep(ctx); err != nil {
		return nil, err
	}
	if err := s.Connect(); err != nil {
		return nil, err
	}
	if err := s.notElsewhere(ctx); err != nil {
		return nil, err
	}
	rest, err := s.restOf(ctx)
	if err != nil {
		return nil, err
	}
	earlier, err := earlier.Hold(slices.Concat(others, rest), s.Call.SendAgain != "")
	if err != nil {
		return nil, err
	}
	defer earlier.Release()
	if s.beganAgain || s.Call.NewCohort || s.Call.RestOf != "" {
		// The reason given is for the folders that are lost, or for the people of other
		// campaigns. People reached by the runs that can be read stay left out.
		earlier.Everybody = false
	}
	if len(earlier.Named()) > 0 {
		if earlier.Others, err = s.linksOfOthers(); err != nil {
			return nil, err
		}
		// Earlier runs are closed for good when the plan is sealed. So what would refuse the
		// send is better known before.
		if err := earlier.Settled(ClockOf(ctx)(), s.Call.SendAgain != ""); err != nil {
			return nil, err
		}
		if err := earlier.Joined(); err != nil {
			return nil, err
		}
		if err := s.reachable(ctx); err != nil {
			return nil, refusal.New("service_not_ready", "cause", err)
		}
	}
	p := &intake.Preparation{
		Folder: s.Folder, Campaign: s.Campaign, Frozen: s.Frozen, Cohort: s.cohort, Digest: s.digest, Run: s.Id, Service: s.Service,
		Fields: s.fields, Reader: s.reader, App: s.in.App, Paths: s.Call.Cohort, Rehearsal: s.Call.Simulate, Screen: s.screen, Sink: s.Sink, Earlier: earlier, Lists: s.Lists(), RestOf: s.Call.RestOf, SendAgain: s.Call.SendAgain, BeganAgain: s.beganAgain, Log: s.Log,
	}
	p.Overlap = func(ctx context.Context, spool *shard.Spool) error {
		return s.overlap(ctx, spool, earlier.Named(), s.Call.SendAgain != "", nil)
	}
	if err := p.Prepare(ctx); err != nil {
		return nil, err
	}
	return runfolder.Plan(s.Folder.Path)
}

// resume goes on with a run that has a plan.
func (s *Runner) resume(ctx context.Context, plan *plan.Plan) error {
	if err := campaign.Compare(plan.Frozen, s.Frozen); err != nil {
		if changed := runfolder.PlanChanged(s.Folder.Path, plan); changed != nil {
			return changed
		}
		return refusal.New("setting_changed_since_plan", "cause", err, "new_name", register.NewCampaignName(register.Entry{RunID: plan.RunID, Folder: s.Folder.Path}))
	}
	if err := intake.BroughtPersonalisation(s.Campaign, s.Folder); err != nil {
		return err
	}
	if s.Campaign.Reach != nil {
		intake.Today(s.Campaign, s.Log) // takes away what is older
	}
	if err := s.adopt(s.Folder.Path); err != nil {
		return err
	}
	// Where a run goes is the plan's to say, and nobody else's.
	s.Call.RunID, s.Call.Simulate = plan.RunID, plan.Service == s.Campaign.ServiceID(true)
	if plan.Service != s.Campaign.ServiceID(s.Call.Simulate) {
		if changed := runfolder.PlanChanged(s.Folder.Path, plan); changed != nil {
			return changed
		}
		return refusal.New("service_changed", "planned", plan.Service, "service", s.Campaign.ServiceID(false))
	}
	if was, err := runfolder.ReadCall(s.Folder.Path); err == nil {
		s.Call.Consented = was.Consented
	}
	if err := s.Folder.Remember(s.Call, s.CampaignText); err != nil {
		return err
	}
	if err := s.Connect(); err != nil {
		return err
	}
	return s.dispatchRun(ctx, plan)
}

// connect makes the sink, with the simulator in this process when it is called for.
func (s *Runner) Connect() (err error) {
	if s.fields, err = sinks.FieldsOf(s.Campaign); err != nil {
		return err
	}
	if s.Call.Simulate {
		stop, err := sinks.Embed(s.Campaign)
		if err != nil {
			return err
		}
		s.close = append(s.close, stop)
	}
	s.Sink, s.Tokens, err = sinks.Open(s.Campaign, s.fields)
	if f, writes := s.Sink.(sinks.Files); writes {
		s.Sink = f.In(s.Folder.File(runfolder.FilesFolder))
	}
	return err
}

// end lets go of what the session has opened.
func (s *Runner) End() {
	for _, stop := range s.close {
		stop()
	}
}

// lists are the campaign's suppression lists as they are named now.
func (s *Runner) Lists() *intake.Lists { return &intake.Lists{Of: s.Campaign.Suppress, Log: s.Log} }

// again is the call itself, for when nothing can be resumed yet.
func (s *Runner) again() string { return refusal.Command(s.Words...) }
