package facts

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cohort/engine"
	"cohort/engine/delivery"
	"cohort/engine/inbox"
	"cohort/engine/plan"
)

// Each run finds its own events, once more after a crash between copying and noting, and none of another run.
func TestEachRunCollectsItsEvents(t *testing.T) {
	runs := t.TempDir()
	one, other := madeRun(t, runs, "one"), madeRun(t, runs, "other")
	shared, err := inbox.Open(filepath.Join(runs, SharedFolder), "callbacks")
	must(t, err)
	defer func() { _ = shared.Close() }()
	say := func(p *plan.Plan, row int64, status string) {
		t.Helper()
		must(t, shared.Put(context.Background(), []delivery.Event{{
			Source: delivery.Callback, Kind: delivery.OfMessage, Reference: p.References.Message(row).String(), Status: status,
			At: time.Unix(1000+row, 0), Received: time.Unix(2000, 0),
		}}))
	}
	const n = 3 * copiedAtOnce / 2
	for row := int64(1); row <= n; row++ {
		say(one.plan, row, "sending")
		say(other.plan, row, "failed")
	}
	say(one.plan, one.plan.Records+1, "delivered") // no row of the plan

	if got := count(t, Of(one.dir, one.plan)); got["sending"] != n || len(got) != 1 {
		t.Errorf("before anything is copied a reader finds %v", got)
	}
	f, err := Hold(one.dir, one.plan, "send")
	must(t, err)
	told := 0
	must(t, f.Collect(context.Background(), func(int64, *delivery.Event) { told++ }))
	if told != n {
		t.Errorf("%d events were collected, want %d", told, n)
	}
	say(one.plan, 1, "delivered")
	must(t, f.Collect(context.Background(), func(row int64, e *delivery.Event) {
		if told++; row != 1 || e.Status != "delivered" {
			t.Errorf("row %d, %s: not the new event", row, e.Status)
		}
	}))
	must(t, f.SetReceipts(time.Unix(7, 0)))
	must(t, f.SetPollBegan(time.Unix(5, 0)))
	must(t, f.Close())
	if got := count(t, Of(one.dir, one.plan)); told != n+1 || got["sending"] != n-1 || got["delivered"] != 1 {
		t.Errorf("after the copying a reader finds %v, and %d were told", got, told)
	}
	if at, err := Of(one.dir, one.plan).Receipts(); err != nil || !at.Equal(time.Unix(7, 0)) {
		t.Errorf("receipts %s, %v", at, err)
	}
	if began, err := Of(one.dir, one.plan).PollBegan(); err != nil || !began.Equal(time.Unix(5, 0)) {
		t.Errorf("the poll began at %s, %v", began, err)
	}
	must(t, os.Remove(filepath.Join(one.dir, InboxFolder, readFile)))
	f, err = Hold(one.dir, one.plan, "send")
	must(t, err)
	defer func() { _ = f.Close() }()
	must(t, f.Collect(context.Background(), nil))
	if got := count(t, f); got["sending"] != n-1 || got["delivered"] != 1 {
		t.Errorf("after a crash a reader finds %v", got)
	}
}

// Damage of the shared inbox ends what decides, and reports say what they lack. No position hides the damage.
func TestADamagedSharedInbox(t *testing.T) {
	runs := t.TempDir()
	run, folder := madeRun(t, runs, "one"), filepath.Join(runs, SharedFolder)
	say := func(row int64, status string) {
		t.Helper()
		shared, err := inbox.OpenBeside(folder, "callbacks", func(error) {})
		must(t, err)
		must(t, shared.Put(context.Background(), []delivery.Event{{
			Source: delivery.Callback, Kind: delivery.OfMessage, Reference: run.plan.References.Message(row).String(), Status: status,
			At: time.Unix(1000+row, 0), Received: time.Unix(2000, 0),
		}}))
		must(t, shared.Close())
	}
	say(1, "sending")
	say(2, "sending")
	files, err := filepath.Glob(filepath.Join(folder, "*", "*1.log"))
	must(t, err)
	raw, err := os.ReadFile(files[0])
	must(t, err)
	raw[len(raw)-1] ^= 1
	must(t, os.WriteFile(files[0], raw, 0o600))
	say(3, "delivered")

	f, err := Hold(run.dir, run.plan, "send")
	must(t, err)
	defer func() { _ = f.Close() }()
	for range 2 {
		if err := f.Collect(context.Background(), nil); !errors.Is(err, ErrUnread) || !strings.Contains(err.Error(), files[0]) {
			t.Error(err)
		}
		if _, err := Of(run.dir, run.plan).Heard(); err == nil {
			t.Error("what decides was not told")
		}
		some := Of(run.dir, run.plan).Partial()
		if got := count(t, some); got["delivered"] != 1 || len(got) != 1 || some.Unread() == nil || !strings.Contains(some.Unread().Error(), files[0]) {
			t.Errorf("a report has %v, without %v", got, some.Unread())
		}
	}
	must(t, os.RemoveAll(filepath.Dir(files[0]))) // a person says so
	must(t, f.Collect(context.Background(), nil))
	if got := count(t, f); got["delivered"] != 1 || len(got) != 1 {
		t.Errorf("without the damaged volume: %v", got)
	}
}

// A search finds the events of a message in the run's own inbox and in the shared one, and no others.
func TestSearch(t *testing.T) {
	runs := t.TempDir()
	one, other := madeRun(t, runs, "one"), madeRun(t, runs, "other")
	shared, err := inbox.Open(filepath.Join(runs, SharedFolder), "callbacks")
	must(t, err)
	defer func() { _ = shared.Close() }()
	said := func(p *plan.Plan, row int64, status string) []delivery.Event {
		return []delivery.Event{{Source: delivery.Callback, Kind: delivery.OfMessage, Reference: p.References.Message(row).String(), Status: status}}
	}
	put := func(p *plan.Plan, status string) {
		for row := range int64(100) {
			must(t, shared.Put(context.Background(), said(p, row+1, status)))
		}
	}
	put(one.plan, "sending")
	f, err := Hold(one.dir, one.plan, "send")
	must(t, err)
	must(t, f.Collect(context.Background(), nil))
	must(t, f.Put(context.Background(), said(one.plan, 7, "failed")))
	must(t, f.Close())
	put(one.plan, "delivered")
	put(other.plan, "enriched")
	must(t, shared.Put(context.Background(), []delivery.Event{{Source: "a newer source", Kind: delivery.OfUnknown}}))
	find := func(dirs []string, rows ...int64) (got []string) {
		t.Helper()
		wanted := map[string]bool{}
		for _, row := range rows {
			wanted[one.plan.References.Message(row).String()] = true
			wanted[other.plan.References.Message(row).String()] = true
		}
		must(t, Search(dirs, wanted, func(e *delivery.Event) error {
			got = append(got, e.Status)
			return nil
		}))
		return got
	}
	for _, c := range []struct {
		want string
		got  []string
	}{
		{"[sending failed delivered enriched]", find([]string{one.dir}, 7)},
		{"[sending failed sending delivered enriched]", find([]string{one.dir, other.dir}, 7)}, // the other has read nothing yet
		{"[]", find([]string{one.dir, other.dir}, 101)},
	} {
		if fmt.Sprint(c.got) != c.want {
			t.Errorf("found %v, want %s", c.got, c.want)
		}
	}
}

// A run's inbox is not touched when there is nothing to write.
func TestNothingToWrite(t *testing.T) {
	runs := t.TempDir()
	run := madeRun(t, runs, "one")
	files := func(want int) {
		t.Helper()
		f, err := Hold(run.dir, run.plan, "decide")
		must(t, err)
		must(t, f.Collect(context.Background(), nil))
		must(t, f.Put(context.Background(), nil))
		must(t, f.Close())
		names, err := filepath.Glob(filepath.Join(run.dir, InboxFolder, "*", "*.log"))
		must(t, err)
		if len(names) != want {
			t.Errorf("there are %v, want %d", names, want)
		}
	}
	files(0)
	f, err := Hold(run.dir, run.plan, "reconcile")
	must(t, err)
	must(t, f.Put(context.Background(), []delivery.Event{{Source: delivery.Status, Kind: delivery.OfMessage}}))
	must(t, f.Close())
	files(1)
	files(1)
}

// The shared inbox keeps what a run has not read, and what is young.
func TestTidy(t *testing.T) {
	runs := t.TempDir()
	one, other := madeRun(t, runs, "one"), madeRun(t, runs, "other")
	for _, run := range []made{one, other} {
		must(t, os.WriteFile(filepath.Join(run.dir, plan.PlanFile), nil, 0o600))
		must(t, os.Mkdir(filepath.Join(run.dir, logFolder), 0o700))
	}
	ancient, unsent, past := madeRun(t, runs, "ancient"), madeRun(t, runs, "unsent"), time.Now().Add(-oldest)
	for _, run := range []made{ancient, unsent} { // nobody waits for these
		must(t, os.WriteFile(filepath.Join(run.dir, plan.PlanFile), nil, 0o600))
	}
	must(t, os.Mkdir(filepath.Join(ancient.dir, logFolder), 0o700))
	must(t, os.Chtimes(filepath.Join(ancient.dir, plan.PlanFile), past, past))
	shared := filepath.Join(runs, SharedFolder)
	kept := func() (volumes int) {
		t.Helper()
		names, err := filepath.Glob(filepath.Join(shared, "0*"))
		must(t, err)
		return len(names)
	}
	in, err := inbox.Open(shared, "callbacks")
	must(t, err)
	big := delivery.Event{Source: delivery.Callback, Kind: delivery.OfUnknown, Raw: make([]byte, 1<<20)}
	for range 66 { // one volume and a part of the next
		must(t, in.Put(context.Background(), []delivery.Event{big}))
	}
	must(t, in.Close())
	tidy := func(run made, now time.Time, want int) {
		t.Helper()
		f, err := Hold(run.dir, run.plan, "reconcile")
		must(t, err)
		defer func() { _ = f.Close() }()
		must(t, f.Collect(context.Background(), nil))
		must(t, f.Tidy(now))
		if kept() != want {
			t.Errorf("%d volumes are there, want %d", kept(), want)
		}
	}
	old := time.Now().Add(keptShared + time.Hour)
	tidy(one, old, 2)          // the other run has not read them
	tidy(other, time.Now(), 2) // they are young
	tidy(other, old, 1)
}

// What a service repeats is put into the inbox once, and what differs in one thing is put beside it.
func TestNews(t *testing.T) {
	run := madeRun(t, t.TempDir(), "one")
	f, err := Hold(run.dir, run.plan, "reconcile")
	must(t, err)
	defer func() { _ = f.Close() }()
	const n = learntAtOnce + 100
	learn := func(more ...delivery.Event) (stored int) {
		t.Helper()
		news, err := f.Learn(run.dir)
		must(t, err)
		defer news.Close()
		for row := int64(n); row >= 1; row-- {
			for range 2 {
				news.Add(row, &delivery.Event{
					Source: delivery.Receipt, Kind: delivery.OfMessage, Reference: run.plan.References.Message(row).String(),
					Status: "delivered", At: time.Unix(1000+row, 0), Received: time.Now(),
				})
			}
		}
		for _, e := range more {
			news.Add(1, &e)
		}
		must(t, news.Save(context.Background()))
		must(t, f.Each(func(int64, *delivery.Event) error { stored++; return nil }))
		return stored
	}
	later := delivery.Event{
		Source: delivery.Receipt, Kind: delivery.OfMessage, Reference: run.plan.References.Message(1).String(), Status: "read", At: time.Unix(1001, 0),
	}
	if first, second, third := learn(), learn(), learn(later, later); first != n || second != n || third != n+1 {
		t.Errorf("the inbox has %d, then %d, then %d events, want %d, the same and one more", first, second, third, n)
	}
	if got := count(t, f); got["delivered"] != n-1 || got["read"] != 1 {
		t.Errorf("%v", got)
	}
	news, err := f.Learn(run.dir)
	must(t, err)
	news.Add(run.plan.Records+1, &later)
	if news.Save(context.Background()) == nil {
		t.Error("an event of no row was taken")
	}
}

// Every reference of a run finds its row, and nobody else's finds any.
func TestRowsAreFoundByReference(t *testing.T) {
	one := engine.NewRunID("one", [32]byte{}, "")
	other := engine.NewRunID("other", [32]byte{}, "").References()
	keyed, older := one.References(), one.OlderReferences()
	for _, records := range []int64{0, 1, 3, 4, 5, 20_000, -1, -5, -20_000} {
		own, strange := keyed, older
		if records < 0 {
			own, strange, records = older, keyed, -records
		}
		table := NewRows(own, records)
		for row := int64(-1); row <= records+100; row++ {
			if got, ok := table.Of(own.Message(row).String()); ok != (0 < row && row <= records) || ok && got != row {
				t.Fatalf("of %d: row %d is %d %v", records, row, got, ok)
			}
			for _, not := range []engine.References{other, strange} {
				if got, ok := table.Of(not.Message(row).String()); ok {
					t.Fatalf("another run's row %d is %d", row, got)
				}
			}
		}
		for _, text := range []string{"", "x", strings.Repeat("0", 36)} {
			if _, ok := table.Of(text); ok {
				t.Errorf("%q has a row", text)
			}
		}
	}
}

type made struct {
	dir  string
	plan *plan.Plan
}

func madeRun(t *testing.T, runs, name string) made {
	t.Helper()
	dir := filepath.Join(runs, name)
	must(t, os.Mkdir(dir, 0o700))
	p := &plan.Plan{}
	p.Run = engine.NewRunID(name, [32]byte{}, "service")
	p.References, p.Records = p.Run.References(), 5000
	return made{dir, p}
}

func count(t *testing.T, f *Facts) map[string]int {
	t.Helper()
	states, err := f.States(t.TempDir())
	must(t, err)
	defer func() { _ = states.Close() }()
	all := map[string]int{}
	for s, err := range states.All() {
		must(t, err)
		all[s.State.Status]++
		if want := fmt.Sprint(time.Unix(1000+s.Row, 0).UTC()); fmt.Sprint(s.State.At.UTC()) != want {
			t.Errorf("row %d has the time %s, want %s", s.Row, s.State.At, want)
		}
	}
	return all
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A shared inbox that is missing, or another one in its place, is an error for everybody who reads on in it. The
// position stays as it was. Without the position, the inbox is read from its start.
func TestTheSharedInboxIsGone(t *testing.T) {
	runs := t.TempDir()
	one := madeRun(t, runs, "one")
	dir, planned := one.dir, one.plan
	put := func(row int64) {
		shared, err := inbox.Open(filepath.Join(runs, SharedFolder), "callbacks")
		must(t, err)
		must(t, shared.Put(t.Context(), []delivery.Event{{
			Source: delivery.Callback, Kind: delivery.OfMessage, Reference: planned.References.Message(row).String(), Status: "delivered", At: time.Now(), Received: time.Now(),
		}}))
		must(t, shared.Close())
	}
	put(1)
	f, err := Hold(dir, planned, "test")
	must(t, err)
	must(t, f.Collect(t.Context(), nil))
	position := f.read
	for what, change := range map[string]func(){"missing": func() {}, "empty": func() {
		must(t, os.MkdirAll(filepath.Join(runs, SharedFolder), 0o700))
	}} {
		must(t, os.RemoveAll(filepath.Join(runs, SharedFolder)))
		change()
		wanted := map[string]bool{planned.References.Message(1).String(): true}
		for by, err := range map[string]error{
			"Collect": f.Collect(t.Context(), nil),
			"Each":    Of(dir, planned).Each(func(int64, *delivery.Event) error { return nil }),
			"Search":  Search([]string{dir}, wanted, func(*delivery.Event) error { return nil }),
		} {
			if err == nil || !strings.Contains(err.Error(), "Mount it") || !strings.Contains(err.Error(), readFile) {
				t.Errorf("%s, %s: %v", what, by, err)
			}
		}
	}
	if now, err := f.progress(); err != nil || now != position {
		t.Errorf("the position is %+v, %v", now, err)
	}
	must(t, f.Close())
	must(t, os.Remove(filepath.Join(dir, InboxFolder, readFile)))
	put(2)
	f, err = Hold(dir, planned, "test")
	must(t, err)
	defer func() { _ = f.Close() }()
	must(t, f.Collect(t.Context(), nil))
	heard, err := f.Heard()
	if err != nil || !heard.Of(1) || !heard.Of(2) {
		t.Errorf("after a new beginning: %v", err)
	}
}
