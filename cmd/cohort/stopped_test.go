package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"cohort/fixtures"
)

// slow is a service with slow answers. It refuses some replays as too early, and asks for them in a
// second instead of the usual 5 minutes.
const slow = "latency: {fixed: 30ms, jitter: 30ms}\ntoo_early_425: {share: 0.01, retry_after: 1s}\n"

// paced writes a campaign of small batches.
func (w *world) paced(settings string) {
	w.t.Helper()
	w.campaign(settings)
	text, err := os.ReadFile(w.path("campaign.yaml"))
	if err != nil {
		w.t.Fatal(err)
	}
	w.write("campaign.yaml", strings.Replace(string(text), "max_messages: 400", "max_messages: 40", 1))
}

// sendInTheMiddle starts a send and waits until the service has some of it and not all.
func (w *world) sendInTheMiddle(s *standIn, truth fixtures.Truth, args ...string) (*exec.Cmd, *bytes.Buffer) {
	w.t.Helper()
	before := s.accepted()
	c, _, stderr := w.start(args...)
	w.await("something more is accepted", func() bool { return s.accepted() > before })
	if s.accepted() >= truth.Sendable {
		w.t.Fatal("everything is accepted already: the test has lost its point")
	}
	return c, stderr
}

// endsWith waits for a process and its exit code.
func (w *world) endsWith(c *exec.Cmd, stderr *bytes.Buffer, code int) {
	w.t.Helper()
	hung := time.AfterFunc(3*time.Minute, func() { _ = c.Process.Signal(syscall.SIGQUIT) })
	defer hung.Stop()
	_ = c.Wait()
	if c.ProcessState.ExitCode() != code {
		w.t.Fatalf("exit %d, not %d\n%s", c.ProcessState.ExitCode(), code, stderr)
	}
}

// onceEach compares the report of the run in the folder run with the service.
func (w *world) onceEach(truth fixtures.Truth) {
	w.t.Helper()
	counts := w.agree(w.report(w.path("run")), w.ledger())
	if counts["accepted"]+counts["refused"] != truth.Sendable || counts["invalid"] != truth.Invalid || counts["duplicate"] != truth.Duplicates {
		w.t.Fatalf("report %v, cohort %+v", counts, truth)
	}
}

// stoppedAndContinued has the sender or the service stand still (SIGSTOP) in the middle,
// for longer than the run may be without an answer; at length also for longer than a
// request may take. The same process goes on to the end.
func (w *world) stoppedAndContinued() {
	type row struct {
		who     string
		still   time.Duration
		setting string
	}
	rows := []row{{"sender", 3 * time.Second, "give_up_after: 1s"}, {"service", 3 * time.Second, "give_up_after: 1s"}}
	if os.Getenv("COHORT_PROVE") != "" {
		rows = append(rows, row{"sender", longest, "give_up_after: 30s"}, row{"service", longest, ""})
	}
	for _, r := range rows {
		w.t.Run(fmt.Sprintf("%s for %s", r.who, r.still), func(t *testing.T) {
			t.Parallel()
			w := w.another(t)
			s := w.standIn(slow, 3)
			w.paced("pace: {per_second: 500}\n" + r.setting)
			truth := w.generate(1000, 0.01)
			c, stderr := w.sendInTheMiddle(s, truth, "send", "-c", "campaign.yaml", "cohort.csv", "--run", "run")
			stop, goOn := s.pause, s.goOn
			if r.who == "sender" {
				stop, goOn = func() { _ = c.Process.Signal(syscall.SIGSTOP) }, func() { _ = c.Process.Signal(syscall.SIGCONT) }
			}
			stop()
			time.Sleep(r.still)
			goOn()
			w.endsWith(c, stderr, 0)
			w.onceEach(truth)
		})
	}
}

// downForWindows takes the service away in the middle of a window until its end, and for
// the whole of the next. A window is some seconds of the campaign's, which may change from
// one start to the next as the hours of a day cannot.
func (w *world) downForWindows() {
	s := w.standIn(slow, 5)
	w.paced("pace: {per_second: 300}")
	truth := w.generate(2000, 0.01)
	w.endsWithKill(w.sendInTheMiddle(s, truth, "send", "-c", "campaign.yaml", "cohort.csv", "--run", "run"))
	had := s.accepted()
	for day := 3 * time.Second; ; day *= 2 { // longer on a machine that needs it
		w.paced("pace: " + windowUntil(time.Now().Add(day), 200))
		c, _, stderr := w.start("resume", "run", "--one-window")
		for end := time.Now().Add(day); s.accepted() == had && time.Now().Before(end); {
			time.Sleep(10 * time.Millisecond)
		}
		began := s.accepted() > had
		s.kill()
		w.endsWith(c, stderr, 3)
		if !strings.Contains(stderr.String(), "[window_over]") {
			w.t.Fatalf("stopped for another reason\n%s", stderr)
		}
		if began {
			break
		}
		s.start()
	}

	w.paced("pace: " + windowUntil(time.Now().Add(3*time.Second), 200))
	o := w.run("resume", "run", "--one-window")
	if o.code != 3 || !strings.Contains(o.stderr, "[window_over]") || !strings.Contains(o.stdout, "add up") {
		w.t.Fatalf("a window without a service: exit %d\n%s%s", o.code, o.stdout, o.stderr)
	}

	s.start()
	if now := s.accepted(); now < had {
		w.t.Fatalf("the service had %d messages and has %d", had, now)
	}
	w.paced("pace: " + windowUntil(time.Now().Add(time.Minute), 5000))
	if o := w.run("resume", "run", "--one-window"); o.code != 0 {
		w.t.Fatalf("the next day: exit %d\n%s", o.code, o.stderr)
	}
	w.onceEach(truth)
}

// windowUntil is a pace with an open window. No request starts after closes.
func windowUntil(closes time.Time, perSecond int) string {
	from, to := time.Now().Add(-time.Minute).UTC().Truncate(time.Minute), closes.Add(2*time.Minute).UTC().Truncate(time.Minute)
	return fmt.Sprintf("{messages: %d, timezone: UTC, window: %q, last_call: %s}",
		perSecond*int(to.Sub(from).Seconds()), from.Format("15:04")+"-"+to.Format("15:04"), to.Sub(closes).Round(time.Millisecond))
}

// twoManyTimes starts two processes on a run at the same moment, in many rounds. Every other round
// starts a third on a copy of the folder.
func (w *world) twoManyTimes() {
	rounds := 8
	if os.Getenv("COHORT_PROVE") != "" {
		rounds = 12
	}
	s := w.standIn(slow, 7)
	w.paced("pace: {per_second: 100}")
	truth := w.generate(3000, 0.01)
	send := []string{"send", "-c", "campaign.yaml", "cohort.csv", "--run", "run"}
	w.endsWithKill(w.sendInTheMiddle(s, truth, send...))
	busy := 0
	for round := range rounds {
		copied := round%2 == 1
		if copied {
			if err := copyFolder(w.path("copy"), w.path("run")); err != nil {
				w.t.Fatal(err)
			}
		}
		c1, _, stderr1 := w.start(send...)
		c2, _, stderr2 := w.start("resume", "run")
		if copied {
			if o := w.run("resume", "copy"); !o.refused("folder_is_copy") {
				w.t.Fatalf("a copy: exit %d\n%s", o.code, o.stderr)
			}
			if err := os.RemoveAll(w.path("copy")); err != nil {
				w.t.Fatal(err)
			}
		}
		both := []struct {
			c      *exec.Cmd
			stderr *bytes.Buffer
			ended  chan struct{}
		}{{c1, stderr1, make(chan struct{})}, {c2, stderr2, make(chan struct{})}}
		for _, p := range both {
			go func() { _ = p.c.Wait(); close(p.ended) }()
		}
		select { // the one that is refused
		case <-both[0].ended:
		case <-both[1].ended:
		}
		time.Sleep(time.Duration(round%4) * 50 * time.Millisecond)
		for _, p := range both {
			_ = p.c.Process.Kill()
			<-p.ended
			switch code := p.c.ProcessState.ExitCode(); {
			case exited{code: code, stderr: p.stderr.String()}.refused("run_busy"):
				busy++
			case code > 0:
				w.t.Fatalf("exit %d\n%s", code, p.stderr)
			}
		}
	}
	w.paced("pace: {per_second: 0}")
	if o := w.run(send...); o.code != 0 {
		w.t.Fatalf("exit %d\n%s", o.code, o.stderr)
	}
	w.onceEach(truth)
	if busy < rounds/2 {
		w.t.Errorf("in %d rounds only %d were refused: the test has lost its point", rounds, busy)
	}
}

func (w *world) endsWithKill(c *exec.Cmd, stderr *bytes.Buffer) {
	w.t.Helper()
	_ = c.Process.Kill()
	w.endsWith(c, stderr, -1)
}
