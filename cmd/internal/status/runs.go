package status

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"cohort/docs/runbooks"
	"cohort/engine/ledger"
	"cohort/engine/refusal"
	"cohort/engine/register"
	"cohort/engine/runfolder"
	"cohort/ingest/person"
)

// Runs are all runs under a folder, and those elsewhere that their registers know. The newest is the first.
type Runs struct {
	Folder  string `json:"folder"`
	Waiting int    `json:"waiting"` // runs that wait for a person
	Runs    []*Run `json:"runs"`
}

// Run is one of Runs.
type Run struct {
	RunID    string                `json:"run_id"`
	Campaign string                `json:"campaign"`
	Title    string                `json:"title,omitempty"`
	Series   string                `json:"series,omitempty"`
	Previous string                `json:"previous_of_series,omitempty"` // the id of the run
	Service  string                `json:"service"`
	Folder   string                `json:"folder"`
	Started  *time.Time            `json:"started,omitempty"`
	State    ledger.RunState       `json:"state,omitempty"`
	Records  int64                 `json:"records"`
	Fates    map[person.Fate]int64 `json:"fates,omitempty"`
	Waits    []Wait                `json:"waits,omitempty"`
	Problem  string                `json:"problem,omitempty"` // why the rest cannot be read

	Status *Status   `json:"-"` // nil: it cannot be read
	began  time.Time // for the order
}

// Wait is something that waits for a person, and the command that shows it or goes on.
type Wait struct {
	What    string `json:"what"`
	Command string `json:"command"`
	Runbook string `json:"runbook,omitempty"` // what cohort runbook shows about it
}

// List reads the runs under a folder. A run that cannot be read is one with a Problem. It reads each log once, and
// several at a time.
func List(ctx context.Context, folder string) (*Runs, error) {
	return NewLister(folder).List(ctx)
}

// Lister lists the runs under a folder again and again. It is not safe for concurrent use.
type Lister struct {
	folder  string
	one     bool               // the folder is that of one run
	readers map[string]*Reader // by the folder of a run
}

// NewLister returns a Lister of the runs under a folder.
func NewLister(folder string) *Lister { return &Lister{folder: folder} }

// ListerOf returns a Lister of one run, in a folder.
func ListerOf(run string) *Lister { return &Lister{folder: run, one: true} }

// List is List. It folds only what the logs have got since the last time.
func (l *Lister) List(ctx context.Context) (*Runs, error) {
	folder, err := runfolder.Absolute(l.folder)
	if err != nil {
		return nil, err
	}
	all := &Runs{Folder: folder}
	if l.one {
		all.Runs = []*Run{{Folder: folder}}
	} else if found, err := runfolder.In(folder); err == nil {
		all.add(found)
	} else {
		return nil, err
	}
	var readers errgroup.Group
	readers.SetLimit(runtime.GOMAXPROCS(0))
	known := l.readers
	l.readers = map[string]*Reader{} // those of folders that are gone are left behind
	for _, r := range all.Runs {
		reader := cmp.Or(known[r.Folder], NewReader(r.Folder))
		l.readers[r.Folder] = reader
		readers.Go(func() error {
			r.read(ctx, reader)
			return nil
		})
	}
	_ = readers.Wait() // each has its own Problem
	slices.SortStableFunc(all.Runs, func(a, b *Run) int { return b.began.Compare(a.began) })
	for _, r := range all.Runs {
		if previous := all.PreviousOfSeries(r); previous != nil {
			r.Previous = previous.RunID
		}
		if len(r.Waits) > 0 || r.Problem != "" {
			all.Waiting++
		}
	}
	return all, nil
}

// PreviousOfSeries returns the run of the same series on the same service that began last before a run; nil: none.
func (all *Runs) PreviousOfSeries(of *Run) *Run {
	for _, r := range all.Runs { // the newest is the first
		if of.Series != "" && r.Series == of.Series && r.Service == of.Service && r.began.Before(of.began) {
			return r
		}
	}
	return nil
}

// add adds the runs in folders, and those elsewhere that their registers know.
func (all *Runs) add(folders []string) {
	known, registers := map[string]bool{}, map[string]bool{}
	for _, folder := range folders {
		r := &Run{Folder: folder}
		all.Runs = append(all.Runs, r)
		if c, err := runfolder.ReadCall(r.Folder); err == nil {
			r.RunID, known[c.RunID], registers[c.Register] = c.RunID, true, true
		}
	}
	for dir := range registers {
		at, err := register.Look(dir)
		if err != nil {
			all.Runs = append(all.Runs, &Run{Folder: dir, Problem: refusal.OneLine(err.Error())})
			continue
		}
		for _, e := range at.Runs() {
			if !known[e.RunID] && (e.State == register.Begun || runfolder.Exists(e.Folder)) {
				known[e.RunID] = true
				all.Runs = append(all.Runs, &Run{RunID: e.RunID, Campaign: e.Campaign, Folder: e.Folder, began: e.At})
			}
		}
	}
}

// read reads the run in the folder.
func (r *Run) read(ctx context.Context, reader *Reader) {
	if r.Problem != "" {
		return
	}
	if info, err := os.Stat(filepath.Join(r.Folder, runfolder.RunFile)); err == nil {
		r.began = info.ModTime()
	}
	h := runfolder.Heading(r.Folder)
	r.Title, r.Series = h.Title, h.Series
	s, err := reader.Read(ctx)
	if err != nil {
		r.Problem = refusal.OneLine(err.Error())
		return
	}
	r.RunID = s.RunID
	if s.FirstStart != nil {
		r.began = *s.FirstStart
	}
	r.Status, r.Campaign, r.Service, r.State, r.Started = s, cmp.Or(s.Campaign, r.Campaign), s.Service, s.State, s.FirstStart
	r.Records, r.Fates, r.Waits = s.Records, s.Fates, s.waits()
}

// waits lists what waits for a person. The command for each is one that changes nothing, or goes on as planned.
func (s *Status) waits() (all []Wait) {
	add := func(is bool, runbook, what string, command ...string) {
		if is {
			all = append(all, Wait{what, refusal.Command(append(command, s.Folder)...), runbook})
		}
	}
	add(s.Fates != nil && !s.AddsUp, "", "THE FATES DO NOT ADD UP: this is a defect, send nothing more", "status")
	add(s.Contradicted > 0, runbooks.ForeignBatch, fmt.Sprintf("the service reports about %d people who have no message by this account", s.Contradicted), "status")
	if s.State == ledger.SupersededRun {
		return all
	}
	add(s.Foreign > 0, runbooks.ForeignBatch, fmt.Sprintf("%d batches are known to the service and were not sent by this run", s.Foreign), "decide")
	add(s.Paused != "", runbooks.PausedOrHeld, "it is paused "+s.Paused, "continue")
	add(s.State == ledger.Halted && s.Foreign == 0, runbooks.For(s.haltCode), "it has halted: "+strings.TrimPrefix(s.LastEvent, "halted: "), "resume")
	add(s.State == ledger.Died, runbooks.Died, "its process is gone and left no word", "resume")
	add(s.State == ledger.RunStopped, "", "it was stopped before its end", "resume")
	verb, held := "decide", runbooks.PausedOrHeld
	if s.byReceipts {
		verb, held = "reconcile", runbooks.InDoubt
	}
	add(s.State == ledger.EndedInDoubt, runbooks.InDoubt, fmt.Sprintf("%d messages are in doubt, and no replay settles them", s.Fates[person.InDoubt]), verb)
	add(s.Held > 0 && s.State != ledger.EndedInDoubt, held, fmt.Sprintf("%d batches are held in doubt", s.Held), "decide")
	add(s.Fates[person.Refused] > 0, "", fmt.Sprintf("%d messages were refused", s.Fates[person.Refused]), "decide")
	return all
}

// Print prints the runs for a person.
func (all *Runs) Print(w io.Writer) {
	fmt.Fprintf(w, "%d of %d runs wait for a person\n", all.Waiting, len(all.Runs))
	for _, r := range all.Runs {
		r.print(w)
	}
}

func (r *Run) print(w io.Writer) {
	name := cmp.Or(r.Campaign, filepath.Base(r.Folder))
	if r.Title != "" {
		name = r.Title + " (" + name + ")"
	}
	fmt.Fprintf(w, "\n%s\n", name)
	if r.Problem != "" {
		fmt.Fprintf(w, "  cannot be read: %s\n  folder    %s\n", r.Problem, r.Folder)
		return
	}
	fmt.Fprintf(w, "  %-9s run %.8s", r.State, r.RunID)
	if r.Started != nil {
		fmt.Fprintf(w, ", started %s", r.Status.clock(*r.Started))
	}
	if r.Series != "" {
		fmt.Fprintf(w, ", series %s", r.Series)
	}
	if r.Previous != "" {
		fmt.Fprintf(w, ", its previous run is %.8s", r.Previous)
	}
	fmt.Fprintf(w, "\n  folder    %s\n", r.Folder)
	if r.Fates != nil {
		var account []string
		for _, fate := range person.Fates {
			if n := r.Fates[fate]; n > 0 {
				account = append(account, fmt.Sprintf("%s %s", refusal.Thousands(n), strings.ReplaceAll(string(fate), "_", " ")))
			}
		}
		fmt.Fprintf(w, "  records   %s: %s\n", refusal.Thousands(r.Records), strings.Join(account, ", "))
	}
	for _, wait := range r.Waits {
		fmt.Fprintf(w, "  waits     %s: %s\n", wait.What, wait.Command)
		if wait.Runbook != "" {
			fmt.Fprintf(w, "            Runbook: cohort runbook %s\n", wait.Runbook)
		}
	}
}
