package engine

import "time"

// RunState names the state of a run. Every place that shows a state uses this word.
type RunState string

// The states of a run. Those up to Reconciling are of a run that a process is at work on.
const (
	Preparing      RunState = "preparing"
	WaitingWindow  RunState = "waiting_window"
	WaitingService RunState = "waiting_service"
	Sending        RunState = "sending"
	Paused         RunState = "paused"
	Reconciling    RunState = "reconciling"
	RunStopped     RunState = "stopped"
	Died           RunState = "died" // the process is gone and left no word
	Halted         RunState = "halted"
	EndedInDoubt   RunState = "in_doubt"
	SupersededRun  RunState = "superseded"
	Finished       RunState = "finished"
)

// Process identifies a process that works, or has worked, on a run.
type Process struct {
	PID   int
	Host  string
	Since time.Time
}

// Standing holds the facts about a run that another process can see.
type Standing struct {
	Ledger *Ledger   // nil: there is no plan yet
	Busy   bool      // a process holds the run's lock
	Holder Process   // who does or, when nobody does, who did and left no word; zero: nobody
	Asking bool      // the process at work only asks the service what has become of messages
	Now    *Snapshot // what the process at work says; nil: it has not begun to send, or does not answer
}

// State puts it into one word.
func (s Standing) State() RunState {
	switch {
	case s.Busy:
		return s.atWork()
	case s.Ledger == nil && s.Holder.PID != 0:
		return Died
	case s.Ledger == nil:
		return RunStopped
	}
	l := s.Ledger
	live, held, foreign := l.Unsettled()
	switch {
	case l.Superseded != "":
		return SupersededRun
	case live == 0 && foreign == 0 && held > 0:
		return EndedInDoubt
	case l.Closed:
		return Finished
	case s.Gone().PID != 0:
		return Died
	case l.Ended == controlHalted || foreign > 0:
		return Halted
	}
	return RunStopped
}

func (s Standing) atWork() RunState {
	switch {
	case s.Asking:
		return Reconciling
	case s.Ledger != nil && s.Ledger.Paused != "":
		return Paused
	case s.Now != nil && s.Now.State != "":
		return s.Now.State
	case s.Now != nil, s.Ledger != nil && s.Ledger.Ended == "" && s.Ledger.Latest.PID == s.Holder.PID:
		return Sending // at its end it answers nobody any more
	}
	return Preparing
}

// Gone is the process that went without a word when nobody is at work: it has started and
// noted no end, or went before it had noted its start. Zero: there is none.
func (s Standing) Gone() Process {
	l := s.Ledger
	switch {
	case s.Busy:
		return Process{}
	case s.Holder.PID != 0 && (l == nil || l.EndedAt.Before(s.Holder.Since)):
		return s.Holder
	case l != nil && l.Ended == "":
		return l.Latest
	}
	return Process{}
}
