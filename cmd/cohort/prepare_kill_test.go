package main

import (
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"cohort/engine/plan"
	"cohort/fixtures"
	"cohort/shard"
)

// The stages of a preparation at its kill, by the files left.
const (
	nothingYet = "nothing is there yet"
	unsealed   = "the cohort is being read, judged or sealed"
	planning   = "the cohort is sealed and the plan is not"
	sealed     = "the plan is sealed"
)

// A preparation is killed in many rounds, each time just after a different change in its folder.
// Without a plan the next start begins anew. With a plan, always whole, the next start goes on from
// it. At the end of every round each person was sent to exactly once.
func TestPreparationsKilledAtAnyMomentAreDoneAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	t.Run("and everybody is sent to once", func(t *testing.T) { w.t = t; w.livesOfKills() })
	t.Run("and a file that has changed since is read anew", func(t *testing.T) { w.t = t; w.changedBeforeAPlan() })
}

func (w *world) livesOfKills() {
	t := w.t
	lives, kills := 3, 6
	if os.Getenv("COHORT_PROVE") != "" {
		lives, kills = 6, 12
	}
	truth := w.generate(20_000, 0.01)
	stages := map[string]int{}
	send := []string{"send", "-c", "campaign.yaml", "cohort.csv", "--run", "run"}
	// Each part of the preparation begins or ends with one of these files.
	ends := []string{
		"run.json", "spool", "shard-000.arrow", "verdicts.arrow", "manifest.json.tmp", "manifest.json",
		"rejects.csv.tmp", "rejects.csv", "plan.batches.tmp", "plan.batches", "plan.json.tmp",
	}
	random := rand.New(rand.NewPCG(17, 19))

	w.life()
	moments := 0
	w.killedWhen(func(seen int, name string) bool { moments = seen; return name == "plan.json" }, send...)
	if moments < 30 {
		t.Fatalf("a preparation has only %d moments", moments)
	}
	for life := range lives {
		w.life()
		planned := false
		for k := range kills {
			call := send
			if _, err := os.Stat(w.path("run/run.json")); err == nil && random.IntN(2) == 0 {
				call = []string{"resume", "run"}
			}
			at, file := random.IntN(moments), ends[random.IntN(len(ends))]
			switch {
			case k == kills-1 && life%2 == 0:
				w.killedWhen(func(_ int, name string) bool { return name == "plan.json" }, call...)
			case k%2 == 0:
				w.killedWhen(func(_ int, name string) bool { return name == file }, call...)
			default:
				w.killedWhen(func(seen int, _ string) bool { return seen >= at }, call...)
			}
			stage := w.stage(truth)
			stages[stage]++
			if planned && stage != sealed {
				t.Fatalf("there was a plan and it is gone: %s", stage)
			}
			planned = stage == sealed
		}
		o := w.run("send", "-c", "campaign.yaml", "cohort.csv", "--run", "run")
		if o.code != 0 {
			t.Fatalf("exit %d\n%s", o.code, o.stderr)
		}
		if began := strings.Contains(o.stderr, "reading the cohort file"); began == planned {
			t.Errorf("with a plan: %v, and the cohort was read: %v", planned, began)
		}
		w.everybodyOnce(truth)
	}
	t.Logf("%d moments; %v", moments, stages)
	for _, stage := range []string{unsealed, planning, sealed} {
		if stages[stage] == 0 {
			t.Errorf("no kill hit while %s: the test has lost its point", stage)
		}
	}
}

// changedBeforeAPlan kills a preparation and changes the cohort file. The next send reads the changed
// file, and keeps none of the old people. A resume of the old call reports a different cohort.
func (w *world) changedBeforeAPlan() {
	t := w.t
	first := w.generate(5000, 0)
	w.life()
	w.killedWhen(func(_ int, name string) bool { return name == "shard-000.arrow" }, "send", "-c", "campaign.yaml", "cohort.csv", "--run", "run")
	if stage := w.stage(first); stage != unsealed {
		t.Fatalf("killed while %s", stage)
	}
	second := w.generate(3000, 0.01)
	if o := w.run("resume", "run"); !o.refused("run_identity_changed") {
		t.Fatalf("exit %d\n%s", o.code, o.stderr)
	}
	if o := w.run("send", "-c", "campaign.yaml", "cohort.csv", "--run", "run"); o.code != 0 {
		t.Fatalf("exit %d\n%s", o.code, o.stderr)
	}
	w.everybodyOnce(second)
	if o := w.run("send", "-c", "campaign.yaml", "cohort.csv"); o.code != 0 || !strings.Contains(o.stderr, "finished") {
		t.Errorf("exit %d\n%s", o.code, o.stderr)
	}
}

// life begins anew: without a run's folder, without a register, and with a new service.
func (w *world) life() {
	w.t.Helper()
	for _, name := range []string{"run", ".cohort"} {
		if err := os.RemoveAll(w.path(name)); err != nil {
			w.t.Fatal(err)
		}
	}
	if err := os.Mkdir(w.path("run"), 0o700); err != nil {
		w.t.Fatal(err)
	}
	w.simulate("{}\n")
	w.campaign("pace: {per_second: 0}")
}

// stage looks at what a killed process has left, and fails the test when a later one
// could take it for more than it is.
func (w *world) stage(truth fixtures.Truth) string {
	w.t.Helper()
	spool, spoolErr := shard.Open(w.path("run/spool"))
	if spoolErr == nil {
		defer func() { _ = spool.Close() }()
		if m := spool.Manifest; m.Records != int64(truth.Records) || m.Sendable != int64(truth.Sendable) || m.Invalid != int64(truth.Invalid) {
			w.t.Fatalf("a spool opens that is not the cohort: %d records, %d sendable", m.Records, m.Sendable)
		}
	}
	planned, err := plan.Open(w.path("run"))
	if err == nil {
		defer func() { _ = planned.Close() }()
		text, err := os.ReadFile(w.path("run/rejects.csv"))
		if err != nil {
			w.t.Fatalf("there is a plan and no rejects: %v", err)
		}
		rejects := strings.Count(string(text), "\n") - 1
		switch {
		case spoolErr != nil:
			w.t.Fatalf("there is a plan and no spool: %v", spoolErr)
		case planned.Spool != hex.EncodeToString(spool.Digest[:]):
			w.t.Fatal("the plan is of another spool")
		case planned.Messages != int64(truth.Sendable) || rejects != truth.Invalid+truth.Duplicates:
			w.t.Fatalf("the plan has %d messages and there are %d rejects", planned.Messages, rejects)
		}
		return sealed
	}
	if !errors.Is(err, plan.ErrNone) {
		w.t.Fatalf("half a plan: %v", err)
	}
	if _, err := os.Stat(w.path("run/log")); err == nil {
		w.t.Fatal("there is a log and no plan")
	}
	if n := len(w.ledger()); n > 0 {
		w.t.Fatalf("without a plan %d people were sent to", n)
	}
	if spoolErr == nil {
		return planning
	}
	if _, err := os.Stat(w.path("run/spool")); err == nil {
		return unsealed
	}
	return nothingYet
}

// everybodyOnce compares the service's own ledger with the cohort and the report.
func (w *world) everybodyOnce(truth fixtures.Truth) {
	w.t.Helper()
	counts := w.agree(w.report(w.path("run")), w.ledger())
	if counts["accepted"] != truth.Sendable || counts["invalid"] != truth.Invalid || counts["duplicate"] != truth.Duplicates {
		w.t.Errorf("report %v, cohort %+v", counts, truth)
	}
}

// killedWhen starts the binary and kills it at a change in the folder of the run or its spool. It
// calls when with the count of changes so far and the file's name. The process may end before.
func (w *world) killedWhen(when func(seen int, name string) bool, args ...string) {
	w.t.Helper()
	fd, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = unix.Close(fd) }()
	watch := func(name string) {
		_, err := unix.InotifyAddWatch(fd, w.path(name), unix.IN_CREATE|unix.IN_MODIFY|unix.IN_MOVED_TO|unix.IN_DELETE)
		if err != nil && !errors.Is(err, unix.ENOENT) {
			w.t.Fatal(err)
		}
	}
	watch("run")
	watch("run/spool")
	c, _, stderr := w.start(args...)
	ended := make(chan struct{})
	go func() { _ = c.Wait(); close(ended) }()
	hung := time.AfterFunc(time.Minute, func() { _ = c.Process.Kill() })
	defer hung.Stop()
	for seen := 0; ; {
		for _, name := range w.changed(fd) {
			if name == "spool" {
				watch("run/spool")
			}
			if seen++; when(seen, name) {
				_ = c.Process.Kill()
				<-ended
				return
			}
		}
		select {
		case <-ended:
			if code := c.ProcessState.ExitCode(); code != 0 {
				w.t.Fatalf("exit %d\n%s", code, stderr)
			}
			return
		default:
		}
	}
}

// changed waits a little for changes and names the files they are of.
func (w *world) changed(fd int) (names []string) {
	w.t.Helper()
	if n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 20); n == 0 || errors.Is(err, unix.EINTR) {
		return nil
	}
	var room [unix.SizeofInotifyEvent + unix.NAME_MAX + 1]byte // for a handful of them at most
	n, err := unix.Read(fd, room[:])
	if err != nil {
		w.t.Fatal(err)
	}
	for at := 0; at < n; {
		event := (*unix.InotifyEvent)(unsafe.Pointer(&room[at]))
		at += unix.SizeofInotifyEvent
		name := strings.TrimRight(string(room[at:at+int(event.Len)]), "\x00")
		names = append(names, filepath.Base(name))
		at += int(event.Len)
	}
	return names
}
