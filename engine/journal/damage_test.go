package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"cohort/engine/disk"
	"cohort/engine/disk/crashfs"
)

// sampleLog is a log of three segments with frames of many sizes. The first segment ends in a
// torn tail.
func sampleLog(t testing.TB) (*crashfs.FS, []Record) {
	t.Helper()
	fsys := crashfs.New()
	n := 0
	for segment, records := range []int{4, 3, 4} {
		l, err := Open("log", testRun, small(fsys), nil)
		must(t, err)
		for range records {
			n++
			must(t, l.Append(Type(n), bytes.Repeat([]byte{byte(n)}, n*n%37)))
			if n%2 == 0 {
				must(t, l.Flush())
			}
		}
		must(t, l.Close())
		if segment == 0 {
			file := fsys.Root.Live["log"].Live["0000000000000001.log"]
			file.Data = append(file.Data, "a torn tail, which no process ever reads again"...)
		}
	}
	return fsys, readAll(t, fsys)
}

func readAll(t testing.TB, fsys disk.FS) []Record {
	t.Helper()
	records, _, err := read(fsys)
	must(t, err)
	return records
}

// read returns copies of what Read gives.
func read(fsys disk.FS) (records []Record, tail Tail, err error) {
	tail, err = Read("log", testRun, small(fsys), func(r Record) error {
		r.Payload = bytes.Clone(r.Payload)
		records = append(records, r)
		return nil
	})
	return records, tail, err
}

// fileOf returns a file's bytes to be damaged in place.
func fileOf(fsys *crashfs.FS, number uint64) *crashfs.Node {
	return fsys.Root.Live["log"].Live[strings.TrimPrefix(SegmentPath("log", number), "log/")]
}

func sameRecord(a, b Record) bool {
	return a.Seq == b.Seq && a.Type == b.Type && a.At == b.At && bytes.Equal(a.Payload, b.Payload)
}

// prefixOf returns the number of records in got if it is a prefix of want, or else -1.
func prefixOf(got, want []Record) int {
	if len(got) > len(want) || !slices.EqualFunc(got, want[:len(got)], sameRecord) {
		return -1
	}
	return len(got)
}

// intact returns how many of the records end at or before the offset in the last segment,
// and the offset at which they end.
func intact(records []Record, segment uint64, offset int64) (n int, end int64) {
	end = headerSize
	for _, r := range records {
		if last := r.At.Offset + frameHeader + int64(len(r.Payload)); r.At.Segment < segment {
			n++
		} else if last <= offset {
			n, end = n+1, last
		}
	}
	return n, end
}

// frameAt returns where the frame starts that holds the byte at an offset.
func frameAt(records []Record, segment uint64, offset int64) (start int64) {
	for _, r := range records {
		if r.At.Segment == segment && r.At.Offset <= offset {
			start = r.At.Offset
		}
	}
	return start
}

// refused checks that an error names the file and a place within it.
func refused(err error, number uint64, size int) error {
	var damage *CorruptError
	if !errors.As(err, &damage) {
		return fmt.Errorf("not refused: %v", err)
	}
	if damage.File != SegmentPath("log", number) || damage.Offset < 0 || damage.Offset > int64(size) {
		return fmt.Errorf("refused for another place: %v", err)
	}
	return nil
}

// Every bit of every byte. Only the very last record of the last segment may be
// taken for torn; all else must be refused, with the file, and no wrong record read.
func TestEveryFlippedBit(t *testing.T) {
	fsys, want := sampleLog(t)
	_, tail, _ := read(fsys)
	lastAt := want[len(want)-1].At.Offset
	sealed := map[uint64]int64{3: tail.End}
	for number := uint64(2); number <= 3; number++ {
		sealed[number-1] = int64(binary.LittleEndian.Uint64(fileOf(fsys, number).Data[48:]))
	}
	for number := uint64(1); number <= 3; number++ {
		file := fileOf(fsys, number)
		for bit := range len(file.Data) * 8 {
			at := int64(bit / 8)
			file.Data[at] ^= 1 << (bit % 8)
			got, tail, err := read(fsys)
			n := prefixOf(got, want)
			switch {
			case n < 0:
				t.Fatalf("segment %d, bit %d: a wrong record", number, bit)
			case at >= sealed[number]: // the torn tail that segment 2 sealed off
				if err != nil || n != len(want) {
					t.Fatalf("segment %d, bit %d, beyond the seal: %d records, %v", number, bit, n, err)
				}
			case number == 3 && at >= lastAt:
				if err != nil || n != len(want)-1 || tail.End != lastAt || tail.Torn == 0 {
					t.Fatalf("segment %d, bit %d, in the last record: %d records, %+v, %v", number, bit, n, tail, err)
				}
			default:
				if err := refused(err, number, len(file.Data)); err != nil {
					t.Fatalf("segment %d, bit %d: %v", number, bit, err)
				}
				var damage *CorruptError
				if errors.As(err, &damage); at >= headerSize && damage.Offset != frameAt(want, number, at) {
					t.Fatalf("segment %d, bit %d: refused at another frame: %v", number, bit, err)
				}
				if _, err := Open("log", testRun, small(fsys), nil); err == nil {
					t.Fatalf("segment %d, bit %d: Open takes it", number, bit)
				}
			}
			file.Data[at] ^= 1 << (bit % 8)
		}
	}
}

// Every truncation: a sealed segment is refused, the last one loses its torn record.
func TestEveryTruncation(t *testing.T) {
	fsys, want := sampleLog(t)
	for number := uint64(1); number <= 3; number++ {
		file := fileOf(fsys, number)
		whole := file.Data
		sealed := int64(len(whole))
		if number < 3 {
			sealed = int64(binary.LittleEndian.Uint64(fileOf(fsys, number+1).Data[48:]))
		}
		for cut := range whole {
			file.Data = whole[:cut:cut]
			got, tail, err := read(fsys)
			n := prefixOf(got, want)
			switch {
			case n < 0:
				t.Fatalf("segment %d, cut at %d: a wrong record", number, cut)
			case number < 3 && int64(cut) >= sealed:
				if err != nil || n != len(want) {
					t.Fatalf("segment %d, cut at %d beyond the seal: %d records, %v", number, cut, n, err)
				}
			case number == 3 && cut >= headerSize:
				wantN, wantEnd := intact(want, 3, int64(cut))
				wantTail := Tail{Segment: 3, End: wantEnd, Seq: uint64(wantN), Torn: int64(cut) - wantEnd}
				if err != nil || n != wantN || tail != wantTail {
					t.Fatalf("segment %d, cut at %d: %d records, want %d, %+v, %v", number, cut, n, wantN, tail, err)
				}
			default:
				if err := refused(err, number, cut); err != nil {
					t.Fatalf("segment %d, cut at %d: %v", number, cut, err)
				}
			}
		}
		file.Data = whole
	}
}

// Damage that is larger than a bit.
func TestDamage(t *testing.T) {
	tests := map[string]struct {
		do     func(files map[string]*crashfs.Node)
		file   string
		reason error
	}{
		"the first segment is gone": {func(f map[string]*crashfs.Node) { delete(f, "0000000000000001.log") }, "log/0000000000000001.log", errMissing},
		"a middle segment is gone":  {func(f map[string]*crashfs.Node) { delete(f, "0000000000000002.log") }, "log/0000000000000002.log", errMissing},
		"two segments are swapped": {func(f map[string]*crashfs.Node) {
			f["0000000000000001.log"], f["0000000000000002.log"] = f["0000000000000002.log"], f["0000000000000001.log"]
		}, "log/0000000000000001.log", errNumber},
		"a segment has a strange name": {func(f map[string]*crashfs.Node) { f["1.log"] = &crashfs.Node{} }, "log/1.log", errName},
		"a segment is empty":           {func(f map[string]*crashfs.Node) { f["0000000000000004.log"] = &crashfs.Node{} }, "log/0000000000000004.log", errShort},
		"a frame is there twice": {func(f map[string]*crashfs.Node) {
			last := f["0000000000000003.log"]
			last.Data = append(last.Data, last.Data[headerSize:headerSize+frameSize(last.Data[headerSize:])]...)
		}, "log/0000000000000003.log", errSeq},
		"sealed bytes were exchanged with their sums": {func(f map[string]*crashfs.Node) {
			data := f["0000000000000001.log"].Data
			_, sum, _ := decodeHeader(data)
			frame := data[headerSize : headerSize+frameSize(data[headerSize:])]
			frame[frameHeader] ^= 0xff
			stamp(frame, sum, 1)
		}, "log/0000000000000001.log", errChain},
		"sequence numbers are left out between segments": {func(f map[string]*crashfs.Node) {
			data := f["0000000000000003.log"].Data[:headerSize]
			data[40] = 99
			binary.LittleEndian.PutUint32(data[12:], headerSum(data))
			f["0000000000000003.log"].Data = data
		}, "log/0000000000000003.log", errFirst},
		"zeros and then records": {func(f map[string]*crashfs.Node) {
			data := f["0000000000000003.log"].Data
			clear(data[headerSize : headerSize+40])
		}, "log/0000000000000003.log", errLater},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			fsys, want := sampleLog(t)
			test.do(fsys.Root.Live["log"].Live)
			got, _, err := read(fsys)
			var damage *CorruptError
			if !errors.As(err, &damage) || damage.File != test.file || !errors.Is(err, test.reason) {
				t.Errorf("the error is %v", err)
			}
			if !errors.Is(test.reason, errChain) && prefixOf(got, want) < 0 {
				t.Error("a wrong record")
			}
			before := maps.Clone(fsys.Root.Live["log"].Live)
			if l, err := Open("log", testRun, small(fsys), nil); err == nil {
				_ = l.Close()
				t.Error("Open takes it")
			}
			if after := fsys.Root.Live["log"].Live; !maps.Equal(before, after) {
				t.Error("Open changed a directory that it refuses")
			}
		})
	}
}

func TestSegmentsOfAnotherRunAreRefused(t *testing.T) {
	fsys, _ := sampleLog(t)
	if _, err := Read("log", [16]byte{9}, small(fsys), nil); !errors.Is(err, ErrOtherRun) {
		t.Errorf("Read: %v", err)
	}
	if _, err := Open("log", [16]byte{9}, small(fsys), nil); !errors.Is(err, ErrOtherRun) {
		t.Errorf("Open: %v", err)
	}
}
