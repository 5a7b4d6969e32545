package ledger

import (
	"testing"
	"time"

	"cohort/engine"
	"cohort/engine/enginetest"
	"cohort/engine/record"
)

func TestTheStateOfARun(t *testing.T) {
	at := time.Date(2026, 11, 21, 6, 0, 0, 0, time.UTC)
	live, held, foreign, done := State{Messages: 1}, State{Phase: Held, Messages: 1}, State{Phase: Foreign, Messages: 1}, State{Phase: Accepted, Messages: 1}
	first, second := Process{7, "vm", at}, Process{8, "vm", at.Add(time.Hour)}
	ledger := func(f Facts, forms ...State) *Ledger {
		l := &Ledger{facts: f, totals: make([]totals, 1)}
		for _, s := range forms {
			l.totals[0].add(&s, 1)
		}
		return l
	}
	started := Facts{Starts: 1, Latest: first}
	ended := func(how string) Facts {
		return Facts{Starts: 1, Latest: first, Ended: how, EndedAt: at.Add(time.Minute)}
	}
	paused := started
	paused.Paused = "by ann"
	superseded, closed, retried := started, ended(record.ControlFinished), ended(record.ControlFinished)
	superseded.Superseded, closed.Closed = "by a run", true
	for name, test := range map[string]struct {
		s    Standing
		want RunState
		gone int
	}{
		"nothing yet":                            {Standing{Busy: true, Holder: first}, Preparing, 0},
		"stopped while preparing":                {Standing{}, RunStopped, 0},
		"killed while preparing":                 {Standing{Holder: first}, Died, 7},
		"at work, and says how":                  {Standing{Busy: true, Holder: first, Ledger: ledger(started, live), Answers: true, Says: WaitingService}, WaitingService, 0},
		"at work, of an older version":           {Standing{Busy: true, Holder: first, Ledger: ledger(started, live), Answers: true}, Sending, 0},
		"at its end it answers nobody":           {Standing{Busy: true, Holder: first, Ledger: ledger(started, live)}, Sending, 0},
		"the next, which has not begun":          {Standing{Busy: true, Holder: second, Ledger: ledger(started, live)}, Preparing, 0},
		"paused":                                 {Standing{Busy: true, Holder: first, Ledger: ledger(paused, live)}, Paused, 0},
		"asks what became of messages":           {Standing{Busy: true, Holder: first, Ledger: ledger(closed, done), Asking: true}, Reconciling, 0},
		"killed while it sent":                   {Standing{Holder: first, Ledger: ledger(started, live)}, Died, 7},
		"killed, and nobody wrote who held it":   {Standing{Ledger: ledger(started, live)}, Died, 7},
		"killed while paused":                    {Standing{Ledger: ledger(paused, live)}, Died, 7},
		"stopped, and the next killed at once":   {Standing{Holder: second, Ledger: ledger(ended(record.ControlStopped), live)}, Died, 8},
		"stopped, by a version that left a name": {Standing{Holder: first, Ledger: ledger(ended(record.ControlStopped), live)}, RunStopped, 0},
		"stopped":                                {Standing{Ledger: ledger(ended(record.ControlStopped), live)}, RunStopped, 0},
		"halted":                                 {Standing{Ledger: ledger(ended(record.ControlHalted), live)}, Halted, 0},
		"not ours, and stopped since":            {Standing{Ledger: ledger(ended(record.ControlStopped), foreign, live)}, Halted, 0},
		"planned, and nothing was sent":          {Standing{Ledger: ledger(Facts{}, live)}, RunStopped, 0},
		"in doubt for good":                      {Standing{Ledger: ledger(ended(record.ControlInDoubt), held, done)}, EndedInDoubt, 0},
		"in doubt, by a version that noted none": {Standing{Ledger: ledger(started, held)}, EndedInDoubt, 7},
		"finished":                               {Standing{Ledger: ledger(closed, done)}, Finished, 0},
		"finished, and a reconcile was killed":   {Standing{Holder: second, Ledger: ledger(closed, done)}, Finished, 8},
		"finished, and to be sent again":         {Standing{Ledger: ledger(retried, live)}, RunStopped, 0},
		"its place was taken":                    {Standing{Ledger: ledger(superseded, live)}, SupersededRun, 7},
	} {
		if got := test.s.State(); got != test.want {
			t.Errorf("%s: %s, not %s", name, got, test.want)
		}
		if got := test.s.Gone(); got.PID != test.gone {
			t.Errorf("%s: process %d is gone, not %d", name, got.PID, test.gone)
		}
	}
}

// A process that only closes the log, as reconcile does, leaves a word; one that looks on, and
// one that is killed, do not.
func TestClosingALogNotesTheEnd(t *testing.T) {
	dir := t.TempDir()
	plan := enginetest.SealPlan(t, dir, enginetest.NewPeople(9, 2, nil), engine.Limits{Messages: 3, Bytes: 1 << 20})
	state := func() RunState {
		ledger, err := Read(dir, plan)
		enginetest.Must(t, err)
		return Standing{Ledger: ledger}.State()
	}
	killed, err := Open(dir, plan)
	enginetest.Must(t, err)
	enginetest.Must(t, killed.Open(Start{At: time.Now(), Version: "test"}))
	looks, err := Open(dir, plan)
	enginetest.Must(t, err)
	enginetest.Must(t, looks.Close())
	if got := state(); got != Died {
		t.Errorf("of a process that was killed: %s", got)
	}
	closes, err := Open(dir, plan)
	enginetest.Must(t, err)
	enginetest.Must(t, closes.Open(Start{At: time.Now(), Version: "test"}))
	enginetest.Must(t, closes.Close())
	if got := state(); got != RunStopped {
		t.Errorf("of a process that has closed the log: %s", got)
	}
}
