package run

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"cohort/cmd/internal/earlier"
	"cohort/engine/campaign"
	"cohort/engine/dispatch"
	"cohort/engine/event"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/refusal"
	"cohort/engine/register"
	"cohort/engine/runfolder"
	"cohort/ingest/person"
)

// OpenRegister opens the campaign's registers.
func OpenRegister(c *campaign.Campaign) (*register.Register, error) {
	reg, err := register.OpenAll(c.Registers())
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, unix.EROFS) {
		return nil, refusal.New("register_unwritable", "cause", err)
	}
	if err != nil {
		return nil, refusal.New("register_not_opened", "cause", err)
	}
	return reg, nil
}

// inRegister calls fn with the campaign's registers open.
func (r *Runner) inRegister(fn func(*register.Register) error) error {
	reg, err := OpenRegister(r.Campaign)
	if err != nil {
		return err
	}
	defer func() { _ = reg.Close() }()
	reg.Chain = r.chain
	return fn(reg)
}

// lookInRegister reads the campaign's registers without locking them.
func (r *Runner) lookInRegister() (*register.Register, error) {
	reg, err := register.Look(r.Campaign.Registers()...)
	if err != nil {
		return nil, refusal.New("register_unreadable", "cause", err)
	}
	reg.Chain = r.chain
	return reg, nil
}

// standing gathers what is known about the run. found are the facts in its log as this process found it.
func (r *Runner) standing(reg *register.Register, plan *plan.Plan, found register.Facts) register.Standing {
	st := register.Standing{
		Run: plan.RunID, Folder: r.Folder.Path, Facts: found, Planned: plan.Earlier, SendAgain: plan.SendAgain != "",
		Rivals: reg.Others(plan.Campaign, plan.Service, plan.RunID),
	}
	st.Entry, st.Known = reg.Run(plan.RunID)
	if plan.FollowUp != nil {
		st.Parent, _ = reg.Run(plan.FollowUp.Parent.RunID)
	}
	st.Service, st.Simulator = plan.Service, st.Entry.Simulator
	if r.Tokens != nil {
		st.Simulator, st.Heard = r.Tokens.Simulator()
	}
	if st.Known || st.Heard { // before that it may be a rehearsal
		st.Moved = reg.Elsewhere(plan.Campaign, plan.Service, r.keys(st.Entry.Keys))
	}
	if st.Heard && !st.Known && !st.Simulator { // a run that was admitted before is admitted again
		st.OtherKeys = reg.OtherKeys(plan.Campaign, plan.Service, r.keys(nil))
		st.MaybeSame = r.mayBeSame(st.OtherKeys)
	}
	st.Elsewhere = st.Known && !runfolder.Same(st.Entry.Folder, st.Folder) && r.holds(st.Entry.Folder)
	if plan.BeganAgain && found.Attempts == 0 {
		st.Known = false // the register's entry is about the lost folder
	}
	return st
}

// copied returns why the folder may be an older copy. Only a service that takes a message twice
// needs to know.
func (r *Runner) copied(plan *plan.Plan, folded *ledger.Ledger) (copied *ledger.CopyError, err error) {
	if !plan.NeverAgain || r.Call.Simulate {
		return nil, nil
	}
	if err := folded.ShowsLatest(r.Folder.Path); err != nil && !errors.As(err, &copied) {
		return nil, runfolder.Unsound(r.Folder.Path, err)
	}
	return copied, nil
}

// MayWrite refuses unless what the service knows may be recorded in the run's log.
func (r *Runner) MayWrite(plan *plan.Plan, folded *ledger.Ledger) error {
	return r.inRegister(func(reg *register.Register) error {
		return register.AdmitReceipts(r.standing(reg, plan, register.FactsOf(folded)))
	})
}

// MayDecide refuses unless a person may decide about batches of the run.
func (r *Runner) MayDecide(planned *plan.Plan, folded *ledger.Ledger) error {
	return r.inRegister(func(reg *register.Register) error {
		return register.AdmitDecision(r.standing(reg, planned, register.FactsOf(folded)))
	})
}

// MaySendAgain refuses unless messages of the run may be sent again. people describes the recipients.
func (r *Runner) MaySendAgain(planned *plan.Plan, folded *ledger.Ledger, people string) error {
	if err := r.adopt(r.Folder.Path); err != nil {
		return err
	}
	return r.inRegister(func(reg *register.Register) error {
		return register.AdmitRetry(r.standing(reg, planned, register.FactsOf(folded)), HoldWords(folded.Facts().Hold), people)
	})
}

// register notes that the run may send from here on. It decides about that once more, with the
// register locked.
func (s *start) register() error {
	r, p := s.run, s.plan
	return r.inRegister(func(reg *register.Register) error {
		st := r.standing(reg, p, s.found)
		st.Meanwhile = s.meanwhile(reg)
		if err := register.Admit(st); err != nil {
			return err
		}
		for _, e := range st.OtherKeys {
			r.Log.Warn("this campaign was sent to another address with another API key; if both are the same service, its people are sent to twice: then stop this run and go on with that one", event.OtherAddress,
				"was", register.AddressOf(e.Service), "is", register.AddressOf(r.Service), "other_run", e.Folder, "requests", e.Attempts, "last_at_work", e.At.Format(time.DateOnly))
		}
		for _, e := range p.Earlier {
			if entry, ok := reg.Run(e.RunID); ok && entry.State == register.Begun {
				entry.State, entry.Note = register.Superseded, "by run "+p.Run.Short()+" in "+r.Folder.Path
				if err := recordIn(reg, entry); err != nil {
					return err
				}
			}
		}
		keys := r.keys(st.Entry.Keys)
		if st.Known && runfolder.Same(st.Entry.Folder, r.Folder.Path) {
			if len(keys) == len(st.Entry.Keys) {
				return nil
			}
			st.Entry.Keys = keys
			return recordIn(reg, st.Entry)
		}
		if p.BeganAgain && s.found.Attempts == 0 { // the numbers are the lost folder's
			if _, err := register.ReachedAll(r.Campaign.Registers(), p.RunID, 0, 0); err != nil {
				return refusal.New("register_not_updated", "cause", err)
			}
		}
		return recordIn(reg, r.entry(p, register.Entry{
			State: register.Begun, Attempts: max(st.Entry.Attempts, s.found.Attempts), Revisions: st.Entry.Revisions, Keys: keys, Simulator: st.Simulator,
		}))
	})
}

// meanwhile lists the runs of other campaigns that have begun to send the same words since the
// comparison.
func (s *start) meanwhile(reg *register.Register) (runs []register.Entry) {
	if s.compared == nil || s.found.Attempts == 0 && s.plan.SendAgain != "" || s.run.atSimulator(register.Entry{}) {
		return nil
	}
	kind, _, _ := strings.Cut(s.plan.Service, " ")
	for _, e := range reg.OfOtherCampaigns(s.plan.Campaign, kind, s.compared.Since) {
		same := slices.ContainsFunc(e.Templates, func(t string) bool { return slices.Contains(earlier.TemplatesOf(s.plan), t) })
		if same && !e.At.Before(s.compared.Since) && !slices.Contains(s.compared.Looked, e.RunID) {
			runs = append(runs, e)
		}
	}
	return runs
}

// keys adds the fingerprint of the present API key to the run's earlier ones. The first use of the
// key reports its errors.
func (r *Runner) keys(was []string) []string {
	key, _ := r.Key()
	if r.Call.Simulate || key == "" || slices.Contains(was, key) {
		return was
	}
	return append(slices.Clone(was), key)
}

// notElsewhere refuses, before anything is prepared, a campaign that was sent to another address of
// what may be the same service.
func (r *Runner) notElsewhere(ctx context.Context) error {
	if r.Call.SendAgain != "" {
		return nil
	}
	st := register.Standing{Service: r.Service}
	if err := r.inRegister(func(reg *register.Register) error {
		st.Moved = reg.Elsewhere(r.Campaign.Name, r.Service, r.keys(nil))
		if r.Tokens != nil && !r.Call.Simulate {
			st.MaybeSame = r.mayBeSame(reg.OtherKeys(r.Campaign.Name, r.Service, r.keys(nil)))
		}
		return nil
	}); err != nil {
		return err
	}
	if register.Admit(st) == nil {
		return nil
	}
	if err := r.reachable(ctx); err != nil {
		return notReady(err)
	}
	st.Simulator, _ = r.Tokens.Simulator()
	return register.Admit(st)
}

// mayBeSame lists those runs that may have gone to this service, although their address and API key
// differ. Either both are production, or both addresses lead to one machine. A test and a production
// profile are two services.
func (r *Runner) mayBeSame(runs []register.Entry) (same []register.Entry) {
	mine := r.Campaign.Profile
	for _, e := range runs {
		was := campaign.Profile(e.Profile)
		differ := was != campaign.AnyNumber && mine != campaign.AnyNumber && was != mine
		if was == campaign.Production && mine == campaign.Production || !differ && register.SameMachine(register.AddressOf(e.Service), register.AddressOf(r.Service)) {
			same = append(same, e)
		}
	}
	return same
}

// atSimulator reports whether every answer to the run came from a simulator. was is the register's
// entry, or zero.
func (r *Runner) atSimulator(was register.Entry) bool {
	if r.Tokens == nil {
		return was.Simulator
	}
	is, known := r.Tokens.Simulator()
	if was.RunID == "" {
		return is
	}
	return was.Simulator && (is || !known)
}

// rehearses reports whether the run goes to a simulator. It asks the service if it has not answered
// yet.
func (r *Runner) rehearses(ctx context.Context) bool {
	if r.Call.Simulate || r.Tokens == nil {
		return r.Call.Simulate
	}
	if _, known := r.Tokens.Simulator(); !known {
		_ = r.Check(ctx) // its error is reported before the first request
	}
	is, _ := r.Tokens.Simulator()
	return is
}

// note records in the register how far the run has come. If it fails, the log still has everything.
func (r *Runner) note(plan *plan.Plan, state register.State, summary dispatch.Summary) {
	people := summary.Account.Fates[person.Accepted] + summary.Account.Fates[person.InDoubt]
	reg, err := register.OpenAll(r.Campaign.Registers())
	if err == nil {
		defer func() { _ = reg.Close() }()
		was, known := reg.Run(plan.RunID)
		here := runfolder.Same(was.Folder, r.Folder.Path)
		if known && !here && r.holds(was.Folder) {
			return // this folder is a copy
		}
		e := was
		if e.Simulator = r.atSimulator(was); !known {
			e.State, e.Keys = state, r.keys(nil)
		}
		// Numbers never go back: a folder that knows fewer requests is taken for an older copy.
		e.Attempts, e.Revisions, e.People = max(was.Attempts, summary.Attempts), max(was.Revisions, summary.Revisions), people
		if here && was.State == state && was.Attempts == summary.Attempts && was.Revisions == summary.Revisions && was.People == people && was.Simulator == e.Simulator {
			return
		}
		if known {
			if was.State == register.Begun {
				e.State = state
			}
			e.Real = e.Real || r.atService()
			e.Templates, e.Folder = earlier.TemplatesOf(plan), r.Folder.Path
		} else {
			e = r.entry(plan, e)
		}
		err = reg.Record(e)
	}
	if err != nil {
		r.Log.Warn("the register could not be told how far the run has come", event.RegisterNotTold, "problem", err.Error())
	}
}

// entry completes a new entry of the register from the plan.
func (r *Runner) entry(plan *plan.Plan, e register.Entry) register.Entry {
	e.RunID, e.Campaign, e.Service, e.CohortSHA256 = plan.RunID, plan.Campaign, plan.Service, plan.Cohort.SHA256
	e.Folder, e.Note, e.Templates, e.Profile = r.Folder.Path, plan.SendAgain, earlier.TemplatesOf(plan), string(r.Campaign.Profile)
	if f := plan.FollowUp; f != nil {
		e.Root, e.Parent, e.Rule = f.Root, f.Parent.RunID, f.Rule
	}
	e.Real, e.Keyed = e.Real || r.atService(), plan.References.Invertible()
	if r.Campaign.Notify.Endpoint == campaign.Messages {
		e.Endpoint = string(r.Campaign.Notify.Endpoint)
	}
	return e
}

// atService reports whether the service itself, not a simulator, has answered this process.
func (r *Runner) atService() bool {
	if r.Tokens == nil {
		return false
	}
	simulator, known := r.Tokens.Simulator()
	return known && !simulator
}

func recordIn(reg *register.Register, e register.Entry) error {
	if err := reg.Record(e); err != nil {
		return refusal.New("register_not_updated", "cause", err)
	}
	return nil
}

// linksOfOthers yields the replaced numbers that runs of other campaigns know.
func (r *Runner) linksOfOthers() (earlier.Links, error) {
	reg, err := r.lookInRegister()
	if err != nil {
		return nil, err
	}
	kind, _, _ := strings.Cut(r.Campaign.ServiceID(false), " ")
	return earlier.LinksOf(reg.OfOtherCampaigns(r.Campaign.Name, kind, time.Now().AddDate(0, 0, -r.Campaign.OverlapDays))), nil
}

// restOf lists the runs of the campaigns that --rest-of names; for a follow-up, those by the same rule. A rehearsal takes only rehearsals, and
// closes no real run.
func (r *Runner) restOf(ctx context.Context) (runs []register.Entry, err error) {
	if r.Call.RestOf == "" {
		return nil, nil
	}
	reg, err := r.lookInRegister()
	if err != nil {
		return nil, err
	}
	known, rehearsal := map[string][]register.Entry{}, r.rehearses(ctx)
	var names []string
	for _, e := range reg.Runs() {
		if e.Simulator != rehearsal || e.Campaign == r.Campaign.Name || r.followUp != nil && !r.followUp.follows(e) {
			continue
		}
		if known[e.Campaign] == nil {
			names = append(names, e.Campaign)
		}
		e, _ = reg.Run(e.RunID)
		known[e.Campaign] = append(known[e.Campaign], e)
	}
	if len(names) == 0 {
		names = []string{"none"}
	}
	missing := "no_such_campaign"
	if rehearsal {
		missing = "no_such_rehearsal"
	}
	for _, name := range strings.Split(r.Call.RestOf, ",") {
		if name == r.Campaign.Name {
			return nil, refusal.New("rest_of_itself", "campaign", name)
		}
		if known[name] == nil {
			return nil, refusal.New(missing, "register", r.Campaign.Register, "campaign", name, "known", strings.Join(names, ", "))
		}
		runs = append(runs, known[name]...)
	}
	if r.followUp != nil {
		return runs, nil
	}
	return runs, notFollowUps(runs)
}

// notFollowUps refuses to send to the rest of a cohort when one of the runs is a follow-up. Its cohort has people who
// were never due for it: they have read the first message, or may get no message.
func notFollowUps(runs []register.Entry) error {
	for _, e := range runs {
		if e.Rule != "" {
			return refusal.New("sent_as_follow_up", "campaign", e.Campaign, "run", e.RunID, "folder", e.Folder, "new_name", register.NewCampaignName(e))
		}
	}
	return nil
}
