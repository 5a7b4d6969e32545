package register

import (
	"slices"
	"strings"

	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/refusal"
)

// standing is all that is known of a run that is about to send something.
type Standing struct {
	Run       string // its id
	Folder    string // where its folder is
	Entry     Entry
	Known     bool // the register has the entry
	Elsewhere bool // the entry's folder is another, and holds this run too
	Facts     Facts
	Rivals    []Entry           // the other runs of the campaign on the service
	Planned   []plan.EarlierRun // those that its plan has taken into account
	Service   string
	Moved     []Entry // runs of the campaign that the same application has sent to another service
	OtherKeys []Entry // such runs of other API keys: all, while this one has not begun
	MaybeSame []Entry // those of them that may have gone to the same service
	Heard     bool    // something has answered this process
	Simulator bool    // and it was a simulator
	SendAgain bool    // a person has said that people may be sent to again
}

// facts are what a run's own log says, as far as trust in it goes.
type Facts struct {
	Starts     int
	attempts   uint64
	closed     bool
	Superseded string
	Foreign    int
	Recovered  bool // the log took the place of one that was lost
}

func FactsOf(l *ledger.Ledger) Facts {
	_, _, foreign := l.Unsettled()
	return Facts{l.Starts, l.Attempts, l.Closed, l.Superseded, foreign, !l.Recovered.IsZero()}
}

// admitReceipts says whether a run's log may be told what the service has of its messages.
// Nothing is sent by that, so it may also be one whose place was taken.
func AdmitReceipts(s Standing) error {
	s.Facts.Superseded, s.SendAgain = "", true
	if s.Entry.State == Superseded {
		s.Entry.State = Begun
	}
	return Admit(s)
}

// admit says whether a run may send, and if not, why and what to do. It is the one
// place that decides which run stands in whose way.
func Admit(s Standing) error {
	switch {
	case s.Facts.Superseded != "":
		return refusal.New("run_superseded", "run", s.Facts.Superseded)
	case s.Known && s.Entry.State == Superseded:
		return refusal.New("superseded_in_register", "note", s.Entry.Note)
	case s.Known && s.Elsewhere:
		return refusal.New("folder_is_copy", "folder", s.Entry.Folder, "copy", s.Folder, "command", refusal.Command("resume", s.Entry.Folder))
	case s.Known && s.Heard && s.Simulator && s.Entry.Real:
		return refusal.New("simulator_answers", "address", AddressOf(s.Service))
	case s.Known && s.Heard && !s.Simulator && s.Entry.Simulator:
		return refusal.New("real_service_answers", "address", AddressOf(s.Service))
	}
	if s.Known {
		if err := Believe(s.Entry, s.Facts); err != nil {
			return refusal.New("folder_not_latest", "cause", err, "command", refusal.Command("recover", s.Folder))
		}
	}
	if s.SendAgain {
		return nil
	}
	for _, rival := range s.Rivals {
		if !slices.ContainsFunc(s.Planned, func(e plan.EarlierRun) bool { return e.RunID == rival.RunID }) {
			return standsInTheWay(rival, s.Facts.Starts > 0 || s.Facts.Recovered)
		}
	}
	if len(s.Moved) > 0 && !s.Simulator {
		return SentElsewhere(s.Moved[0], s.Service, "this")
	}
	if len(s.MaybeSame) > 0 && !s.Simulator {
		return SentElsewhere(s.MaybeSame[0], s.Service, "another")
	}
	return nil
}

// sentElsewhere refuses what may be the same service under another address. key says whether the
// run was sent with this API key or another.
func SentElsewhere(run Entry, service, key string) error {
	return refusal.New("sent_to_another_address", "campaign", run.Campaign, "address", AddressOf(run.Service), "key", key, "run", run.RunID, "folder", run.Folder, "new_address", AddressOf(service), "command", refusal.Command("resume", run.Folder))
}

// addressOf is the address in a service's name.
func AddressOf(service string) string {
	_, address, _ := strings.Cut(service, " ")
	return address
}

// standsInTheWay refuses because of another run of the campaign. A run that has begun cannot take
// that run into account any more.
func standsInTheWay(rival Entry, begun bool) error {
	if begun {
		return refusal.New("rival_may_have_reached", "run", rival.RunID, "folder", rival.Folder, "people", "who are left here")
	}
	return refusal.New("sent_to_another_cohort", "campaign", rival.Campaign, "run", rival.RunID, "folder", rival.Folder, "new_name", NewCampaignName(rival))
}

// believe says whether a run's log can be the whole of what the run has done, held
// against what the register noted of it.
func Believe(e Entry, f Facts) error {
	switch {
	case f.Starts == 0 && !f.Recovered:
		return refusal.New("log_missing")
	case e.State == Finished && !f.closed && !f.Recovered:
		return refusal.New("log_unfinished")
	case f.attempts < e.Attempts:
		return refusal.New("log_shorter", "requests", e.Attempts, "logged", f.attempts)
	case f.Foreign > 0:
		return refusal.New("log_knows_less", "batches", f.Foreign)
	}
	return nil
}
