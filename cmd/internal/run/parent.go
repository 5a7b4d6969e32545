package run

import (
	"cmp"
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"cohort/cmd/internal/earlier"
	"cohort/cmd/internal/followup"
	"cohort/cmd/internal/intake"
	"cohort/engine/campaign"
	"cohort/engine/disk"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/refusal"
	"cohort/engine/register"
	"cohort/engine/runfolder"
	"cohort/ingest"
	"cohort/ingest/person"
)

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
		for _, fate := range o.Only {
			if fate != string(person.Refused) {
				return nil, refusal.New("followup_fate_wrong", "fate", fate)
			}
		}
		a.Refused, a.Rule.Name = true, "only:"+string(person.Refused)
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
	case was >= 0 && p.plan.Frozen[was] != frozen[now]:
		return refusal.New("followup_rule_changed", "rule", o.Rule, "was", p.plan.Frozen[was].Value)
	case o.Campaign != "":
		return refusal.New("followup_rule_has_campaign", "rule", o.Rule, "campaign", a.Rule.By)
	}
	_, err := intake.FollowUpColumns(p.Campaign) // refuses a rule, added since, with a campaign that the chain has
	return err
}

// suits refuses a campaign that does not know the parent, forgets whom the parent left out, or was sent above.
func (p *parent) suits(by *campaign.Campaign) error {
	switch {
	case !slices.Contains(by.Registers(), p.Call.Register):
		return refusal.New("followup_other_register", "register", by.Register, "parent_register", p.Call.Register)
	case len(by.Suppress) == 0 && len(p.Campaign.Suppress) > 0:
		return refusal.New("followup_without_lists", "list", filepath.Base(p.Campaign.Suppress[0].File))
	case by.Name == p.plan.Campaign:
		return refusal.New("followup_same_campaign", "campaign", by.Name)
	}
	reg, err := p.lookInRegister()
	if err != nil {
		return err
	}
	for id := p.plan.RunID; id != ""; {
		above, _ := reg.Run(id)
		if id = above.Parent; above.Campaign == by.Name {
			return refusal.New("followup_same_campaign", "campaign", by.Name)
		}
	}
	return nil
}

// find finds the people due. Other calls are kept away until the follow-up has a plan.
func (p *parent) find(
	ctx context.Context, f *followUp, a *followup.Ask, by *campaign.Campaign, o *FollowUp,
) (err error) {
	if err := p.hold(f, a, !o.DryRun && !o.Due); err != nil {
		return err
	}
	f.notes.SendBy(by.Frozen())
	if err := p.admit(f, a); err != nil {
		return err
	}
	if slices.ContainsFunc(f.given, func(e register.Entry) bool { return e.Campaign == by.Name }) {
		return refusal.New("followup_same_campaign", "campaign", by.Name)
	}
	columns, err := intake.ColumnsFor(by)
	if err != nil {
		return err
	}
	if day := a.Rule.NotAfter; day != "" && !slices.Contains(columns, day) {
		columns = append(columns, day)
	}
	texts, missing := f.parent.Spool.Manifest.Texts(), slices.Clone(columns)
	missing = slices.DeleteFunc(missing, func(c string) bool { return slices.Contains(texts, c) })
	var reader *ingest.Reader
	var cohort followup.Cohort
	switch {
	case len(o.Cohort) > 0:
		if reader, err = intake.OpenAgain(ctx, p.Campaign, p.plan, o.Cohort, columns); err != nil {
			return err
		}
		cohort = followup.Cohort(reader.Kept())
	case len(missing) > 0:
		return refusal.New("followup_columns_missing",
			"columns", strings.Join(missing, ", "), "campaign", by.Path, "run", p.plan.RunID[:8])
	}
	if f.people, err = os.CreateTemp(p.Folder.Path, runfolder.StdinPrefix+"*"); err != nil { // with mode 0600
		return refusal.New("folder_unwritable", "cause", err)
	}
	_ = os.Remove(f.people.Name()) // it is gone with this process
	now, taken := ClockOf(ctx)(), f.notes.Taken(f.step, p.plan.Records)
	f.found, err = f.parent.Select(ctx, a, taken, columns, cohort, now, sendDay(by.Pace, now), f.people)
	if err == nil && reader != nil {
		err = intake.SameCohort(ctx, reader, p.plan)
	}
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
	if err != nil || !lock || !a.Refused && !p.plan.NeverAgain {
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
	if err := f.notes.Settle(reg, p.plan.RunID, f.step, p.folderOf, p.Log); err != nil {
		return err
	}
	if f.parent, err = followup.Open(p.Folder.Path, p.Folder.Path); err != nil {
		return err
	}
	standing.Facts = register.FactsOf(f.parent.Ledger)
	if standing.Copied, err = p.copied(p.plan, f.parent.Ledger); err != nil {
		return err
	}
	if err := register.AdmitParent(standing); err != nil || !a.Refused {
		return err
	}
	return p.notReplaced(reg, f.parent.Ledger)
}

// giveUp leaves out of the notes the follow-ups whose place this one takes, and those whose place was taken before. Its
// plan closes them, and leaves out the people whom they have reached.
func (p *parent) giveUp(reg *register.Register, f *followUp) error {
	if p.Call.RestOf == "" {
		return nil
	}
	campaigns := strings.Split(p.Call.RestOf, ",")
	for _, e := range reg.Runs() {
		if (e.State == register.Superseded || slices.Contains(campaigns, e.Campaign)) && f.follows(e) {
			f.notes.GiveUp(e.RunID)
			e, _ = reg.Run(e.RunID)
			f.given = append(f.given, e)
		}
	}
	for _, campaign := range campaigns {
		if !slices.ContainsFunc(f.given, func(e register.Entry) bool { return e.Campaign == campaign }) {
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
