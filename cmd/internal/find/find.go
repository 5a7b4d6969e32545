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

	"golang.org/x/sync/errgroup"

	"cohort/cmd/internal/cohortspool"
	"cohort/cmd/internal/earlier"
	"cohort/engine"
	"cohort/engine/audit"
	"cohort/engine/campaign"
	"cohort/engine/control"
	"cohort/engine/delivery"
	"cohort/engine/facts"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/refusal"
	"cohort/engine/register"
	"cohort/engine/runfolder"
	"cohort/ingest/person"
	"cohort/shard"
)

// Verb is the name of the command.
const Verb = "find"

// Query asks for a person by NHS number, or for a message by its reference.
type Query struct {
	Runs      []string // the runs' folders
	Number    person.NHSNumber
	Reference string // of a message; empty: Number counts
	Reason    string
}

// Answer has the records that were found. It holds personal data.
type Answer struct {
	Records  []*Found          `json:"records"`
	Requests []*Request        `json:"requests,omitempty"` // with the reference that was asked for
	Searched int               `json:"runs_searched"`
	Unread   map[string]string `json:"runs_not_searched,omitempty"` // folders of runs that cannot be read, and why
	Recorded []Recorded        `json:"recorded"`

	runs      []string        // ids of the runs of Records
	registers map[string]bool // of the runs that were searched
}

// Request is a request of a run. Its messages are not shown: they are other people's.
type Request struct {
	Folder   string `json:"folder"`
	Messages uint32 `json:"messages"`
	Report   string `json:"command"` // makes the report: batch_reference there names the messages
}

// Recorded is the record of the look-up in an audit journal: its number and its hash.
type Recorded struct {
	Journal string `json:"journal"` // its folder
	audit.Head
}

// In lists the folders of the runs in a folder.
func In(runs string) ([]string, error) {
	folder, err := runfolder.Absolute(runs)
	if err != nil {
		return nil, err
	}
	all, err := runfolder.In(folder)
	if err == nil && len(all) == 0 {
		err = refusal.New("runs_none", "folder", runs)
	}
	return all, err
}

// Find answers a query. It records the look-up in the audit journal of each run's register before it returns. It
// locks no run.
func Find(ctx context.Context, q Query) (*Answer, error) {
	if err := CheckReason(q.Reason); err != nil {
		return nil, err
	}
	if _, err := engine.ParseRunID(strings.ReplaceAll(q.Reference, "-", "")); q.Reference != "" && err != nil {
		return nil, refusal.New("find_reference_wrong") // it may be a number, and would come into the journal
	}
	numbers := []person.NHSNumber{q.Number}
	if q.Reference == "" {
		numbers = person.NewSets(links(q.Runs)).Of(q.Number)
	}
	a := &Answer{Records: []*Found{}, Unread: map[string]string{}, registers: map[string]bool{}}
	latest := a.searchAll(ctx, q, numbers)
	if ctx.Err() != nil {
		return nil, refusal.New("find_stopped")
	}
	if a.Searched == 0 && len(q.Runs) > 1 {
		return nil, refusal.New("runs_unsearchable", "runs", len(q.Runs), "cause", latest)
	} else if a.Searched == 0 {
		return nil, latest
	}
	slices.SortStableFunc(a.Records, func(x, y *Found) int { return x.Planned.Compare(y.Planned) })
	if err := a.addEvents(); err != nil {
		return nil, refusal.New("events_unreadable", "cause", err)
	}
	for register := range a.registers {
		recorded, err := a.record(audit.Folder(register), q)
		if err != nil {
			return nil, refusal.New("audit_unusable", "folder", audit.Folder(register), "cause", err)
		}
		a.Recorded = append(a.Recorded, recorded)
	}
	return a, nil
}

// CheckReason refuses a reason that would bring an NHS number into a record. An error is a refusal.
func CheckReason(reason string) error {
	if strings.TrimSpace(reason) == "" {
		return refusal.New("find_reason_missing")
	}
	if person.HasNHSNumber(reason) {
		return refusal.New("find_reason_with_number")
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

// searchAll searches all runs, a few at once. It returns an error of one that could not be searched.
func (a *Answer) searchAll(ctx context.Context, q Query, numbers []person.NHSNumber) (latest error) {
	all := make([]*searched, len(q.Runs))
	var group errgroup.Group
	group.SetLimit(atOnce)
	for i, dir := range q.Runs {
		group.Go(func() error {
			if all[i] = (&searched{}); ctx.Err() == nil {
				all[i].err = all[i].search(dir, q, numbers)
			}
			return nil
		})
	}
	_ = group.Wait()
	for i, s := range all {
		if s.err != nil {
			latest, a.Unread[q.Runs[i]] = s.err, refusal.OneLine(s.err.Error())
			continue
		}
		a.Searched++
		a.registers[s.register] = true
		if s.request != nil {
			a.Requests = append(a.Requests, s.request)
		}
		if a.Records = append(a.Records, s.found...); len(s.found) > 0 {
			a.runs = append(a.runs, s.run)
		}
	}
	return latest
}

// atOnce bounds the runs that are open at one time, and with them the memory.
const atOnce = 2

// searched has the findings of one run.
type searched struct {
	run, register string
	found         []*Found
	request       *Request
	err           error
}

// search searches one run.
func (s *searched) search(dir string, q Query, numbers []person.NHSNumber) error {
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
	for i := range records {
		f, err := r.describe(&records[i])
		if err != nil {
			return err
		}
		s.found = append(s.found, f)
	}
	if len(records) == 0 {
		if s.request, err = r.request(q.Reference); err != nil {
			return runfolder.Unsound(dir, err)
		}
	}
	if call.Register == "" {
		call.Register = r.campaign.Registers()[0]
	}
	s.run, s.register = planned.RunID, filepath.Clean(call.Register)
	return knows(call.Register, planned.RunID)
}

// knows refuses a register that does not know the run: run.json may have been changed, and the look-up would be recorded
// where nobody looks.
func knows(folder, run string) error {
	reg, err := register.Look(folder)
	if err != nil {
		return refusal.New("register_unreadable", "cause", err)
	}
	if _, known := reg.Run(run); !known && runfolder.Exists(folder) { // without the folder, nothing is recorded
		return refusal.New("find_register_strange", "register", folder, "run", run)
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

// request returns the request with a reference; nil if the run has none.
func (r *run) request(reference string) (*Request, error) {
	lane, ordinal, revision, part, is := r.plan.References.Form(reference)
	if !is || int(lane) >= len(r.plan.LaneStarts) {
		return nil, nil
	}
	from, to := r.plan.LaneBatches(lane)
	if ordinal >= to-from {
		return nil, nil
	}
	id := plan.FormID{Batch: from + ordinal, Revision: revision, Part: part}
	folded, _, err := ledger.ReadBatch(r.dir, r.plan, id.Batch)
	if err != nil || folded.State(id).Messages == 0 {
		return nil, err
	}
	return &Request{r.dir, folded.State(id).Messages, refusal.Command("report", r.dir, "--format", "csv")}, nil
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
func (a *Answer) record(dir string, q Query) (r Recorded, err error) {
	journal, err := audit.Open(dir, Verb)
	if errors.Is(err, fs.ErrNotExist) {
		err = errors.New("the folder of the register is not there; is its disk mounted?")
	}
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, journal.Close()) }()
	host, _ := os.Hostname()
	entry := audit.Record{
		At: time.Now().UTC(), By: control.WhoAmI(), Host: host, Command: Verb, Runs: a.runs, Reason: q.Reason,
		Detail: fmt.Sprintf("found %s; searched %s", counted(len(a.Records), "record"), counted(a.Searched, "run")),
	}
	number := q.Number
	if q.Reference != "" {
		entry.Detail = "reference " + q.Reference + "; " + entry.Detail
		if len(a.Records) > 0 {
			number = a.Records[0].number
		}
	}
	if number != 0 {
		entry.Person = journal.Pseudonym(number)
	}
	head, err := journal.Append(entry)
	return Recorded{dir, head}, err
}

// run is one run that is searched.
type run struct {
	dir      string
	plan     *plan.Plan
	campaign *campaign.Campaign // nil: it cannot be read, and mistake says why
	mistake  error
	spool    *shard.Spool
}
