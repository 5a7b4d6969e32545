package page

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"cohort/cmd/internal/markup"
	"cohort/cmd/internal/status"
	"cohort/engine/ledger"
	"cohort/engine/pace"
	"cohort/engine/record"
	"cohort/engine/refusal"
	"cohort/ingest/person"
)

// view is what a page shows. The templates call its methods.
type view struct {
	*Site
	All    *status.Runs
	Run    *status.Run // nil on the page of all runs
	At     time.Time
	Base   string // of the run's addresses
	Levers bool   // this browser has them
	Said   string // the answer to what this browser asked for last
	Twins  int    // folders with this run: a copy has its id too
	kind   string
}

// look is how a state looks. The words are those of docs/operating.md.
type look struct {
	word, tone string
	icon       string // a path in a box of 24
	lead, do   string // when the state says no more
}

const (
	play   = "M4 2 20 12 4 22z"
	clock  = "M12 1a11 11 0 1 0 0 22 11 11 0 0 0 0-22zm0 3a8 8 0 1 1 0 16 8 8 0 0 1 0-16zm-1.2 2.5v6.2l4.6 3 1.3-2-3.5-2.3V6.5z"
	bars   = "M4 3h6v18H4zM14 3h6v18h-6z"
	sign   = "M7.5 1h9L23 7.5v9L16.5 23h-9L1 16.5v-9zM6 10.2v3.6h12v-3.6z"
	cross  = "m3 6 3-3 6 6 6-6 3 3-6 6 6 6-3 3-6-6-6 6-3-3 6-6z"
	tick   = "m2 13 3-3 5 5L20 4l3 3-13 14z"
	alert  = "M12 1 23 12 12 23 1 12zm-1.6 5v7.5h3.2V6zm0 9.2v3h3.2v-3z"
	goesOn = "It goes on by itself."

	box = "M3 3h18v18H3z"
)

var looks = map[ledger.RunState]look{
	ledger.Preparing:      {"Preparing", "wait", clock, "It reads the cohort and seals the plan.", ""},
	ledger.Sending:        {"Sending", "go", play, "Messages go out.", goesOn},
	ledger.WaitingWindow:  {"Waiting for the window", "wait", clock, "It sends when the window opens.", goesOn},
	ledger.WaitingService: {"Waiting for the service", "wait", clock, "The service asked for quiet, or does not answer.", goesOn},
	ledger.Paused:         {"Paused", "wait", bars, "Nothing is sent.", "Go on when you are ready:"},
	ledger.Reconciling:    {"Asking the service", "wait", clock, "It asks what became of messages.", "It keeps what it learnt."},
	ledger.RunStopped:     {"Stopped", "wait", box, "A person, a signal or the window ended it.", "Go on:"},
	ledger.Died:           {"Died", "died", cross, "The process is gone and left no word.", "Start it again:"},
	ledger.Halted:         {"Halted", "halted", sign, "The run stopped itself.", "Remove the cause, then go on:"},
	ledger.EndedInDoubt:   {"Ended in doubt", "hold", alert, "No replay can settle some messages.", "See what can be decided:"},
	ledger.SupersededRun:  {"Superseded", "wait", box, "Another run took its place.", "Another run took its place."},
	ledger.Finished:       {"Finished", "ok", tick, "Every record has its final fate.", "Keep the folder."},
}

func (v *view) look() look {
	if v.Run.Problem != "" {
		return look{"Cannot be read", "halted", alert, sentence(v.Run.Problem), ""}
	}
	return cmp.Or(looks[v.Run.State], look{markup.Capital(string(v.Run.State)), "wait", clock, "", ""})
}

// Of is the view of one of all runs.
func (v *view) Of(run *status.Run) *view {
	return &view{Site: v.Site, All: v.All, Run: run, At: v.At, Base: "/run/" + run.RunID + "/", kind: "run"}
}

// Sorted lists the runs, those that wait for a person first.
func (v *view) Sorted() (all []*view) {
	for _, wait := range []bool{true, false} {
		for _, run := range v.All.Runs {
			if wait == (len(run.Waits) > 0 || run.Problem != "") {
				all = append(all, v.Of(run))
			}
		}
	}
	return all
}

// Title begins with the state.
func (v *view) Title() string {
	if v.Run == nil {
		return fmt.Sprintf("%d of %d runs wait for a person", v.All.Waiting, len(v.All.Runs))
	}
	return v.Word() + ": " + v.Name()
}

func (v *view) Word() string { return v.look().word }
func (v *view) Icon() string { return v.look().icon }

// Tone names the colours.
func (v *view) Tone() string {
	if v.Run == nil {
		return ""
	}
	return v.look().tone
}

// Name is the campaign's.
func (v *view) Name() string { return cmp.Or(v.Run.Campaign, filepath.Base(v.Run.Folder)) }

// Heading is what people call the run.
func (v *view) Heading() string { return markup.OneLine(cmp.Or(v.Run.Title, v.Name())) }

// S is the state of the run; nil: it cannot be read.
func (v *view) S() *status.Status { return v.Run.Status }

// Planned reports whether there is a plan, and so an account.
func (v *view) Planned() bool { return v.S() != nil && v.S().Fates != nil }

// Position is the number of the latest record of the log.
func (v *view) Position() (n uint64) {
	for _, run := range v.All.Runs {
		if run.Status != nil && (v.Run == nil || v.Run == run) {
			n += run.Status.Position
		}
	}
	return n
}

func (v *view) zone() *time.Location {
	if v.Run != nil && v.S() != nil && v.S().Zone != nil {
		return v.S().Zone
	}
	return time.Local
}

// AsOf is the time of the figures.
func (v *view) AsOf() string { return v.At.In(v.zone()).Format("Mon 2 Jan 2006, 15:04:05 MST") }

// Clock writes a time of day, and the day when it is not today.
func (v *view) Clock(t time.Time) string { return pace.Clock(t, v.zone(), v.At) }

// short is Clock without seconds.
func (v *view) short(t time.Time) string {
	if t = t.In(v.zone()); t.Format(time.DateOnly) == v.At.In(v.zone()).Format(time.DateOnly) {
		return t.Format("15:04")
	}
	return t.Format("Mon 2 Jan 15:04")
}

// Lead says why the run is as it is, and what comes.
func (v *view) Lead() string {
	s, l := v.S(), v.look()
	if s == nil {
		return l.lead
	}
	switch {
	case s.State == ledger.Paused:
		return sentence("paused " + s.Paused)
	case s.Waiting != nil:
		return sentence(pace.Wait{Why: s.Waiting.Reason, Until: s.Waiting.Until}.Text(v.zone(), v.At))
	case s.State == ledger.Died:
		return fmt.Sprintf("Process %d on %s is gone and left no word. It is safe to go on.", s.Gone.PID, s.Gone.Host)
	case s.State == ledger.EndedInDoubt:
		return markup.Plural(v.InDoubt(), "message is", "messages are") + " in doubt, and no replay settles them."
	case s.State == ledger.Halted && len(s.Events) > 0 && s.Events[len(s.Events)-1].Verb == record.ControlHalted:
		return sentence(s.Events[len(s.Events)-1].Detail)
	case is(s.State, ledger.Halted, ledger.RunStopped, ledger.SupersededRun) && len(s.Events) > 0:
		return sentence(status.Words(&s.Events[len(s.Events)-1]))
	case s.State == ledger.Sending && v.Remain() > 0:
		return markup.Plural(v.Remain(), "message", "messages") + " will remain at " + v.short(*s.Window.Closes) + "."
	case s.State == ledger.Sending && s.ExpectedEnd != nil:
		return fmt.Sprintf("Done at about %s, if nothing comes in between.", v.short(*s.ExpectedEnd))
	}
	return l.lead
}

// Remain counts the messages that the window will not hold.
func (v *view) Remain() int64 {
	if s := v.S(); s != nil && s.Window != nil && s.Rate != nil && s.Window.Closes != nil {
		return s.Window.Remain
	}
	return 0
}

// Done says when the run is done.
func (v *view) Done() string {
	switch s := v.S(); {
	case s == nil || s.ExpectedEnd == nil && (s.State != ledger.Finished || s.LastAnswer == nil):
		return "–"
	case s.ExpectedEnd == nil:
		return v.short(*s.LastAnswer)
	default:
		return v.short(*s.ExpectedEnd)
	}
}

func (v *view) fate(fate person.Fate) int64 { return v.S().Fates[fate] }

// Calm is the word for a run that needs nobody; empty: somebody must look into it.
func (v *view) Calm() string {
	switch {
	case len(v.Runbooks()) > 0:
		return ""
	case v.Run.State == ledger.Preparing || v.Run.State == ledger.Reconciling:
		return "Wait."
	}
	return "Nothing."
}

// MayGoOn reports whether something is left to order.
func (v *view) MayGoOn() bool {
	return v.S() != nil && !is(v.Run.State, ledger.Finished, ledger.EndedInDoubt, ledger.SupersededRun)
}

// Do says what to do when nothing waits for a person.
func (v *view) Do() string { return v.look().do }

// GoOnBy is the time by which the run must go on; empty: there is none.
func (v *view) GoOnBy() string {
	if s := v.S(); s != nil && s.GoOnBy != nil {
		return v.short(*s.GoOnBy)
	}
	return ""
}

// Waits lists what waits for a person, as sentences. What the state says already is what to do about it.
func (v *view) Waits() []status.Wait {
	all := slices.Clone(v.Run.Waits)
	for i := range all {
		w := &all[i]
		w.What = sentence(w.What)
		ofState := strings.HasPrefix(w.What, "It ") || strings.HasPrefix(w.What, "Its ")
		if ofState || v.Run.State == ledger.EndedInDoubt && w.Runbook == "in-doubt" {
			w.What = cmp.Or(v.Do(), w.What)
		}
	}
	return all
}

// Runbooks names those for what is wrong while nothing waits for a person yet.
func (v *view) Runbooks() (names []string) {
	s := v.S()
	if s == nil || s.Live == nil {
		return nil
	}
	if v.Remain() > 0 {
		names = append(names, "will-not-finish")
	}
	switch {
	case !s.Live.Own.TokenFailing.IsZero():
		names = append(names, "token-failing")
	case s.State == ledger.WaitingService && strings.Contains(s.Live.Waiting, "quiet"):
		names = append(names, "throttled")
	case s.State == ledger.WaitingService:
		names = append(names, "stalled")
	}
	return names
}

// command is a command line for the run's folder.
func command(verb, folder string) string { return refusal.Command(verb, folder) }

func perSecond(rate float64) string { return fmt.Sprintf("%s a second", pace.Figure(rate)) }

func is(state ledger.RunState, one ...ledger.RunState) bool { return slices.Contains(one, state) }

func brief(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%d ms", max(1, d.Milliseconds()))
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

// sentence is a text with a capital and a full stop.
func sentence(text string) string {
	if text = markup.Capital(markup.OneLine(text)); !strings.HasSuffix(text, ".") {
		text += "."
	}
	return text
}
