package run

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"time"

	"cohort/cmd/internal/followup"
	"cohort/cmd/internal/intake"
	"cohort/engine"
	"cohort/engine/campaign"
	"cohort/engine/disk"
	"cohort/engine/pace"
	"cohort/engine/plan"
	"cohort/engine/refusal"
	"cohort/engine/register"
	"cohort/engine/runfolder"
	"cohort/ingest/value"
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
	day, _ := value.Day(now.In(p.Location).Format(time.DateOnly))
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
