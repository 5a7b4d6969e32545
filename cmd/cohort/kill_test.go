package main

import (
	"bytes"
	"io/fs"
	"math/rand/v2"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"cohort/fixtures"
)

// everyFault is every fault of the simulator that a run must survive by itself, each
// on 2 to 5 of a hundred requests.
const everyFault = `reset_before: 0.03
reset_after: 0.04
timeout_after: {share: 0.02, hold: 200ms}
gateway_504_after: 0.03
gateway_504_before: 0.02
truncated_201: 0.05
quota_429: {share: 0.02, retry_after: 1s}
spike_429: 0.02
too_early_425: {share: 0.05, retry_after: 1s, processing: 500ms}
slow_accept: {share: 0.02, retry_after: 1s, processing: 500ms}
delivered_twice: {share: 0.03, retry_after: 1s, processing: 500ms}
unavailable_503: {share: 0.02, retry_after: 1s}
unavailable_503_bare: 0.02
error_500_before: 0.02
error_500_after: 0.03
bad_gateway_502: 0.02
html_error: 0.02
token_revoked: 0.03
token_endpoint_500: 0.03
latency: {fixed: 2ms, jitter: 6ms}
poisoned_recipients: 0.05
`

func TestCleanSendAgreesWithTheServiceRowForRow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.simulate("{}\n")
	w.campaign("pace: {per_second: 0}")
	truth := w.generate(100_000, 0.01)
	if o := w.run("send", "-c", "campaign.yaml", "cohort.csv"); o.code != 0 {
		t.Fatalf("exit %d\n%s", o.code, o.stderr)
	}
	counts := w.agree(w.report(w.folder()), w.ledger())
	if counts["accepted"] != truth.Sendable || counts["invalid"] != truth.Invalid || counts["duplicate"] != truth.Duplicates {
		t.Errorf("report %v, cohort %+v", counts, truth)
	}
	w.namesNobody()

	again := w.run("send", "-c", "campaign.yaml", "cohort.csv")
	if again.code != 0 || !strings.Contains(again.stderr, "finished") || len(w.ledger()) != truth.Sendable {
		t.Errorf("a second send: exit %d\n%s", again.code, again.stderr)
	}
}

func TestKilledAtRandomMomentsUnderEveryFault(t *testing.T) {
	t.Parallel()
	kills, records := 20, 100_000
	switch {
	case os.Getenv("COHORT_PROVE") != "":
		kills = 40
	case testing.Short():
		kills, records = 5, 20_000
	}
	w := newWorld(t)
	w.simulate(everyFault)
	w.campaign("pace: {per_second: 0}")
	truth := w.generate(records, 0.01)
	random := rand.New(rand.NewPCG(11, 13))
	hit := 0
	for range kills {
		c, _, stderr := w.start("send", "-c", "campaign.yaml", "cohort.csv")
		kill := time.AfterFunc(time.Duration(random.IntN(900))*time.Millisecond, func() { _ = c.Process.Kill() })
		_ = c.Wait()
		kill.Stop()
		if c.ProcessState.ExitCode() < 0 {
			hit++
		}
		if code := c.ProcessState.ExitCode(); code > 0 {
			t.Fatalf("exit %d\n%s", code, stderr)
		}
	}
	folder := w.folder()
	if o := w.run("resume", folder); o.code != 0 {
		t.Fatalf("exit %d\n%s", o.code, o.stderr)
	}
	rows := w.report(folder)
	counts := w.agree(rows, w.ledger())
	if counts["invalid"] != truth.Invalid || counts["duplicate"] != truth.Duplicates || counts["accepted"]+counts["refused"] != truth.Sendable {
		t.Errorf("report %v, cohort %+v", counts, truth)
	}
	if counts["refused"] == 0 {
		t.Error("no recipient was poisoned: the test has lost its point")
	}
	for _, r := range rows {
		if r.Outcome == "refused" && *r.ReasonCode != "CM_INVALID_NHS_NUMBER" {
			t.Fatalf("row %d was refused for %s", r.Row, *r.ReasonCode)
		}
	}
	w.namesNobody()
	if hit < min(kills, 20)*3/4 {
		t.Errorf("only %d of %d kills came while the run was at work: the test has lost its point", hit, kills)
	}
	t.Logf("%d kills of a process at work, %v", hit, counts)
}

// Single messages are accepted once each too, however often the run is killed and however
// many answers are lost.
func TestSingleMessagesKilledAtRandomMoments(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.simulate("reset_before: 0.03\nreset_after: 0.05\ngateway_504_after: 0.03\nerror_500_after: 0.03\ntruncated_201: 0.05\nslow_accept: {share: 0.02, retry_after: 1s, processing: 500ms}\n" +
		"too_early_425: {share: 0.03, retry_after: 1s, processing: 500ms}\ndelivered_twice: {share: 0.03, retry_after: 1s, processing: 500ms}\ntoken_revoked: 0.01\nlatency: {fixed: 2ms, jitter: 6ms}\npoisoned_recipients: 0.05\n")
	w.campaign("pace: {per_second: 0}\nstop_if: {of: 0}")
	w.spoil("batch: {max_messages: 400}", "endpoint: messages")
	w.single = true
	truth := w.generate(3_000, 0.01)
	random := rand.New(rand.NewPCG(17, 19))
	hit := 0
	for range 8 {
		c, _, stderr := w.start("send", "-c", "campaign.yaml", "cohort.csv")
		kill := time.AfterFunc(time.Duration(100+random.IntN(500))*time.Millisecond, func() { _ = c.Process.Kill() })
		_ = c.Wait()
		kill.Stop()
		if code := c.ProcessState.ExitCode(); code > 0 {
			t.Fatalf("exit %d\n%s", code, stderr)
		} else if code < 0 {
			hit++
		}
	}
	folder := w.folder()
	if o := w.run("resume", folder); o.code != 0 {
		t.Fatalf("exit %d\n%s", o.code, o.stderr)
	}
	counts := w.agree(w.report(folder), w.ledger())
	if counts["accepted"]+counts["refused"] != truth.Sendable || counts["refused"] == 0 || counts["in_doubt"] > 0 {
		t.Errorf("report %v, cohort %+v", counts, truth)
	}
	w.namesNobody()
	if hit < 4 {
		t.Errorf("only %d of 8 kills came while the run was at work: the test has lost its point", hit)
	}
}

// generate writes cohort.csv.
func (w *world) generate(records int, bad float64) fixtures.Truth {
	w.t.Helper()
	f, err := os.Create(w.path("cohort.csv"))
	if err != nil {
		w.t.Fatal(err)
	}
	truth, err := fixtures.Cohort{People: records, Bad: bad, Seed: 5}.WriteCSV(f)
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return truth
}

// namesNobody looks through the run's files that must not hold personal data for NHS
// numbers of the cohort.
func (w *world) namesNobody() {
	w.t.Helper()
	number := regexp.MustCompile(`9[0-9]{9}`)
	people := map[string]bool{}
	for _, r := range w.report(w.folder()) {
		if r.NHSNumber != nil {
			people[*r.NHSNumber] = true
		}
	}
	looked := 0
	err := eachFile(w.path("runs"), func(path string, text []byte, mode fs.FileMode) {
		if mode != 0o600 {
			w.t.Errorf("%s has mode %o", path, mode)
		}
		if strings.HasSuffix(path, ".arrow") || strings.HasSuffix(path, ".parquet") {
			return // these must
		}
		for _, found := range number.FindAll(text, -1) {
			if people[string(found)] {
				w.t.Errorf("%s names a person", path)
			}
		}
		if bytes.Contains(text, []byte("O'Neill")) || bytes.Contains(text, []byte("Zoë")) {
			w.t.Errorf("%s names a person", path)
		}
		looked++
	})
	if err != nil || looked < 8 {
		w.t.Fatalf("looked at %d files: %v", looked, err)
	}
}
