package repair

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"cohort/cmd/internal/run"
	"cohort/engine"
	"cohort/engine/campaign"
	"cohort/engine/decision"
	"cohort/engine/enginetest"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/record"
	"cohort/engine/refusal"
	"cohort/engine/register"
	"cohort/engine/runfolder"
)

// Decide refuses an invalid decision before it opens the folder.
func TestInvalidDecisionsAreRefused(t *testing.T) {
	for code, d := range map[string]Decision{
		"no_such_decision":        {What: "refused", Reason: "because"},
		"code_without_refused":    {What: "in-doubt again", Codes: []string{"X"}, Reason: "because"},
		"decision_without_reason": {What: "held replay", Reason: " "},
		"reason_too_long":         {What: "latest", Reason: strings.Repeat("x", 100_000)},
		"plan_missing":            {What: "refused again", DryRun: true},
	} {
		err := Decide(t.Context(), &run.Runner{RunFolder: t.TempDir()}, d)
		if refusal.Code(err) != code {
			t.Errorf("%+v: %v", d, err)
		}
	}
	for what, kind := range kinds {
		for _, reason := range []string{"", "why"} { // the second as it stands in a printed command
			if err := Decide(t.Context(), &run.Runner{}, Decision{What: what, Reason: reason}); refusal.Code(err) != "decision_without_reason" || !strings.Contains(err.Error(), kind.say) {
				t.Errorf("%s without a reason: %v", what, err)
			}
		}
	}
}

// The command line of a decision is that decision again.
func TestTheCommandOfADecision(t *testing.T) {
	for want, d := range map[string]Decision{
		"decide /a/run foreign accepted --reason why":                        {What: "foreign accepted"},
		"decide /a/run refused again --code A --code B --reason 'it is not'": {What: "refused again", Codes: []string{"A", "B"}, Reason: "it is not"},
		"decide /a/run in-doubt again --dry-run":                             {What: "in-doubt again", DryRun: true},
	} {
		if got := Command("/a/run", d); !strings.HasSuffix(got, " "+want) {
			t.Errorf("%s, not %s", got, want)
		}
	}
}

// Messages in doubt are sent again only if there are any, their receipts had time to come, and
// receipts prove something.
func TestRefusalsOfInDoubtAgain(t *testing.T) {
	s := &run.Runner{Folder: &runfolder.Folder{Path: "/a/run"}}
	proof := refusal.New("too_few_receipts", "accepted", 3, "when", "", "receipts", 1)
	for sentence, row := range map[string]struct {
		again decision.Resend
		proof error
		code  string
	}{
		"all may go":                            {decision.Resend{Again: 2}, nil, ""},
		"one is young":                          {decision.Resend{Again: 2, Young: 1}, nil, "resend_too_early"},
		"receipts do not come":                  {decision.Resend{Again: 2}, proof, "too_few_receipts"},
		"young, and receipts do not come":       {decision.Resend{Again: 2, Young: 2}, proof, "resend_too_early"},
		"none, and receipts do not come":        {decision.Resend{}, proof, "nothing_to_resend"},
		"all have a receipt, are listed, lost":  {decision.Resend{Named: 1, Listed: 1, Lost: 1}, nil, "nothing_to_resend"},
		"another application sent them":         {decision.Resend{Other: 1}, nil, "resend_with_another_key"},
		"decided before":                        {decision.Resend{Due: 1}, nil, "resend_decided_before"},
		"decided before, others by another key": {decision.Resend{Due: 1, Other: 1}, nil, "resend_decided_before"},
	} {
		w := &doubt{again: &row.again, proof: row.proof}
		if err := w.refuses(s); refusal.Code(err) != row.code || (err == nil) != (row.code == "") {
			t.Errorf("%s: %v", sentence, err)
		}
	}
}

// aFolder is a run's folder with one batch that the service holds and the log never sent.
type aFolder struct {
	t    *testing.T
	s    *run.Runner
	plan *plan.Plan
}

func newFolder(t *testing.T) *aFolder {
	dir := t.TempDir()
	f := &aFolder{t: t, plan: enginetest.SealPlan(t, dir, enginetest.NewPeople(8, 1, nil), engine.Limits{Messages: 4, Bytes: 1 << 20})}
	f.s = &run.Runner{Campaign: &campaign.Campaign{Register: dir + "/register"}, Folder: &runfolder.Folder{Path: dir},
		Stdout: new(strings.Builder), Log: slog.New(slog.DiscardHandler), RunFolder: dir}
	f.s.Call.RunID, f.s.Call.Register = f.plan.RunID, f.s.Campaign.Register
	f.inLog(func(log *ledger.Log) error {
		form, at := plan.FormID{}, time.Now()
		foreign := &record.Outcome{Form: form, N: 1, At: at, Result: record.ResultForeign}
		attempt := &record.Attempt{Form: form, N: 1, At: at}
		return errors.Join(log.Open(ledger.Start{At: at, Version: "test"}), log.Attempt(attempt), log.Attempted(attempt),
			log.Append(foreign))
	})
	return f
}

func (f *aFolder) inLog(write func(*ledger.Log) error) {
	f.t.Helper()
	log, err := ledger.Open(f.s.RunFolder, f.plan)
	enginetest.Must(f.t, err)
	enginetest.Must(f.t, errors.Join(write(log), log.Close()))
}

func (f *aFolder) read() *ledger.Ledger {
	f.t.Helper()
	l, err := ledger.Read(f.s.RunFolder, f.plan)
	enginetest.Must(f.t, err)
	return l
}

// inRegister records the run in the register with the fields of entry.
func (f *aFolder) inRegister(entry register.Entry) {
	f.t.Helper()
	reg, err := register.OpenAll(f.s.Campaign.Registers())
	enginetest.Must(f.t, err)
	entry.RunID, entry.Folder, entry.Service, entry.Campaign = f.plan.RunID, f.s.RunFolder, f.plan.Service, f.plan.Campaign
	enginetest.Must(f.t, errors.Join(reg.Record(entry), reg.Close()))
}

// decide weighs a decision and records it. It returns what it refused with.
func (f *aFolder) decide(what string) error {
	f.t.Helper()
	d := &decider{Decision: Decision{What: what, Reason: "so it was"}, run: f.s, plan: f.plan, ledger: f.read()}
	record, err := kinds[what].weigh(d, f.t.Context())
	if err != nil {
		return err
	}
	if _, _, foreign := f.read().Unsettled(); foreign != 1 {
		f.t.Errorf("%s was recorded when it was weighed", what)
	}
	_, err = record()
	return err
}

func TestDecisionsAboutBatches(t *testing.T) {
	for sentence, row := range map[string]struct {
		given             func(*aFolder)
		what, code        string
		accepted, inDoubt int64 // afterwards
	}{
		"they are this run's":                {nil, "foreign accepted", "", 4, 0},
		"nobody can say":                     {nil, "foreign in-doubt", "", 0, 4},
		"none is held by a recovery":         {nil, "held replay", "no_batch_to_decide", 0, 4},
		"the register knows of more":         {func(f *aFolder) { f.inRegister(register.Entry{State: register.Begun, Attempts: 2}) }, "foreign accepted", "folder_not_latest", 0, 4},
		"the register knows of as much":      {func(f *aFolder) { f.inRegister(register.Entry{State: register.Begun, Attempts: 1}) }, "foreign accepted", "", 4, 0},
		"its place was taken, as it says":    {func(f *aFolder) { f.supersede() }, "foreign accepted", "run_superseded", 0, 4},
		"its place was taken, says register": {func(f *aFolder) { f.inRegister(register.Entry{State: register.Superseded, Attempts: 1}) }, "foreign in-doubt", "superseded_in_register", 0, 4},
		"refused, with a foreign batch":      {nil, "refused again", "foreign_undecided", 0, 4},
	} {
		f := newFolder(t)
		if row.given != nil {
			row.given(f)
		}
		err := f.decide(row.what)
		fates := f.read().Account().Fates
		if refusal.Code(err) != row.code || (err == nil) != (row.code == "") || fates["accepted"] != row.accepted || fates["in_doubt"] != row.inDoubt {
			t.Errorf("%s: %v, %v", sentence, err, fates)
		}
	}
}

func (f *aFolder) supersede() {
	f.inLog(func(log *ledger.Log) error { return log.Supersede(time.Now(), engine.RunID{1}, "/another") })
}

// Show names a command for each open decision, and none that would be refused.
func TestShowListsOpenDecisions(t *testing.T) {
	f := newFolder(t)
	show := func() string {
		var out strings.Builder
		enginetest.Must(t, (&waiting{&out, f.s.RunFolder, f.plan, f.read()}).show(time.Now()))
		return out.String()
	}
	if said := show(); strings.Count(said, " decide ") != 2 || !strings.Contains(said, "foreign accepted --reason why\n") || strings.Contains(said, "go on with") {
		t.Error(said)
	}
	enginetest.Must(t, f.decide("foreign in-doubt"))
	if said := show(); strings.Contains(said, " decide ") || !strings.Contains(said, "They stay so") || !strings.Contains(said, "resume") {
		t.Error(said)
	}
	f.supersede()
	if said := show(); strings.Contains(said, " decide ") || strings.Contains(said, "resume") || !strings.Contains(said, "has taken this run's place") {
		t.Error(said)
	}
}
