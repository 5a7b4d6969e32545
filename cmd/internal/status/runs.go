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

	status *Status
	began  time.Time // for the order
	gone   bool      // its folder is not there, and it has nothing left to do
}

// Wait is something that waits for a person, and the command that shows it or goes on.
type Wait struct {
	What    string `json:"what"`
	Command string `json:"command,omitempty"`
}

// List reads the runs under a folder. A run that cannot be read is one with a Problem. It reads each log once, and
// several at a time.
func List(ctx context.Context, folder string) (*Runs, error) {
	folder, err := runfolder.Absolute(folder)
	if err != nil {
		return nil, err
	}
	if _, err := os.ReadDir(folder); err != nil {
		return nil, refusal.New("runs_unreadable", "cause", err)
	}
	all := &Runs{Folder: folder}
	found, _ := filepath.Glob(filepath.Join(folder, "*", runfolder.RunFile)) // an error is one of the pattern
	for _, file := range found {
		all.Runs = append(all.Runs, &Run{Folder: filepath.Dir(file)})
	}
	all.addElsewhere()
	var readers errgroup.Group
	readers.SetLimit(runtime.GOMAXPROCS(0))
	for _, r := range all.Runs {
		readers.Go(func() error {
			r.read(ctx)
			return nil
		})
	}
	_ = readers.Wait() // each has its own Problem
	slices.SortStableFunc(all.Runs, func(a, b *Run) int { return cmp.Or(b.began.Compare(a.began), cmp.Compare(a.Folder, b.Folder)) })
	var members []runfolder.Member
	for _, r := range all.Runs {
		members = append(members, runfolder.Member{RunID: r.RunID, Folder: r.Folder, Series: r.Series, Service: r.Service, Began: r.began})
	}
	for i, r := range all.Runs {
		if previous := runfolder.PreviousOfSeries(members[i], members); previous != nil {
			r.Previous = previous.RunID
		}
		if len(r.Waits) > 0 || r.Problem != "" {
			all.Waiting++
		}
	}
	return all, nil
}

// addElsewhere adds the runs that the registers of the runs know in other folders.
func (all *Runs) addElsewhere() {
	known, registers := map[string]bool{}, []string(nil)
	for _, r := range all.Runs {
		c, err := runfolder.ReadCall(r.Folder)
		known[c.RunID] = true
		if err == nil && c.Register != "" && !slices.Contains(registers, c.Register) {
			registers = append(registers, c.Register)
		}
	}
	for _, dir := range registers {
		at, err := register.Look(dir)
		if err != nil {
			all.Runs = append(all.Runs, &Run{Folder: dir, Problem: refusal.OneLine(err.Error())})
			continue
		}
		for _, e := range at.Runs() {
			if known[e.RunID] {
				continue
			}
			known[e.RunID] = true
			r := &Run{RunID: e.RunID, Campaign: e.Campaign, Service: e.Service, Folder: e.Folder, began: e.At}
			switch gone := !runfolder.Exists(filepath.Join(e.Folder, runfolder.RunFile)); {
			case gone && e.State != register.Begun:
				r.State, r.gone = ledger.RunState(e.State), true
			case gone:
				r.Problem = fmt.Sprintf("the register knows it as %s, in this folder on host %s, and the folder is not there", e.State, e.Host)
			}
			all.Runs = append(all.Runs, r)
		}
	}
}

// read reads the run in the folder.
func (r *Run) read(ctx context.Context) {
	if r.gone || r.Problem != "" {
		return
	}
	if info, err := os.Stat(filepath.Join(r.Folder, runfolder.RunFile)); err == nil {
		r.began = info.ModTime()
	}
	h := runfolder.Heading(r.Folder)
	r.Title, r.Series = h.Title, h.Series
	if c, err := runfolder.ReadCall(r.Folder); err == nil {
		r.RunID = c.RunID
	}
	s, err := Read(ctx, r.Folder)
	if err != nil {
		r.Problem = refusal.OneLine(err.Error())
		return
	}
	r.status, r.State, r.Started, r.Records, r.Fates = s, s.State, s.FirstStart, s.Records, s.Fates
	if r.Campaign, r.Service = cmp.Or(s.Campaign, r.Campaign), cmp.Or(s.Service, r.Service); s.FirstStart != nil {
		r.began = *s.FirstStart
	}
	r.Waits = s.waits()
}

// waits lists what waits for a person. The command for each is one that changes nothing, or goes on as planned.
func (s *Status) waits() (all []Wait) {
	add := func(is bool, what string, command ...string) {
		if is {
			all = append(all, Wait{what, refusal.Command(append(command, s.Folder)...)})
		}
	}
	add(s.Fates != nil && !s.AddsUp, "THE FATES DO NOT ADD UP: this is a defect, send nothing more", "status")
	if s.State == ledger.SupersededRun {
		return all
	}
	add(s.Foreign > 0, fmt.Sprintf("%d batches are known to the service and were not sent by this run", s.Foreign), "decide")
	add(s.Paused != "", "it is paused "+s.Paused, "continue")
	add(s.State == ledger.Halted && s.Foreign == 0, "it has halted: "+s.LastEvent, "resume")
	add(s.State == ledger.Died, "its process is gone and left no word", "resume")
	add(s.State == ledger.RunStopped, "it was stopped before its end", "resume")
	verb := "decide"
	if s.byReceipts {
		verb = "reconcile"
	}
	add(s.State == ledger.EndedInDoubt, fmt.Sprintf("%d messages are in doubt, and no replay settles them", s.Fates[person.InDoubt]), verb)
	add(s.Held > 0 && s.State != ledger.EndedInDoubt, fmt.Sprintf("%d batches are held in doubt", s.Held), "decide")
	add(s.Fates[person.Refused] > 0, fmt.Sprintf("%d messages were refused", s.Fates[person.Refused]), "decide")
	return all
}

// Print prints the runs for a person.
func (all *Runs) Print(w io.Writer) {
	if len(all.Runs) == 0 {
		fmt.Fprintf(w, "there are no runs in %s\n", all.Folder)
		return
	}
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
		fmt.Fprintf(w, ", started %s", r.status.clock(*r.Started))
	}
	if r.Series != "" {
		fmt.Fprintf(w, ", series %s", r.Series)
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
	}
}
