package register

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/refusal"
)

// atService is an entry of a run that the service itself has answered.
func atService(e Entry) Entry {
	e.Real = true
	return e
}

func TestWhichRunMaySend(t *testing.T) {
	at := Facts{Starts: 2, Attempts: 7}
	mine := func(state State, attempts uint64) Entry {
		return Entry{RunID: "mine", Campaign: "c", Folder: "/mine", State: state, Attempts: attempts, Note: "by run other"}
	}
	rival := Entry{RunID: "rival-00", Campaign: "c", Folder: "/rival", State: Begun}
	moved := []Entry{{RunID: "moved-00", Campaign: "c", Service: "notify a", Folder: "/moved"}}
	older, copied := &ledger.CopyError{Why: "w", Older: true}, &ledger.CopyError{Why: "w"}
	compared := func(begun string, runs ...Overlap) *Overlaps {
		return &Overlaps{Zone: time.UTC, Begun: begun, Found: runs, Again: 400, People: 1000}
	}
	same, unread := Overlap{RunID: "other-00", Same: 400}, Overlap{RunID: "other-00", SameWords: true, Problem: "lost"}
	for sentence, c := range map[string]struct {
		Standing
		code string // of the refusal; empty: it may send
	}{
		"a run that nobody knows":                                  {Standing{}, ""},
		"a follow-up where its first message went":                 {Standing{Heard: true, Parent: atService(rival)}, ""},
		"a follow-up of a rehearsal at the service":                {Standing{Heard: true, Parent: Entry{RunID: "r", Simulator: true}}, "followup_of_rehearsal"},
		"a follow-up of a real run at a simulator":                 {Standing{Heard: true, Simulator: true, Parent: atService(rival)}, "followup_of_rehearsal"},
		"a run that goes on":                                       {Standing{Known: true, Entry: mine(Begun, 7), Facts: at}, ""},
		"a register line that is older than the log":               {Standing{Known: true, Entry: mine(Begun, 3), Facts: at}, ""},
		"superseded by its log":                                    {Standing{Facts: Facts{Starts: 1, Superseded: "ab in /x"}}, "run_superseded"},
		"superseded by its register":                               {Standing{Known: true, Entry: mine(Superseded, 0), Facts: at}, "superseded_in_register"},
		"superseded, and a person's reason":                        {Standing{Known: true, SendAgain: true, Entry: mine(Superseded, 0), Facts: at}, "superseded_in_register"},
		"a copy beside the run":                                    {Standing{Known: true, Elsewhere: true, Folder: "/copy", Entry: mine(Begun, 0), Facts: at}, "folder_is_copy"},
		"begun, without a log":                                     {Standing{Known: true, Entry: mine(Begun, 0)}, "folder_not_latest log_missing"},
		"finished, but not by its log":                             {Standing{Known: true, Entry: mine(Finished, 7), Facts: at}, "folder_not_latest log_unfinished"},
		"finished, also by its log":                                {Standing{Known: true, Entry: mine(Finished, 7), Facts: Facts{Starts: 2, Attempts: 7, closed: true}}, ""},
		"finished, with a log recovered since":                     {Standing{Known: true, Entry: mine(Finished, 7), Facts: Facts{Attempts: 7, Recovered: true}}, ""},
		"a log with fewer requests than the register":              {Standing{Known: true, Entry: mine(Begun, 8), Facts: at}, "folder_not_latest log_shorter"},
		"an older copy of a recovered run":                         {Standing{Known: true, Entry: mine(Begun, 8), Facts: Facts{Attempts: 7, Recovered: true}}, "folder_not_latest log_shorter"},
		"an older copy, and a person's reason":                     {Standing{Known: true, Entry: mine(Begun, 8), Facts: at, SendAgain: true}, "folder_not_latest log_shorter"},
		"references that somebody else used":                       {Standing{Known: true, Entry: mine(Begun, 7), Facts: Facts{Starts: 1, Attempts: 7, Foreign: 2}}, "folder_not_latest log_knows_less"},
		"another run of the campaign":                              {Standing{Rivals: []Entry{rival}}, "sent_to_another_cohort"},
		"another run of the campaign, when this one has begun":     {Standing{Rivals: []Entry{rival}, Facts: Facts{Starts: 1}}, "rival_may_have_reached"},
		"another run of the campaign, when this one was recovered": {Standing{Rivals: []Entry{rival}, Facts: Facts{Recovered: true}}, "rival_may_have_reached"},
		"another run, in the plan":                                 {Standing{Rivals: []Entry{rival}, Planned: []plan.EarlierRun{{RunID: "rival-00"}}}, ""},
		"another run, and a person's reason":                       {Standing{Rivals: []Entry{rival}, SendAgain: true}, ""},
		"the same application at another address":                  {Standing{Heard: true, Service: "notify b", Moved: moved}, "sent_to_another_address"},
		"another application at what may be the same":              {Standing{Heard: true, Service: "notify b", MaybeSame: moved}, "sent_to_another_address"},
		"another address, and a simulator answers":                 {Standing{Heard: true, Simulator: true, Moved: moved, MaybeSame: moved}, ""},
		"another address, and a person's reason":                   {Standing{Heard: true, SendAgain: true, Moved: moved}, ""},
		"nobody answered the run, and a simulator answers":         {Standing{Known: true, Heard: true, Simulator: true, Entry: mine(Begun, 7), Facts: at}, ""},
		"a rehearsal, and the service answers":                     {Standing{Known: true, Heard: true, Service: "notify a", Entry: Entry{Simulator: true}, Facts: at}, "real_service_answers"},
		"a rehearsal that goes on":                                 {Standing{Known: true, Heard: true, Simulator: true, Entry: Entry{Simulator: true}, Facts: at}, ""},
		"a rehearsal, and nothing answers":                         {Standing{Known: true, Simulator: true, Entry: Entry{Simulator: true}, Facts: at}, ""},
		"a run at the service, and a simulator answers":            {Standing{Known: true, Heard: true, Simulator: true, Entry: atService(mine(Begun, 7)), Facts: at}, "simulator_answers"},
		"a folder that is older":                                   {Standing{Known: true, Entry: mine(Begun, 7), Facts: at, Copied: older}, "folder_is_older"},
		"a folder that may be older":                               {Standing{Known: true, Entry: mine(Begun, 7), Facts: at, Copied: copied}, "folder_may_be_older"},
		"a folder that is older, and a person's reason":            {Standing{SendAgain: true, Copied: older}, "folder_is_older"},
		"the same words":                                           {Standing{SameWords: compared("", same)}, "same_words"},
		"the same words in the rest of a run":                      {Standing{SameWords: compared("/mine", same)}, "same_words_rest"},
		"perhaps the same words":                                   {Standing{SameWords: compared("", unread)}, "same_words_unknown"},
		"perhaps the same words in the rest of a run":              {Standing{SameWords: compared("/mine", unread)}, "same_words_rest_unknown"},
		"the same words, perhaps also elsewhere":                   {Standing{SameWords: compared("", unread, same)}, "same_words"},
		"the same words, and consent":                              {Standing{SameWords: compared("", same), Consented: true}, ""},
		"the same words, and consent to another file":              {Standing{SameWords: compared("", same), SendAgain: true}, "same_words"},
		"the same words in a rehearsal":                            {Standing{SameWords: compared("", same), Rehearsal: true}, ""},
		"other words":                                              {Standing{SameWords: compared("", Overlap{Reached: 400})}, ""},
		"another key for what is in doubt":                         {Standing{OtherKey: true}, "key_changed"},
		"a plan that the service may have forgotten":               {Standing{TooOld: 271}, "plan_too_old"},
		"the same words since the comparison":                      {Standing{Meanwhile: []Entry{rival}}, "same_words_since"},
		"the same words since a comparison with consent":           {Standing{SameWords: compared("", same), Consented: true, Meanwhile: []Entry{rival}}, "same_words_since"},
	} {
		if got := codeOf(Admit(c.Standing)); got != c.code {
			t.Errorf("%s: %q instead of %q", sentence, got, c.code)
		}
	}
}

// codeOf returns the code of a refusal and of its cause; empty for nil.
func codeOf(err error) string {
	return strings.TrimSpace(refusal.Code(err) + " " + refusal.Code(errors.Unwrap(err)))
}

func TestMayRecordOrSendAgain(t *testing.T) {
	superseded := Standing{Known: true, Entry: Entry{State: Superseded}, Facts: Facts{Starts: 1, Superseded: "ab"}}
	rival := Standing{SendAgain: true, Rivals: []Entry{{RunID: "rival-00"}}}
	for sentence, c := range map[string]struct {
		Standing
		lost            string
		receipts, retry string // codes
	}{
		"a finished run":                       {Standing{Facts: Facts{Starts: 1, closed: true}}, "", "", ""},
		"a superseded run":                     {superseded, "", "", "run_superseded"},
		"another run, whose people may be hit": {rival, "", "", "rival_may_have_reached"},
		"references that somebody else used":   {Standing{Facts: Facts{Foreign: 1}}, "", "", "foreign_undecided"},
		"a log that was lost":                  {Standing{}, "why", "", "nothing_sent_again_after_loss"},
		"a copy beside the run":                {Standing{Known: true, Elsewhere: true}, "", "folder_is_copy", "folder_is_copy"},
		"a log with fewer requests":            {Standing{Known: true, Entry: Entry{Attempts: 8}, Facts: Facts{Starts: 1}}, "", "folder_not_latest log_shorter", "folder_not_latest log_shorter"},
	} {
		if got := codeOf(AdmitReceipts(c.Standing)); got != c.receipts {
			t.Errorf("%s: receipts %q instead of %q", sentence, got, c.receipts)
		}
		if got := codeOf(AdmitRetry(c.Standing, c.lost, "people")); got != c.retry {
			t.Errorf("%s: retry %q instead of %q", sentence, got, c.retry)
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
