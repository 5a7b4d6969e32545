package main

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

	"cohort/engine"
	"cohort/engine/campaign"
	"cohort/engine/dispatch"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/register"
	"cohort/ingest/person"
)

// identify reads the cohort's files once to know which run this is.
func (s *session) identify(ctx context.Context) error {
	err := s.read(ctx)
	if ctx.Err() != nil && s.piped != nil {
		return &ended{errors.New("stopped before anything was sent; nothing of standard input is kept, so give it again"), exitStopped, s.again()}
	}
	if ctx.Err() != nil {
		return &ended{errors.New("stopped before anything was sent"), exitStopped, s.again()}
	}
	if err != nil {
		return err
	}
	if want := s.campaign.Cohort.Expect.SHA256; want != "" && want != s.cohort.SHA256 {
		return refuse("the cohort is not the one that cohort.expect.sha256 names; it has SHA-256 %s", s.cohort.SHA256)
	}
	s.service = s.campaign.ServiceID(s.call.Simulate)
	s.id = engine.NewRunID(s.campaign.Name, s.digest, s.service)
	if s.resumed && s.call.RunID != s.id.String() {
		return refuse("%s holds run %.8s, from which nothing was sent, and its cohort, campaign name or service is another one now; if that is meant: %s",
			s.runFolder, s.call.RunID, s.sendCommand())
	}
	s.call.RunID = s.id.String()
	return nil
}

// read opens the cohort and takes its digest. Standard input is copied to disk first.
func (s *session) read(ctx context.Context) (err error) {
	s.in = input{paths: s.call.Cohort, app: &appUsers{}}
	if fromStdin(s.call.Cohort) {
		if err := s.receive(ctx); err != nil {
			return err
		}
	}
	if s.reader, err = openCohort(ctx, s.campaign, s.in); err != nil {
		return err
	}
	if s.piped != nil {
		s.digest = s.piped.digest()
	} else {
		shown := s.screen.follow("taking the cohort's digest", bytesOf(s.reader), s.reader.BytesDigested)
		s.digest, err = s.reader.Digest(ctx)
		shown()
	}
	if err != nil {
		return refuse("the cohort cannot be read: %w", err)
	}
	s.cohort = cohortOf(s.reader, s.digest, s.in)
	if s.in.stdin {
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
func (s *session) locate() (place, error) {
	at := place{folder: filepath.Join(s.runs, s.campaign.Name+"-"+s.id.Short())}
	if s.runFolder != "" {
		at.folder = s.runFolder
	}
	if err := s.adopt(at.folder); err != nil {
		return at, err
	}
	r, err := openRegister(s.campaign)
	if err != nil {
		return at, err
	}
	defer func() { _ = r.Close() }()
	at.others = r.Others(s.campaign.Name, s.service, s.id.String())
	entry, begun := r.Run(s.id.String())
	at.begun = begun
	switch {
	case !begun && (s.call.NewCohort || s.call.SendAgain != ""):
		return at, nil
	case !begun:
		// Its plan, if there is one, says which runs it has taken into account.
		return at, admit(standing{folder: at.folder, rivals: at.others, planned: s.earlierIn(at.folder)})
	case s.holds(entry.Folder):
		if s.runFolder != "" && !same(s.runFolder, entry.Folder) {
			return at, refuse("this run lives in %s; leave --run out, or: %s", entry.Folder, command("resume", entry.Folder))
		}
		at.folder = entry.Folder
		return at, nil
	case s.holds(at.folder): // it was moved
		return at, nil
	case s.campaign.NHSApp != nil: // it remembers no references, so nothing would stop at whom the run has reached
		return at, refuse("this run was begun on %s in %s, and its folder is not there; if it was moved: %s; if it is lost, nobody knows whom it has reached, and the NHS App would show everybody a second message: restore the folder from a copy; %s",
			entry.Host, entry.Folder, command("resume")+" <where it is now>", newName(entry))
	case s.call.SendAgain != "":
		const one = string(campaign.Batches) // or the only one, as the NHS App's
		if was := cmp.Or(entry.Endpoint, one); was != cmp.Or(string(s.campaign.Notify.Endpoint), one) {
			return at, refuse("this run was begun on %s with sink.notify.endpoint: %s, and the service would not know what it has had under another; put it back in the campaign file", entry.Host, was)
		}
		at.again = true
		return at, nil
	}
	return at, refuse("this run was begun on %s in %s, and its folder is not there; if it was moved: %s; if it is lost, --send-again with a reason goes on until the service knows a batch of it; %s",
		entry.Host, entry.Folder, command("resume")+" <where it is now>", newName(entry))
}

// openRegister opens the campaign's registers.
func openRegister(c *campaign.Campaign) (*register.Register, error) {
	r, err := register.OpenAll(c.Registers())
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, unix.EROFS) {
		return nil, refuse("the register, which knows every run of the campaign, cannot be written: %w; let this user write there, or name another folder under register in the campaign file", err)
	}
	if err != nil {
		return nil, refuse("%w", err)
	}
	return r, nil
}

// adopt has the campaign's register know what others know that runs of the campaign used
// before: the run in a folder, and those under runs.
func (s *session) adopt(folder string) error {
	if err := s.registerLost(folder); err != nil {
		return err
	}
	if s.call.Register == s.campaign.Register {
		return nil
	}
	s.call.Register = s.campaign.Register
	folders := []string{folder}
	beside, _ := os.ReadDir(s.runs)
	for _, f := range beside {
		if short, of := strings.CutPrefix(f.Name(), s.campaign.Name+"-"); of && len(short) == len(s.id.Short()) {
			folders = append(folders, filepath.Join(s.runs, f.Name()))
		}
	}
	var adopted []string
	for _, f := range folders {
		c, err := readCall(f)
		inUse := func(folder string) bool { return c.Register == folder || same(c.Register, folder) }
		if err != nil || c.Register == "" || slices.ContainsFunc(s.campaign.Registers(), inUse) || slices.Contains(adopted, c.Register) {
			continue
		}
		adopted = append(adopted, c.Register)
		if err := s.adoptFrom(c.Register); err != nil {
			return err
		}
	}
	return nil
}

func (s *session) adoptFrom(was string) error {
	now := s.campaign.Register
	if !exists(was) {
		s.log.Warn("register in the campaign file has changed, and the old folder is not there: runs that it alone knows are not looked at", "was", was, "is", now)
		return nil
	}
	s.log.Warn("register in the campaign file has changed: both are read, and the new one takes over what the old one knows", "was", was, "is", now)
	old, err := register.Open(was)
	if err != nil {
		return refuse("%w; runs of this campaign were registered there, and register in the campaign file is %s now; make the old folder readable, or name it again", err, now)
	}
	defer func() { _ = old.Close() }()
	r, err := openRegister(s.campaign)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	if err := r.Adopt(old); err != nil {
		return refuse("%w", err)
	}
	return nil
}

// holds reports whether a folder holds this run.
func (s *session) holds(folder string) bool {
	c, err := readCall(folder)
	return err == nil && c.RunID == s.call.RunID
}

// earlierIn lists the runs that the plan in a folder has taken into account.
func (s *session) earlierIn(folder string) []plan.EarlierRun {
	plan, err := plan.Open(folder)
	if err != nil {
		return nil
	}
	defer func() { _ = plan.Close() }()
	return plan.Earlier
}

// same reports whether two paths are the same folder.
func same(a, b string) bool {
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	return errX == nil && errY == nil && os.SameFile(x, y)
}

// standing gathers what is known of the run before it sends. ledger is its log as this
// process found it.
func (s *session) standing(r *register.Register, plan *plan.Plan, ledger *ledger.Ledger) standing {
	st := standing{
		run: plan.RunID, folder: s.folder.path, facts: factsOf(ledger), planned: plan.Earlier, sendAgain: plan.SendAgain != "",
		rivals: r.Others(plan.Campaign, plan.Service, plan.RunID),
	}
	st.entry, st.known = r.Run(plan.RunID)
	st.service, st.simulator = plan.Service, st.entry.Simulator
	if s.tokens != nil {
		st.simulator, st.heard = s.tokens.Simulator()
	}
	if st.known || st.heard { // before that it may be a rehearsal
		st.moved = r.Elsewhere(plan.Campaign, plan.Service, s.keys(st.entry.Keys))
	}
	if st.heard && !st.known && !st.simulator { // a run that was let go on before is let go on again
		st.otherKeys = r.OtherKeys(plan.Campaign, plan.Service, s.keys(nil))
		st.maybeSame = s.mayBeSame(st.otherKeys)
	}
	st.elsewhere = st.known && !same(st.entry.Folder, st.folder) && s.holds(st.entry.Folder)
	if plan.BeganAgain && ledger.Facts().Attempts == 0 {
		st.known = false // what the register knows is the lost folder's
	}
	return st
}

// admitted looks whether the run may send.
func (s *session) admitted(plan *plan.Plan, ledger *ledger.Ledger) error {
	r, err := openRegister(s.campaign)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	return admit(s.standing(r, plan, ledger))
}

// mayWrite is admitted for what sends nothing.
func (s *session) mayWrite(plan *plan.Plan, ledger *ledger.Ledger) error {
	r, err := openRegister(s.campaign)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	return admitReceipts(s.standing(r, plan, ledger))
}

// register notes that the run may send from here on, having looked once more, with the
// register in hand, whether it may.
func (s *session) register(plan *plan.Plan, ledger *ledger.Ledger) error {
	r, err := openRegister(s.campaign)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	st := s.standing(r, plan, ledger)
	if err := admit(st); err != nil {
		return err
	}
	s.sayOtherKeys(st.otherKeys)
	if err := s.uncompared(r, plan, ledger.Facts()); err != nil {
		return err
	}
	for _, e := range plan.Earlier {
		if entry, ok := r.Run(e.RunID); ok && entry.State == register.Begun {
			entry.State, entry.Note = register.Superseded, "by run "+plan.Run.Short()+" in "+s.folder.path
			if err := r.Record(entry); err != nil {
				return refuse("%w", err)
			}
		}
	}
	keys := s.keys(st.entry.Keys)
	if st.known && same(st.entry.Folder, s.folder.path) {
		if len(keys) == len(st.entry.Keys) {
			return nil
		}
		st.entry.Keys = keys
		if err := r.Record(st.entry); err != nil {
			return refuse("%w", err)
		}
		return nil
	}
	if plan.BeganAgain && ledger.Facts().Attempts == 0 { // what was noted is the lost folder's
		if _, err := register.ReachedAll(s.campaign.Registers(), plan.RunID, 0, 0); err != nil {
			return refuse("%w", err)
		}
	}
	return s.record(r, plan, register.Entry{
		State: register.Begun, Attempts: max(st.entry.Attempts, ledger.Facts().Attempts), Revisions: st.entry.Revisions, Keys: keys, Simulator: st.simulator,
	})
}

// keys adds the fingerprint of the present API key to those that a run was sent with. What is
// wrong with the key is said when it is used.
func (s *session) keys(was []string) []string {
	key, _ := s.key()
	if s.call.Simulate || key == "" || slices.Contains(was, key) {
		return was
	}
	return append(slices.Clone(was), key)
}

// notElsewhere refuses, before anything is prepared, a campaign that this application has
// sent to another service, or another application to what may be the same one, unless a simulator
// answers.
func (s *session) notElsewhere(ctx context.Context) error {
	if s.call.SendAgain != "" {
		return nil
	}
	r, err := openRegister(s.campaign)
	if err != nil {
		return err
	}
	moved := r.Elsewhere(s.campaign.Name, s.service, s.keys(nil))
	var maybeSame []register.Entry
	if s.tokens != nil && !s.call.Simulate {
		maybeSame = r.OtherKeys(s.campaign.Name, s.service, s.keys(nil))
	}
	if err := r.Close(); err != nil {
		return err
	}
	if maybeSame = s.mayBeSame(maybeSame); len(moved)+len(maybeSame) == 0 {
		return nil
	}
	if err := s.reachable(ctx); err != nil {
		return refuse("%w; nothing was sent", err)
	}
	if simulator, _ := s.tokens.Simulator(); simulator {
		return nil
	}
	if len(moved) > 0 {
		return sentElsewhere(moved[0], s.service, "this")
	}
	return sentElsewhere(maybeSame[0], s.service, "another")
}

// atSimulator reports whether a run has only ever been at a simulator. was is what the
// register knows of the run, if it does: an answer of the service itself is never forgotten.
func (s *session) atSimulator(was register.Entry) bool {
	if s.tokens == nil {
		return was.Simulator
	}
	is, known := s.tokens.Simulator()
	if was.RunID == "" {
		return is
	}
	return was.Simulator && (is || !known)
}

// atService reports whether the service itself has answered this process.
func (s *session) atService() bool {
	if s.tokens == nil {
		return false
	}
	simulator, known := s.tokens.Simulator()
	return known && !simulator
}

// note writes down in the register how far the run has come. That it cannot is no
// reason to fail: the register then knows less, and the log still knows all.
func (s *session) note(plan *plan.Plan, state register.State, summary dispatch.Summary) {
	attempts, revisions := summary.Attempts, summary.Revisions
	people := summary.Account.Fates[person.Accepted] + summary.Account.Fates[person.InDoubt]
	r, err := register.OpenAll(s.campaign.Registers())
	if err == nil {
		defer func() { _ = r.Close() }()
		entry, known := r.Run(plan.RunID)
		if known && !same(entry.Folder, s.folder.path) && s.holds(entry.Folder) {
			return // this folder is a copy
		}
		here, simulator := same(entry.Folder, s.folder.path), s.atSimulator(entry)
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
			entry.Simulator, entry.Templates, entry.People = simulator, templatesOf(plan), people
			entry.Folder, entry.Attempts, entry.Revisions = s.folder.path, max(entry.Attempts, attempts), max(entry.Revisions, revisions)
			err = r.Record(entry)
		}
	}
	if err != nil {
		s.log.Warn("the register could not be told how far the run has come", "problem", err.Error())
	}
}

// reached notes now and then, while the run is at work, how far it has come: in the register,
// and by mark in the folder. A run that no register can be told of is stopped, where the service
// takes a message twice.
func (s *session) reached(mark func() error, stop context.CancelCauseFunc, attempts, revisions uint64) {
	if attempts+revisions == s.noted || time.Since(s.notedAt) < time.Second {
		return
	}
	s.noted, s.notedAt = attempts+revisions, time.Now()
	told, err := register.ReachedAll(s.campaign.Registers(), s.id.String(), attempts, revisions)
	if told == 0 && s.campaign.NHSApp != nil && !s.call.Simulate {
		stop(&dispatch.Stopped{Why: "no register can be written", Cause: err, Halt: true})
	}
	if err = errors.Join(err, mark()); err != nil && !s.noteFailed {
		s.noteFailed = true
		s.log.Warn("it could not be noted how far the run has come", "problem", err.Error())
	}
}

// record adds a line to the register: what is in e, and what the plan says.
func (s *session) record(r *register.Register, plan *plan.Plan, e register.Entry) error {
	e.RunID, e.Campaign, e.Service, e.CohortSHA256 = plan.RunID, plan.Campaign, plan.Service, plan.Cohort.SHA256
	e.Real = e.Real || s.atService()
	e.Folder, e.Note, e.Templates, e.Profile = s.folder.path, plan.SendAgain, templatesOf(plan), string(s.campaign.Profile)
	if s.campaign.Notify.Endpoint == campaign.Messages {
		e.Endpoint = string(s.campaign.Notify.Endpoint)
	}
	if err := r.Record(e); err != nil {
		return refuse("%w", err)
	}
	return nil
}
