package run

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

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
	"cohort/ingest/person"
)

// identify reads the cohort's files once to know which run this is.
func (s *Runner) identify(ctx context.Context) error {
	err := s.read(ctx)
	if ctx.Err() != nil && s.piped != nil {
		return &refusal.Ended{Err: refusal.New("stopped_reading_stdin"), Code: refusal.ExitStopped, Next: s.again()}
	}
	if ctx.Err() != nil {
		return &refusal.Ended{Err: refusal.New("stopped_before_sending"), Code: refusal.ExitStopped, Next: s.again()}
	}
	if err != nil {
		return err
	}
	if want := s.Campaign.Cohort.Expect.SHA256; want != "" && want != s.cohort.SHA256 {
		return refusal.New("cohort_not_expected", "sha256", s.cohort.SHA256)
	}
	s.Service = s.Campaign.ServiceID(s.Call.Simulate)
	s.Id = engine.NewRunID(s.Campaign.Name, s.digest, s.Service)
	if s.resumed && s.Call.RunID != s.Id.String() {
		return refusal.New("run_identity_changed", "folder", s.RunFolder, "run", s.Call.RunID, "command", s.sendCommand())
	}
	s.Call.RunID = s.Id.String()
	return nil
}

// read opens the cohort and takes its digest. Standard input is copied to disk first.
func (s *Runner) read(ctx context.Context) (err error) {
	s.in = intake.Input{Paths: s.Call.Cohort, App: &intake.AppUsers{}}
	if runfolder.FromStdin(s.Call.Cohort) {
		if err := s.receive(ctx); err != nil {
			return err
		}
	}
	if s.reader, err = intake.OpenCohort(ctx, s.Campaign, s.in); err != nil {
		return err
	}
	if s.piped != nil {
		s.digest = s.piped.Digest()
	} else {
		shown := s.screen.Follow("taking the cohort's digest", terminal.BytesOf(s.reader), s.reader.BytesDigested)
		s.digest, err = s.reader.Digest(ctx)
		shown()
	}
	if err != nil {
		return refusal.New("cohort_unreadable", "cause", err)
	}
	s.cohort = intake.CohortOf(s.reader, s.digest, s.in)
	if s.in.Stdin {
		s.cohort.Files[0].SHA256 = s.cohort.SHA256
	}
	return nil
}

// place is where a run lives and what the register knows about it.
type place struct {
	folder string
	begun  bool             // it may have sent something
	again  bool             // it was begun, its folder is lost, and a person has said to begin again
	others []register.Entry // the other runs of the campaign on the service
}

// locate asks the register where the run lives, if it was begun before, and which
// other runs of the campaign there are.
func (s *Runner) locate() (place, error) {
	at := place{folder: filepath.Join(s.Runs, s.Campaign.Name+"-"+s.Id.Short())}
	if s.RunFolder != "" {
		at.folder = s.RunFolder
	}
	if err := s.adopt(at.folder); err != nil {
		return at, err
	}
	r, err := OpenRegister(s.Campaign)
	if err != nil {
		return at, err
	}
	defer func() { _ = r.Close() }()
	at.others = r.Others(s.Campaign.Name, s.Service, s.Id.String())
	entry, begun := r.Run(s.Id.String())
	at.begun = begun
	switch {
	case !begun && (s.Call.NewCohort || s.Call.SendAgain != ""):
		return at, nil
	case !begun:
		// Its plan, if there is one, says which runs it has taken into account.
		return at, register.Admit(register.Standing{Folder: at.folder, Rivals: at.others, Planned: s.earlierIn(at.folder)})
	case s.holds(entry.Folder):
		if s.RunFolder != "" && !runfolder.Same(s.RunFolder, entry.Folder) {
			return at, refusal.New("run_in_another_folder", "folder", entry.Folder, "command", refusal.Command("resume", entry.Folder))
		}
		at.folder = entry.Folder
		return at, nil
	case s.holds(at.folder): // it was moved
		return at, nil
	case s.Campaign.NHSApp != nil: // it remembers no references, so nothing would stop at whom the run has reached
		return at, refusal.New("folder_gone_nhsapp", "host", entry.Host, "folder", entry.Folder, "command", refusal.Command("resume")+" <where it is now>", "new_name", register.NewCampaignName(entry))
	case s.Call.SendAgain != "":
		const one = string(campaign.Batches) // or the only one, as the NHS App's
		if was := cmp.Or(entry.Endpoint, one); was != cmp.Or(string(s.Campaign.Notify.Endpoint), one) {
			return at, refusal.New("endpoint_changed", "host", entry.Host, "endpoint", was)
		}
		at.again = true
		return at, nil
	}
	return at, refusal.New("folder_gone", "host", entry.Host, "folder", entry.Folder, "command", refusal.Command("resume")+" <where it is now>", "new_name", register.NewCampaignName(entry))
}

// openRegister opens the campaign's registers.
func OpenRegister(c *campaign.Campaign) (*register.Register, error) {
	r, err := register.OpenAll(c.Registers())
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, unix.EROFS) {
		return nil, refusal.New("register_unwritable", "cause", err)
	}
	if err != nil {
		return nil, refusal.New("register_not_opened", "cause", err)
	}
	return r, nil
}

// adopt has the campaign's register know what others know that runs of the campaign used
// before: the run in a folder, and those under runs.
func (s *Runner) adopt(folder string) error {
	if err := s.registerLost(folder); err != nil {
		return err
	}
	if s.Call.Register == s.Campaign.Register {
		return nil
	}
	s.Call.Register = s.Campaign.Register
	folders := []string{folder}
	beside, _ := os.ReadDir(s.Runs)
	for _, f := range beside {
		if short, of := strings.CutPrefix(f.Name(), s.Campaign.Name+"-"); of && len(short) == len(s.Id.Short()) {
			folders = append(folders, filepath.Join(s.Runs, f.Name()))
		}
	}
	var adopted []string
	for _, f := range folders {
		c, err := runfolder.ReadCall(f)
		inUse := func(folder string) bool { return c.Register == folder || runfolder.Same(c.Register, folder) }
		if err != nil || c.Register == "" || slices.ContainsFunc(s.Campaign.Registers(), inUse) || slices.Contains(adopted, c.Register) {
			continue
		}
		adopted = append(adopted, c.Register)
		if err := s.adoptFrom(c.Register); err != nil {
			return err
		}
	}
	return nil
}

func (s *Runner) adoptFrom(was string) error {
	now := s.Campaign.Register
	if !runfolder.Exists(was) {
		s.Log.Warn("register in the campaign file has changed, and the old folder is not there: runs that it alone knows are not looked at", "was", was, "is", now)
		return nil
	}
	s.Log.Warn("register in the campaign file has changed: both are read, and the new one takes over what the old one knows", "was", was, "is", now)
	old, err := register.Open(was)
	if err != nil {
		return refusal.New("old_register_unreadable", "cause", err, "register", now)
	}
	defer func() { _ = old.Close() }()
	r, err := OpenRegister(s.Campaign)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	if err := r.Adopt(old); err != nil {
		return refusal.New("register_not_adopted", "cause", err)
	}
	return nil
}

// holds reports whether a folder holds this run.
func (s *Runner) holds(folder string) bool {
	c, err := runfolder.ReadCall(folder)
	return err == nil && c.RunID == s.Call.RunID
}

// earlierIn lists the runs that the plan in a folder has taken into account.
func (s *Runner) earlierIn(folder string) []plan.EarlierRun {
	plan, err := plan.Open(folder)
	if err != nil {
		return nil
	}
	defer func() { _ = plan.Close() }()
	return plan.Earlier
}

// standing gathers what is known of the run before it sends. ledger is its log as this
// process found it.
func (s *Runner) standing(r *register.Register, plan *plan.Plan, ledger *ledger.Ledger) register.Standing {
	st := register.Standing{
		Run: plan.RunID, Folder: s.Folder.Path, Facts: register.FactsOf(ledger), Planned: plan.Earlier, SendAgain: plan.SendAgain != "",
		Rivals: r.Others(plan.Campaign, plan.Service, plan.RunID),
	}
	st.Entry, st.Known = r.Run(plan.RunID)
	st.Service, st.Simulator = plan.Service, st.Entry.Simulator
	if s.Tokens != nil {
		st.Simulator, st.Heard = s.Tokens.Simulator()
	}
	if st.Known || st.Heard { // before that it may be a rehearsal
		st.Moved = r.Elsewhere(plan.Campaign, plan.Service, s.keys(st.Entry.Keys))
	}
	if st.Heard && !st.Known && !st.Simulator { // a run that was let go on before is let go on again
		st.OtherKeys = r.OtherKeys(plan.Campaign, plan.Service, s.keys(nil))
		st.MaybeSame = s.mayBeSame(st.OtherKeys)
	}
	st.Elsewhere = st.Known && !runfolder.Same(st.Entry.Folder, st.Folder) && s.holds(st.Entry.Folder)
	if plan.BeganAgain && ledger.Attempts == 0 {
		st.Known = false // what the register knows is the lost folder's
	}
	return st
}

// admitted looks whether the run may send.
func (s *Runner) admitted(plan *plan.Plan, ledger *ledger.Ledger) error {
	r, err := OpenRegister(s.Campaign)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	return register.Admit(s.standing(r, plan, ledger))
}

// mayWrite is admitted for what sends nothing.
func (s *Runner) MayWrite(plan *plan.Plan, ledger *ledger.Ledger) error {
	r, err := OpenRegister(s.Campaign)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	return register.AdmitReceipts(s.standing(r, plan, ledger))
}

// register notes that the run may send from here on, having looked once more, with the
// register in hand, whether it may.
func (s *Runner) register(plan *plan.Plan, ledger *ledger.Ledger) error {
	r, err := OpenRegister(s.Campaign)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	st := s.standing(r, plan, ledger)
	if err := register.Admit(st); err != nil {
		return err
	}
	s.sayOtherKeys(st.OtherKeys)
	if err := s.uncompared(r, plan, ledger); err != nil {
		return err
	}
	for _, e := range plan.Earlier {
		if entry, ok := r.Run(e.RunID); ok && entry.State == register.Begun {
			entry.State, entry.Note = register.Superseded, "by run "+plan.Run.Short()+" in "+s.Folder.Path
			if err := r.Record(entry); err != nil {
				return refusal.New("register_not_updated", "cause", err)
			}
		}
	}
	keys := s.keys(st.Entry.Keys)
	if st.Known && runfolder.Same(st.Entry.Folder, s.Folder.Path) {
		if len(keys) == len(st.Entry.Keys) {
			return nil
		}
		st.Entry.Keys = keys
		if err := r.Record(st.Entry); err != nil {
			return refusal.New("register_not_updated", "cause", err)
		}
		return nil
	}
	if plan.BeganAgain && ledger.Attempts == 0 { // what was noted is the lost folder's
		if _, err := register.ReachedAll(s.Campaign.Registers(), plan.RunID, 0, 0); err != nil {
			return refusal.New("register_not_updated", "cause", err)
		}
	}
	return s.record(r, plan, register.Entry{
		State: register.Begun, Attempts: max(st.Entry.Attempts, ledger.Attempts), Revisions: st.Entry.Revisions, Keys: keys, Simulator: st.Simulator,
	})
}

// keys adds the fingerprint of the present API key to those that a run was sent with. What is
// wrong with the key is said when it is used.
func (s *Runner) keys(was []string) []string {
	key, _ := s.Key()
	if s.Call.Simulate || key == "" || slices.Contains(was, key) {
		return was
	}
	return append(slices.Clone(was), key)
}

// notElsewhere refuses, before anything is prepared, a campaign that this application has
// sent to another service, or another application to what may be the same one, unless a simulator
// answers.
func (s *Runner) notElsewhere(ctx context.Context) error {
	if s.Call.SendAgain != "" {
		return nil
	}
	r, err := OpenRegister(s.Campaign)
	if err != nil {
		return err
	}
	moved := r.Elsewhere(s.Campaign.Name, s.Service, s.keys(nil))
	var maybeSame []register.Entry
	if s.Tokens != nil && !s.Call.Simulate {
		maybeSame = r.OtherKeys(s.Campaign.Name, s.Service, s.keys(nil))
	}
	if err := r.Close(); err != nil {
		return err
	}
	if maybeSame = s.mayBeSame(maybeSame); len(moved)+len(maybeSame) == 0 {
		return nil
	}
	if err := s.reachable(ctx); err != nil {
		return refusal.New("service_not_ready", "cause", err)
	}
	if simulator, _ := s.Tokens.Simulator(); simulator {
		return nil
	}
	if len(moved) > 0 {
		return register.SentElsewhere(moved[0], s.Service, "this")
	}
	return register.SentElsewhere(maybeSame[0], s.Service, "another")
}

// atSimulator reports whether a run has only ever been at a simulator. was is what the
// register knows of the run, if it does: an answer of the service itself is never forgotten.
func (s *Runner) atSimulator(was register.Entry) bool {
	if s.Tokens == nil {
		return was.Simulator
	}
	is, known := s.Tokens.Simulator()
	if was.RunID == "" {
		return is
	}
	return was.Simulator && (is || !known)
}

// atService reports whether the service itself has answered this process.
func (s *Runner) atService() bool {
	if s.Tokens == nil {
		return false
	}
	simulator, known := s.Tokens.Simulator()
	return known && !simulator
}

// note writes down in the register how far the run has come. That it cannot is no
// reason to fail: the register then knows less, and the log still knows all.
func (s *Runner) note(plan *plan.Plan, state register.State, summary dispatch.Summary) {
	attempts, revisions := summary.Attempts, summary.Revisions
	people := summary.Account.Fates[person.Accepted] + summary.Account.Fates[person.InDoubt]
	r, err := register.OpenAll(s.Campaign.Registers())
	if err == nil {
		defer func() { _ = r.Close() }()
		entry, known := r.Run(plan.RunID)
		if known && !runfolder.Same(entry.Folder, s.Folder.Path) && s.holds(entry.Folder) {
			return // this folder is a copy
		}
		here, simulator := runfolder.Same(entry.Folder, s.Folder.Path), s.atSimulator(entry)
		if here && entry.State == state && entry.Attempts == attempts && entry.Revisions == revisions && entry.People == people && entry.Simulator == simulator {
			return
		}
		switch {
		case !known:
			err = s.record(r, plan, register.Entry{State: state, Attempts: attempts, Revisions: revisions, People: people, Keys: s.keys(nil), Simulator: simulator})
		default:
			// What is noted never goes back: a run that knows less than it did is an older copy.
			if entry.State == register.Begun {
				entry.State = state
			}
			entry.Real = entry.Real || s.atService()
			entry.Simulator, entry.Templates, entry.People = simulator, earlier.TemplatesOf(plan), people
			entry.Folder, entry.Attempts, entry.Revisions = s.Folder.Path, max(entry.Attempts, attempts), max(entry.Revisions, revisions)
			err = r.Record(entry)
		}
	}
	if err != nil {
		s.Log.Warn("the register could not be told how far the run has come", "problem", err.Error())
	}
}

// reached notes now and then, while the run is at work, how far it has come: in the register,
// and by mark in the folder. A run that no register can be told of is stopped, where the service
// takes a message twice.
func (s *Runner) reached(mark func() error, stop context.CancelCauseFunc, attempts, revisions uint64) {
	if attempts+revisions == s.noted || time.Since(s.notedAt) < time.Second {
		return
	}
	s.noted, s.notedAt = attempts+revisions, time.Now()
	told, err := register.ReachedAll(s.Campaign.Registers(), s.Id.String(), attempts, revisions)
	if told == 0 && s.Campaign.NHSApp != nil && !s.Call.Simulate {
		stop(&dispatch.Stopped{Code: "register_unwritable", Why: "no register can be written", Cause: err, Halt: true})
	}
	if err = errors.Join(err, mark()); err != nil && !s.noteFailed {
		s.noteFailed = true
		s.Log.Warn("it could not be noted how far the run has come", "problem", err.Error())
	}
}

// record adds a line to the register: what is in e, and what the plan says.
func (s *Runner) record(r *register.Register, plan *plan.Plan, e register.Entry) error {
	e.RunID, e.Campaign, e.Service, e.CohortSHA256 = plan.RunID, plan.Campaign, plan.Service, plan.Cohort.SHA256
	e.Real = e.Real || s.atService()
	e.Folder, e.Note, e.Templates, e.Profile = s.Folder.Path, plan.SendAgain, earlier.TemplatesOf(plan), string(s.Campaign.Profile)
	if s.Campaign.Notify.Endpoint == campaign.Messages {
		e.Endpoint = string(s.Campaign.Notify.Endpoint)
	}
	if err := r.Record(e); err != nil {
		return refusal.New("register_not_updated", "cause", err)
	}
	return nil
}
