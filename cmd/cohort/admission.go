package main

import (
	"fmt"
	"slices"
	"strings"

	"cohort/engine/ledger"
	"cohort/engine/plan"
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
	rivals    []register.Entry  // the other runs of the campaign on the service
	planned   []plan.EarlierRun // those that its plan has taken into account
	service   string
	moved     []register.Entry // runs of the campaign that the same application has sent to another service
	otherKeys []register.Entry // such runs of other API keys: all, while this one has not begun
	maybeSame []register.Entry // those of them that may have gone to the same service
	heard     bool             // something has answered this process
	simulator bool             // and it was a simulator
	sendAgain bool             // a person has said that people may be sent to again
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

func factsOf(l *ledger.Ledger) facts {
	_, _, foreign := l.Unsettled()
	return facts{l.Facts().Starts, l.Facts().Attempts, l.Facts().Closed, l.Facts().Superseded, foreign, !l.Facts().Recovered.IsZero()}
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
		return refuse("run %s has taken this run's place; nothing more is sent from here, go on there", s.facts.superseded)
	case s.known && s.entry.State == register.Superseded:
		return refuse("the register says that this run's place was taken (%s); nothing more is sent from here", s.entry.Note)
	case s.known && s.elsewhere:
		return refuse("this run lives in %s, and %s is a copy; go on there: %s", s.entry.Folder, s.folder, command("resume", s.entry.Folder))
	case s.known && s.heard && s.simulator && s.entry.Real:
		return refuse("this run was sent to the service itself, and a simulator answers at %s now; nothing is sent from here until the service answers there again", addressOf(s.service))
	case s.known && s.heard && !s.simulator && s.entry.Simulator:
		return refuse("this run is a rehearsal against a simulator, and the service itself answers at %s now; its people are not sent to from here. For the real send, give the campaign another name", addressOf(s.service))
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
		if !slices.ContainsFunc(s.planned, func(e plan.EarlierRun) bool { return e.RunID == rival.RunID }) {
			return standsInTheWay(rival)
		}
	}
	if len(s.moved) > 0 && !s.simulator {
		return sentElsewhere(s.moved[0], s.service, "this")
	}
	if len(s.maybeSame) > 0 && !s.simulator {
		return sentElsewhere(s.maybeSame[0], s.service, "another")
	}
	return nil
}

// sentElsewhere refuses what may be the same service under another address. key says whether the
// run was sent with this API key or another.
func sentElsewhere(run register.Entry, service, key string) error {
	return refuse("campaign %s was sent to %s with %s API key, in run %.8s (%s), and this send is to %s; if both are the same service, its people would be sent to twice. To go on with that run, put base_url back and: %s. To send to everybody of this file at the new address as well, give --send-again and a reason",
		run.Campaign, addressOf(run.Service), key, run.RunID, run.Folder, addressOf(service), command("resume", run.Folder))
}

// addressOf is the address in a service's name.
func addressOf(service string) string {
	_, address, _ := strings.Cut(service, " ")
	return address
}

func standsInTheWay(rival register.Entry) error {
	return refuse("campaign %s was already sent to another cohort file, in run %.8s (%s); to send only to the people of this file whom it has not reached, give cohort send --new-cohort; %s",
		rival.Campaign, rival.RunID, rival.Folder, newName(rival))
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
