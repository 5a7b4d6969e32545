package run

import (
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"testing"

	"cohort/engine/campaign"
	"cohort/engine/dispatch"
	"cohort/engine/plan"
	"cohort/engine/refusal"
	"cohort/engine/register"
	"cohort/engine/runfolder"
)

// atService is an entry of a run that the service itself has answered.
func atService(e register.Entry) register.Entry {
	e.Real = true
	return e
}

func TestWhichRunMaySend(t *testing.T) {
	at := facts{Starts: 2, attempts: 7}
	mine := func(state register.State, attempts uint64) register.Entry {
		return register.Entry{RunID: "mine", Campaign: "c", Folder: "/mine", State: state, Attempts: attempts, Note: "by run other"}
	}
	rival := register.Entry{RunID: "rival-00", Campaign: "c", Folder: "/rival", State: register.Begun}
	for sentence, c := range map[string]struct {
		standing
		codes string // of the refusal and its cause; empty: it may
	}{
		"a run that nobody knows":                                {standing{facts: facts{}}, ""},
		"a run that goes on":                                     {standing{known: true, entry: mine(register.Begun, 7), facts: at}, ""},
		"a run whose register line is older than its log":        {standing{known: true, entry: mine(register.Begun, 3), facts: at}, ""},
		"a run whose log says that it was superseded":            {standing{facts: facts{Starts: 1, superseded: "ab in /x"}}, "run_superseded"},
		"a run whose register says that it was superseded":       {standing{known: true, entry: mine(register.Superseded, 0), facts: at}, "superseded_in_register"},
		"a copy beside the run":                                  {standing{known: true, elsewhere: true, folder: "/copy", entry: mine(register.Begun, 0), facts: at}, "folder_is_copy"},
		"a run that was begun and has no log":                    {standing{known: true, entry: mine(register.Begun, 0), facts: facts{}}, "folder_not_latest log_missing"},
		"a run that finished and whose log has not":              {standing{known: true, entry: mine(register.Finished, 7), facts: at}, "folder_not_latest log_unfinished"},
		"a run that finished, and so says its log":               {standing{known: true, entry: mine(register.Finished, 7), facts: facts{Starts: 2, attempts: 7, closed: true}}, ""},
		"a run whose log has fewer requests than were noted":     {standing{known: true, entry: mine(register.Begun, 8), facts: at}, "folder_not_latest log_shorter"},
		"a run that finished, and whose log was recovered since": {standing{known: true, entry: mine(register.Finished, 7), facts: facts{attempts: 7, Recovered: true}}, ""},
		"an older copy of a run that was recovered":              {standing{known: true, entry: mine(register.Begun, 8), facts: facts{attempts: 7, Recovered: true}}, "folder_not_latest log_shorter"},
		"a run with somebody else's references":                  {standing{known: true, entry: mine(register.Begun, 7), facts: facts{Starts: 1, attempts: 7, Foreign: 2}}, "folder_not_latest log_knows_less"},
		"another run of the campaign":                            {standing{rivals: []register.Entry{rival}}, "sent_to_another_cohort"},
		"another run that the plan has taken into account":       {standing{rivals: []register.Entry{rival}, planned: []plan.EarlierRun{{RunID: "rival-00"}}}, ""},
		"another run, and a person's reason":                     {standing{rivals: []register.Entry{rival}, sendAgain: true}, ""},
		"a run of this application at another address":           {standing{heard: true, service: "notify b", moved: []register.Entry{{RunID: "moved-00", Campaign: "c", Service: "notify a", Folder: "/moved"}}}, "sent_to_another_address"},
		"a run of another application at what may be the same":   {standing{heard: true, service: "notify b", maybeSame: []register.Entry{{RunID: "moved-00", Campaign: "c", Service: "notify a", Folder: "/moved"}}}, "sent_to_another_address"},
		"the same, and a simulator answers":                      {standing{heard: true, simulator: true, moved: []register.Entry{{RunID: "moved-00"}}}, ""},
		"the same, and a person's reason":                        {standing{heard: true, sendAgain: true, moved: []register.Entry{{RunID: "moved-00"}}}, ""},
		"a run of which nobody knows, and a simulator answers":   {standing{known: true, heard: true, simulator: true, entry: mine(register.Begun, 7), facts: at}, ""},
		"a rehearsal, and the service answers":                   {standing{known: true, heard: true, service: "notify a", entry: register.Entry{Simulator: true}, facts: at}, "real_service_answers"},
		"a rehearsal that goes on":                               {standing{known: true, heard: true, simulator: true, entry: register.Entry{Simulator: true}, facts: at}, ""},
		"a rehearsal, and nothing answers":                       {standing{known: true, simulator: true, entry: register.Entry{Simulator: true}, facts: at}, ""},
		"a run at the service, and a simulator answers":          {standing{known: true, heard: true, simulator: true, service: "notify a", entry: atService(mine(register.Begun, 7)), facts: at}, "simulator_answers"},
		"an older copy, and a person's reason":                   {standing{known: true, entry: mine(register.Begun, 8), facts: at, sendAgain: true}, "folder_not_latest log_shorter"},
	} {
		err := admit(c.standing)
		if codes := strings.TrimSpace(refusal.Code(err) + " " + refusal.Code(errors.Unwrap(err))); codes != c.codes || (err == nil) != (codes == "") {
			t.Errorf("%s: %s: %v", sentence, codes, err)
		}
	}
}

func TestACommandLineCanBePasted(t *testing.T) {
	for _, word := range []string{"plain", "two words", "it's", `"`, "$HOME", "a\nb", "*", "", "--send-again=the folder's lost", `back\slash`} {
		out, err := exec.Command("sh", "-c", "printf %s "+refusal.ShellWord(word)).Output()
		if err != nil || string(out) != word {
			t.Errorf("%q came out as %q: %v", word, out, err)
		}
	}
	if line := refusal.Command("resume", "/a b"); line != refusal.ShellWord(os.Args[0])+" resume '/a b'" {
		t.Error(line)
	}
}

// A start that fails early knows of fewer requests than the register. Were it to say so
// there, an older copy of the folder would be believed from then on.
func TestWhatTheRegisterKnowsNeverGoesBack(t *testing.T) {
	dir := t.TempDir()
	s := &Runner{Campaign: &campaign.Campaign{Register: dir + "/register"}, Folder: &runfolder.Folder{Path: dir}, Log: slog.New(slog.DiscardHandler)}
	plan := &plan.Plan{Header: plan.Header{RunID: "0123456789abcdef0123456789abcdef", Campaign: "c", Service: "s"}}
	look := func() register.Entry {
		r, err := register.Open(s.Campaign.Register)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = r.Close() }()
		e, _ := r.Run(plan.RunID)
		return e
	}
	s.note(plan, register.Begun, dispatch.Summary{Attempts: 5, Revisions: 2})
	if err := register.Reached(s.Campaign.Register, plan.RunID, 9, 3); err != nil {
		t.Fatal(err)
	}
	s.note(plan, register.Begun, dispatch.Summary{})
	if e := look(); e.Attempts != 9 || e.Revisions != 3 || e.State != register.Begun {
		t.Errorf("%+v", e)
	}
	s.note(plan, register.Finished, dispatch.Summary{Attempts: 12, Revisions: 4})
	s.note(plan, register.Begun, dispatch.Summary{Attempts: 3})
	if e := look(); e.Attempts != 12 || e.Revisions != 4 || e.State != register.Finished {
		t.Errorf("%+v", e)
	}
}
