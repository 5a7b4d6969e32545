package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/refusal"
)

// incognito puts a service before the simulator that does not say that it is one, and turns
// the world to it.
func (w *world) incognito() {
	w.t.Helper()
	to, err := url.Parse("http://" + w.service)
	if err != nil {
		w.t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(to)
	proxy.ModifyResponse = func(r *http.Response) error {
		r.Header.Del("X-Cohort-Simulator")
		return nil
	}
	server := httptest.NewServer(proxy)
	w.t.Cleanup(server.Close)
	w.service = strings.TrimPrefix(server.URL, "http://")
}

// named writes the campaign under another name, with other words.
func (w *world) named(name, words string) {
	w.t.Helper()
	w.paced("pace: {per_second: 400}")
	text, err := os.ReadFile(w.path("campaign.yaml"))
	if err != nil {
		w.t.Fatal(err)
	}
	text = []byte(strings.Replace(string(text), "autumn-invitation", name, 1))
	w.write(name+".yaml", strings.Replace(string(text), "((appointment_date)) at", words, 1))
}

// refused makes sure that a call is refused with this code, and that it names a fact.
func (w *world) refused(code, fact string, args ...string) {
	w.t.Helper()
	if o := w.run(args...); !o.refused(code) || !strings.Contains(refusal.OneLine(o.stderr), fact) {
		w.t.Fatalf("%v: exit %d, not refused with %s and %q\n%s", args, o.code, code, fact, o.stderr)
	}
}

func (w *world) sent(args ...string) exited {
	w.t.Helper()
	o := w.run(args...)
	if o.code != refusal.ExitDone {
		w.t.Fatalf("%v: exit %d\n%s", args, o.code, o.stderr)
	}
	return o
}

// startedInVain notes a start in the log of a run, as one does that is refused before its first
// request.
func (w *world) startedInVain(folder string) {
	w.t.Helper()
	plan, err := plan.Open(w.path(folder))
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = plan.Close() }()
	log, err := ledger.Open(w.path(folder), plan)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := errors.Join(log.Open(ledger.Start{At: time.Now()}), log.Close()); err != nil {
		w.t.Fatal(err)
	}
}

// A rehearsal and a finished send do not block a send under another name. A stopped send does, and
// its rest gets corrected words. Every person is reached once.
func TestTheRestOfAStoppedRunGetsCorrectedWords(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.standIn("latency: {fixed: 300ms}\n", 4)
	truth := w.generate(1500, 0.02)
	const words, corrected = "((appointment_date)) at", "((appointment_date)), which is a correction, at"

	// at a simulator that says so, and in this process
	simulator := w.service
	w.named("rehearsal", words)
	w.sent("send", "-c", "rehearsal.yaml", "cohort.csv", "--simulate")
	w.named("again", words)
	w.sent("send", "-c", "again.yaml", "cohort.csv", "--simulate")
	w.incognito()

	// this plan is sealed, but the service is away and nothing is sent
	open := w.service
	w.service = freeAddress(t)
	w.named("late", words)
	w.service = open
	w.refused("service_not_ready", "", "send", "-c", "late.yaml", "cohort.csv", "--run", "late")

	w.named("first", words)
	w.named("second", words)
	w.named("corrected", corrected)
	w.named("unlike", corrected)
	c, stderr := w.sendInTheMiddle(s, truth, "send", "-c", "first.yaml", "cohort.csv", "--run", "first")
	// at work: what it still has to send counts as well
	w.refused("same_words", "is not finished", "send", "-c", "second.yaml", "cohort.csv", "--run", "second")
	w.refused("earlier_run_at_work", w.path("first"), "send", "-c", "corrected.yaml", "cohort.csv", "--run", "corrected", "--rest-of", "first")
	_ = c.Process.Kill()
	_ = c.Wait()
	_ = stderr
	w.refused("same_words", "is not finished", "send", "-c", "second.yaml", "cohort.csv", "--run", "second")
	w.refused("same_words", "is not finished", "resume", "late")
	w.startedInVain("late")
	w.refused("same_words", "is not finished", "resume", "late")
	w.refused("same_words", "is not finished", "send", "-c", "late.yaml", "cohort.csv", "--run", "late")
	if o := w.sent("send", "-c", "second.yaml", "cohort.csv", "--run", "simulated", "--simulate"); !strings.Contains(o.stderr, "a real send would be refused: ") {
		t.Errorf("a rehearsal that does not say that the real send would be refused\n%s", o.stderr)
	}

	// a rehearsal closes no run of the real thing
	through := w.service
	w.service = simulator
	w.named("dry", corrected)
	w.refused("no_such_rehearsal", "rehearsal, again, second", "send", "-c", "dry.yaml", "cohort.csv", "--rest-of", "first")
	w.service = through

	// what only that run can settle it settles first
	w.refused("earlier_run_in_doubt", "resume "+w.path("first")+" --settle", "send", "-c", "corrected.yaml", "cohort.csv", "--run", "corrected", "--rest-of", "first")
	if o := w.run("resume", "first", "--settle"); o.code != refusal.ExitStopped {
		t.Fatalf("exit %d\n%s", o.code, o.stderr)
	}
	reached := s.accepted()

	// a frozen key says what a new name would do
	text, err := os.ReadFile(w.path("first.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	w.write("first.yaml", strings.Replace(string(text), words, corrected, 1))
	w.refused("setting_changed_since_plan", refusal.Thousands(int64(reached))+" people this run has reached; with --rest-of first", "resume", "first")

	o := w.sent("send", "-c", "corrected.yaml", "cohort.csv", "--run", "corrected", "--rest-of", "first")
	if !strings.Contains(o.stdout, fmt.Sprintf("accepted %12d", truth.Sendable-reached)) && s.accepted() != truth.Sendable {
		t.Errorf("%d were reached, %d are sendable\n%s", reached, truth.Sendable, o.stdout)
	}
	if n := len(w.ledger()); n != truth.Sendable { // it fails when somebody is there twice
		t.Errorf("the service has %d of %d people", n, truth.Sendable)
	}
	w.write("first.yaml", string(text))
	w.refused("run_superseded", w.path("corrected"), "resume", "first")

	// one who was left out counts as reached by the run that reached them
	w.refused("same_words", "sent "+refusal.Thousands(int64(reached))+" of these people the same words with the same values", "send", "-c", "second.yaml", "cohort.csv", "--run", "second")
	w.refused("same_words", "sent "+refusal.Thousands(int64(truth.Sendable-reached))+" of these people the same words with the same values", "send", "-c", "unlike.yaml", "cohort.csv", "--run", "unlike")
}

// A stopped run does not send to people reached by another campaign since, whatever a person decided
// about that campaign.
func TestAResumeComparesWithNewerCampaigns(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.standIn("latency: {fixed: 300ms}\n", 4)
	truth := w.generate(1500, 0)
	w.incognito()
	const words = "((appointment_date)) at"
	w.named("first", words)
	w.named("second", words)
	w.named("third", words)
	c, _ := w.sendInTheMiddle(s, truth, "send", "-c", "first.yaml", "cohort.csv", "--run", "first")
	_ = c.Process.Kill()
	_ = c.Wait()
	if o := w.run("resume", "first", "--settle"); o.code != refusal.ExitStopped {
		t.Fatalf("exit %d\n%s", o.code, o.stderr)
	}
	c, _ = w.sendInTheMiddle(s, truth, "send", "-c", "second.yaml", "cohort.csv", "--run", "second", "--send-again", "for the second")
	_ = c.Process.Kill()
	_ = c.Wait()
	w.sent("resume", "second") // as it was told

	before := s.accepted()
	for _, call := range [][]string{{"resume", "first"}, {"send", "-c", "first.yaml", "cohort.csv", "--run", "first"}} {
		w.refused("same_words_rest", "", call...)
	}
	w.refused("same_words_rest", "--rest-of first,second", "resume", "first")
	w.refused("send_again_without_reason", "", "resume", "first", "--send-again", "")
	w.sent("send", "-c", "third.yaml", "cohort.csv", "--run", "third", "--rest-of", "first,second")
	if s.accepted() != before {
		t.Errorf("%d were accepted, and then %d", before, s.accepted())
	}
}

// After a person's decision to send again, a resume does not ask again.
func TestAResumeSendsAgainWhenAPersonSaysSo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.standIn("latency: {fixed: 300ms}\n", 4)
	truth := w.generate(1500, 0)
	w.incognito()
	w.named("first", "((appointment_date)) at")
	w.named("second", "((appointment_date)) at")
	c, _ := w.sendInTheMiddle(s, truth, "send", "-c", "first.yaml", "cohort.csv", "--run", "first")
	_ = c.Process.Kill()
	_ = c.Wait()
	w.sent("send", "-c", "second.yaml", "cohort.csv", "--run", "second", "--send-again", "for the second")
	w.refused("same_words_rest", "", "resume", "first")
	c, _, _ = w.start("resume", "first", "--send-again", "the second was a mistake")
	before := s.accepted()
	w.await("something more is accepted", func() bool { return s.accepted() > before })
	_ = c.Process.Kill()
	_ = c.Wait()
	if o := w.sent("log", "dump", "first"); !strings.Contains(o.stdout, "the second was a mistake") {
		t.Errorf("the reason is not in the log\n%s", o.stdout)
	}
	w.sent("resume", "first")
}

// A run that is not finished still sends, however long it has been quiet. What it has sent by
// then is another send.
func TestAnUnfinishedRunIsNeverTooOldToCompare(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.standIn("latency: {fixed: 300ms}\n", 4)
	truth := w.generate(1500, 0)
	w.incognito()
	for _, name := range []string{"first", "second", "third"} {
		w.named(name, "((appointment_date)) at")
	}
	c, _ := w.sendInTheMiddle(s, truth, "send", "-c", "first.yaml", "cohort.csv", "--run", "first")
	_ = c.Process.Kill()
	_ = c.Wait()
	w.run("resume", "first", "--settle")
	text, err := os.ReadFile(w.path(".cohort/register.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	w.write(".cohort/register.jsonl", regexp.MustCompile(`"at":"20\d\d`).ReplaceAllString(string(text), `"at":"2021`))
	marks, _ := filepath.Glob(w.path(".cohort/*.reached"))
	for _, mark := range marks {
		if err := os.Chtimes(mark, time.Unix(1, 0), time.Unix(1, 0)); err != nil {
			t.Fatal(err)
		}
	}
	w.refused("same_words", refusal.Thousands(int64(truth.Sendable-s.accepted()))+" of the 1,500", "send", "-c", "second.yaml", "cohort.csv", "--run", "second")
	if err := os.Rename(w.path("first"), w.path("gone")); err != nil {
		t.Fatal(err)
	}
	w.sent("send", "-c", "third.yaml", "cohort.csv", "--run", "third")
}
