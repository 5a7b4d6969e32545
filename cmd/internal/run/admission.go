package run

import (
	"slices"
	"strings"

	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/refusal"
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
	Starts     int
	attempts   uint64
	closed     bool
	superseded string
	Foreign    int
	Recovered  bool // the log took the place of one that was lost
}

func FactsOf(l *ledger.Ledger) facts {
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
		return refusal.New("run_superseded", "run", s.facts.superseded)
	case s.known && s.entry.State == register.Superseded:
		return refusal.New("superseded_in_register", "note", s.entry.Note)
	case s.known && s.elsewhere:
		return refusal.New("folder_is_copy", "folder", s.entry.Folder, "copy", s.folder, "command", refusal.Command("resume", s.entry.Folder))
	case s.known && s.heard && s.simulator && s.entry.Real:
		return refusal.New("simulator_answers", "address", addressOf(s.service))
	case s.known && s.heard && !s.simulator && s.entry.Simulator:
		return refusal.New("real_service_answers", "address", addressOf(s.service))
	}
	if s.known {
		if err := Believe(s.entry, s.facts); err != nil {
			return refusal.New("folder_not_latest", "cause", err, "command", refusal.Command("recover", s.folder))
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
	return refusal.New("sent_to_another_address", "campaign", run.Campaign, "address", addressOf(run.Service), "key", key, "run", run.RunID, "folder", run.Folder, "new_address", addressOf(service), "command", refusal.Command("resume", run.Folder))
}

// addressOf is the address in a service's name.
func addressOf(service string) string {
	_, address, _ := strings.Cut(service, " ")
	return address
}

func standsInTheWay(rival register.Entry) error {
	return refusal.New("sent_to_another_cohort", "campaign", rival.Campaign, "run", rival.RunID, "folder", rival.Folder, "new_name", newName(rival))
}

// believe says whether a run's log can be the whole of what the run has done, held
// against what the register noted of it.
func Believe(e register.Entry, f facts) error {
	switch {
	case f.Starts == 0 && !f.Recovered:
		return refusal.New("log_missing")
	case e.State == register.Finished && !f.closed && !f.Recovered:
		return refusal.New("log_unfinished")
	case f.attempts < e.Attempts:
		return refusal.New("log_shorter", "requests", e.Attempts, "logged", f.attempts)
	case f.Foreign > 0:
		return refusal.New("log_knows_less", "batches", f.Foreign)
	}
	return nil
}
