package register

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"cohort/engine/disk"
	"cohort/engine/plan"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// record opens the register, records entries, and closes it.
func record(t *testing.T, dir string, entries ...Entry) {
	t.Helper()
	r, err := Open(dir)
	must(t, err)
	for _, e := range entries {
		must(t, r.Record(e))
	}
	must(t, r.Close())
}

func entry(id, campaign string, state State) Entry {
	return Entry{RunID: id, Campaign: campaign, Service: "s", Folder: "/somewhere/" + id, State: state}
}

func states(t *testing.T, dir string) (all []string) {
	t.Helper()
	r, err := Open(dir)
	must(t, err)
	defer func() { must(t, r.Close()) }()
	for _, e := range r.runs {
		all = append(all, e.RunID+" "+string(e.State))
	}
	return all
}

func TestTheLatestLineCounts(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "on", "the", "way")
	if got := states(t, dir); got != nil {
		t.Errorf("a new register knows %v", got)
	}
	before := time.Now().Add(-time.Second)
	record(t, dir, entry("1", "a", Begun), entry("2", "a", Begun))
	record(t, dir, entry("1", "a", Finished), entry("3", "b", Begun))
	record(t, dir, entry("2", "a", Superseded))
	if got, want := states(t, dir), []string{"1 finished", "2 superseded", "3 begun"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	text, err := os.ReadFile(filepath.Join(dir, File))
	must(t, err)
	if lines := strings.Count(string(text), "\n"); lines != 5 {
		t.Errorf("there are %d lines: a line was lost or changed", lines)
	}
	if info, err := os.Stat(filepath.Join(dir, File)); err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	r, err := Open(dir)
	must(t, err)
	defer func() { must(t, r.Close()) }()
	e, ok := r.Run("2")
	host, _ := os.Hostname()
	if !ok || e.Folder != "/somewhere/2" || e.Host != host || e.At.Before(before) {
		t.Errorf("run 2 is %+v", e)
	}
	if _, ok := r.Run("4"); ok {
		t.Error("there is a run that nobody recorded")
	}
}

func TestOthers(t *testing.T) {
	dir := t.TempDir()
	elsewhere := entry("4", "a", Begun)
	elsewhere.Service = "another"
	record(t, dir, entry("1", "a", Begun), entry("2", "b", Begun), entry("3", "a", Begun), elsewhere, entry("5", "a", Finished))
	r, err := Open(dir)
	must(t, err)
	defer func() { must(t, r.Close()) }()
	var ids []string
	for _, e := range r.Others("a", "s", "3", nil) {
		ids = append(ids, e.RunID)
	}
	if !slices.Equal(ids, []string{"1", "5"}) {
		t.Errorf("the others are %v", ids)
	}
}

// A line torn by a power cut was never acknowledged, so Open cuts it off. Other damage is an error.
func TestDamage(t *testing.T) {
	whole := `{"run_id":"1","state":"begun"}` + "\n"
	for sentence, test := range map[string]struct {
		text  string
		wrong string
		knows []string
	}{
		"whole":                       {whole, "", []string{"1 begun", "3 begun"}},
		"a torn last line":            {whole + `{"run_id":"2","sta`, "", []string{"1 begun", "3 begun"}},
		"a last line without its end": {whole + `{"run_id":"2","state":"begun"}`, "", []string{"1 begun", "2 begun", "3 begun"}},
		"noughts at the end":          {whole + "\x00\x00\x00\x00", "", []string{"1 begun", "3 begun"}},
		"a torn line that is longer than the next": {whole + `{"run_id":"2","note":"` + strings.Repeat("x", 900), "", []string{"1 begun", "3 begun"}},
		"nothing but a torn line":                  {`{"run`, "", []string{"3 begun"}},
		"an empty line":                            {"\n" + whole, "", []string{"1 begun", "3 begun"}},
		"a damaged line in the middle":             {`{"run_id":"1","sta` + "\n" + whole, ":1: the line is damaged", nil},
		"a damaged line at the end":                {whole + whole + `{"run_id":"1","sta` + "\n", ":3: the line is damaged", nil},
		"two lines run into one":                   {`{"run_id":"1"}{"run_id":"2"}` + "\n", ":1: the line is damaged", nil},
		"a line that names no run":                 {whole + "{}\n", ":2: the line is damaged", nil},
		"a line of noughts":                        {"\x00\x00\x00\n", ":1: the line is damaged", nil},
	} {
		dir := t.TempDir()
		must(t, os.WriteFile(filepath.Join(dir, File), []byte(test.text), 0o600))
		r, err := Open(dir)
		if test.wrong != "" {
			if err == nil || !strings.Contains(err.Error(), test.wrong) {
				t.Errorf("%s: %v", sentence, err)
			}
			if _, held := disk.LockHolder(filepath.Join(dir, "lock")); held {
				t.Errorf("%s: and the lock is still held", sentence)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", sentence, err)
			continue
		}
		// The next entry is whole, and so are the earlier ones.
		must(t, r.Record(entry("3", "c", Begun)))
		must(t, r.Close())
		if got := states(t, dir); !slices.Equal(got, test.knows) {
			t.Errorf("%s: the register knows %v", sentence, got)
		}
	}
}

func TestOneProcessAtATime(t *testing.T) {
	dir := t.TempDir()
	r, err := Open(dir)
	must(t, err)
	if _, err := Open(dir); !errors.As(err, new(*disk.HeldError)) {
		t.Errorf("opened twice: %v", err)
	}
	must(t, r.Close())
	record(t, dir)
}

// A line of a version that did not write them down has the kind and the simulator too.
func TestAServiceTellsItsKind(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, File), []byte(`{"run_id":"1","service":"file letters"}
{"run_id":"2","service":"nhsapp simulator"}
{"run_id":"3","service":"notify https://int.example/simulator"}
`), 0o600))
	e := entry("4", "a", Begun)
	e.Service, e.Simulator = "notify http://127.0.0.1:9000/comms", true
	record(t, dir, e)
	r, err := Open(dir)
	must(t, err)
	defer func() { must(t, r.Close()) }()
	for i, want := range []Entry{{Kind: "file"}, {Kind: "nhsapp", Simulator: true}, {Kind: "notify"}, {Kind: "notify", Simulator: true}} {
		if got := r.Runs()[i]; got.Kind != want.Kind || got.Simulator != want.Simulator {
			t.Errorf("run %s: kind %q, simulator %v", got.RunID, got.Kind, got.Simulator)
		}
	}
}

func TestAdoptKeepsTheFurthestState(t *testing.T) {
	old, dir := t.TempDir(), t.TempDir()
	further := func(e Entry, attempts uint64) Entry { e.Attempts = attempts; return e }
	record(t, old, entry("1", "a", Begun), entry("2", "a", Finished), further(entry("3", "a", Begun), 5), further(entry("4", "a", Begun), 9), entry("5", "a", Begun))
	must(t, Reached(old, "1", 7, 0))
	record(t, dir, entry("2", "a", Begun), further(entry("3", "a", Finished), 4), further(entry("4", "a", Begun), 11), entry("5", "a", Superseded), entry("6", "a", Begun))
	for range 2 { // the second time there is nothing to do
		from, err := Open(old)
		must(t, err)
		r, err := Open(dir)
		must(t, err)
		must(t, r.Adopt(from))
		must(t, from.Close())
		for id, want := range map[string]Entry{"1": {State: Begun, Attempts: 7}, "2": {State: Finished}, "3": {State: Finished, Attempts: 5}, "4": {State: Begun, Attempts: 11}, "5": {State: Superseded}, "6": {State: Begun}} {
			if got, known := r.Run(id); !known || got.State != want.State || got.Attempts != want.Attempts {
				t.Errorf("run %s: %+v", id, got)
			}
		}
		must(t, r.Close())
	}
	text, err := os.ReadFile(filepath.Join(dir, File))
	must(t, err)
	if n := strings.Count(string(text), "\n"); n != 5+3 {
		t.Errorf("%d lines", n)
	}
}

// Runs of one chain write to the same people on purpose. They are no others to each other, and are to all else.
func TestTheRunsOfAChainAreNoOthers(t *testing.T) {
	r, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	for _, e := range []Entry{
		{RunID: "root", Campaign: "app", Service: "notify a", State: Begun},
		{RunID: "step", Campaign: "sms", Service: "notify a", State: Begun, Root: "root", Parent: "root", Rule: "sms"},
		{RunID: "else", Campaign: "sms", Service: "notify a", State: Begun, Keys: []string{"k"}},
		{RunID: "sibling", Campaign: "sms", Service: "notify a", State: Begun, Root: "root", Parent: "root", Rule: "sms", Keys: []string{"k"}},
	} {
		if err := r.Record(e); err != nil {
			t.Fatal(err)
		}
	}
	ids := func(entries []Entry) (all string) {
		for _, e := range entries {
			all += e.RunID + " "
		}
		return all
	}
	for chain, want := range map[string][3]string{
		"":     {"else sibling ", "else sibling ", "step else sibling "},
		"root": {"else ", "else ", "else "},
		"else": {"sibling ", "sibling ", "step sibling "},
	} {
		r.Chain = chain
		got := [3]string{ids(r.Others("sms", "notify a", "step", nil)), ids(r.Elsewhere("sms", "notify b", []string{"k"})), ids(r.OfOtherCampaigns("app", "notify", time.Now().Add(-time.Hour)))}
		if got != want {
			t.Errorf("in chain %q: %q, want %q", chain, got, want)
		}
	}
	r.Chain = "root"
	for parent, want := range map[string]string{"root": "else ", "step": "step else sibling "} { // a step behind may have the same people
		follows := &plan.FollowUp{Parent: plan.EarlierRun{RunID: parent}, Rule: "sms"}
		if got := ids(r.Others("sms", "notify a", "new", follows)); got != want {
			t.Errorf("behind %s: %q, want %q", parent, got, want)
		}
	}
}
