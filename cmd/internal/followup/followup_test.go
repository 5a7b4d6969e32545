package followup

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"cohort/engine/campaign"
	"cohort/engine/delivery"
	"cohort/engine/ledger"
	"cohort/engine/outcome"
	"cohort/engine/plan"
	"cohort/engine/refusal"
	"cohort/engine/register"
	"cohort/ingest/person"
)

// Each reason for which a person is left out, and who is due. A wrong "due" writes to somebody who must not be written
// to, or twice.
func TestWhoIsDue(t *testing.T) {
	now := time.Date(2027, 1, 10, 12, 0, 0, 0, time.UTC)
	accepted := func(hours int) outcome.Message {
		return outcome.Message{Fate: person.Accepted, AcceptedAt: now.Add(-time.Duration(hours) * time.Hour)}
	}
	with := func(m outcome.Message, code string) outcome.Message { m.Code = code; return m }
	rule := Ask{Rule: campaign.FollowUp{Name: "sms", After: 24 * time.Hour, Unless: []string{"read"}}}
	both := Ask{Rule: campaign.FollowUp{Name: "sms", Unless: []string{"read", "delivered"}}}
	only := Ask{Refused: true}
	words := Ask{Wording: "these"}
	read, delivered := &delivery.State{Read: true, Delivered: true}, &delivery.State{Delivered: true}
	dead := &delivery.State{Status: delivery.Failed, Code: "MFR_PDSV_0112"}
	unreachable := &delivery.State{Status: delivery.Failed, Code: "MFR_PDSV_0002"}
	for sentence, c := range map[string]struct {
		ask   Ask
		m     outcome.Message
		state *delivery.State
		want  Verdict
	}{
		"accepted a day ago, and no news":            {rule, accepted(24), nil, Due},
		"accepted an hour ago":                       {rule, accepted(1), nil, NotYet},
		"accepted, and nobody knows when":            {rule, outcome.Message{Fate: person.Accepted, FirstAttempt: now.Add(-25 * time.Hour)}, nil, Due},
		"read":                                       {rule, accepted(24), read, Read},
		"delivered, which the rule does not mind":    {rule, accepted(24), delivered, Due},
		"delivered, which the rule minds":            {both, accepted(24), delivered, Delivered},
		"the person has died":                        {rule, accepted(24), dead, Forbidden},
		"no channel reaches the person":              {rule, accepted(24), unreachable, Due},
		"in doubt":                                   {rule, outcome.Message{Fate: person.InDoubt}, nil, "in_doubt"},
		"in doubt, with news":                        {rule, outcome.Message{Fate: person.InDoubt}, delivered, "in_doubt"},
		"refused":                                    {rule, outcome.Message{Fate: person.Refused}, nil, "refused"},
		"refused, with news":                         {rule, outcome.Message{Fate: person.Refused}, delivered, Contradicted},
		"not sent, and the log knows better":         {rule, outcome.Message{Fate: person.NotSent, Code: ledger.CodeContradicted}, nil, Contradicted},
		"suppressed":                                 {rule, outcome.Message{Fate: person.Suppressed, Code: "deceased"}, nil, "suppressed"},
		"suppressed, with news":                      {rule, outcome.Message{Fate: person.Suppressed}, delivered, Contradicted},
		"listed since":                               {rule, with(accepted(24), ledger.CodeListedTooLate), nil, ListedLate},
		"in a file that the service refused and has": {rule, with(accepted(24), ledger.CodeUploadTaken), nil, "in_doubt"},
		"only refused: refused":                      {only, outcome.Message{Fate: person.Refused, Code: "CM_X"}, nil, Due},
		"only refused: refused, and perhaps sent":    {only, outcome.Message{Fate: person.Refused, Unsure: true}, nil, Forbidden},
		"only refused: refused, and listed":          {only, outcome.Message{Fate: person.Refused, Code: ledger.CodeListedTooLate}, nil, Forbidden},
		"only refused: contradicted":                 {only, outcome.Message{Fate: person.Refused}, delivered, Contradicted},
		"only refused: accepted":                     {only, accepted(24), nil, "accepted"},
		"only refused: not sent":                     {only, outcome.Message{Fate: person.NotSent}, nil, "not_sent"},
		"only refused: in doubt":                     {only, outcome.Message{Fate: person.InDoubt}, nil, "in_doubt"},
		"these words, read":                          {words, accepted(0), read, Due},
		"these words, and the person has died":       {words, accepted(0), dead, Forbidden},
		"these words, in doubt":                      {words, outcome.Message{Fate: person.InDoubt}, nil, "in_doubt"},
		"these words, not sent":                      {words, outcome.Message{Fate: person.NotSent}, nil, "not_sent"},
		"other words":                                {Ask{Wording: "those"}, accepted(0), nil, OtherWording},
	} {
		r := record{row: 1, number: 9990000018, outcome: &c.m, state: c.state, template: "these"}
		if got, due := c.ask.judge(&r, now); got != c.want || got == NotYet && !due.Equal(now.Add(23*time.Hour)) {
			t.Errorf("%s: %q at %s, want %q", sentence, got, due, c.want)
		}
	}
	if v, _ := only.judge(&record{outcome: &outcome.Message{Fate: person.Invalid}}, now); v != "invalid" {
		t.Errorf("a record without a number: %q", v)
	}
	for value, want := range map[string]Verdict{"2027-01-10": Due, " 11/01/2027 ": Due, "20270109": TooLate, "": NoDate, "soon": NoDate} {
		if got := lastDay(value, 20270110); got != want {
			t.Errorf("the last day is %q: %q", value, got)
		}
	}
}

// A follow-up that a crash left without a plan is forgotten, unless the register says that it began. Rules have their
// own people, and calls of --only share theirs.
func TestNotes(t *testing.T) {
	dir, log := t.TempDir(), slog.New(slog.DiscardHandler)
	reg, err := register.Open(filepath.Join(dir, "register"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = reg.Close() }()
	folderOf := func(run plan.EarlierRun) (string, error) { return "", refusal.New("run_gone", "run", run.RunID) }
	n, err := OpenNotes(dir, 100, true)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := OpenNotes(dir, 100, true); refusal.Code(err) != "followup_busy" {
		t.Errorf("locked twice: %v", err)
	}
	add := func(run, rule string, row int64) {
		t.Helper()
		s := &Selection{Due: 1, rows: newRows(100)}
		s.rows.add(row)
		if err := n.Add(run, filepath.Join(dir, run), Step{rule, "by-" + rule}, s); err != nil {
			t.Fatal(err)
		}
	}
	add("1111111100", "sms", 7)
	add("2222222200", "only:invalid,refused", 100)
	n.Release()
	again, err := OpenNotes(dir, 100, false)
	if err != nil || len(again.All) != 2 {
		t.Fatalf("%v, %v", again.All, err)
	}
	for rule, row := range map[string]int64{"sms": 7, "only:refused": 100} {
		taken := again.Taken(Step{Rule: rule}, 100)
		for i := int64(1); i <= 100; i++ {
			if taken.has(i) != (i == row) {
				t.Errorf("%s: row %d is taken: %v", rule, i, taken.has(i))
			}
		}
	}
	if !again.Taken(Step{"renamed", "by-sms"}, 100).has(7) {
		t.Error("the same campaign by another rule takes a person again")
	}
	if _, is := again.AnyOnly(); !is {
		t.Error("nobody is found who was not reached")
	}
	if n, err = OpenNotes(dir, 100, true); err != nil {
		t.Fatal(err)
	}
	defer n.Release()
	if err := n.Settle(reg, "parent", Step{Rule: "sms"}, folderOf, log); err != nil || len(n.All) != 1 || n.Taken(Step{Rule: "sms"}, 100).has(7) {
		t.Errorf("nothing was sent: %v, %d notes", err, len(n.All))
	}
	note := func(e register.Entry) {
		t.Helper()
		if err := reg.Record(e); err != nil {
			t.Fatal(err)
		}
	}
	note(register.Entry{RunID: "2222222200", Parent: "parent", Rule: "only:invalid,refused", State: register.Begun})
	if err := n.Settle(reg, "parent", Step{Rule: "only:refused"}, folderOf, log); refusal.Code(err) != "followup_gone" || len(n.All) != 1 {
		t.Errorf("a run that began and is gone: %v", err)
	}
	note(register.Entry{RunID: "3333333300", Parent: "parent", Rule: "sms", State: register.Begun})
	if err := n.Settle(reg, "parent", Step{Rule: "sms"}, folderOf, log); refusal.Code(err) != "followup_unknown" {
		t.Errorf("a run without a note: %v", err)
	}
	if err := n.Settle(reg, "another", Step{Rule: "sms"}, folderOf, log); err != nil {
		t.Errorf("a run of another parent: %v", err)
	}
	path := n.path("2222222200")
	text, _ := os.ReadFile(path)
	text[len(text)-3] ^= 1
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenNotes(dir, 100, false); refusal.Code(err) != "folder_damaged" {
		t.Errorf("a damaged note: %v", err)
	}
}
