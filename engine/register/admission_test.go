package register

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"cohort/engine/plan"
	"cohort/engine/refusal"
)

// atService is an entry of a run that the service itself has answered.
func atService(e Entry) Entry {
	e.Real = true
	return e
}

func TestWhichRunMaySend(t *testing.T) {
	at := Facts{Starts: 2, attempts: 7}
	mine := func(state State, attempts uint64) Entry {
		return Entry{RunID: "mine", Campaign: "c", Folder: "/mine", State: state, Attempts: attempts, Note: "by run other"}
	}
	rival := Entry{RunID: "rival-00", Campaign: "c", Folder: "/rival", State: Begun}
	for sentence, c := range map[string]struct {
		Standing
		codes string // of the refusal and its cause; empty: it may
	}{
		"a run that nobody knows":                                {Standing{Facts: Facts{}}, ""},
		"a run that goes on":                                     {Standing{Known: true, Entry: mine(Begun, 7), Facts: at}, ""},
		"a run whose register line is older than its log":        {Standing{Known: true, Entry: mine(Begun, 3), Facts: at}, ""},
		"a run whose log says that it was superseded":            {Standing{Facts: Facts{Starts: 1, Superseded: "ab in /x"}}, "run_superseded"},
		"a run whose register says that it was superseded":       {Standing{Known: true, Entry: mine(Superseded, 0), Facts: at}, "superseded_in_register"},
		"a copy beside the run":                                  {Standing{Known: true, Elsewhere: true, Folder: "/copy", Entry: mine(Begun, 0), Facts: at}, "folder_is_copy"},
		"a run that was begun and has no log":                    {Standing{Known: true, Entry: mine(Begun, 0), Facts: Facts{}}, "folder_not_latest log_missing"},
		"a run that finished and whose log has not":              {Standing{Known: true, Entry: mine(Finished, 7), Facts: at}, "folder_not_latest log_unfinished"},
		"a run that finished, and so says its log":               {Standing{Known: true, Entry: mine(Finished, 7), Facts: Facts{Starts: 2, attempts: 7, closed: true}}, ""},
		"a run whose log has fewer requests than were noted":     {Standing{Known: true, Entry: mine(Begun, 8), Facts: at}, "folder_not_latest log_shorter"},
		"a run that finished, and whose log was recovered since": {Standing{Known: true, Entry: mine(Finished, 7), Facts: Facts{attempts: 7, Recovered: true}}, ""},
		"an older copy of a run that was recovered":              {Standing{Known: true, Entry: mine(Begun, 8), Facts: Facts{attempts: 7, Recovered: true}}, "folder_not_latest log_shorter"},
		"a run with somebody else's references":                  {Standing{Known: true, Entry: mine(Begun, 7), Facts: Facts{Starts: 1, attempts: 7, Foreign: 2}}, "folder_not_latest log_knows_less"},
		"another run of the campaign":                            {Standing{Rivals: []Entry{rival}}, "sent_to_another_cohort"},
		"another run of the campaign, when this one has begun":   {Standing{Rivals: []Entry{rival}, Facts: Facts{Starts: 1}}, "rival_may_have_reached"},
		"another run that the plan has taken into account":       {Standing{Rivals: []Entry{rival}, Planned: []plan.EarlierRun{{RunID: "rival-00"}}}, ""},
		"another run, and a person's reason":                     {Standing{Rivals: []Entry{rival}, SendAgain: true}, ""},
		"a run of this application at another address":           {Standing{Heard: true, Service: "notify b", Moved: []Entry{{RunID: "moved-00", Campaign: "c", Service: "notify a", Folder: "/moved"}}}, "sent_to_another_address"},
		"a run of another application at what may be the same":   {Standing{Heard: true, Service: "notify b", MaybeSame: []Entry{{RunID: "moved-00", Campaign: "c", Service: "notify a", Folder: "/moved"}}}, "sent_to_another_address"},
		"the same, and a simulator answers":                      {Standing{Heard: true, Simulator: true, Moved: []Entry{{RunID: "moved-00"}}}, ""},
		"the same, and a person's reason":                        {Standing{Heard: true, SendAgain: true, Moved: []Entry{{RunID: "moved-00"}}}, ""},
		"a run of which nobody knows, and a simulator answers":   {Standing{Known: true, Heard: true, Simulator: true, Entry: mine(Begun, 7), Facts: at}, ""},
		"a rehearsal, and the service answers":                   {Standing{Known: true, Heard: true, Service: "notify a", Entry: Entry{Simulator: true}, Facts: at}, "real_service_answers"},
		"a rehearsal that goes on":                               {Standing{Known: true, Heard: true, Simulator: true, Entry: Entry{Simulator: true}, Facts: at}, ""},
		"a rehearsal, and nothing answers":                       {Standing{Known: true, Simulator: true, Entry: Entry{Simulator: true}, Facts: at}, ""},
		"a run at the service, and a simulator answers":          {Standing{Known: true, Heard: true, Simulator: true, Service: "notify a", Entry: atService(mine(Begun, 7)), Facts: at}, "simulator_answers"},
		"an older copy, and a person's reason":                   {Standing{Known: true, Entry: mine(Begun, 8), Facts: at, SendAgain: true}, "folder_not_latest log_shorter"},
	} {
		err := Admit(c.Standing)
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
