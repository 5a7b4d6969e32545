package journal

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"cohort/engine/disk/crashfs"
)

// drawn is a frame of a drawn log with its place and its group.
type drawn struct {
	off, end int64
	group    int
	record   Record
}

// drawnLog draws a segment of groups of records with payloads of the sizes given,
// without the package's own code but for the header.
func drawnLog(groups [][]int) (data []byte, frames []drawn) {
	head := header{run: testRun, number: 1, firstSeq: 1}
	start, _ := head.encode()
	data = bytes.Clone(start[:])
	for g, sizes := range groups {
		for back, size := range sizes {
			n := len(frames) + 1
			payload := bytes.Repeat([]byte{byte(n), 0xA5, byte(g + 1)}, size/3+1)[:size]
			r := Record{Seq: uint64(n), Type: Type(g + 1), Payload: payload, At: Position{1, int64(len(data))}}
			data = append(data, drawnFrame(start[12:16], r.Seq, uint64(back), r)...)
			frames = append(frames, drawn{r.At.Offset, int64(len(data)), g, r})
		}
	}
	return data, frames
}

// verdict is the right reading of a damaged log: the number of records read, and whether it is
// refused.
type verdict struct {
	records int
	refused bool
}

// judge is the rule of doc.go again. A test knows more: it knows the group of each frame and
// whether the frame is intact.
func judge(frames []drawn, whole, data []byte) verdict {
	intact := func(f drawn) bool {
		return f.end <= int64(len(data)) && bytes.Equal(data[f.off:f.end], whole[f.off:f.end])
	}
	for i, f := range frames {
		if intact(f) {
			continue
		}
		v := verdict{records: i}
		gap := int64(0)
		for _, later := range frames[i+1:] {
			if !intact(later) {
				continue
			}
			if later.group != f.group {
				v.refused = true
				return v
			}
			if gap == 0 {
				gap = later.off
			}
		}
		v.refused = gap > 0 && !zeroSector(data[:gap], f.off)
		return v
	}
	return verdict{records: len(frames)}
}

// zeroSector reports whether bytes from an offset on that lie in one whole sector, or
// are its rest, are all zeros.
func zeroSector(data []byte, from int64) bool {
	for k := from / 512; (k+1)*512 <= int64(len(data)); k++ {
		part := data[max(from, k*512) : (k+1)*512]
		if len(bytes.Trim(part, "\x00")) == 0 {
			return true
		}
	}
	return false
}

// readDrawn reads a drawn log and compares what comes with what must.
func readDrawn(frames []drawn, data []byte, want verdict) error {
	fsys := crashfs.New()
	_ = fsys.Mkdir("log")
	fsys.Root.Live["log"].Live["0000000000000001.log"] = &crashfs.Node{Data: data, Synced: len(data)}
	got, tail, err := read(fsys)
	if len(got) != want.records {
		return fmt.Errorf("%d records, want %d: %w", len(got), want.records, err)
	}
	end := int64(headerSize)
	for i, r := range got {
		if !sameRecord(r, frames[i].record) {
			return fmt.Errorf("record %d is a wrong one", i)
		}
		end = frames[i].end
	}
	var damage *CorruptError
	if want.refused {
		if !errors.As(err, &damage) || damage.Offset != end || damage.File != "log/0000000000000001.log" {
			return fmt.Errorf("not refused at byte %d: %w", end, err)
		}
		return nil
	}
	if wantTail := (Tail{Segment: 1, End: end, Seq: uint64(len(got)), Torn: int64(len(data)) - end}); err != nil || tail != wantTail {
		return fmt.Errorf("%+v, want %+v: %w", tail, wantTail, err)
	}
	return nil
}

// threeGroups are groups of several sectors each, that begin and end within sectors.
var threeGroups = [][]int{{300, 150, 400}, {600, 20, 700, 0, 500}, {90, 800, 256, 700, 30, 500}}

// startOf returns where a group begins.
func startOf(frames []drawn, group int) int64 {
	for _, f := range frames {
		if f.group == group {
			return f.off
		}
	}
	return 0
}

// sectorsOf returns how many sectors hold bytes from an offset on, and a function that
// takes some of them away: what they held before those bytes stays.
func sectorsOf(whole []byte, from int64) (n int, without func(lost int) []byte) {
	first := from / sector
	n = int((int64(len(whole))+sector-1)/sector - first)
	return n, func(lost int) []byte {
		data := bytes.Clone(whole)
		for i := range n {
			if at := (first + int64(i)) * sector; lost&(1<<i) != 0 {
				clear(data[max(at, from):min(at+sector, int64(len(data)))])
			}
		}
		return data
	}
}

// Every subset of the sectors of the last group: the group was never acknowledged, and
// the log is not refused, whatever the disk kept of it.
func TestEverySubsetOfSectorsOfTheLastGroup(t *testing.T) {
	whole, frames := drawnLog(threeGroups)
	start := startOf(frames, 2)
	n, without := sectorsOf(whole, start)
	gaps := 0
	for lost := range 1 << n {
		data := without(lost)
		for _, size := range []int{len(data), len(data) - 300, len(data) - 1400} {
			want := judge(frames, whole, data[:size])
			if want.refused || want.records < 8 {
				t.Fatalf("sectors %b lost: the test's own rule says %+v", lost, want)
			}
			if err := readDrawn(frames, data[:size], want); err != nil {
				t.Fatalf("sectors %b lost of %d bytes: %v", lost, size, err)
			}
		}
		for _, f := range frames[judge(frames, whole, data).records:] {
			if bytes.Equal(data[f.off:f.end], whole[f.off:f.end]) {
				gaps++
				break
			}
		}
	}
	if gaps < 1<<n/4 {
		t.Errorf("only %d of %d subsets left records behind a gap", gaps, 1<<n)
	}
}

// A sector lost from an acknowledged group, whatever is lost of the last one beside it:
// refused, as long as a record of a later group is there to tell.
func TestALostSectorOfAnAcknowledgedGroup(t *testing.T) {
	whole, frames := drawnLog(threeGroups)
	n, without := sectorsOf(whole, startOf(frames, 2))
	refusals := 0
	for acked := int64(1); acked <= startOf(frames, 2)/sector; acked++ {
		for lost := range 1 << n {
			data := without(lost)
			clear(data[acked*sector : (acked+1)*sector])
			want := judge(frames, whole, data)
			if want.refused {
				refusals++
			} else if lost == 0 {
				t.Fatalf("sector %d lost: the test's own rule says %+v", acked, want)
			}
			if err := readDrawn(frames, data, want); err != nil {
				t.Fatalf("sector %d lost, and %b of the last group: %v", acked, lost, err)
			}
		}
	}
	if refusals < 1<<n {
		t.Errorf("%d refusals", refusals)
	}
}

// A flipped bit is no lost sector: it is refused wherever it is, but for the very last
// record. So it is beside sectors that are lost from the last group, as long as a
// record of a later group is there to tell.
func TestEveryFlippedBitOfGroups(t *testing.T) {
	t.Parallel()
	whole, frames := drawnLog(threeGroups)
	lastAt := frames[len(frames)-1].off
	n, without := sectorsOf(whole, startOf(frames, 2))
	for bit := headerSize * 8; bit < len(whole)*8; bit++ {
		for _, lost := range []int{0, (bit * 7) % (1 << n)} {
			if lost != 0 && bit%8 != bit/8%8 {
				continue // one bit of each byte is enough
			}
			data := without(lost)
			data[bit/8] ^= 1 << (bit % 8)
			want := judge(frames, whole, data)
			if lost == 0 && want.refused != (int64(bit/8) < lastAt) {
				t.Fatalf("bit %d: the test's own rule says %+v", bit, want)
			}
			if err := readDrawn(frames, data, want); err != nil {
				t.Fatalf("bit %d, sectors %b lost: %v", bit, lost, err)
			}
		}
	}
}

// The sums of these frames are right, but their groups are impossible.
func TestImpossibleGroups(t *testing.T) {
	start, _ := (&header{run: testRun, number: 1, firstSeq: 1}).encode()
	frame := func(seq, back uint64) []byte {
		return drawnFrame(start[12:16], seq, back, Record{Type: 1, Payload: []byte("record")})
	}
	hole := make([]byte, 2*sector)
	for name, test := range map[string]struct {
		frames [][]byte
		reason error
		n      int
	}{
		"the first frame is not first in its group":            {[][]byte{frame(1, 1)}, errGroup, 0},
		"a group that began before the one that goes on":       {[][]byte{frame(1, 0), frame(2, 0), frame(3, 2)}, errGroup, 2},
		"a group that begins in the middle of another":         {[][]byte{frame(1, 0), frame(2, 1), frame(3, 1)}, errGroup, 2},
		"a group that reaches back beyond the log":             {[][]byte{frame(1, 0), frame(2, 1<<24-1)}, errGroup, 1},
		"beyond a tear, a group of the middle of another":      {[][]byte{frame(1, 0), frame(2, 1), frame(3, 2), hole, frame(5, 3)}, errLater, 3},
		"beyond a tear, a group that reaches back too far":     {[][]byte{frame(1, 0), frame(2, 0), hole, frame(5, 4)}, errLater, 2},
		"beyond a tear, a later group behind one of the same":  {[][]byte{frame(1, 0), hole, frame(4, 2), hole, frame(6, 0)}, errLater, 1},
		"beyond a tear, the very record that is missing there": {[][]byte{frame(1, 0), hole, frame(2, 0)}, errPlace, 1},
		"beyond bytes that are no missing sector":              {[][]byte{frame(1, 0), bytes.Repeat([]byte{7}, 600), frame(3, 2)}, errWhole, 1},
		"beyond too few zeros to be a sector":                  {[][]byte{frame(1, 0), make([]byte, 300), frame(3, 2)}, errWhole, 1},
		"beyond a tear, the same group":                        {[][]byte{frame(1, 0), hole, frame(4, 3)}, nil, 1},
		"beyond a tear, the group after":                       {[][]byte{frame(1, 0), hole, frame(4, 2)}, nil, 1},
	} {
		t.Run(name, func(t *testing.T) {
			fsys := crashfs.New()
			must(t, fsys.Mkdir("log"))
			fsys.Root.Live["log"].Live["0000000000000001.log"] = &crashfs.Node{Data: append(bytes.Clone(start[:]), bytes.Join(test.frames, nil)...)}
			got, _, err := read(fsys)
			var damage *CorruptError
			if len(got) != test.n || !errors.Is(err, test.reason) || errors.As(err, &damage) != (test.reason != nil) {
				t.Errorf("%d records, want %d: %v", len(got), test.n, err)
			}
		})
	}
}
