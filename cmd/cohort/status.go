package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"cohort/cmd/internal/intake"
	"cohort/cmd/internal/reconcile"
	"cohort/cmd/internal/run"
	"cohort/engine/control"
	"cohort/engine/disk"
	"cohort/engine/dispatch"
	"cohort/engine/ledger"
	"cohort/engine/pace"
	"cohort/engine/plan"
	"cohort/engine/record"
	"cohort/engine/refusal"
	"cohort/engine/runfolder"
	"cohort/ingest/person"
)

// status is where a run stands; with --json it is what is printed.
type Status struct {
	RunID      string                `json:"run_id"`
	Campaign   string                `json:"campaign"`
	Service    string                `json:"service"`
	Folder     string                `json:"folder"`
	State      ledger.RunState       `json:"state"`
	PID        int                   `json:"pid,omitempty"`
	Host       string                `json:"host,omitempty"`
	Files      *run.FilesStatus      `json:"files,omitempty"` // of a campaign that writes files
	Records    int64                 `json:"records"`
	Fates      map[person.Fate]int64 `json:"fates"`
	AddsUp     bool                  `json:"adds_up"`
	Routes     []intake.RouteStatus  `json:"routes,omitempty"` // of a campaign that has any
	Batches    int                   `json:"batches"`
	Attempts   uint64                `json:"attempts"`
	Starts     int                   `json:"starts"`
	FirstStart *time.Time            `json:"first_start,omitempty"`
	LastAnswer *time.Time            `json:"last_answer,omitempty"`
	LastEvent  string                `json:"last_event,omitempty"`
	Waiting    *wait                 `json:"waiting,omitempty"`    // what the process at work waits for
	Paused     string                `json:"paused,omitempty"`     // who has paused the run, and why
	PaceLever  *pace.Override        `json:"pace_lever,omitempty"` // the rate that a person has asked for
	Events     []Event               `json:"events,omitempty"`     // the latest decisions
	ListedLate int                   `json:"listed_too_late"`      // people whom a suppression list named when their message had been attempted
	Resent     int                   `json:"resent_in_doubt"`      // messages in doubt that a person has had sent again
	ToBeResent int                   `json:"to_be_resent"`         // and those that are still to be sent again
	Held       int                   `json:"batches_held"`         // in doubt, and no replay can settle them
	Foreign    int                   `json:"batches_foreign"`      // known to the service and not sent by this run

	routes     []ledger.RouteAccount
	gone       ledger.Process     // the process that left no word, of a run that died
	now        *dispatch.Snapshot // what the process at work says
	silent     string             // why it says nothing; empty: it does, or there is none
	byReceipts bool               // receipts settle what is in doubt, and no replay does
	zone       *time.Location     // of the campaign: what people are told of times is in it
}

// clock is a moment as people are told of it.
func (s *Status) clock(t time.Time) string { return s.in(t).Format(time.DateTime + " MST") }

func (s *Status) in(t time.Time) time.Time {
	if s.zone == nil {
		return t.UTC()
	}
	return t.In(s.zone)
}

// event is what a person or the run itself decided.
type Event struct {
	At     time.Time `json:"at"`
	Verb   string    `json:"verb"`
	Detail string    `json:"detail,omitempty"`
}

// words are the event for people.
func (e Event) words() string {
	switch {
	case e.Verb == string(record.VerbStop):
		return "stop asked for " + e.Detail
	case strings.HasPrefix(e.Detail, e.Verb+" "): // a process that was stopped says so itself
		return e.Detail
	}
	return e.Verb + ": " + e.Detail
}

func events(l *ledger.Ledger) (all []Event) {
	for _, e := range l.Events {
		all = append(all, Event{e.At.UTC(), e.Verb, e.Detail})
	}
	return all
}

func statusCommand() *cobra.Command {
	var asJSON, watching bool
	c := &cobra.Command{
		Use:   "status DIR",
		Short: "Show where a run stands, while it runs or after",
		Long: `Status reads the progress log and adds it up. It does not disturb a run at work, whose
requests under way it counts as in doubt until they are answered.

Exit codes:
` + exitCodes,
		Args: arguments(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			dir, err := runfolder.Absolute(args[0])
			if err != nil {
				return err
			}
			if watching {
				return watch(c.Context(), dir, asJSON, c.OutOrStdout())
			}
			s, err := readStatus(c.Context(), dir)
			if err != nil {
				return err
			}
			if asJSON {
				out := json.NewEncoder(c.OutOrStdout())
				out.SetIndent("", "  ")
				return out.Encode(s)
			}
			s.print(c.OutOrStdout())
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "for programs")
	c.Flags().BoolVar(&watching, "watch", false, "show it anew every second, until Ctrl-C or until no process is at work any more")
	return c
}

func readStatus(ctx context.Context, dir string) (*Status, error) {
	call, err := runfolder.ReadCall(dir)
	if err != nil {
		return nil, err
	}
	holder, busy := disk.LockHolder(filepath.Join(dir, runfolder.LockFile))
	if !busy && !sends(holder) {
		holder = disk.Holder{} // that it is gone says nothing of the run's own sender
	}
	s := &Status{RunID: call.RunID, Folder: dir}
	if c, _, _, err := runfolder.ReadCampaign(dir, call); err == nil { // else the times are UTC, as they say
		s.zone = c.Pace.Location
	}
	at := ledger.Standing{Busy: busy, Holder: ledger.Process{PID: holder.PID, Host: holder.Host, Since: holder.Since}, Asking: holder.Doing == reconcile.Verb}
	if busy {
		s.PID, s.Host = holder.PID, holder.Host
		s.ask(ctx)
		if at.Answers = s.now != nil; at.Answers {
			at.Says = s.now.State
		}
	}
	planned, err := plan.Open(dir)
	if errors.Is(err, plan.ErrNone) {
		if !busy && runfolder.RefusedFor(dir) {
			return nil, refusal.New("cohort_was_refused", "folder", dir, "file", filepath.Join(dir, runfolder.RejectsFile))
		}
		s.State, s.gone = at.State(), at.Gone()
		return s, nil
	}
	if err != nil {
		return nil, runfolder.Damaged(err)
	}
	defer func() { _ = planned.Close() }()
	if at.Ledger, err = ledger.Read(dir, planned); err != nil {
		return nil, runfolder.Unsound(dir, err)
	}
	s.fill(planned, at)
	s.Waiting = s.waitOf(s.now)
	return s, s.look(planned)
}

// sends reports whether a process that holds a run's folder sends the run. One of an older
// version may not have said.
func sends(h disk.Holder) bool { return slices.Contains([]string{"", "send", "resume"}, h.Doing) }

// ask asks the process at work how it stands. It has not begun to send when it says nothing.
func (s *Status) ask(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	var err error
	switch s.now, err = control.Snapshot(ctx, s.Folder); {
	case errors.Is(err, control.ErrNobody):
		s.silent = "the process at work does not listen; it may be preparing, or ending"
	case err != nil:
		s.silent = refusal.OneLine(err.Error())
	}
}

func (s *Status) fill(plan *plan.Plan, at ledger.Standing) {
	folded := at.Ledger
	account := folded.Account()
	_, held, foreign := folded.Unsettled()
	s.RunID, s.Campaign, s.Service = plan.RunID, plan.Campaign, plan.Service
	s.Records, s.Fates, s.AddsUp = account.Records, map[person.Fate]int64{}, account.Check() == nil
	for _, fate := range person.Fates {
		s.Fates[fate] = account.Fates[fate]
	}
	s.routes, s.byReceipts = folded.ByRoute(), plan.NeverAgain
	s.Routes = intake.RoutesStatus(s.routes)
	s.AddsUp = s.AddsUp && ledger.CheckRoutes(s.routes, account) == nil
	s.Batches, s.Attempts, s.Starts, s.LastEvent = plan.Batches(), folded.Attempts, folded.Starts, folded.LastControl
	s.Held, s.Foreign, s.ListedLate = held, foreign, folded.ListedLate()
	s.Resent, s.ToBeResent = folded.Resent()
	s.FirstStart, s.LastAnswer = moment(folded.FirstStart), moment(folded.LastAnswer)
	s.Events, s.Paused = events(folded), folded.Paused
	if folded.Override != (pace.Override{}) {
		s.PaceLever = &folded.Override
	}
	if s.State = at.State(); s.State == ledger.Died {
		s.died(at.Gone())
	}
}

// died has the start of the process that is gone stand behind what was noted before it.
func (s *Status) died(gone ledger.Process) {
	s.gone = gone
	started := Event{gone.Since.UTC(), "started", fmt.Sprintf("by process %d on %s, which left no word since", gone.PID, gone.Host)}
	i := len(s.Events)
	for i > 0 && s.Events[i-1].At.After(started.At) {
		i--
	}
	if s.Events = slices.Insert(s.Events, i, started); i == len(s.Events)-1 {
		s.LastEvent = started.Verb + ": " + started.Detail
	}
}

func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

func (s *Status) print(w io.Writer) {
	state := string(s.State)
	if s.gone.PID != 0 {
		state += fmt.Sprintf(" (process %d on %s is gone and left no word); safe to go on", s.gone.PID, s.gone.Host)
	}
	if s.PID != 0 {
		state += fmt.Sprintf(" (process %d on %s)", s.PID, s.Host)
	}
	fmt.Fprintf(w, "run       %.8s of %s, %s\nfolder    %s\nstate     %s\n", s.RunID, s.Campaign, s.Service, s.Folder, state)
	if s.Waiting != nil {
		fmt.Fprintf(w, "waiting   %s\n", pace.WaitText(s.Waiting.Reason, s.in(s.Waiting.Until), time.Now()))
	}
	if s.Fates == nil {
		s.next(w)
		return
	}
	if s.FirstStart != nil {
		often := "once"
		if s.Starts > 1 {
			often = fmt.Sprintf("%d times", s.Starts)
		}
		fmt.Fprintf(w, "begun     %s, started %s\n", s.clock(*s.FirstStart), often)
	}
	if s.LastAnswer != nil {
		fmt.Fprintf(w, "last      answer at %s\n", s.clock(*s.LastAnswer))
	}
	for _, e := range s.Events[max(0, len(s.Events)-5):] {
		fmt.Fprintf(w, "event     %s %s\n", s.clock(e.At), e.words())
	}
	if s.Paused != "" {
		fmt.Fprintf(w, "paused    %s\nto go on: %s\n", s.Paused, refusal.Command("continue", s.Folder))
	}
	switch {
	case s.PaceLever == nil:
	case s.PaceLever.PerSecond > 0:
		fmt.Fprintf(w, "pace      %g a second instead of the campaign's\n", s.PaceLever.PerSecond)
	default:
		fmt.Fprintf(w, "pace      to finish by %s instead of the campaign's\n", s.clock(s.PaceLever.FinishBy))
	}
	fmt.Fprintf(w, "batches   %d planned, %d requests\nrecords   %d\n", s.Batches, s.Attempts, s.Records)
	sum := int64(0)
	for _, fate := range person.Fates {
		fmt.Fprintf(w, "  %-12s %10d\n", fate, s.Fates[fate])
		sum += s.Fates[fate]
	}
	if s.AddsUp {
		fmt.Fprintf(w, "the fates add up to %d: every record is accounted for\n", sum)
	} else {
		fmt.Fprintf(w, "THE FATES ADD UP TO %d: this is a defect, send nothing more\n", sum)
	}
	intake.PrintRoutes(w, "", s.routes, ledger.Account{Records: s.Records, Fates: s.Fates})
	if s.ListedLate > 0 {
		fmt.Fprintln(w, run.TooLate(s.ListedLate))
	}
	if s.Resent+s.ToBeResent > 0 {
		fmt.Fprintf(w, "resent    %d messages in doubt went out again because a person has decided so, and %d are still to; who got the first gets two\n", s.Resent, s.ToBeResent)
	}
	switch {
	case s.Files == nil:
	case s.Files.Whole:
		fmt.Fprintf(w, "files     %d with %d messages in %s\n", s.Files.Count, s.Files.Messages, s.Files.Folder)
	default:
		fmt.Fprintln(w, "files     not whole yet: hand nothing over")
	}
	s.next(w)
	if s.Foreign > 0 {
		fmt.Fprintf(w, "%d batches are known to the service and were not sent by this run; find out who sent them, then decide: %s\n", s.Foreign, refusal.Command("decide", s.Folder))
	}
}

// next says which command goes on.
func (s *Status) next(w io.Writer) {
	switch s.State {
	case ledger.RunStopped, ledger.Died, ledger.Halted:
		if s.Foreign > 0 {
			return // the decision comes first
		}
		first := ""
		if s.Paused != "" {
			first = "both are needed: " + refusal.Command("continue", s.Folder) + " && "
		}
		fmt.Fprintf(w, "go on with: %s%s\n", first, refusal.Command("resume", s.Folder))
	case ledger.EndedInDoubt:
		if s.byReceipts {
			fmt.Fprintf(w, "%d messages are in doubt; those that the service's receipts name are settled by: %s\n", s.Fates[person.InDoubt], refusal.Command("reconcile", s.Folder))
			break
		}
		fmt.Fprintf(w, "%d batches may have been accepted and no replay can settle them; to see what can be decided: %s\n", s.Held, refusal.Command("decide", s.Folder))
	}
}
