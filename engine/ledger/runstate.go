package ledger

import (
	"time"

	"cohort/engine/record"
)

// RunState names the state of a run. Every place that shows a state uses this word.
type RunState string

// The states of a run. Up to Reconciling, a process is at work on the run.
const (
	Preparing      RunState = "preparing"
	WaitingWindow  RunState = "waiting_window"
	WaitingService RunState = "waiting_service"
	Sending        RunState = "sending"
	Paused         RunState = "paused"
	Reconciling    RunState = "reconciling"
	RunStopped     RunState = "stopped"
	Died           RunState = "died" // the process ended without noting an end
	Halted         RunState = "halted"
	EndedInDoubt   RunState = "in_doubt"
	SupersededRun  RunState = "superseded"
	Finished       RunState = "finished"
)

type Process struct {
	PID   int
	Host  string
	Since time.Time
}

// Standing has the facts about a run that another process can see.
type Standing struct {
	Ledger  *Ledger  // nil: there is no plan yet
	Busy    bool     // a process holds the run's lock
	Holder  Process  // holds the lock, or held it and noted no end; zero: nobody
	Asking  bool     // the process at work only asks the service about messages
	Answers bool     // the process at work sends, and answers its socket
	Says    RunState // its answer; empty: none
}

func (s Standing) State() RunState {
	switch {
	case s.Busy:
		return s.atWork()
	case s.Ledger == nil && s.Holder.PID != 0:
		return Died
	case s.Ledger == nil:
		return RunStopped
	}
	l := &s.Ledger.facts
	live, held, foreign := s.Ledger.Unsettled()
	switch {
	case l.Superseded != "":
		return SupersededRun
	case live == 0 && foreign == 0 && held > 0:
		return EndedInDoubt
	case l.Closed:
		return Finished
	case s.Gone().PID != 0:
		return Died
	case l.Ended == record.ControlHalted || foreign > 0:
		return Halted
	}
	return RunStopped
}

func (s Standing) atWork() RunState {
	switch {
	case s.Asking:
		return Reconciling
	case s.Ledger != nil && s.Ledger.facts.Paused != "":
		return Paused
	case s.Says != "":
		return s.Says
	case s.Answers, s.Ledger != nil && s.Ledger.facts.Ended == "" && s.Ledger.facts.Latest.PID == s.Holder.PID:
		return Sending // near its end it no longer answers
	}
	return Preparing
}

// Gone returns the process that ended without noting an end, also when it had not noted its start. It is zero when
// there is none, or when a process is at work.
func (s Standing) Gone() Process {
	switch {
	case s.Busy:
		return Process{}
	case s.Holder.PID != 0 && (s.Ledger == nil || s.Ledger.facts.EndedAt.Before(s.Holder.Since)):
		return s.Holder
	case s.Ledger != nil && s.Ledger.facts.Ended == "":
		return s.Ledger.facts.Latest
	}
	return Process{}
}
