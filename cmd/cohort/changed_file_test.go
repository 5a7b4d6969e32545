package main

import (
	"os"
	"strings"
	"testing"
	"time"

	"cohort/engine/refusal"
	"cohort/fixtures"
)

// The cohort file changes while a run is stopped. The run sends its sealed records and never reads
// the file again: a moved batch boundary would reach people twice. A send of the changed file is
// another run, and needs a person's decision.
func TestAChangedCohortFileIsNeverMixedIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.simulate("{}\n")
	truth := w.generate(4000, 0.01)
	original := Must(os.ReadFile(w.path("cohort.csv")))
	stopHalfWay := func() {
		t.Helper()
		before := len(w.ledger())
		w.campaign("pace: {per_second: 1500}")
		c, _, stderr := w.start("send", "-c", "campaign.yaml", "cohort.csv", "--run", "run")
		for until := time.Now().Add(time.Minute); len(w.ledger()) == before && time.Now().Before(until); {
			time.Sleep(10 * time.Millisecond)
		}
		Must(0, c.Process.Signal(os.Interrupt))
		_ = c.Wait()
		if code := c.ProcessState.ExitCode(); code != refusal.ExitStopped {
			t.Fatalf("exit %d\n%s", code, stderr)
		}
		w.campaign("pace: {per_second: 0}")
		if n := len(w.ledger()); n == 0 || n >= truth.Sendable {
			t.Fatalf("%d people were sent to: the test has lost its point", n)
		}
	}
	refused := func(code string) {
		t.Helper()
		before := len(w.ledger())
		if o := w.run("send", "-c", "campaign.yaml", "cohort.csv"); !o.refused(code) {
			t.Errorf("exit %d\n%s", o.code, o.stderr)
		}
		if len(w.ledger()) != before {
			t.Error("something was sent")
		}
	}

	// The same people, and others, in another order.
	stopHalfWay()
	longer, err := os.Create(w.path("cohort.csv"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = fixtures.Cohort{People: 6000, Bad: 0.01, Seed: 6}.WriteCSV(longer)
	Must(0, err)
	Must(0, longer.Close())
	refused("sent_to_another_cohort")

	// One byte of one name is changed: another file all the same.
	changed := strings.Replace(string(original), "Margaret", "Margarat", 1)
	w.write("cohort.csv", changed)
	refused("sent_to_another_cohort")

	// Half the file is gone.
	w.write("cohort.csv", string(original[:len(original)/2]))
	refused("sent_to_another_cohort")

	// The original is back: the same run, which goes on, and is stopped again.
	w.write("cohort.csv", string(original))
	stopHalfWay()

	// The file is another, and the run goes on from its folder, as if it were not there.
	w.write("cohort.csv", changed)
	if o := w.run("resume", "run"); o.code != 0 {
		t.Fatalf("exit %d\n%s", o.code, o.stderr)
	}
	w.everybodyOnce(truth)
	Must(0, os.Remove(w.path("cohort.csv")))
	if o := w.run("resume", "run"); o.code != 0 || !strings.Contains(o.stderr, "finished") {
		t.Errorf("exit %d\n%s", o.code, o.stderr)
	}

	// A person says that the changed file is meant: nobody in it is left to send to.
	w.write("cohort.csv", changed)
	o := w.run("send", "-c", "campaign.yaml", "cohort.csv", "--new-cohort")
	if o.code != 0 || len(w.ledger()) != truth.Sendable {
		t.Errorf("exit %d, %d people were sent to\n%s", o.code, len(w.ledger()), o.stderr)
	}
}
