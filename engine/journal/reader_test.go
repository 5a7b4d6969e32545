package journal

import (
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
)

// A reader reads the records of a replay in any order and over segments, while more are
// appended. The records are smaller and larger than its blocks.
func TestAReaderReadsWhatAReplayGave(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	o := Options{SegmentBytes: 200 << 10, Reserve: -1}
	l, err := Open(dir, testRun, o, nil)
	must(t, err)
	for i := range 3000 {
		size := i % 300
		if i%500 == 7 {
			size = 3 * blockBytes
		}
		must(t, l.Append(1, []byte(strings.Repeat(string(rune('a'+i%26)), size))))
		if i%300 == 0 {
			must(t, l.Flush()) // a segment ends with a group
		}
	}
	must(t, l.Flush())
	var want []Record
	_, err = Read(dir, testRun, o, func(r Record) error {
		r.Payload = append([]byte(nil), r.Payload...)
		want = append(want, r)
		return nil
	})
	must(t, err)
	if last := want[len(want)-1].At.Segment; last < 3 {
		t.Fatalf("%d segments", last)
	}
	r, err := OpenReader(dir, testRun, o)
	must(t, err)
	defer func() { must(t, r.Close()) }()
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range want {
		for _, w := range []Record{want[i], want[rng.IntN(len(want))]} {
			got, err := r.At(w.At)
			if err != nil || !sameRecord(got, w) {
				t.Fatalf("at %+v: %v", w.At, err)
			}
		}
		if i%100 == 0 {
			must(t, l.Append(1, []byte("more")))
		}
	}
	must(t, l.Close())

	// What it has read ahead is its own: whoever keeps a part of a payload copies it, and so
	// nobody keeps a whole buffer for the sake of a few bytes.
	kept := testing.AllocsPerRun(100, func() {
		for _, w := range want[:50] {
			if _, err := r.At(w.At); err != nil {
				t.Fatal(err)
			}
		}
	})
	if kept > 1 {
		t.Errorf("50 small records in order made %g allocations", kept)
	}
}
