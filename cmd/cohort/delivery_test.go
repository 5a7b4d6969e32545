package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	events "cohort/engine/delivery"
	"cohort/engine/facts"
	"cohort/engine/inbox"
	"cohort/engine/plan"
	"cohort/sinks/delivery"
	"cohort/sinks/simulator/ledger"
)

// statusesAt are the simulator's messages by reference, with what has become of them at a
// time; 1 is now.
func statusesAt(ts *testscript.TestScript, address, when string) map[string]ledger.Accepted {
	all := map[string]ledger.Accepted{}
	for line := range strings.Lines(string(simulated(ts, address, "ledger?statuses="+when))) {
		var a ledger.Accepted
		ts.Check(json.Unmarshal([]byte(line), &a))
		all[a.MessageReference] = a
	}
	return all
}

// settled waits until nothing more becomes of the messages of the simulator at an address.
func settled(ts *testscript.TestScript, _ bool, args []string) {
	for range 600 {
		if maps.Equal(wordsOf(statusesAt(ts, args[0], "1")), wordsOf(statusesAt(ts, args[0], "2100-01-01T00:00:00Z"))) {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	ts.Fatalf("not everything has come to its end")
}

func wordsOf(of map[string]ledger.Accepted) map[string]string {
	words := map[string]string{}
	for reference, a := range of {
		words[reference] = a.Status
	}
	return words
}

// delivered compares the states of a run's messages with the simulator's statuses: delivered DIR ADDRESS.
// Every state must be final; with a third word, partly, a state may be older.
func delivered(ts *testscript.TestScript, _ bool, args []string) {
	truth := statusesAt(ts, args[1], "1")
	states, err := statesIn(ts.MkAbs(args[0]))
	ts.Check(err)
	plan, err := plan.Open(ts.MkAbs(args[0]))
	ts.Check(err)
	defer func() { _ = plan.Close() }()
	if len(states) != len(truth) || len(states) == 0 {
		ts.Fatalf("%d states of %d messages", len(states), len(truth))
	}
	for _, each := range states {
		s := &each.State
		a, there := truth[plan.References.Message(each.Row).String()]
		if !there || a.MessageID != s.MessageID || s.OtherID != "" || s.Source != events.Status || s.Polled.IsZero() || s.At.IsZero() || s.Unknown > 0 {
			ts.Fatalf("row %d: %+v is %+v", each.Row, s, a)
		}
		if s.Status != a.Status && (len(args) < 3 || s.Final()) {
			ts.Fatalf("row %d is %s, and the service says %s", each.Row, s.Status, a.Status)
		}
		if s.Final() && a.FailureReasonCode != "" && s.Code != a.FailureReasonCode {
			ts.Fatalf("row %d failed for %s, and the service says %s", each.Row, s.Code, a.FailureReasonCode)
		}
	}
}

// received compares the events in a run's inbox with the receipts of the NHS App's simulator at an
// address. The inbox has each receipt once.
func received(ts *testscript.TestScript, _ bool, args []string) {
	truth, wrong, rejected := statusesAt(ts, args[1], "1"), 0, 0
	dir := ts.MkAbs(args[0])
	states, err := statesIn(dir)
	ts.Check(err)
	plan, err := plan.Open(dir)
	ts.Check(err)
	defer func() { _ = plan.Close() }()
	codes := map[int64][]string{}
	ts.Check(facts.Of(dir, plan).Each(func(row int64, e *events.Event) error {
		codes[row] = append(codes[row], strings.ReplaceAll(e.Status, "_", ""))
		return nil
	}))
	for _, each := range states {
		s := &each.State
		a, there := truth[plan.References.Message(each.Row).String()]
		want := strings.Split(strings.ToLower(a.Status), ",")
		slices.Sort(want)
		slices.Sort(codes[each.Row])
		if !there || s.MessageID != a.MessageID || !slices.Equal(codes[each.Row], slices.Compact(want)) ||
			s.At.Before(a.AcceptedAt.Add(-time.Second)) || s.Source != events.Receipt {
			wrong++
			ts.Logf("row %d: %v, %+v is %+v", each.Row, codes[each.Row], s, a)
		}
		if s.Status == "rejected" {
			if rejected++; s.Reason != "NHS number not found" {
				ts.Fatalf("row %d was rejected because of %q", each.Row, s.Reason)
			}
		}
	}
	if wrong > 0 || len(states) != len(truth) || len(states) == 0 || rejected == 0 {
		ts.Fatalf("%d of %d states are wrong; there are %d messages, %d of them rejected", wrong, len(states), len(truth), rejected)
	}
}

// statesIn returns the states of the messages of the run in a folder, in the order of rows.
func statesIn(dir string) (all []events.Sorted, err error) {
	plan, err := plan.Open(dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = plan.Close() }()
	states, err := facts.Of(dir, plan).States(os.TempDir())
	if err != nil {
		return nil, err
	}
	defer func() { _ = states.Close() }()
	for s, err := range states.All() {
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

// A sweep that was killed, and one that was stopped, have kept what they had saved; the next
// asks for the rest alone. In the end each message was asked for once, although none has come
// to its end.
func TestASweepGoesOnWhereItWasEnded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.simulate("quota_429: {share: 0.05, retry_after: 1s, limit: 2}\ntoken_revoked: 0.02\n")
	w.campaign("pace: {per_second: 0}")
	truth := w.generate(80, 0.02)
	if o := w.run("send", "-c", "campaign.yaml", "cohort.csv"); o.code != 0 {
		t.Fatalf("exit %d\n%s", o.code, o.stderr)
	}
	folder := w.folder()
	known := func() []events.Sorted {
		t.Helper()
		all, err := statesIn(folder)
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	c, _, _ := w.start("reconcile", folder, "--per-second", "20", "--json")
	w.await("something is saved", func() bool { return len(known()) > 0 })
	_ = c.Process.Kill()
	_ = c.Wait()
	saved := known()
	if len(saved) == 0 || len(saved) == truth.Sendable {
		t.Fatalf("%d of %d are saved", len(saved), truth.Sendable)
	}
	asked := int64(len(saved))
	read := func(text string) (s delivery.Summary) {
		t.Helper()
		if err := json.Unmarshal([]byte(text), &s); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		return s
	}
	c, stdout, stderr := w.start("reconcile", folder, "--per-second", "20", "--json")
	w.await("something more is saved", func() bool { return len(known()) > len(saved) })
	_ = c.Process.Signal(os.Interrupt)
	_ = c.Wait()
	if s := read(stdout.String()); c.ProcessState.ExitCode() != 3 || *s.Asked == 0 || s.Left == 0 || !strings.Contains(stderr.String(), "going on with the poll of") ||
		!strings.HasSuffix(strings.TrimSpace(stderr.String()), "reconcile "+folder+" --json=true --per-second=20") {
		t.Fatalf("exit %d: %+v\n%s", c.ProcessState.ExitCode(), s, stderr)
	} else if asked += *s.Asked; int64(len(known())) != asked {
		t.Fatalf("%d states and %d asked", len(known()), asked)
	}
	o := w.run("reconcile", folder, "--per-second", "20", "--json")
	s := read(o.stdout)
	if o.code != 0 || asked+*s.Asked != int64(truth.Sendable) || s.Nothing != 0 || len(known()) != truth.Sendable {
		t.Fatalf("exit %d: %d were asked for before, %+v\n%s", o.code, asked, s, o.stderr)
	}
	if slices.ContainsFunc(known(), func(s events.Sorted) bool { return s.State.Final() }) {
		t.Error("a message has come to its end: the test has lost its point")
	}
	// A new sweep begins from the front.
	c, _, stderr = w.start("reconcile", folder)
	w.await("it begins", func() bool {
		all := known()
		return all[0].State.Polled.After(saved[0].State.Polled)
	})
	_ = c.Process.Signal(os.Interrupt)
	_ = c.Wait()
	if want := fmt.Sprintf("at 10 a second %d messages take", truth.Sendable); !strings.Contains(stderr.String(), want) {
		t.Errorf("not said: %s\n%s", want, stderr)
	}
}

// Callbacks save questions. A message is asked about again when no callback has come for a day. An event has
// the id of a message if the answer with the id was lost.
func TestCallbacksSaveQuestions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.simulate("gateway_504_after: {share: 1, limit: 1}\n") // the answer with the ids of 20 messages is lost
	w.campaign("pace: {per_second: 0}")
	w.spoil("max_messages: 400", "max_messages: 20")
	w.generate(60, 0)
	if o := w.run("send", "-c", "campaign.yaml", "cohort.csv"); o.code != 0 {
		t.Fatalf("exit %d\n%s", o.code, o.stderr)
	}
	folder, ledger, now := w.folder(), w.ledger(), time.Now()
	old, kinds := now.Add(-25*time.Hour), map[string]int{}
	var told []events.Event
	for _, r := range w.report(folder) {
		if r.Outcome != "accepted" {
			continue
		}
		e := events.Event{Source: events.Callback, Kind: events.OfMessage, Reference: *r.MessageReference, Status: "sending", At: now, Received: now}
		kind := ""
		switch {
		case r.MessageID == nil && kinds["lost"] == kinds["found"]:
			kind, e.MessageID, e.At = "found", ledger[*r.NHSNumber].MessageID, old
		case r.MessageID == nil:
			kind = "lost"
		default:
			kind = []string{"old", "new", "over", "nothing"}[r.Row%4]
		}
		switch kinds[kind]++; kind {
		case "old":
			e.At = old
		case "over":
			e.Status, e.At = events.Delivered, old
		case "nothing", "lost":
			continue
		}
		told = append(told, e)
	}
	shared, err := inbox.Open(filepath.Join(filepath.Dir(folder), facts.SharedFolder), "callbacks")
	if err == nil {
		err = errors.Join(shared.Put(t.Context(), told), shared.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	o := w.run("reconcile", folder, "--per-second", "20", "--json")
	var s delivery.Summary
	if err := json.Unmarshal([]byte(o.stdout), &s); err != nil || o.code != 0 {
		t.Fatalf("exit %d: %v\n%s", o.code, err, o.stderr)
	}
	asked := kinds["found"] + kinds["old"] + kinds["nothing"]
	if len(kinds) != 6 || *s.Asked != int64(asked) || s.WithoutID != int64(kinds["lost"]) || s.Nothing != int64(kinds["lost"]) || s.Twice != 0 {
		t.Fatalf("of %v: %s", kinds, o.stdout)
	}
	if want := fmt.Sprintf("%d messages are left out: their last callback is younger than 24 hours", kinds["new"]); !strings.Contains(o.stderr, want) {
		t.Errorf("not said: %s\n%s", want, o.stderr)
	}
}
