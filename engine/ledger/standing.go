package ledger

import (
	"cohort/engine/record"
)

// Standing holds the facts about a run that another process can see.
type Standing struct {
	Ledger *Ledger // nil: there is no plan yet
	Busy   bool    // a process holds the run's lock
	Holder Process // who does or, when nobody does, who did and left no word; zero: nobody
	Asking bool    // the process at work only asks the service what has become of messages
	// Answers says that the process at work has begun to send and answers; Says is the state that
	// it gives, if it gives one.
	Answers bool
	Says    RunState
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
	case l.Ended == record.ControlHalted || foreign > 0:
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
	case s.Says != "":
		return s.Says
	case s.Answers, s.Ledger != nil && s.Ledger.Ended == "" && s.Ledger.Latest.PID == s.Holder.PID:
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
