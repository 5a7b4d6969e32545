package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"cohort/cmd/internal/status"
)

// fillUp leaves keep KiB free on the small filesystem. It returns a function that makes room again.
func (l *life) fillUp(keep int64) (room func()) {
	l.t.Helper()
	ballast := filepath.Join(l.small, "ballast")
	f, err := os.Create(ballast)
	if err != nil {
		l.t.Fatal(err)
	}
	for range 3 { // what is written meanwhile is in the way
		var fs syscall.Statfs_t
		if err := syscall.Statfs(l.small, &fs); err != nil {
			l.t.Fatal(err)
		}
		_, _ = f.Write(make([]byte, max(0, int64(fs.Bavail)*fs.Bsize-keep<<10)))
	}
	_ = f.Close()
	return func() {
		if err := os.Remove(ballast); err != nil {
			l.t.Fatal(err)
		}
	}
}

// fullInTheMiddle fills the disk while requests are under way, so that outcomes or revisions find no
// room. It also fills the disk before a start with a list that revises nearly every batch. With room
// again the run goes on to the end.
func (w *world) fullInTheMiddle() {
	if !canMount(w.t) {
		w.t.Skip("no small filesystem can be mounted here")
	}
	const slower = "latency: {fixed: 300ms}\n"
	w.t.Run("outcomes", func(t *testing.T) {
		t.Parallel()
		l := newLife(t, t.TempDir(), w.binary, 28, true, slower)
		l.fullWhileUnderWay()
		// The room for outcomes had been reserved: whatever was accepted is known to be.
		var s status.Status
		o := l.hear("status", l.folder, "--json")
		if err := json.Unmarshal([]byte(o.stdout), &s); err != nil || !s.AddsUp {
			t.Fatalf("%v %s%s", err, o.stdout, o.stderr)
		}
		if has := int64(l.service.accepted()); s.Fates["accepted"] != has {
			t.Errorf("the log knows of %d accepted and the service has %d", s.Fates["accepted"], has)
		}
		l.live(nil)
	})
	w.t.Run("revisions", func(t *testing.T) {
		t.Parallel()
		l := newLife(t, t.TempDir(), w.binary, 35, true, slower+"poisoned_recipients: 0.2\n")
		l.fullWhileUnderWay()
		l.live(nil)
		if l.done.revisions < 10 {
			t.Errorf("%d revisions: the test has lost its point", l.done.revisions)
		}
	})
	for i, keep := range []int64{0, 12, 17_000} {
		w.t.Run(fmt.Sprintf("revisions that a list asks for, %d KiB left", keep), func(t *testing.T) {
			t.Parallel()
			l := newLife(t, t.TempDir(), w.binary, 42+7*uint64(i), true, slow)
			l.setPace(fmt.Sprintf("{per_second: %d}", len(l.numbers)/4))
			c, _, stderr := l.start("send", "-c", "campaign.yaml", "cohort.csv", "--run", l.folder)
			l.await("something is accepted", func() bool { return l.service.accepted() > 0 })
			l.kill(c, stderr)
			l.grow(len(l.numbers) / 4)
			room := l.fillUp(keep)
			c, _, stderr = l.start("resume", l.folder)
			l.moment(1500)
			l.kill(c, stderr)
			room()
			l.live(nil)
			if l.done.revisions < 5 {
				t.Errorf("%d revisions: the test has lost its point", l.done.revisions)
			}
		})
	}
}

// fullWhileUnderWay sends, and fills the disk when requests are before the service.
func (l *life) fullWhileUnderWay() {
	l.t.Helper()
	l.setPace(fmt.Sprintf("{per_second: %d}", len(l.numbers)/8))
	c, _, stderr := l.start("send", "-c", "campaign.yaml", "cohort.csv", "--run", l.folder)
	l.await("requests are before the service", func() bool { return l.service.stats().ByStatus["201"]+l.service.stats().ByStatus["400"] > 3 })
	room := l.fillUp(0)
	l.ends(c, stderr, 3)
	room()
}
