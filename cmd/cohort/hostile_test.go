package main

import (
	"crypto/tls"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"cohort/engine/refusal"
)

// A certificate that ends while a run is at work stops requests and costs nobody anything.
// With a new certificate the same process goes on.
func TestACertificateEndsInTheMiddle(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	authority := w.authority()
	var current atomic.Pointer[tls.Certificate]
	current.Store(authority.until(time.Now().Add(time.Hour)))
	r := newReferee(t, 10*time.Millisecond, current.Load)
	truth := w.generate(600, 0)
	w.refereed(r.URL, "pace: {per_second: 200}\ngive_up_after: 1m")
	w.spoil("    api_key_file", "    ca_file: ca.pem\n    api_key_file")
	c, _, stderr := w.start("send", "-c", "campaign.yaml", "cohort.csv", "--run", "run")
	w.await("something is accepted", func() bool { return r.accepted() > 0 })
	current.Store(authority.until(time.Now().Add(-time.Minute)))
	time.Sleep(time.Second) // for what was under way
	before := r.accepted()
	time.Sleep(time.Second)
	if now := r.accepted(); now != before || now >= truth.Sendable {
		t.Fatalf("%d accepted, and %d a second later, past the certificate's end", before, now)
	}
	current.Store(authority.until(time.Now().Add(time.Hour)))
	w.endsWith(c, stderr, refusal.ExitDone)
	if !strings.Contains(stderr.String(), "certificate") {
		t.Errorf("nothing was said of the certificate\n%s", stderr)
	}
	if counts := r.judges(w, w.path("run")); counts["accepted"] != truth.Sendable {
		t.Errorf("%v, cohort %+v", counts, truth)
	}
}

// A name that no server knows any more is like a closed port: nothing leaves the machine, and
// the run goes on when the name is back. At the start it is a refusal.
func TestTheServicesNameIsLost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if err := exec.Command("unshare", "-m", "mount", "--bind", w.path("key.pem"), "/etc/hosts").Run(); err != nil {
		t.Skip("no names of our own: this user may not mount over /etc/hosts")
	}
	const known = "127.0.0.1 localhost service.test\n"
	w.write("hosts", known)
	w.write("resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
	w.write("named.sh", `mount --bind hosts /etc/hosts && mount --bind resolv.conf /etc/resolv.conf && exec "$0" "$@"`)
	named := func(args ...string) (*exec.Cmd, *strings.Builder) {
		var said strings.Builder
		c := exec.Command("unshare", append([]string{"-m", "sh", "-c", w.mustRead("named.sh"), w.binary}, args...)...)
		c.Dir, c.Stderr, c.Env = w.dir, &said, append(os.Environ(), "GODEBUG=netdns=go")
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		return c, &said
	}
	authority := w.authority()
	certificate := authority.until(time.Now().Add(time.Hour))
	r := newReferee(t, 10*time.Millisecond, func() *tls.Certificate { return certificate })
	truth := w.generate(1000, 0)
	_, port, _ := strings.Cut(r.Listener.Addr().String(), ":")
	w.refereed("https://service.test:"+port, "pace: {per_second: 100}\ngive_up_after: 2m")
	w.spoil("    api_key_file", "    ca_file: ca.pem\n    api_key_file")

	w.write("hosts", "127.0.0.1 localhost\n")
	c, said := named("send", "-c", "campaign.yaml", "cohort.csv", "--run", "run")
	_ = c.Wait()
	if code := c.ProcessState.ExitCode(); code != refusal.ExitRefused || !strings.Contains(said.String(), "service.test") {
		t.Fatalf("exit %d\n%s", code, said)
	}

	w.write("hosts", known)
	c, said = named("send", "-c", "campaign.yaml", "cohort.csv", "--run", "run")
	w.await("something is accepted", func() bool { return r.accepted() > 0 })
	w.write("hosts", "127.0.0.1 localhost\n")
	last, since := r.accepted(), time.Now()
	w.await("nothing is accepted for three seconds", func() bool { // names are remembered for five
		if now := r.accepted(); now != last {
			last, since = now, time.Now()
		}
		return time.Since(since) > 3*time.Second
	})
	if last >= truth.Sendable {
		t.Fatal("everything is accepted already: the test has lost its point")
	}
	w.write("hosts", known)
	if err := c.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	if counts := r.judges(w, w.path("run")); counts["accepted"] != truth.Sendable {
		t.Errorf("%v, cohort %+v", counts, truth)
	}
}

// The disk fills up during a send. An independent judge, without code of the simulator, counts the
// people reached.
func TestTheDiskIsFullBeforeAnIndependentJudge(t *testing.T) {
	t.Parallel()
	if !canMount(t) {
		t.Skip("no small filesystem can be mounted here")
	}
	w := newWorld(t)
	r := newReferee(t, 100*time.Millisecond, nil)
	truth := w.generate(2000, 0.01)
	w.refereed(r.URL, "pace: {per_second: 500}")
	l := &life{world: w, small: w.path("small"), folder: w.path("small/run")}
	if err := os.Mkdir(l.small, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", l.small, "tmpfs", 0, "size=40m"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(l.small, syscall.MNT_DETACH) })
	starts := []string{"send", "-c", "campaign.yaml", "cohort.csv", "--run", l.folder}
	for n := range 3 {
		before := r.accepted()
		c, _, stderr := w.start(starts...)
		w.await("something more is accepted", func() bool { return r.accepted() > before })
		room := l.fillUp(int64(n) * 8)
		w.endsWith(c, stderr, refusal.ExitStopped)
		room()
	}
	if r.accepted() >= truth.Sendable {
		t.Fatal("everything was accepted before the disk was full: the test has lost its point")
	}
	w.paced("pace: {per_second: 0}")
	w.refereed(r.URL, "pace: {per_second: 0}")
	if o := w.run("resume", l.folder); o.code != refusal.ExitDone {
		t.Fatalf("exit %d\n%s", o.code, o.stderr)
	}
	if counts := r.judges(w, l.folder); counts["accepted"] != truth.Sendable || counts["invalid"] != truth.Invalid {
		t.Errorf("%v, cohort %+v", counts, truth)
	}
}

// The order of the files is part of the cohort. Files in another order are another cohort, and it
// sends to nobody twice.
func TestFilesInAnotherOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := newReferee(t, 20*time.Millisecond, nil)
	truth := w.generate(600, 0)
	lines := strings.SplitAfter(w.mustRead("cohort.csv"), "\n")
	half := len(lines) / 2
	w.write("a.csv", strings.Join(lines[:half], ""))
	w.write("b.csv", lines[0]+strings.Join(lines[half-20:], "")) // some people are in both
	w.refereed(r.URL, "pace: {per_second: 200}")
	c, _, stderr := w.start("send", "-c", "campaign.yaml", "a.csv", "b.csv", "--run", "run")
	w.await("something is accepted", func() bool { return r.accepted() > 0 })
	_ = c.Process.Signal(os.Interrupt)
	w.endsWith(c, stderr, refusal.ExitStopped)

	o := w.run("send", "-c", "campaign.yaml", "b.csv", "a.csv", "--run", "other")
	if !o.refused("sent_to_another_cohort") {
		t.Fatalf("in another order: exit %d\n%s", o.code, o.stderr)
	}
	o = w.run("send", "-c", "campaign.yaml", "b.csv", "a.csv", "--run", "other", "--new-cohort")
	if o.code != refusal.ExitDone {
		t.Fatalf("with --new-cohort: exit %d\n%s", o.code, o.stderr)
	}
	sent := 0
	for _, folder := range []string{"run", "other"} {
		for _, row := range w.report(w.path(folder)) {
			if row.Outcome == "accepted" {
				sent++
			}
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, times := range r.people {
		if times != 1 {
			t.Fatalf("somebody was accepted %d times", times)
		}
	}
	if sent != truth.Sendable || len(r.people) != truth.Sendable {
		t.Errorf("the reports say %d, the service has %d, the cohort %d", sent, len(r.people), truth.Sendable)
	}
	if o := w.run("resume", "run"); o.code != refusal.ExitRefused {
		t.Errorf("the first run, which is closed: exit %d\n%s", o.code, o.stderr)
	}
}

// mustRead reads a file of the world.
func (w *world) mustRead(name string) string {
	w.t.Helper()
	text, err := os.ReadFile(filepath.Join(w.dir, name))
	if err != nil {
		w.t.Fatal(err)
	}
	return string(text)
}
