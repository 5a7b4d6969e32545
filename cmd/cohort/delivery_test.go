package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"cohort/engine/plan"
	"cohort/engine/report"
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

// delivered compares the delivery facts in a run's folder with the simulator's statuses: delivered
// DIR ADDRESS. Every fact must be final; with a third word, partly, a fact may be older.
func delivered(ts *testscript.TestScript, _ bool, args []string) {
	truth := statusesAt(ts, args[1], "1")
	facts, err := factsIn(ts.MkAbs(args[0]))
	ts.Check(err)
	plan, err := plan.Open(ts.MkAbs(args[0]))
	ts.Check(err)
	defer func() { _ = plan.Close() }()
	if len(facts) != len(truth) || len(facts) == 0 {
		ts.Fatalf("%d facts of %d messages", len(facts), len(truth))
	}
	for _, f := range facts {
		a, there := truth[plan.References.Message(f.Row).String()]
		if !there || a.MessageID != f.MessageID || f.Origin != report.OfStatus || f.Learned.IsZero() || f.At.IsZero() {
			ts.Fatalf("row %d: %+v is %+v", f.Row, f, a)
		}
		if f.Status != a.Status && (len(args) < 3 || f.Final()) {
			ts.Fatalf("row %d is %s, and the service says %s", f.Row, f.Status, a.Status)
		}
		if f.Final() && a.FailureReasonCode != "" && f.Code != a.FailureReasonCode {
			ts.Fatalf("row %d failed for %s, and the service says %s", f.Row, f.Code, a.FailureReasonCode)
		}
	}
}

// received compares the delivery facts in a run's folder with the receipts of the NHS App's
// simulator at an address.
func received(ts *testscript.TestScript, _ bool, args []string) {
	truth, wrong, rejected := statusesAt(ts, args[1], "1"), 0, 0
	facts, err := factsIn(ts.MkAbs(args[0]))
	ts.Check(err)
	plan, err := plan.Open(ts.MkAbs(args[0]))
	ts.Check(err)
	defer func() { _ = plan.Close() }()
	for _, f := range facts {
		a, there := truth[plan.References.Message(f.Row).String()]
		codes := []string{}
		for code := range strings.SplitSeq(a.Status, ",") {
			if code = delivery.Snake(code); code == "archived" {
				code = "other"
			}
			codes = append(codes, code)
		}
		slices.SortFunc(codes, func(a, b string) int { return report.Rank(a) - report.Rank(b) })
		codes = slices.Compact(codes)
		if !there || f.MessageID != a.MessageID || f.Steps != strings.Join(codes, ", ") || f.At.Before(a.AcceptedAt.Add(-time.Second)) || f.Origin != report.OfReceipt {
			wrong++
			ts.Logf("row %d: %+v is %+v", f.Row, f, a)
		}
		if f.Status == "rejected" {
			if rejected++; f.Reason != "NHS number not found" {
				ts.Fatalf("row %d was rejected because of %q", f.Row, f.Reason)
			}
		}
	}
	if wrong > 0 || len(facts) != len(truth) || len(facts) == 0 || rejected == 0 {
		ts.Fatalf("%d of %d facts are wrong; there are %d messages, %d of them rejected", wrong, len(facts), len(truth), rejected)
	}
}

// factsIn returns the delivery facts in a run's folder. Without a file it returns nil.
func factsIn(dir string) (all []report.Fact, err error) {
	plan, err := plan.Open(dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = plan.Close() }()
	r, err := report.OpenDelivery(filepath.Join(dir, delivery.FactsFile), plan.Run)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }()
	for {
		f, ok, err := r.Next()
		if err != nil || !ok {
			return all, err
		}
		all = append(all, f)
	}
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
	facts := func() []report.Fact {
		t.Helper()
		all, err := factsIn(folder)
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	c, _, _ := w.start("reconcile", folder, "--per-second", "20", "--json")
	w.await("something is saved", func() bool { return len(facts()) > 0 })
	_ = c.Process.Kill()
	_ = c.Wait()
	saved := facts()
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
	w.await("something more is saved", func() bool { return len(facts()) > len(saved) })
	_ = c.Process.Signal(os.Interrupt)
	_ = c.Wait()
	if s := read(stdout.String()); c.ProcessState.ExitCode() != 3 || *s.Asked == 0 || s.Left == 0 || !strings.Contains(stderr.String(), "going on with the poll of") ||
		!strings.HasSuffix(strings.TrimSpace(stderr.String()), "reconcile "+folder+" --json=true --per-second=20") {
		t.Fatalf("exit %d: %+v\n%s", c.ProcessState.ExitCode(), s, stderr)
	} else if asked += *s.Asked; int64(len(facts())) != asked {
		t.Fatalf("%d facts and %d asked", len(facts()), asked)
	}
	o := w.run("reconcile", folder, "--per-second", "20", "--json")
	s := read(o.stdout)
	if o.code != 0 || asked+*s.Asked != int64(truth.Sendable) || s.Nothing != 0 || len(facts()) != truth.Sendable {
		t.Fatalf("exit %d: %d were asked for before, %+v\n%s", o.code, asked, s, o.stderr)
	}
	if slices.ContainsFunc(facts(), func(f report.Fact) bool { return f.Final() }) {
		t.Error("a message has come to its end: the test has lost its point")
	}
	// A new sweep begins from the front.
	c, _, stderr = w.start("reconcile", folder)
	w.await("it begins", func() bool {
		all := facts()
		return all[0].Learned.After(saved[0].Learned)
	})
	_ = c.Process.Signal(os.Interrupt)
	_ = c.Wait()
	if want := fmt.Sprintf("at 10 a second %d messages take", truth.Sendable); !strings.Contains(stderr.String(), want) {
		t.Errorf("not said: %s\n%s", want, stderr)
	}
}
