package journal

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"cohort/engine/disk"
	"cohort/engine/disk/crashfs"
)

var testRun = [16]byte{0xc0, 0x40, 0x87, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13}

// small makes every test log rotate often, and write only when it is told to.
func small(fsys disk.FS) Options {
	return Options{SegmentBytes: 400, Delay: time.Hour, Reserve: 600, FS: fsys}
}

// taker is a Log, or something that claims to keep a Log's promises.
type taker interface {
	Append(Type, []byte) error
	Commit(Type, []byte) error
	Flush() error
	Err() error
}

// entry is a record that was given to a log, and what is known of it.
type entry struct {
	text    string // type and payload; no two are the same
	acked   bool
	refused bool // Commit said ErrFull
}

// history has the calls to a log and their results, over several processes.
type history struct {
	entries []entry
	n       int // makes texts unique
	longest int // payload, about; 90 bytes when 0
}

// note makes a record up and remembers that it is about to be given to the log. An
// outcome names an intent that the log has acknowledged: it may never be there without.
func (h *history) note(r *rand.Rand, outcome bool) (Type, []byte) {
	h.n++
	intent := "nothing"
	if n := len(h.entries); outcome && n > 0 {
		if e := h.entries[r.IntN(n)]; e.acked {
			intent = e.name()
		}
	}
	longest := h.longest
	if longest == 0 {
		longest = 90
	}
	t, payload := Type(1+r.IntN(255)), fmt.Sprintf("%d of %s %s", h.n, intent, strings.Repeat("x", r.IntN(longest)))
	h.entries = append(h.entries, entry{text: fmt.Sprintf("%d %s", t, payload)})
	return t, []byte(payload)
}

// name returns what later records call an entry by, and intent what it calls an earlier one.
func (e entry) name() string   { return strings.SplitN(e.text, " ", 5)[1] }
func (e entry) intent() string { return strings.SplitN(e.text, " ", 5)[3] }

func text(r Record) string { return fmt.Sprintf("%d %s", r.Type, r.Payload) }

func (h *history) ackAll() {
	for i := range h.entries {
		h.entries[i].acked = !h.entries[i].refused
	}
}

// append and commit give the log a record. Their error is that of the log.
func (h *history) append(l taker, r *rand.Rand) error {
	err := l.Append(h.note(r, true))
	if err != nil {
		h.entries = h.entries[:len(h.entries)-1] // not taken: it must never appear
	}
	return err
}

func (h *history) commit(l taker, r *rand.Rand) error {
	err := l.Commit(h.note(r, false))
	if errors.Is(err, ErrFull) {
		h.entries[len(h.entries)-1].refused = true
	} else if err == nil {
		h.ackAll()
	}
	return err
}

func (h *history) flush(l taker) error {
	err := l.Flush()
	if err == nil {
		h.ackAll()
	}
	return err
}

// check compares a replay with the history. Every acknowledged record must be there once and in
// order. Other records must be given records without an acknowledgement. With prefix the
// replay must also be a prefix of the given records.
func (h *history) check(got []string, prefix bool) error {
	seen := map[string]bool{"nothing": true}
	for i, text := range got {
		e := entry{text: text}
		if seen[e.name()] = true; !seen[e.intent()] {
			return fmt.Errorf("record %d of the replay (%.20s) is there without its intent", i, text)
		}
	}
	next := 0
	for i, e := range h.entries {
		switch {
		case next < len(got) && got[next] == e.text:
			next++
		case e.acked:
			return fmt.Errorf("record %d (%.20s) was acknowledged and is lost; the replay gave %d of %d", i, e.text, len(got), len(h.entries))
		case prefix && next < len(got):
			return fmt.Errorf("record %d (%.20s) is missing and later ones are there", i, e.text)
		}
	}
	if next != len(got) {
		return fmt.Errorf("record %d of the replay (%.20s) was never given", next, got[next])
	}
	return nil
}

// reopen opens a log as the next process does and checks what it replays. A history
// that the log confirms becomes what is known.
func (h *history) reopen(o Options, prefix bool) (*Log, error) {
	var read, got []string
	_, readErr := Read("log", testRun, o, func(r Record) error {
		read = append(read, text(r))
		return nil
	})
	var seq uint64
	l, err := Open("log", testRun, o, func(r Record) error {
		if seq++; r.Seq != seq {
			return fmt.Errorf("record %d has number %d", seq, r.Seq)
		}
		got = append(got, text(r))
		return nil
	})
	if err != nil {
		return nil, err
	}
	// Read may show more at the end: what the cache still has and no disk, see crashFile.sync.
	injected := errors.Is(readErr, syscall.EIO) || errors.Is(readErr, syscall.ENOSPC)
	same := len(read) >= len(got) && slices.Equal(read[:len(got)], got) && (len(read) == len(got) || lossy(o.FS))
	if !injected && (readErr != nil || !same) {
		err = fmt.Errorf("Read gave %d records and %v, Open %d", len(read), readErr, len(got))
	} else {
		err = h.check(got, prefix)
	}
	if err != nil {
		return nil, errors.Join(errWrong, err, l.Close())
	}
	h.entries = nil
	for _, g := range got {
		h.entries = append(h.entries, entry{text: g, acked: true})
	}
	return l, nil
}

// lossy reports whether a sync has failed on the filesystem.
func lossy(fsys disk.FS) bool {
	switch f := fsys.(type) {
	case stubborn:
		return lossy(f.FS)
	case careless:
		return lossy(f.FS)
	}
	return fsys.(*crashfs.FS).Failed
}

// errWrong marks a broken promise, as opposed to an error that a fault explains.
var errWrong = errors.New("the log broke its promise")

// work gives the log a few groups, and returns the first error.
func (h *history) work(l taker, r *rand.Rand, groups int) error {
	for range groups {
		for range r.IntN(5) {
			if err := h.append(l, r); err != nil {
				return err
			}
		}
		var err error
		if r.IntN(3) == 0 {
			err = h.flush(l)
		} else {
			err = h.commit(l, r)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func seeded(seed, more int) *rand.Rand { return rand.New(rand.NewPCG(uint64(seed), uint64(more))) }

// must fails the test on an error.
func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
