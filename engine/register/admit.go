package register

import (
	"path/filepath"
	"slices"
	"strings"

	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/refusal"
)

// Standing holds the facts about a run that is about to send. Admit decides from them.
type Standing struct {
	Run       string // its id
	Folder    string // where its folder is
	Entry     Entry
	Known     bool // the register has the entry
	Elsewhere bool // the entry names another folder, and that folder also holds this run
	Facts     Facts
	Rivals    []Entry           // the other runs of the campaign on the service
	Planned   []plan.EarlierRun // the runs that its plan takes into account
	Service   string
	Moved     []Entry // runs of the campaign that the same application sent to another service
	OtherKeys []Entry // such runs with other API keys; empty once this run has begun
	MaybeSame []Entry // those of OtherKeys that may have gone to the same service
	Heard     bool    // a service has answered this process
	Simulator bool    // the service that answered is a simulator
	SendAgain bool    // a person has said that people may be sent to again

	Parent Entry // of a follow-up: the run with its people; else zero

	Copied    *ledger.CopyError // why the folder may be an older copy; nil: it is the latest, or was not examined
	SameWords *Overlaps         // the comparison with runs of other campaigns; nil: not compared
	Consented bool              // a person has allowed that the same words are sent again
	Rehearsal bool              // the run goes to a simulator, so the same words do no harm
	Meanwhile []Entry           // runs that began to send the same words after the comparison
	OtherKey  bool              // messages in doubt were sent with another API key, which alone can replay them
	TooOld    int               // days since the plan, if the service may have forgotten messages in doubt; else 0
}

// Facts are what a run's own log says about how far the run came.
type Facts struct {
	Starts     int
	Attempts   uint64
	closed     bool
	Superseded string
	Foreign    int
	Recovered  bool // the log replaced one that was lost
}

func FactsOf(l *ledger.Ledger) Facts {
	_, _, foreign := l.Unsettled()
	f := l.Facts()
	return Facts{f.Starts, f.Attempts, f.Closed, f.Superseded, foreign, !f.Recovered.IsZero()}
}

// AdmitReceipts decides whether a command may record in a run's log what the service knows about
// its messages. It sends nothing, so a run that was superseded may do it too.
func AdmitReceipts(s Standing) error {
	s.Facts.Superseded, s.SendAgain = "", true
	if s.Entry.State == Superseded {
		s.Entry.State = Begun
	}
	return Admit(s)
}

// AdmitParent decides whether people of a run may be written to again by a follow-up. The folder must be the latest
// state of the run. A run that another replaced may be followed up.
func AdmitParent(s Standing) error {
	if !s.Known {
		return refusal.New("followup_of_unknown_run", "folder", s.Folder)
	}
	return AdmitReceipts(s)
}

// AdmitRetry decides whether a retry, or a person's decision, may send messages of a run again. It is
// stricter than Admit, because only a retry makes a finished run send again. lost names the loss of
// the log that forbids it; empty: there was none. people describes the recipients.
func AdmitRetry(s Standing, lost, people string) error {
	switch {
	case s.Facts.Foreign > 0:
		return refusal.New("foreign_undecided", "batches", s.Facts.Foreign, "command", refusal.Command("decide", s.Folder))
	case lost != "":
		return refusal.New("nothing_sent_again_after_loss", "why", lost)
	case s.Facts.Superseded != "":
		return Admit(s)
	}
	if rival, stands := s.rival(); stands {
		return refusal.New("rival_may_have_reached", "run", rival.RunID, "folder", rival.Folder, "people", people)
	}
	return Admit(s)
}

// AdmitDecision decides whether a person may decide about batches of a run: not in a copy of the
// folder, in an older state of it, or in a superseded run. Other runs do not matter.
func AdmitDecision(s Standing) error {
	s.Facts.Foreign, s.SendAgain = 0, true
	return Admit(s)
}

// Admit decides whether a run may send. A refusal names the reason and what to do. No other code decides this.
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
	if p := &s.Parent; s.Heard && (p.Simulator && !s.Simulator || p.Real && s.Simulator) {
		return refusal.New("followup_of_rehearsal", "address", AddressOf(s.Service), "run", p.RunID)
	}
	if s.Known {
		if err := Believe(s.Entry, s.Facts); err != nil {
			return refusal.New("folder_not_latest", "cause", err, "command", refusal.Command("recover", s.Folder))
		}
	}
	if !s.SendAgain {
		if err := s.otherRuns(); err != nil {
			return err
		}
	}
	switch {
	case s.Copied != nil:
		return NotLatest(s.Folder, s.Copied)
	case len(s.Meanwhile) > 0:
		return refusal.New("same_words_since", "run", s.Meanwhile[0].RunID, "campaign", s.Meanwhile[0].Campaign)
	case s.OtherKey:
		return refusal.New("key_changed", "command", refusal.Command("resume", s.Folder, "--one-application"), "report", refusal.Command("report", s.Folder))
	case s.TooOld > 0:
		return TooOld(s.Folder, s.TooOld)
	case s.SameWords != nil && !s.Consented && !s.Rehearsal:
		return s.SameWords.refusal()
	}
	return nil
}

// otherRuns refuses when another run of the campaign may have reached the same people.
func (s *Standing) otherRuns() error {
	rival, stands := s.rival()
	switch {
	case stands && (s.Facts.Starts > 0 || s.Facts.Recovered): // its plan cannot take the rival into account any more
		return refusal.New("rival_may_have_reached", "run", rival.RunID, "folder", rival.Folder, "people", "who are left here")
	case stands:
		return refusal.New("sent_to_another_cohort", "campaign", rival.Campaign, "run", rival.RunID, "folder", rival.Folder, "new_name", NewCampaignName(rival))
	case len(s.Moved) > 0 && !s.Simulator:
		return sentElsewhere(s.Moved[0], s.Service, "this")
	case len(s.MaybeSame) > 0 && !s.Simulator:
		return sentElsewhere(s.MaybeSame[0], s.Service, "another")
	}
	return nil
}

// rival returns the first rival that the plan does not take into account.
func (s *Standing) rival() (Entry, bool) {
	for _, rival := range s.Rivals {
		if !slices.ContainsFunc(s.Planned, func(e plan.EarlierRun) bool { return e.RunID == rival.RunID }) {
			return rival, true
		}
	}
	return Entry{}, false
}

// NotLatest refuses a folder that may be an older copy of its run.
func NotLatest(folder string, why *ledger.CopyError) error {
	if why.Older {
		log := filepath.Join(folder, ledger.LogFolder)
		return refusal.New("folder_is_older", "folder", folder, "cause", why, "log", refusal.ShellWord(log), "log_aside", refusal.ShellWord(log+".older"), "command", refusal.Command("recover", folder))
	}
	return refusal.New("folder_may_be_older", "folder", folder, "cause", why, "command", refusal.Command("decide", folder, "latest", "--reason", "why"))
}

// TooOld says that no replay may settle the messages in doubt of a plan.
func TooOld(folder string, days int) error {
	return refusal.New("plan_too_old", "days", days, "command", refusal.Command("report", folder))
}

// sentElsewhere refuses a service that may be the one of run under another address. key is "this"
// or "another": the API key that run was sent with.
func sentElsewhere(run Entry, service, key string) error {
	return refusal.New("sent_to_another_address", "campaign", run.Campaign, "address", AddressOf(run.Service), "key", key, "run", run.RunID, "folder", run.Folder, "new_address", AddressOf(service), "command", refusal.Command("resume", run.Folder))
}

// AddressOf returns the address in a service's name.
func AddressOf(service string) string {
	_, address, _ := strings.Cut(service, " ")
	return address
}

// Believe compares a run's log with the register's entry for the run. It returns the reason if the
// log cannot be complete.
func Believe(e Entry, f Facts) error {
	switch {
	case f.Starts == 0 && !f.Recovered:
		return refusal.New("log_missing")
	case e.State == Finished && !f.closed && !f.Recovered:
		return refusal.New("log_unfinished")
	case f.Attempts < e.Attempts:
		return refusal.New("log_shorter", "requests", e.Attempts, "logged", f.Attempts)
	case f.Foreign > 0:
		return refusal.New("log_knows_less", "batches", f.Foreign)
	}
	return nil
}
