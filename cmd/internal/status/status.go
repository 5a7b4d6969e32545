package status

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"cohort/cmd/internal/intake"
	"cohort/cmd/internal/run"
	"cohort/cmd/internal/terminal"
	"cohort/engine/campaign"
	"cohort/engine/control"
	"cohort/engine/disk"
	"cohort/engine/dispatch"
	"cohort/engine/facts"
	"cohort/engine/ledger"
	"cohort/engine/pace"
	"cohort/engine/plan"
	"cohort/engine/record"
	"cohort/engine/refusal"
	"cohort/engine/runfolder"
	"cohort/ingest/person"
	"cohort/sinks/file"
)

// Status is the state of a run. It is the output of --json.
type Status struct {
	RunID        string                `json:"run_id"`
	Campaign     string                `json:"campaign"`
	Parent       string                `json:"parent,omitempty"` // of a follow-up: the run with its people
	Rule         string                `json:"rule,omitempty"`   // likewise
	Service      string                `json:"service"`
	Folder       string                `json:"folder"`
	State        ledger.RunState       `json:"state"`
	PID          int                   `json:"pid,omitempty"`
	Host         string                `json:"host,omitempty"`
	Files        *run.FilesStatus      `json:"files,omitempty"` // of a campaign that writes files
	Records      int64                 `json:"records"`
	Fates        map[person.Fate]int64 `json:"fates"`
	AddsUp       bool                  `json:"adds_up"`
	Routes       []intake.RouteStatus  `json:"routes,omitempty"` // of a campaign that has any
	Batches      int                   `json:"batches"`
	Attempts     uint64                `json:"attempts"`
	Starts       int                   `json:"starts"`
	FirstStart   *time.Time            `json:"first_start,omitempty"`
	LastAnswer   *time.Time            `json:"last_answer,omitempty"`
	LastEvent    string                `json:"last_event,omitempty"`
	Waiting      *Waiting              `json:"waiting,omitempty"` // of the process at work
	Rate         *Rate                 `json:"rate,omitempty"`
	Key          *pace.KeyUse          `json:"key,omitempty"`           // what all runs use that share the API key
	First        *time.Time            `json:"first_request,omitempty"` // of the process at work
	ExpectedEnd  *time.Time            `json:"expected_end,omitempty"`  // if nothing comes in between
	Window       *Window               `json:"window,omitempty"`
	GoOnBy       *time.Time            `json:"go_on_by,omitempty"`   // by then, and this window holds all that is left
	Paused       string                `json:"paused,omitempty"`     // by a person, with the reason
	PaceLever    *pace.Override        `json:"pace_lever,omitempty"` // the rate that a person has asked for
	Events       []ledger.Event        `json:"events,omitempty"`     // the latest decisions
	ListedLate   int                   `json:"listed_too_late"`      // people on a suppression list too late: their message was attempted
	Contradicted int                   `json:"contradicted"`         // people whose message the service has, though the account says that it does not
	Resent       int                   `json:"resent_in_doubt"`      // messages in doubt that were sent again, as a person decided
	ToBeResent   int                   `json:"to_be_resent"`         // and those that are still to be sent again
	Held         int                   `json:"batches_held"`         // in doubt, and no replay can settle them
	Foreign      int                   `json:"batches_foreign"`      // known to the service and not sent by this run

	Position uint64             `json:"-"` // the number of the latest record of the log; 0: there is none
	Traffic  ledger.Traffic     `json:"-"` // what the requests came back with
	Gone     ledger.Process     `json:"-"` // the process that left no word, of a run that died
	Live     *dispatch.Snapshot `json:"-"` // what the process at work says; nil: nothing
	Silent   string             `json:"-"` // why it says nothing; empty: it does, or there is none
	Zone     *time.Location     `json:"-"` // of the campaign; nil is UTC, while it cannot be read

	routes     []ledger.RouteAccount
	haltCode   string // of the latest halt
	byReceipts bool   // receipts settle what is in doubt, and no replay does
	stretch    pace.WindowStart
	rates      []float64 // of the latest minutes, when they are watched
}

// clock writes a time for people.
func (s *Status) clock(t time.Time) string { return s.in(t).Format(time.DateTime + " MST") }

func (s *Status) in(t time.Time) time.Time {
	if s.Zone == nil {
		return t.UTC()
	}
	return t.In(s.Zone)
}

// Words are the words of an event for people.
func Words(e *ledger.Event) string {
	switch {
	case e.Verb == string(record.VerbStop):
		return "stop asked for " + e.Detail
	case strings.HasPrefix(e.Detail, e.Verb+" "): // a process that was stopped says so itself
		return e.Detail
	}
	return e.Verb + ": " + e.Detail
}

// Read reads the state of a run.
func Read(ctx context.Context, dir string) (*Status, error) {
	r := NewReader(dir)
	defer r.Close()
	return r.Read(ctx)
}

// Sends reports whether a process that holds a run's folder sends the run. One of an older
// version may not have said.
func Sends(h disk.Holder) bool { return slices.Contains([]string{"", "send", "resume"}, h.Doing) }

// ask asks the process at work how it stands. It may not have begun to send.
func (s *Status) ask(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	var err error
	switch s.Live, err = control.Snapshot(ctx, s.Folder); {
	case errors.Is(err, control.ErrNobody):
		s.Silent = "the process at work does not listen; it may be preparing, or ending"
	case err != nil:
		s.Silent = refusal.OneLine(err.Error())
	}
}

func (s *Status) fill(plan *plan.Plan, at ledger.Standing) {
	folded := at.Ledger
	account := folded.Account()
	_, held, foreign := folded.Unsettled()
	s.RunID, s.Campaign, s.Service = plan.RunID, plan.Campaign, plan.Service
	if f := plan.FollowUp; f != nil {
		s.Parent, s.Rule = f.Parent.RunID, f.Rule
	}
	s.Records, s.Fates, s.AddsUp = account.Records, map[person.Fate]int64{}, account.Check() == nil
	for _, fate := range person.Fates {
		s.Fates[fate] = account.Fates[fate]
	}
	s.routes, s.byReceipts, s.haltCode = folded.ByRoute(), plan.NeverAgain, folded.Facts().HaltCode
	s.Routes = intake.RoutesStatus(s.routes)
	s.AddsUp = s.AddsUp && ledger.CheckRoutes(s.routes, account) == nil
	s.Batches, s.Attempts, s.Starts, s.LastEvent = plan.Batches(), folded.Facts().Attempts, folded.Facts().Starts, folded.Facts().LastControl
	s.Held, s.Foreign, s.ListedLate, s.Contradicted = held, foreign, folded.ListedLate(), folded.CountContradicted()
	s.Resent, s.ToBeResent = folded.Resent()
	s.FirstStart, s.LastAnswer = moment(folded.Facts().FirstStart), moment(folded.Facts().LastAnswer)
	s.stretch, s.Traffic = folded.Facts().Stretch, folded.Traffic()
	s.Events, s.Paused = slices.Clone(folded.Facts().Events), folded.Facts().Paused
	if folded.Facts().Override != (pace.Override{}) {
		s.PaceLever = new(folded.Facts().Override)
	}
	if s.State = at.State(); s.State == ledger.Died {
		s.died(at.Gone())
	}
}

// died has the start of the process that is gone stand behind what was noted before it.
func (s *Status) died(gone ledger.Process) {
	s.Gone = gone
	started := ledger.Event{
		At: gone.Since.UTC(), Verb: "started",
		Detail: fmt.Sprintf("by process %d on %s, which left no word since", gone.PID, gone.Host),
	}
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

func (s *Status) Print(w io.Writer) {
	state := string(s.State)
	if s.Gone.PID != 0 {
		state += fmt.Sprintf(" (process %d on %s is gone and left no word); safe to go on", s.Gone.PID, s.Gone.Host)
	}
	if s.PID != 0 {
		state += fmt.Sprintf(" (process %d on %s)", s.PID, s.Host)
	}
	fmt.Fprintf(w, "run       %.8s of %s, %s\nfolder    %s\nstate     %s\n", s.RunID, s.Campaign, s.Service, s.Folder, state)
	s.printExpected(w)
	if s.Fates == nil {
		s.next(w)
		return
	}
	if s.Parent != "" {
		fmt.Fprintf(w, "follow-up of run %.8s by %s\n", s.Parent, s.Rule)
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
		fmt.Fprintf(w, "event     %s %s\n", s.clock(e.At), Words(&e))
	}
	if s.Paused != "" {
		fmt.Fprintf(w, "paused    %s\n", s.Paused)
		if !s.ended() {
			fmt.Fprintf(w, "to go on: %s\n", refusal.Command("continue", s.Folder))
			s.printGoOnBy(w)
		}
	}
	switch {
	case s.PaceLever == nil:
	case s.PaceLever.PerSecond > 0:
		fmt.Fprintf(w, "pace      %s a second instead of the campaign's\n", pace.Figure(s.PaceLever.PerSecond))
	default:
		fmt.Fprintf(w, "pace      to finish by %s instead of the campaign's\n", s.clock(s.PaceLever.FinishBy))
	}
	fmt.Fprintf(w, "batches   %d planned, %d requests\nrecords   %d\n", s.Batches, s.Attempts, s.Records)
	account := ledger.Account{Records: s.Records, Fates: s.Fates}
	terminal.PrintFates(w, "", account, s.PID != 0)
	intake.PrintRoutes(w, "", s.routes, account)
	run.PrintBlocked(w, "", s.ListedLate, s.Contradicted)
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
	if runfolder.Exists(filepath.Join(s.Folder, facts.InboxFolder)) || runfolder.Exists(filepath.Join(filepath.Dir(s.Folder), facts.SharedFolder)) {
		fmt.Fprintf(w, "delivery  what became of accepted messages: %s\n", refusal.Command("report", s.Folder))
	}
	s.next(w)
	if s.Foreign > 0 {
		fmt.Fprintf(w, "%d batches are known to the service and were not sent by this run; find out who sent them, then decide: %s\n", s.Foreign, refusal.Command("decide", s.Folder))
	}
}

func (s *Status) printGoOnBy(w io.Writer) {
	if s.GoOnBy != nil {
		fmt.Fprintf(w, "by %s: go on by then, and this window holds all that is left\n", s.in(*s.GoOnBy).Format("15:04"))
	}
}

// ended reports whether a run stopped before its end.
func (s *Status) ended() bool {
	return s.State == ledger.RunStopped || s.State == ledger.Died || s.State == ledger.Halted
}

// next says which command goes on, and names the runbooks for what waits for a person.
func (s *Status) next(w io.Writer) {
	var named []string
	for _, wait := range s.waits() {
		if wait.Runbook != "" && !slices.Contains(named, wait.Runbook) {
			named = append(named, wait.Runbook)
			fmt.Fprintf(w, "Runbook: cohort runbook %s\n", wait.Runbook)
		}
	}
	switch {
	case s.ended():
		if s.Foreign > 0 {
			return // the decision comes first
		}
		first := ""
		if s.Paused != "" {
			fmt.Fprint(w, "the run is stopped and paused, and both commands are needed; ")
			first = refusal.Command("continue", s.Folder) + " && "
		}
		fmt.Fprintf(w, "go on with: %s%s\n", first, refusal.Command("resume", s.Folder))
		s.printGoOnBy(w)
	case s.State == ledger.EndedInDoubt:
		if s.byReceipts {
			fmt.Fprintf(w, "%d messages are in doubt; the service's receipts settle those that they name: %s\n", s.Fates[person.InDoubt], refusal.Command("reconcile", s.Folder))
			break
		}
		fmt.Fprintf(w, "%d batches may have been accepted and no replay can settle them; to see what can be decided: %s\n", s.Held, refusal.Command("decide", s.Folder))
	}
}

// addFiles adds the files of a campaign that writes files. Such a run is not finished before they are
// complete.
func (s *Status) addFiles(plan *plan.Plan) error {
	if !campaign.WritesFiles(plan.Service) {
		return nil
	}
	s.Files = &run.FilesStatus{Folder: filepath.Join(s.Folder, runfolder.FilesFolder)}
	m, err := file.ReadManifest(s.Files.Folder)
	switch {
	case err != nil:
		return refusal.New("files_manifest_unreadable", "cause", err)
	case m != nil && m.Whole:
		s.Files.Whole, s.Files.Count, s.Files.Messages = true, len(m.Files), m.Messages
	case s.State == "finished":
		s.State = "stopped"
	}
	return nil
}
