// Package find answers what a run sent to one person, and what became of it.
package find

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"cohort/cmd/internal/cohortspool"
	"cohort/cmd/internal/earlier"
	"cohort/engine/audit"
	"cohort/engine/campaign"
	"cohort/engine/control"
	"cohort/engine/delivery"
	"cohort/engine/facts"
	"cohort/engine/plan"
	"cohort/engine/refusal"
	"cohort/engine/runfolder"
	"cohort/ingest/person"
	"cohort/shard"
)

// Verb is the name of the command.
const Verb = "find"

// Query asks for a person by NHS number, or for a message by its reference.
type Query struct {
	Runs      []string // the runs' folders
	All       bool     // a run that cannot be read does not end the search
	Number    person.NHSNumber
	Reference string // of a message; empty: Number counts
	Reason    string
}

// Answer is what was found. It holds personal data.
type Answer struct {
	Records  []*Found    `json:"records"`
	Searched int         `json:"runs_searched"`
	Unread   []Unread    `json:"runs_not_searched,omitempty"`
	Recorded []*Recorded `json:"recorded"`

	runs []string // ids of the runs of Records
}

// Unread is a run that could not be searched.
type Unread struct {
	Folder string `json:"folder"`
	Why    string `json:"why"`
}

// Recorded is the record of the look-up in an audit journal.
type Recorded struct {
	Journal string `json:"journal"`
	Record  uint64 `json:"record"`
	SHA256  string `json:"sha256"`
}

// In lists the folders of the runs in a folder.
func In(runs string) ([]string, error) {
	entries, err := os.ReadDir(runs)
	if err != nil {
		return nil, refusal.New("runs_unreadable", "cause", err)
	}
	var all []string
	for _, e := range entries {
		if dir, err := filepath.Abs(filepath.Join(runs, e.Name())); err == nil && runfolder.Exists(filepath.Join(dir, runfolder.RunFile)) {
			all = append(all, dir)
		}
	}
	if len(all) == 0 {
		return nil, refusal.New("runs_none", "folder", runs)
	}
	return all, nil
}

// Find answers a query. It records the look-up in the audit journal of each run's register before it returns. It locks
// no run.
func Find(ctx context.Context, q Query) (*Answer, error) {
	if err := checkReason(q.Reason); err != nil {
		return nil, err
	}
	numbers := []person.NHSNumber{q.Number}
	if q.Reference == "" {
		numbers = person.NewSets(links(q.Runs)).Of(q.Number)
	}
	a := &Answer{Records: []*Found{}}
	registers := map[string]bool{}
	for _, dir := range q.Runs {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		err := a.search(dir, q, numbers, registers)
		if err != nil && !q.All {
			return nil, err
		}
		if err != nil {
			a.Unread = append(a.Unread, Unread{dir, refusal.OneLine(err.Error())})
		}
	}
	if a.Searched == 0 {
		return nil, refusal.New("runs_unsearchable", "runs", len(q.Runs), "folder", a.Unread[0].Folder, "cause", a.Unread[0].Why)
	}
	if err := a.addEvents(); err != nil {
		return nil, refusal.New("events_unreadable", "cause", err)
	}
	for register := range registers {
		recorded, err := a.record(audit.Folder(register), q)
		if err != nil {
			return nil, refusal.New("audit_unusable", "folder", audit.Folder(register), "cause", err)
		}
		a.Recorded = append(a.Recorded, recorded)
	}
	return a, nil
}

// checkReason refuses a reason that would bring an NHS number into the audit journal.
func checkReason(reason string) error {
	if strings.TrimSpace(reason) == "" {
		return refusal.New("find_reason_missing")
	}
	digits := strings.NewReplacer(" ", "", "-", "", "\u00a0", "").Replace(reason)
	for i := range max(0, len(digits)-9) {
		if _, err := person.ParseNHSNumber(digits[i : i+10]); err == nil {
			return refusal.New("find_reason_with_number")
		}
	}
	return control.CheckReason(reason)
}

// links yields the replaced numbers that any of the runs knows. What is wrong with a run shows when it is searched.
func links(dirs []string) earlier.Links {
	all := []earlier.Links{func(func(_, _ person.NHSNumber) bool) {}}
	for _, dir := range dirs {
		if spool, err := shard.OpenPart(filepath.Join(dir, runfolder.SpoolFolder)); err == nil {
			all = append(all, spool.Superseded())
			_ = spool.Close()
		}
	}
	return earlier.Concat(all...)
}

// search searches one run, and notes its register.
func (a *Answer) search(dir string, q Query, numbers []person.NHSNumber, registers map[string]bool) error {
	call, err := runfolder.ReadCall(dir)
	if err != nil {
		return err
	}
	planned, err := runfolder.Plan(dir)
	if err != nil {
		return err
	}
	defer func() { _ = planned.Close() }()
	r := &run{dir: dir, plan: planned}
	if r.campaign, err = runfolder.KeptCampaign(dir, call, planned); err != nil && call.Register == "" {
		return err
	}
	r.mistake = err
	if r.spool, err = cohortspool.OpenPart(filepath.Join(dir, runfolder.SpoolFolder), planned); err != nil {
		return err
	}
	defer func() { _ = r.spool.Close() }()
	records, err := r.records(q, numbers)
	if err != nil {
		return runfolder.Damaged(err)
	}
	var found []*Found
	for i := range records {
		f, err := r.describe(&records[i])
		if err != nil {
			return err
		}
		found = append(found, f)
	}
	if a.Searched++; call.Register == "" {
		call.Register = r.campaign.Registers()[0]
	}
	registers[filepath.Clean(call.Register)] = true
	if a.Records = append(a.Records, found...); len(found) > 0 {
		a.runs = append(a.runs, planned.RunID)
	}
	return nil
}

// records returns the records that a query asks for, in the order of rows.
func (r *run) records(q Query, numbers []person.NHSNumber) ([]person.Record, error) {
	if q.Reference == "" {
		all, err := r.spool.Of(numbers...)
		slices.SortFunc(all, func(a, b person.Record) int { return cmp.Compare(a.Row, b.Row) })
		return all, err
	}
	row, ours := facts.NewRows(r.plan.References, r.plan.Records).Of(q.Reference)
	if !ours {
		return nil, nil
	}
	record, found, err := r.spool.At(row)
	if !found || err != nil {
		return nil, err
	}
	return []person.Record{record}, nil
}

// addEvents adds the events of the messages that were found.
func (a *Answer) addEvents() error {
	wanted, folds, seen := map[string]bool{}, map[string]*delivery.Fold{}, map[delivery.Identity]bool{}
	var dirs []string
	for _, f := range a.Records {
		wanted[f.MessageReference] = f.MessageReference != ""
		folds[f.MessageReference] = &delivery.Fold{}
		if f.MessageReference != "" && !slices.Contains(dirs, f.Folder) {
			dirs = append(dirs, f.Folder)
		}
	}
	err := facts.Search(dirs, wanted, func(e *delivery.Event) error {
		if folds[e.Reference].Add(e); seen[e.Identity()] {
			return nil
		}
		seen[e.Identity()] = true
		for _, f := range a.Records {
			if f.MessageReference == e.Reference {
				f.History = append(f.History, happenedTo(e))
			}
		}
		return nil
	})
	for _, f := range a.Records {
		f.conclude(folds[f.MessageReference].State())
	}
	return err
}

// record records the look-up in the audit journal in dir.
func (a *Answer) record(dir string, q Query) (_ *Recorded, err error) {
	journal, err := audit.Open(dir, Verb)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errors.New("the folder of the register is not there; is its disk mounted?")
	}
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, journal.Close()) }()
	host, _ := os.Hostname()
	r := audit.Record{
		At: time.Now().UTC(), By: control.WhoAmI(), Host: host, Command: Verb, Runs: a.runs, Reason: q.Reason,
		Detail: fmt.Sprintf("found %s; searched %s", counted(len(a.Records), "record"), counted(a.Searched, "run")),
	}
	number := q.Number
	if q.Reference != "" {
		r.Detail = "reference " + q.Reference + "; " + r.Detail
	}
	if q.Reference != "" && len(a.Records) > 0 {
		number = a.Records[0].number
	}
	if number != 0 {
		r.Person = journal.Pseudonym(number)
	}
	head, err := journal.Append(r)
	return &Recorded{dir, head.Records, head.SHA256}, err
}

// run is one run that is searched.
type run struct {
	dir      string
	plan     *plan.Plan
	campaign *campaign.Campaign // nil: it cannot be read, and mistake says why
	mistake  error
	spool    *shard.Spool
}
