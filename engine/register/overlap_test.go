package register

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cohort/engine/refusal"
)

func ids(entries []Entry) string {
	var all []string
	for _, e := range entries {
		all = append(all, e.RunID)
	}
	return strings.Join(all, " ")
}

func TestWhichRunsAreCompared(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, File), []byte(`{"run_id":"1","campaign":"a","service":"notify https://x","state":"finished","at":"2026-10-01T00:00:00Z"}
{"run_id":"2","campaign":"a","service":"notify https://x","state":"begun","at":"2026-10-01T00:00:00Z"}
{"run_id":"3","campaign":"a","service":"nhsapp https://x","state":"finished","at":"2026-11-20T00:00:00Z"}
{"run_id":"4","campaign":"a","service":"notify simulator","state":"finished","at":"2026-11-20T00:00:00Z"}
{"run_id":"5","campaign":"b","service":"notify https://y","state":"superseded","at":"2026-11-20T00:00:00Z"}
{"run_id":"6","campaign":"b","service":"notify http://127.0.0.1","simulator":true,"state":"begun","at":"2026-11-20T00:00:00Z"}
{"run_id":"7","campaign":"mine","service":"notify https://y","state":"begun","at":"2026-11-20T00:00:00Z"}
{"run_id":"8","campaign":"b","service":"notify https://x","state":"finished","at":"2026-10-01T00:00:00Z"}
`), 0o600))
	must(t, Reached(dir, "8", 1, 0)) // it was at work just now
	since := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	r, err := Look(dir)
	must(t, err)
	if got := ids(r.OfOtherCampaigns("mine", "notify", since)); got != "2 5 8" {
		t.Errorf("compared: %s", got)
	}
}

func TestLookCreatesNoRegister(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "none")
	r, err := Look(dir)
	if err != nil || len(r.Runs()) > 0 {
		t.Errorf("%v, %v", r.Runs(), err)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("it is made")
	}
	must(t, os.MkdirAll(dir, 0o700))
	must(t, os.WriteFile(filepath.Join(dir, File), []byte("damage\n"), 0o600))
	if _, err := Look(dir); err == nil {
		t.Error("a damaged register is empty")
	}
}

func TestWhichSendsAreRefused(t *testing.T) {
	for sentence, c := range map[string]struct {
		all           []Overlap
		again, people int64
		want          string
	}{
		"nobody in common":                      {nil, 0, 1000, ""},
		"an empty cohort":                       {nil, 0, 0, ""},
		"other words or values":                 {[]Overlap{{RunID: "1", Reached: 500, SameWords: true}}, 0, 1000, ""},
		"99 of a million":                       {[]Overlap{{RunID: "1", Reached: 99, Same: 99}}, 99, 1_000_000, ""},
		"100 of a million":                      {[]Overlap{{RunID: "1", Reached: 100, Same: 100}}, 100, 1_000_000, "1"},
		"less than 1 %":                         {[]Overlap{{RunID: "1", Reached: 9, Same: 9}}, 9, 901, ""},
		"1 %":                                   {[]Overlap{{RunID: "1", Reached: 9, Same: 9}}, 9, 900, "1"},
		"one of a few":                          {[]Overlap{{RunID: "1", Reached: 1, Same: 1}}, 1, 3, "1"},
		"a pilot in two parts":                  {[]Overlap{{RunID: "1", Same: 60}, {RunID: "2", Reached: 60}, {RunID: "3", Same: 60}}, 120, 1_000_000, "1 3"},
		"the same people in two runs":           {[]Overlap{{RunID: "1", Same: 60}, {RunID: "2", Same: 60}}, 60, 1_000_000, ""},
		"a run that has not sent them yet":      {[]Overlap{{RunID: "1", Same: 400, Open: true}}, 400, 1_000_000, "1"},
		"a lost run with the same words":        {[]Overlap{{RunID: "1", Problem: "lost", SameWords: true}}, 0, 1000, "1"},
		"a lost run of which no word is known":  {[]Overlap{{RunID: "1", Problem: "lost"}}, 0, 1000, ""},
		"a lost run, and one that was compared": {[]Overlap{{RunID: "1", Problem: "lost"}, {RunID: "2", Same: 400}}, 400, 1000, "2"},
	} {
		var got []Entry
		for _, o := range (&Overlaps{Found: c.all, Again: c.again, People: c.people}).Repeated() {
			got = append(got, Entry{RunID: o.RunID})
		}
		if ids(got) != c.want {
			t.Errorf("%s: %q", sentence, ids(got))
		}
	}
}

// The people of a follow-up are in no cohort file, and --rest-of there names earlier follow-ups only.
func TestAFollowUpWithTheSameWords(t *testing.T) {
	for _, found := range []Overlap{{Same: 200, SameWords: true}, {Problem: "it is gone", SameWords: true}} {
		o := Overlaps{FollowUp: true, Again: found.Same, People: 300, Zone: time.UTC, Found: []Overlap{found}}
		if err := o.refusal(); refusal.Code(err) != "same_words_followup" || strings.Contains(err.Error(), "--rest-of") {
			t.Error(err)
		}
	}
}
