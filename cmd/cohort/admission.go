package main

import (
	"fmt"
	"slices"

	"cohort/engine"
	"cohort/engine/register"
)

// standing is all that is known of a run that is about to send something.
type standing struct {
	run       string // its id
	folder    string // where its folder is
	entry     register.Entry
	known     bool // the register has the entry
	elsewhere bool // the entry's folder is another, and holds this run too
	facts     facts
	rivals    []register.Entry    // the other runs of the campaign on the service
	planned   []engine.EarlierRun // those that its plan has taken into account
	sendAgain bool                // a person has said that people may be sent to again
}

// facts are what a run's own log says, as far as trust in it goes.
type facts struct {
	starts     int
	attempts   uint64
	closed     bool
	superseded string
	foreign    int
	recovered  bool // the log took the place of one that was lost
}

func factsOf(l *engine.Ledger) facts {
	_, _, foreign := l.Unsettled()
	return facts{l.Starts, l.Attempts, l.Closed, l.Superseded, foreign, !l.Recovered.IsZero()}
}

// admitReceipts says whether a run's log may be told what the service has of its messages.
// Nothing is sent by that, so it may also be one whose place was taken.
func admitReceipts(s standing) error {
	s.facts.superseded, s.sendAgain = "", true
	if s.entry.State == register.Superseded {
		s.entry.State = register.Begun
	}
	return admit(s)
}

// admit says whether a run may send, and if not, why and what to do. It is the one
// place that decides which run stands in whose way.
func admit(s standing) error {
	switch {
	case s.facts.superseded != "":
		return refuse("run %s has taken this run's place (--new-cohort); nothing more is sent from here, go on there", s.facts.superseded)
	case s.known && s.entry.State == register.Superseded:
		return refuse("the register says that this run's place was taken (%s); nothing more is sent from here", s.entry.Note)
	case s.known && s.elsewhere:
		return refuse("this run lives in %s, and %s is a copy; go on there: %s", s.entry.Folder, s.folder, command("resume", s.entry.Folder))
	}
	if s.known {
		if err := believe(s.entry, s.facts); err != nil {
			return refuse("%w; bring back the folder as it was last at work, since nobody can say from this one whom the run has sent to; if it cannot be brought back: %s", err, command("recover", s.folder))
		}
	}
	if s.sendAgain {
		return nil
	}
	for _, rival := range s.rivals {
		if !slices.ContainsFunc(s.planned, func(e engine.EarlierRun) bool { return e.RunID == rival.RunID }) {
			return standsInTheWay(rival)
		}
	}
	return nil
}

func standsInTheWay(rival register.Entry) error {
	return refuse("campaign %s was already sent to another cohort file, in run %.8s (%s); to send only to the people of this file whom it has not reached, give cohort send --new-cohort; for a new send, give the campaign a new name",
		rival.Campaign, rival.RunID, rival.Folder)
}

// believe says whether a run's log can be the whole of what the run has done, held
// against what the register noted of it.
func believe(e register.Entry, f facts) error {
	switch {
	case f.starts == 0 && !f.recovered:
		return fmt.Errorf("the run was begun and its progress log is missing or empty")
	case e.State == register.Finished && !f.closed && !f.recovered:
		return fmt.Errorf("the register says that the run finished and its progress log does not: the folder is an older copy")
	case f.attempts < e.Attempts:
		return fmt.Errorf("the register knows of %d requests of the run and its progress log of %d: the folder is an older copy", e.Attempts, f.attempts)
	case f.foreign > 0:
		return fmt.Errorf("the service holds %d batches under references of the run that its progress log never sent", f.foreign)
	}
	return nil
}
