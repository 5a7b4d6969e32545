package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"slices"
	"time"

	"cohort/engine"
	"cohort/engine/campaign"
	"cohort/engine/dispatch"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/register"
	"cohort/ingest"
	"cohort/shard"
	"cohort/sinks/apim"
)

// session is one start of a run, from the call to the account.
//
//	identify ─▶ hold the folder ─▶ prepare (once) ─▶ open ─▶ check the service ─▶ register ─▶ engine.Run ─▶ report
type session struct {
	call       call
	runFolder  string // chosen with --run; empty: under runs
	runs       string
	oneWindow  bool
	sendAgain  string // the reason that a resume was given for sending again
	settle     bool   // replay what is in doubt, and send nothing else
	beganAgain bool   // the run was begun before, and its folder is lost
	network    bool   // the folder may be on a network filesystem
	resumed    bool   // there is a folder to go on from, and no plan in it
	stdin      io.Reader
	stdout     io.Writer
	stderr     io.Writer
	attended   bool // a person at a terminal sees what is said

	campaign     *campaign.Campaign
	campaignText []byte
	frozen       []campaign.Setting // as the campaign file has them
	service      string
	cohort       plan.Cohort
	in           input
	piped        *piped         // standard input, when that is the cohort; else nil
	reader       *ingest.Reader // of the cohort
	digest       [32]byte
	id           engine.RunID
	fields       []string
	folder       *folder
	sink         service
	tokens       *apim.Tokens
	close        []func() // what ends with the session
	words        []string // the call, for the case that nothing can be resumed yet
	log          *slog.Logger
	screen       *screen
	consented    bool      // a person has had the people of more runs sent to again
	compared     *overlaps // with the runs of other campaigns; nil: not yet

	noted      uint64 // requests and revisions together, as the register was told last
	notedAt    time.Time
	noteFailed bool
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
	s.campaignText, s.frozen = text, s.campaign.Frozen()
	if s.campaign.File != nil && s.call.Simulate {
		return refuse("a campaign that writes files needs no simulator: nothing leaves this machine by itself; send --dry-run shows what would be written")
	}
	if err := canAlert(s.campaign); err != nil {
		return err
	}
	s.sweep()
	defer func() { s.piped.drop() }()
	if err := s.identify(ctx); err != nil {
		return err
	}
	at, err := s.locate()
	if err != nil {
		return err
	}
	if s.folder, err = holdFolder(at.folder, "send", s.network, s.log); err != nil {
		return err
	}
	defer s.folder.release()
	defer s.end()
	s.beganAgain = at.again
	planned, err := plan.Open(at.folder)
	if errors.Is(err, plan.ErrNone) {
		return s.begin(ctx, at.others)
	}
	if err != nil {
		return damaged(err)
	}
	defer func() { _ = planned.Close() }()
	if planned.Run != s.id {
		if changed := planChanged(s.folder.path, planned); changed != nil {
			return changed
		}
		return refuse("%s holds run %s and this would be run %s; choose another folder with --run", at.folder, planned.Run.Short(), s.id.Short())
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
func (s *session) planAgain(planned *plan.Plan, at place) (bool, error) {
	ledger, err := ledger.Read(at.folder, planned)
	if err != nil {
		return false, unsound(at.folder, err)
	}
	if at.begun && !at.again || ledger.Facts().Attempts > 0 || !ledger.Facts().Recovered.IsZero() {
		if s.call.SendAgain != "" && planned.SendAgain == "" {
			return false, refuse("--send-again has no effect here: the run has begun without it")
		}
		if s.call.RestOf != "" && s.call.RestOf != planned.RestOf {
			return false, refuse("--rest-of %s has no effect here: the run has begun without it", s.call.RestOf)
		}
		return false, nil
	}
	missing := slices.ContainsFunc(at.others, func(other register.Entry) bool {
		return !slices.ContainsFunc(planned.Earlier, func(e plan.EarlierRun) bool { return e.RunID == other.RunID })
	})
	if campaign.Compare(planned.Frozen, s.frozen) == nil && s.call.SendAgain == planned.SendAgain && s.call.RestOf == planned.RestOf && !(missing && s.call.NewCohort) {
		return false, nil
	}
	if err := s.isLatest(planned, ledger); err != nil {
		return false, err
	}
	s.log.Info("nothing was sent by the plan that is there, and the call or the campaign has changed: it is made again")
	for _, name := range []string{"revisions", "log", "plan.json"} { // a log without a plan would look like a loss
		if err := os.RemoveAll(s.folder.file(name)); err != nil {
			return false, refuse("the plan cannot be made again: %w", err)
		}
	}
	return true, nil
}

// begin prepares a run that has no plan yet, and sends it.
func (s *session) begin(ctx context.Context, others []register.Entry) error {
	plan, err := s.prepare(ctx, others)
	if stopped := (*dispatch.Stopped)(nil); errors.As(err, &stopped) {
		return s.stopped(err)
	}
	if err != nil {
		s.piped.drop()
		s.folder.discard()
		return err
	}
	defer func() { _ = plan.Close() }()
	if plan.Kind() == engine.CanBeAsked {
		if err := s.noteWitness(plan, ""); err != nil {
			return err
		}
	}
	return s.dispatch(ctx, plan)
}

// prepare reads the cohort file into the run's folder and seals the plan.
func (s *session) prepare(ctx context.Context, others []register.Entry) (*plan.Plan, error) {
	if _, err := os.Stat(s.folder.file("log")); err == nil {
		return nil, refuse("%s holds a progress log and no plan: part of the folder is lost; restore it before anything is sent", s.folder.path)
	}
	if err := s.fixReports(); err != nil {
		return nil, err
	}
	if err := s.folder.remember(s.call, s.campaignText); err != nil {
		return nil, err
	}
	if err := s.keep(ctx); err != nil {
		return nil, err
	}
	if err := s.connect(); err != nil {
		return nil, err
	}
	if err := s.notElsewhere(ctx); err != nil {
		return nil, err
	}
	rest, err := s.restOf(ctx)
	if err != nil {
		return nil, err
	}
	earlier, err := holdEarlier(slices.Concat(others, rest), s.call.SendAgain != "")
	if err != nil {
		return nil, err
	}
	defer earlier.release()
	if s.beganAgain || s.call.NewCohort || s.call.RestOf != "" {
		// The reason given is for the folders that are lost, or for the people of other
		// campaigns. People reached by the runs that can be read stay left out.
		earlier.everybody = false
	}
	if len(earlier.named()) > 0 {
		if earlier.others, err = s.linksOfOthers(); err != nil {
			return nil, err
		}
		// Earlier runs are closed for good when the plan is sealed. So what would refuse the
		// send is better known before.
		if err := earlier.settled(); err != nil {
			return nil, err
		}
		if err := earlier.joined(); err != nil {
			return nil, err
		}
		if err := s.reachable(ctx); err != nil {
			return nil, refuse("%w; nothing was sent", err)
		}
	}
	p := &preparation{
		folder: s.folder, campaign: s.campaign, frozen: s.frozen, cohort: s.cohort, digest: s.digest, run: s.id, service: s.service,
		fields: s.fields, reader: s.reader, app: s.in.app, paths: s.call.Cohort, rehearsal: s.call.Simulate, screen: s.screen, sink: s.sink, earlier: earlier, lists: s.lists(), restOf: s.call.RestOf, sendAgain: s.call.SendAgain, beganAgain: s.beganAgain, log: s.log,
	}
	p.overlap = func(ctx context.Context, spool *shard.Spool) error {
		return s.overlap(ctx, spool, earlier.named(), s.call.SendAgain != "", nil)
	}
	if err := p.prepare(ctx); err != nil {
		return nil, err
	}
	return planned(s.folder.path)
}

// resume goes on with a run that has a plan.
func (s *session) resume(ctx context.Context, plan *plan.Plan) error {
	if err := campaign.Compare(plan.Frozen, s.frozen); err != nil {
		if changed := planChanged(s.folder.path, plan); changed != nil {
			return changed
		}
		return refuse("%w; %s", err, newName(register.Entry{RunID: plan.RunID, Folder: s.folder.path}))
	}
	if err := broughtPersonalisation(s.campaign, s.folder); err != nil {
		return err
	}
	if s.campaign.Reach != nil {
		today(s.campaign, s.log) // takes away what is older
	}
	if err := s.adopt(s.folder.path); err != nil {
		return err
	}
	// Where a run goes is the plan's to say, and nobody else's.
	s.call.RunID, s.call.Simulate = plan.RunID, plan.Service == s.campaign.ServiceID(true)
	if plan.Service != s.campaign.ServiceID(s.call.Simulate) {
		if changed := planChanged(s.folder.path, plan); changed != nil {
			return changed
		}
		return refuse("the plan is for %s and the campaign file for %s", plan.Service, s.campaign.ServiceID(false))
	}
	if was, err := readCall(s.folder.path); err == nil {
		s.call.Consented = was.Consented
	}
	if err := s.folder.remember(s.call, s.campaignText); err != nil {
		return err
	}
	if err := s.connect(); err != nil {
		return err
	}
	return s.dispatch(ctx, plan)
}

// connect makes the sink, with the simulator in this process when it is called for.
func (s *session) connect() (err error) {
	if s.fields, err = fieldsOf(s.campaign); err != nil {
		return err
	}
	if s.call.Simulate {
		stop, err := embed(s.campaign)
		if err != nil {
			return err
		}
		s.close = append(s.close, stop)
	}
	s.sink, s.tokens, err = openSink(s.campaign, s.fields)
	if f, writes := s.sink.(files); writes {
		s.sink = f.in(s.folder.file(filesFolder))
	}
	return err
}

// end lets go of what the session has opened.
func (s *session) end() {
	for _, stop := range s.close {
		stop()
	}
}

// lists are the campaign's suppression lists as they are named now.
func (s *session) lists() *lists { return &lists{of: s.campaign.Suppress, log: s.log} }

// again is the call itself, for when nothing can be resumed yet.
func (s *session) again() string { return command(s.words...) }
