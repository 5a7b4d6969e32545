package run

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"cohort/cmd/internal/cohortspool"
	"cohort/cmd/internal/earlier"
	"cohort/cmd/internal/followup"
	"cohort/cmd/internal/intake"
	"cohort/engine/campaign"
	"cohort/engine/disk"
	"cohort/engine/dispatch"
	"cohort/engine/event"
	"cohort/engine/facts"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/refusal"
	"cohort/engine/register"
	"cohort/engine/runfolder"
	"cohort/ingest/person"
	"cohort/shard"
	"cohort/sinks/apim"
)

// start is one start of a run that has a plan.
//
//	read the log ─▶ admit ─▶ compare ─▶ check the service ─▶ lists ─▶ open the log ─▶ register ─▶ dispatch.Run ─▶ conclude
//
// When the API key is replaced in mid-run, the same process starts again from reading the log.
type start struct {
	run      *Runner
	options  Options
	copy     *intake.Stdin // of standard input; may be nil
	plan     *plan.Plan
	log      *ledger.Folded     // the log as this process found it; nil: not read yet
	ledger   *ledger.Ledger     // of log
	found    register.Facts     // of log, as this process found it
	spool    *shard.Spool       // as this process prepared it; nil: not open yet
	heard    *facts.Heard       // nil: it cannot be read
	key      string             // fingerprint of the API key
	compared *register.Overlaps // with the runs of other campaigns; nil: not compared yet
	consents bool               // Call.Consented has changed

	ended atomic.Value // the state after the end of dispatch, for metrics

	noted      uint64 // requests and revisions together, as last noted
	notedAt    time.Time
	noteFailed bool
}

// resume goes on with a run that has a plan.
func (s *start) resume(ctx context.Context) error {
	r := s.run
	if err := campaign.Compare(s.plan.Frozen, r.Frozen); err != nil {
		if changed := runfolder.PlanChanged(r.Folder.Path, s.plan); changed != nil {
			return changed
		}
		return refusal.New("setting_changed_since_plan", "cause", err, "new_name", register.NewCampaignName(register.Entry{RunID: s.plan.RunID, Folder: r.Folder.Path}))
	}
	if err := intake.BroughtPersonalisation(r.Campaign, r.Folder); err != nil {
		return err
	}
	if r.Campaign.Reach != nil {
		intake.Today(r.Campaign, r.Log) // removes older reports
	}
	if err := r.adopt(r.Folder.Path); err != nil {
		return err
	}
	// Only the plan decides where a run goes.
	r.Call.RunID, r.Call.Simulate = s.plan.RunID, s.plan.Service == r.Campaign.ServiceID(true)
	if s.plan.Service != r.Campaign.ServiceID(r.Call.Simulate) {
		if changed := runfolder.PlanChanged(r.Folder.Path, s.plan); changed != nil {
			return changed
		}
		return refusal.New("service_changed", "planned", s.plan.Service, "service", r.Campaign.ServiceID(false))
	}
	if was, err := runfolder.ReadCall(r.Folder.Path); err == nil {
		r.Call.Consented = was.Consented
	}
	if err := r.Folder.Remember(r.Call, r.CampaignText); err != nil {
		return err
	}
	if err := r.Connect(); err != nil {
		return err
	}
	return s.dispatch(ctx)
}

// dispatch sends what the plan still has to send.
func (s *start) dispatch(ctx context.Context) (err error) {
	r := s.run
	// The spool replaces the cohort's files from here on. Personal data must not be kept twice.
	s.copy.Drop()
	r.Folder.Forget()
	if s.spool == nil {
		if s.spool, err = cohortspool.Open(r.Folder.File(runfolder.SpoolFolder), s.plan); err != nil {
			return err
		}
	}
	defer func() { _ = s.spool.Close() }()
	if s.log == nil {
		if s.log, err = runfolder.Fold(r.Folder.Path, s.plan); err != nil {
			return err
		}
	}
	s.ledger, s.found = s.log.Ledger, register.FactsOf(s.log.Ledger)
	if err := s.listen(ctx); err != nil {
		return err
	}
	if s.heard != nil {
		defer func() { _ = s.heard.Close() }()
		defer r.Tidy(s.heard.Facts)
	}
	if done, err := s.nothingToDo(ctx); done {
		return err
	}
	log, lists, err := s.open(ctx)
	if ctx.Err() != nil {
		return r.stopped(&dispatch.Stopped{Code: "signal", Why: "stopped before anything was sent"})
	}
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(r.Folder.File(runfolder.ListsFolder)) }()
	summary, err := s.sendOn(ctx, log, lists)
	end := r.Conclude(ctx, s.plan, s.spool, nil, summary, err)
	s.ended.Store(endOf(summary, err, end))
	return end
}

// nothingToDo ends the start of a run if it cannot go on or has nothing left to do.
func (s *start) nothingToDo(ctx context.Context) (bool, error) {
	r, l := s.run, s.ledger
	live, held, foreign := l.Unsettled()
	named, err := s.named(l, s.spool)
	switch {
	case err != nil:
		return true, err
	case foreign > 0:
		err := refusal.New("foreign_batches", "batches", foreign)
		if !r.attended {
			r.onHalt(err)
		}
		return true, &refusal.Ended{Err: err, Code: refusal.ExitStopped, Next: refusal.Command("decide", r.Folder.Path)}
	case live > 0 || !l.Facts().Closed && held == 0 || len(named) > 0:
		return false, nil
	}
	if err := r.Contradict(s.heard, s.plan, l, false); err != nil {
		return true, err
	}
	r.Log.Info("this run is finished: nothing is sent", event.AlreadyFinished, "run", s.plan.Run.Short(), "folder", r.Folder.Path)
	summary := dispatch.Summary{
		Account: l.Account(), Routes: l.ByRoute(), Attempts: l.Facts().Attempts, Revisions: uint64(l.Facts().Revisions),
		ListedLate: l.ListedLate(), Contradicted: l.CountContradicted(), Held: held, Finished: true,
	}
	s.log, s.ledger = nil, nil // there is memory for one ledger
	return true, r.Conclude(ctx, s.plan, s.spool, nil, summary, nil)
}

// ready checks everything that may refuse the start, and reads the suppression lists.
func (s *start) ready(ctx context.Context) (dispatch.Lists, error) {
	r := s.run
	var st register.Standing
	if err := r.inRegister(func(reg *register.Register) (err error) {
		st = r.standing(reg, s.plan, s.found)
		st.Copied, err = r.copied(s.plan, s.ledger)
		return err
	}); err != nil {
		return nil, err
	}
	if err := register.Admit(st); err != nil {
		return nil, err
	}
	if f := s.plan.FollowUp; f != nil && !st.Known {
		parent, err := r.folderOf(f.Parent)
		if err == nil && !followup.HasNote(parent, s.plan.RunID) {
			err = refusal.New("followup_not_noted", "parent", parent, "run", s.plan.RunID)
		}
		if err != nil {
			return nil, err
		}
	}
	if err := s.compareRest(ctx); err != nil {
		return nil, err
	}
	if err := s.checkService(ctx); err != nil {
		return nil, err
	}
	var err error
	if s.key, err = r.Key(); err != nil {
		return nil, refusal.New("api_key_unusable", "cause", err)
	}
	st.OtherKey = s.ledger.AnyInDoubt() && s.ledger.Facts().Key != "" && s.ledger.Facts().Key != s.key && !r.Call.Simulate && !s.plan.NeverAgain && !s.options.OneApplication
	if s.ledger.Settleable() > 0 {
		st.TooOld = s.plan.Forgotten(ClockOf(ctx)())
	}
	if err := register.Admit(st); err != nil {
		return nil, err
	}
	return s.suppress(ctx)
}

// compareRest compares what is left to send with the runs of other campaigns, if the plan was sealed
// by an earlier start.
func (s *start) compareRest(ctx context.Context) error {
	left := s.ledger.Account().Fates[person.NotSent]
	if s.compared != nil || left == 0 || s.options.Settle {
		return nil
	}
	var rest *earlier.Unsent
	if s.ledger.Facts().Attempts > 0 {
		rest = &earlier.Unsent{Folder: s.run.Folder.Path, Plan: s.plan, Ledger: s.ledger, People: left, Consented: s.run.Call.Consented}
	}
	return s.compare(ctx, s.spool, s.plan.Earlier, s.options.SendAgain != "" || rest == nil && s.plan.SendAgain != "", rest)
}

// compare compares a cohort with the runs of other campaigns, and refuses a send that would repeat
// them. consented says that a person allows it.
func (s *start) compare(ctx context.Context, spool *shard.Spool, closed []plan.EarlierRun, consented bool, rest *earlier.Unsent) (err error) {
	r := s.run
	dir := r.Folder.File(runfolder.ListsFolder)
	if err := errors.Join(os.RemoveAll(dir), disk.MakeFolder(dir)); err != nil {
		return refusal.New("no_room_to_compare", "cause", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if s.compared, err = earlier.Compare(ctx, r.Campaign, r.chain, spool, dir, closed, rest); err != nil {
		return err
	}
	s.compared.FollowUp = r.chain != r.Id.String()
	if _, begun := s.compared.Register.Run(r.Id.String()); begun {
		s.compared.Begun = r.Folder.Path
	}
	for _, run := range s.compared.Found {
		r.Log.Info(s.compared.Words(run), event.OtherCampaign)
	}
	st := register.Standing{SameWords: s.compared}
	repeats := register.Admit(st)
	if repeats == nil {
		return nil
	}
	if st.Consented = consented; consented {
		for _, run := range s.compared.Repeated() {
			r.Call.Consented, s.consents = append(r.Call.Consented, run.RunID), true
		}
		r.Log.Warn("people get the same words with the same values again, as --send-again says", event.SameWordsAgain, "people", s.compared.Again)
	} else if st.Rehearsal = r.rehearses(ctx); st.Rehearsal {
		r.Log.Warn("a real send would be refused: "+repeats.Error(), event.RealSendRefused)
	}
	return register.Admit(st)
}

// checkService checks that the service can be reached, before the first attempt. A run that has
// begun keeps trying when the service does not answer.
func (s *start) checkService(ctx context.Context) error {
	if live, _, _ := s.ledger.Unsettled(); live == 0 {
		return nil
	}
	err := s.run.reachable(ctx)
	if err == nil || refusal.Code(err) != "" {
		return err
	}
	if m := (*apim.Mistake)(nil); s.ledger.Facts().Attempts > 0 && (!errors.As(err, &m) || !m.Permanent()) {
		s.run.Log.Warn("the service does not answer; the run goes on trying", event.ServiceSilent, "give_up_after", s.run.Campaign.GiveUpAfter.String(), "problem", refusal.OneLine(err.Error()))
		return nil
	}
	return notReady(err)
}

// notReady refuses a start that the service, or the campaign's last day, prevents.
func notReady(err error) error {
	if refusal.Code(err) != "" {
		return err
	}
	return refusal.New("service_not_ready", "cause", err)
}

// suppress reads the suppression lists, so that a wrong list refuses the start. It returns nil if
// the campaign has none.
func (s *start) suppress(ctx context.Context) (dispatch.Lists, error) {
	l := s.run.Lists()
	for _, was := range s.ledger.Facts().Lists {
		if !slices.ContainsFunc(l.Of, func(list campaign.List) bool { return list.File == was.File }) {
			s.run.Log.Warn("a suppression list is no longer in the campaign file; its people stay left out", event.ListGone, "list", filepath.Base(was.File))
		}
	}
	if s.plan.FollowUp != nil {
		l.News = s.run.news(ctx, s.plan)
	}
	if len(l.Of) == 0 && l.News == nil {
		return nil, nil
	}
	first, err := l.Listing(ctx, s.run.Folder.Path, s.spool, s.ledger.Facts().Lists)
	if err != nil {
		return nil, refusal.New("lists_not_applied", "cause", err)
	}
	return l.ForRun(s.run.Folder.Path, s.spool, first), nil
}
