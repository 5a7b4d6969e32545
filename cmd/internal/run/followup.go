package run

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"cohort/cmd/internal/earlier"
	"cohort/cmd/internal/followup"
	"cohort/cmd/internal/intake"
	"cohort/engine"
	"cohort/engine/campaign"
	"cohort/engine/disk"
	"cohort/engine/ledger"
	"cohort/engine/pace"
	"cohort/engine/plan"
	"cohort/engine/refusal"
	"cohort/engine/register"
	"cohort/engine/runfolder"
	"cohort/ingest"
	"cohort/ingest/person"
	"cohort/shard"
)

// FollowUp is one call of followup.
type FollowUp struct {
	Rule     string   // a rule of the parent's campaign file
	Only     []string // fates
	Received string   // a fingerprint of words
	Campaign string   // the campaign file to send with; empty: the rule's
	Reason   string
	RestOf   string // campaigns of earlier follow-ups by the rule: this one takes their place
	DryRun   bool   // count, and change nothing
	Due      bool   // only say when somebody is due
	JSON     bool
}

// followUp makes a send a follow-up. The methods of nil do nothing, for an ordinary send.
type followUp struct {
	of     *plan.FollowUp
	parent *followup.Parent
	people *os.File // a cohort file
	notes  *followup.Notes
	found  *followup.Selection
	lock   *disk.Lock // of the parent's folder; may be nil
}

func (f *followUp) header() *plan.FollowUp {
	if f == nil {
		return nil
	}
	return f.of
}

// follows reports whether a run is a follow-up of the same people.
func (f *followUp) follows(e register.Entry) bool {
	return e.Parent == f.of.Parent.RunID && followup.Share(e.Rule, f.of.Rule)
}

// ready prepares the reading of the people due. The parent's reading has judged their records, so what a campaign
// says of files does not count.
func (f *followUp) ready(r *intake.Reading) {
	c := &r.Campaign.Cohort
	header := true
	c.Format = campaign.Format{Type: "csv", Delimiter: ",", Encoding: "utf-8", Header: &header}
	c.Columns, c.Superseded, c.Withdrawn, c.Expect = nil, "", campaign.Withdrawn{}, campaign.Expect{}
	c.Duplicates = campaign.Duplicates{Rule: "first"}
	r.Name, r.Links = "people due of run "+f.of.Parent.RunID[:8], f.parent.Spool.Superseded()
}

// note makes durable which people the run takes, before it has a folder. From here on the parent's own log cannot
// send to people whom it had not reached.
func (f *followUp) note(run engine.RunID, folder string) error {
	if err := f.notes.Add(run.String(), folder, f.of.Rule, f.found); err != nil {
		return err
	}
	f.unhold()
	return nil
}

func (f *followUp) unhold() {
	if f.lock != nil {
		_ = f.lock.Release()
		f.lock = nil
	}
}

// planned ends what a follow-up holds of its parent.
func (f *followUp) planned() {
	if f == nil {
		return
	}
	f.unhold()
	if f.notes != nil {
		f.notes.Release()
	}
	if f.people != nil {
		_ = f.people.Close()
	}
	if f.parent != nil {
		f.parent.Close()
		f.parent = nil
	}
}

// FollowUp finds the people of the run in a folder who are due, and sends to them.
func (r *Runner) FollowUp(ctx context.Context, dir string, o FollowUp, options Options) error {
	p, err := r.parentOf(dir)
	if err != nil {
		return err
	}
	ask, err := p.ask(&o)
	if err != nil {
		return err
	}
	r.Runs, r.Call.Campaign, r.Call.Cohort = filepath.Dir(p.Folder.Path), ask.Rule.By, []string{runfolder.StdinWord}
	r.Call.FollowUp, r.Call.RestOf, p.Call.RestOf = options.Words, o.RestOf, o.RestOf
	by, err := intake.LoadCampaign(ask.Rule.By)
	if err != nil {
		return err
	}
	if err := p.suits(by); err != nil {
		return err
	}
	r.Call.Simulate = p.plan.Service == p.Campaign.ServiceID(true) && by.File == nil
	f := &followUp{of: &plan.FollowUp{
		Parent: plan.EarlierRun{RunID: p.plan.RunID, Folder: p.Folder.Path}, Rule: ask.Rule.Name, Root: p.plan.Root(),
		Reason: o.Reason, Unless: ask.Rule.Unless, NotAfter: ask.Rule.NotAfter,
	}}
	defer f.planned()
	err = p.find(ctx, f, ask, by, !o.DryRun && !o.Due)
	if ctx.Err() != nil {
		return &refusal.Ended{Err: refusal.New("stopped_before_sending"), Code: refusal.ExitStopped, Next: options.again()}
	}
	if err != nil {
		return err
	}
	if err := p.show(r.Stdout, f, ask, &o, ClockOf(ctx)()); err != nil || o.DryRun || o.Due || f.found.Due == 0 {
		return err
	}
	r.followUp = f
	return r.Alert(r.Send(ctx, options))
}

// parent is the run that is followed up.
type parent struct {
	*Runner
	plan *plan.Plan
}

// parentOf reads what the parent was called with.
func (r *Runner) parentOf(dir string) (*parent, error) {
	path, call, err := runfolder.Find(dir)
	if err != nil {
		return nil, err
	}
	p := &parent{Runner: &Runner{Call: call, RunFolder: path, Folder: &runfolder.Folder{Path: path}, Log: r.Log}}
	if p.plan, err = runfolder.Plan(path); err != nil {
		return nil, err
	}
	_ = p.plan.Close() // its header is enough here
	p.Campaign, _, _, err = runfolder.ReadCampaign(path, call)
	p.chain = p.plan.Root()
	return p, err
}

// ask reads from a call whom the follow-up is for.
func (p *parent) ask(o *FollowUp) (*followup.Ask, error) {
	a := &followup.Ask{Rule: campaign.FollowUp{By: o.Campaign}}
	var err error
	switch {
	case o.Rule != "":
		err = p.rule(o, a)
	case len(o.Only) > 0:
		slices.Sort(o.Only)
		for _, fate := range o.Only {
			if fate != string(person.Refused) && fate != string(person.Invalid) {
				return nil, refusal.New("followup_fate_wrong", "fate", fate)
			}
			a.Fates = append(a.Fates, person.Fate(fate))
		}
		a.Rule.Name = "only:" + strings.Join(slices.Compact(o.Only), ",")
	default:
		if words := earlier.TemplatesOf(p.plan); !slices.Contains(words, o.Received) {
			return nil, refusal.New("followup_wording_unknown", "given", o.Received, "known", strings.Join(words, ", "))
		}
		a.Wording, a.Rule.Name = o.Received, "received:"+o.Received
	}
	if err == nil && a.Rule.By == "" {
		err = refusal.New("followup_without_campaign")
	}
	return a, err
}

// rule takes a rule of the parent's campaign file, as it was when the parent was planned.
func (p *parent) rule(o *FollowUp, a *followup.Ask) error {
	names := []string{}
	for _, f := range p.Campaign.FollowUps {
		if names = append(names, f.Name); f.Name == o.Rule {
			a.Rule = f
		}
	}
	is := func(s campaign.Setting) bool { return s.Key == "followup."+o.Rule }
	frozen := p.Campaign.Frozen()
	was, now := slices.IndexFunc(p.plan.Frozen, is), slices.IndexFunc(frozen, is)
	switch {
	case now < 0:
		known := cmp.Or(strings.Join(names, ", "), "none")
		return refusal.New("followup_rule_unknown", "rule", o.Rule, "known", known, "file", p.Campaign.Path)
	case was < 0:
		return refusal.New("followup_rule_new", "rule", o.Rule)
	case p.plan.Frozen[was] != frozen[now]:
		return refusal.New("followup_rule_changed", "rule", o.Rule, "was", p.plan.Frozen[was].Value)
	case o.Campaign != "":
		return refusal.New("followup_rule_has_campaign", "rule", o.Rule, "campaign", a.Rule.By)
	}
	return nil
}

// suits refuses a campaign that does not know the parent, or forgets whom the parent left out.
func (p *parent) suits(by *campaign.Campaign) error {
	switch {
	case !slices.Contains(by.Registers(), p.Call.Register):
		return refusal.New("followup_other_register", "register", by.Register, "parent_register", p.Call.Register)
	case len(by.Suppress) == 0 && len(p.Campaign.Suppress) > 0:
		return refusal.New("followup_without_lists", "list", filepath.Base(p.Campaign.Suppress[0].File))
	case by.Name == p.plan.Campaign:
		return refusal.New("followup_same_campaign", "campaign", by.Name)
	case p.plan.FollowUp == nil:
		return nil
	}
	reg, err := p.lookInRegister()
	if err != nil {
		return err
	}
	for id := p.plan.FollowUp.Parent.RunID; id != ""; {
		above, _ := reg.Run(id)
		if id = above.Parent; above.Campaign == by.Name {
			return refusal.New("followup_same_campaign", "campaign", by.Name)
		}
	}
	return nil
}

// find finds the people due. lock keeps other calls away until the follow-up has a plan.
func (p *parent) find(ctx context.Context, f *followUp, a *followup.Ask, by *campaign.Campaign, lock bool) (err error) {
	dir, records := p.Folder.Path, p.plan.Records
	if err := p.hold(f, a, lock); err != nil {
		return err
	}
	if err := p.admit(f, a); err != nil {
		return err
	}
	columns, err := intake.ColumnsFor(by)
	if err != nil {
		return err
	}
	if day := a.Rule.NotAfter; day != "" && !slices.Contains(columns, day) {
		columns = append(columns, day)
	}
	texts, missing := f.parent.Spool.Manifest.Texts(), slices.Clone(columns)
	if missing = slices.DeleteFunc(missing, func(c string) bool { return slices.Contains(texts, c) }); len(missing) > 0 {
		return refusal.New("followup_columns_missing",
			"columns", strings.Join(missing, ", "), "campaign", by.Path, "run", p.plan.RunID[:8])
	}
	if f.people, err = os.CreateTemp(dir, runfolder.StdinPrefix+"*"); err != nil { // with mode 0600
		return refusal.New("folder_unwritable", "cause", err)
	}
	_ = os.Remove(f.people.Name()) // it is gone with this process
	now, taken := ClockOf(ctx)(), f.notes.Taken(f.of.Rule, records)
	f.found, err = f.parent.Select(ctx, a, taken, columns, now, sendDay(by.Pace, now), f.people)
	if err == nil {
		_, err = f.people.Seek(0, io.SeekStart)
	}
	return err
}

// hold reads the notes of earlier follow-ups. With lock, nobody else may change them, and in two cases the parent may
// not change either: see decision 31.
func (p *parent) hold(f *followUp, a *followup.Ask, lock bool) (err error) {
	dir := p.Folder.Path
	f.notes, err = followup.OpenNotes(dir, p.plan.Records, lock)
	if err != nil || !lock || len(a.Fates) == 0 && !p.plan.NeverAgain {
		return err
	}
	if f.lock, err = disk.Acquire(filepath.Join(dir, runfolder.LockFile), "followup"); err != nil {
		err = refusal.New("run_busy", "folder", dir, "cause", err)
	}
	return err
}

// admit opens the parent, and refuses one that may not be followed up now. The register is read before the log: a run
// at work is ahead of what was read.
func (p *parent) admit(f *followUp, a *followup.Ask) error {
	reg, err := p.lookInRegister()
	if err != nil {
		return err
	}
	standing := p.standing(reg, p.plan, register.Facts{})
	if err := p.giveUp(reg, f); err != nil {
		return err
	}
	if err := f.notes.Settle(reg, p.plan.RunID, f.of.Rule, p.folderOf, p.Log); err != nil {
		return err
	}
	if f.parent, err = followup.Open(p.Folder.Path, p.Folder.Path); err != nil {
		return err
	}
	standing.Facts = register.FactsOf(f.parent.Ledger)
	if standing.Copied, err = p.copied(p.plan, f.parent.Ledger); err != nil {
		return err
	}
	if err := register.AdmitParent(standing); err != nil || len(a.Fates) == 0 {
		return err
	}
	return p.notReplaced(reg, f.parent.Ledger)
}

// giveUp leaves out of the notes the follow-ups whose place this one takes. Its plan closes them, and leaves out the
// people whom they have reached.
func (p *parent) giveUp(reg *register.Register, f *followUp) error {
	var given []string
	if p.Call.RestOf != "" {
		given = strings.Split(p.Call.RestOf, ",")
	}
	for _, campaign := range given {
		found := false
		for _, e := range reg.Runs() {
			if e.Campaign == campaign && f.follows(e) {
				f.notes.GiveUp(e.RunID)
				found = true
			}
		}
		if !found {
			return refusal.New("followup_rest_of_none", "campaign", campaign, "rule", f.of.Rule, "run", p.plan.RunID[:8])
		}
	}
	return nil
}

// notReplaced refuses to follow up refused or invalid people if another run may have sent to them.
func (p *parent) notReplaced(reg *register.Register, folded *ledger.Ledger) error {
	by := folded.Facts().Superseded
	for _, e := range reg.Runs() {
		names := func(was plan.EarlierRun) bool { return was.RunID == p.plan.RunID }
		if slices.ContainsFunc(earlierIn(e.Folder), names) {
			by = e.RunID[:8] + " in " + e.Folder
		}
	}
	if by != "" {
		return refusal.New("followup_of_replaced_run", "run", by)
	}
	return nil
}

// withFollowUps adds to runs the follow-ups of people whom these have not reached.
func withFollowUps(reg *register.Register, runs []register.Entry) []register.Entry {
	all := slices.Clone(runs)
	for _, e := range reg.Runs() {
		of := func(run register.Entry) bool { return run.RunID == e.Parent }
		if followup.IsOnly(e.Rule) && slices.ContainsFunc(runs, of) {
			e, _ = reg.Run(e.RunID)
			all = append(all, e)
		}
	}
	return all
}

// sendDay is the day of messages that are ready at now, such as 20270131.
func sendDay(p campaign.Pace, now time.Time) int64 {
	if o, ok := pace.NextOpening(p, now); ok && o.Opens.After(now) {
		now = o.Opens
	}
	day, _ := ingest.Day(now.In(p.Location).Format(time.DateOnly))
	return day
}

// show prints who is due and who is left out, and refuses a follow-up of messages that too little is known about.
func (p *parent) show(w io.Writer, f *followUp, a *followup.Ask, o *FollowUp, now time.Time) error {
	s := f.found
	if o.JSON {
		out := json.NewEncoder(w)
		out.SetIndent("", "  ")
		if err := out.Encode(s); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(w, "follow-up %s of run %s, %s\n", f.of.Rule, p.plan.RunID[:8], p.plan.Campaign)
		s.Print(w)
	}
	if !s.Known(a) {
		return refusal.New("followup_unknown_outcomes", "known", s.WithNews, "accepted", s.Accepted,
			"share", fmt.Sprintf("%g %%", a.Rule.Known*100), "command", refusal.Command("reconcile", p.Folder.Path))
	}
	switch {
	case o.JSON:
	case s.Due > 0 && o.Due:
		fmt.Fprintln(w, "next due  now")
	case s.Due == 0 && s.Next.IsZero():
		fmt.Fprintln(w, "nobody is due, and nobody will be unless the outcomes change; nothing was sent")
	case s.Due == 0:
		fmt.Fprintf(w, "nobody is due; nothing was sent\nnext due  %s\n", pace.Clock(s.Next, p.Campaign.Pace.Location, now))
	}
	return nil
}

// news returns what yields the people of a follow-up who are due no more.
func (r *Runner) news(ctx context.Context, planned *plan.Plan) func(context.Context) iter.Seq2[shard.Exclusion, error] {
	clock := ClockOf(ctx)
	return func(ctx context.Context) iter.Seq2[shard.Exclusion, error] {
		day := sendDay(r.Campaign.Pace, clock())
		return followup.Overtaken(ctx, planned.FollowUp, r.Folder.File(runfolder.ListsFolder), day, r.folderOf)
	}
}

// folderOf is the folder of a run: where it was, or where the register has it since.
func (r *Runner) folderOf(run plan.EarlierRun) (string, error) {
	if c, err := runfolder.ReadCall(run.Folder); err == nil && c.RunID == run.RunID {
		return run.Folder, nil
	}
	reg, err := r.lookInRegister()
	if err != nil {
		return "", err
	}
	entry, _ := reg.Run(run.RunID)
	if c, err := runfolder.ReadCall(entry.Folder); err != nil || c.RunID != run.RunID {
		return "", refusal.New("run_gone", "run", run.RunID[:8], "folder", run.Folder)
	}
	return entry.Folder, nil
}

// NotFollowedUp refuses to send a run's refused messages again when a follow-up has written to those people.
func (r *Runner) NotFollowedUp(planned *plan.Plan) error {
	notes, err := followup.OpenNotes(r.Folder.Path, planned.Records, false)
	if err != nil {
		return err
	}
	if note, is := notes.AnyOnly(); is {
		return refusal.New("followed_up", "run", note.RunID[:8], "folder", note.Folder)
	}
	return nil
}
