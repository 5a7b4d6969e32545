package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// Reading on gives every record once and in order, over segments, starts and torn tails. It
// gives nothing while nothing is appended.
func TestReadingOn(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	var tail Tail
	var got, want []string
	readOn := func() {
		t.Helper()
		var err error
		tail, err = ReadOn(dir, testRun, Options{}, tail, func(r Record) error {
			if r.Seq != uint64(len(got)+1) {
				t.Fatalf("record %d follows %d others", r.Seq, len(got))
			}
			got = append(got, string(r.Payload))
			return nil
		})
		must(t, err)
		if !slices.Equal(got, want) || tail.Seq != uint64(len(want)) {
			t.Fatalf("read %d records up to %d of %d", len(got), tail.Seq, len(want))
		}
	}
	readOn() // no log at all
	for start := range 3 {
		l, err := Open(dir, testRun, Options{SegmentBytes: 300, Reserve: -1}, nil)
		must(t, err)
		readOn()
		for i := range 10 {
			text := fmt.Sprintf("record %d of start %d", i, start)
			must(t, l.Commit(1, []byte(text)))
			want = append(want, text)
			if i%3 != 1 {
				readOn()
			}
		}
		must(t, l.Close())
		// What a killed process left half written is no record, now or later.
		f, err := os.OpenFile(SegmentPath(dir, tail.Segment), os.O_APPEND|os.O_WRONLY, 0)
		must(t, err)
		_, err = f.Write([]byte{9, 0, 0, 0, 1, 2, 3})
		must(t, err)
		must(t, f.Close())
		readOn()
		if tail.Torn != 7 {
			t.Errorf("%d bytes are torn", tail.Torn)
		}
	}
	all, err := Segments(dir, testRun, Options{})
	must(t, err)
	if len(all) != int(tail.Segment) || len(all) < 6 || all[0].FirstSeq != 1 || all[len(all)-1].Sealed != 0 {
		t.Errorf("the segments are %+v", all)
	}
	for _, s := range all[:len(all)-1] {
		if torn := s.Size - s.Sealed; torn != 0 && torn != 7 || s.Sealed < headerSize {
			t.Errorf("a segment is %+v", s)
		}
	}
}

// Damage in what comes later is found by whoever reads on.
func TestReadingOnIntoDamage(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	l, err := Open(dir, testRun, Options{Reserve: -1}, nil)
	must(t, err)
	must(t, l.Commit(1, []byte("first")))
	tail, err := ReadOn(dir, testRun, Options{}, Tail{}, nil)
	must(t, err)
	must(t, l.Commit(1, []byte("second")))
	must(t, l.Commit(1, []byte("third")))
	must(t, l.Close())
	name := SegmentPath(dir, 1)
	tooFar := tail
	tooFar.End += 1000
	if _, err := ReadOn(dir, testRun, Options{}, tooFar, nil); !errors.Is(err, errShort) {
		t.Errorf("a log that has become shorter: %v", err)
	}
	raw, err := os.ReadFile(name)
	must(t, err)
	raw[tail.End+frameHeader] ^= 1
	must(t, os.WriteFile(name, raw, 0o600))
	_, err = ReadOn(dir, testRun, Options{}, tail, nil)
	if damage := (*CorruptError)(nil); !errors.As(err, &damage) || damage.Offset != tail.End {
		t.Error(err)
	}
}
