package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"cohort/engine/disk/crashfs"
)

// FuzzRead reads arbitrary bytes, as a whole segment and as what follows an honest
// header, as they are and with their frames' sums put right. Whatever it takes for records
// must be exactly the bytes that doc.go draws for them, one after the other.
func FuzzRead(f *testing.F) {
	fsys, _ := sampleLog(f)
	for number := uint64(1); number <= 3; number++ {
		data := fileOf(fsys, number).Data
		f.Add(data, false, false)
		f.Add(data[headerSize:], true, false)
		f.Add(data[:len(data)-5], false, false)
	}
	head := header{run: testRun, number: 1, firstSeq: 1}
	start, sum := head.encode()
	frames := appendFrame(appendFrame(nil, 1, []byte("one")), 2, nil)
	stamp(frames, sum, 1)
	f.Add(frames, true, false)
	f.Add(frames, true, true)
	f.Add(append(bytes.Clone(frames), frames...), true, false)
	f.Add(append(make([]byte, 50), frames...), true, false)
	f.Add(binary.LittleEndian.AppendUint32(nil, maxPayload), true, false)
	f.Add(binary.LittleEndian.AppendUint32(nil, 1<<31), true, false)
	f.Add([]byte{}, false, false)
	f.Fuzz(func(t *testing.T, data []byte, headed, mended bool) {
		if headed {
			data = append(bytes.Clone(start[:]), data...)
		}
		if mended && len(data) > headerSize {
			for rest := bytes.Clone(data)[headerSize:]; mend(rest, binary.LittleEndian.Uint32(data[12:])); rest = rest[frameSize(rest):] {
				copy(data[len(data)-len(rest):], rest)
			}
		}
		fsys := crashfs.New()
		must(t, fsys.Mkdir("log"))
		fsys.Root.Live["log"].Live["0000000000000001.log"] = &crashfs.Node{Data: data}
		end, seq := int64(headerSize), uint64(0)
		tail, err := Read("log", testRun, small(fsys), func(r Record) error {
			seq++
			frame := drawnFrame(data[12:16], seq, drawnBack(data[end:]), r)
			if r.Seq != seq || r.Type == 0 || r.At != (Position{1, end}) || !bytes.HasPrefix(data[end:], frame) {
				t.Fatalf("record %+v is not in the bytes", r)
			}
			end += int64(len(frame))
			return nil
		})
		var damage *CorruptError
		switch {
		case err == nil:
			if tail != (Tail{Segment: 1, End: end, Seq: seq, Torn: int64(len(data)) - end}) {
				t.Errorf("%+v after %d records that end at %d of %d", tail, seq, end, len(data))
			}
		case errors.As(err, &damage):
			if damage.Offset < 0 || damage.Offset > int64(len(data)) {
				t.Errorf("damage beyond the file: %v", err)
			}
		case !errors.Is(err, ErrNewer) && !errors.Is(err, ErrOtherRun):
			t.Errorf("another error: %v", err)
		}
	})
}

// mend puts the sum of the frame that bytes begin with right, if it fits into them.
func mend(b []byte, sum uint32) bool {
	if len(b) < frameHeader || frameSize(b) > len(b) {
		return false
	}
	binary.LittleEndian.PutUint32(b[4:], frameSum(sum, b[:frameSize(b)]))
	return true
}

// FuzzFrame decodes arbitrary bytes as one frame, at any offset and below any limit, as they are
// and with the sum put right.
// What it takes must be, byte for byte, the frame that doc.go draws for what it says.
func FuzzFrame(f *testing.F) {
	whole, frames := drawnLog([][]int{{3, 0}, {600}})
	for _, frame := range frames {
		f.Add(whole, uint16(frame.off), uint16(len(whole)), true)
		f.Add(whole, uint16(frame.off), uint16(frame.end-1), false)
		f.Add(whole[frame.off:frame.end], uint16(0), uint16(frame.end), false)
	}
	f.Add([]byte{1, 0xff, 0xff, 0xff}, uint16(0), uint16(4), false)
	_, sum, _ := decodeHeader(whole)
	f.Fuzz(func(t *testing.T, data []byte, at, limit uint16, mended bool) {
		off := int64(at)
		if data = bytes.Clone(data); mended && off < int64(len(data)) {
			mend(data[off:], sum)
		}
		w := window{file: bytes.NewReader(data), limit: min(int64(limit), int64(len(data))), block: 16}
		frame, bad, err := readFrame(&w, off, sum)
		if err != nil {
			t.Fatal(err)
		}
		if (frame == nil) != (bad != nil) {
			t.Fatalf("frame %x and %v", frame, bad)
		}
		if bad != nil {
			return
		}
		r := record(frame, Position{1, off})
		want := drawnFrame(binary.LittleEndian.AppendUint32(nil, sum), r.Seq, drawnBack(frame), r)
		if off+int64(len(frame)) > w.limit || r.Type == 0 || !bytes.Equal(frame, want) || !bytes.Equal(frame, data[off:off+int64(len(frame))]) {
			t.Fatalf("%x was read as %+v", data[off:], r)
		}
	})
}

// FuzzTail draws a last segment and damages it. It compares the reading with judge, which knows
// the damage.
func FuzzTail(f *testing.F) {
	f.Add([]byte{3, 200, 7, 90, 2, 255, 255, 1, 9}, []byte{})
	f.Add([]byte{5, 90, 90, 90, 90, 90, 4, 250, 250, 250, 250}, []byte{0, 0, 3, 0, 0, 5})
	f.Add([]byte{5, 90, 90, 90, 90, 90, 4, 250, 250, 250, 250}, []byte{1, 1, 99, 0, 0, 4, 2, 200, 0})
	f.Add([]byte{1, 10, 1, 10, 1, 10}, []byte{1, 0, 100, 2, 120, 0})
	f.Fuzz(func(t *testing.T, shape, hits []byte) {
		if len(shape) > 40 || len(hits) > 30 {
			return
		}
		var groups [][]int
		for len(shape) > 0 {
			n := min(int(shape[0])%6+1, len(shape)-1)
			sizes := []int{}
			for _, b := range shape[1 : 1+n] {
				sizes = append(sizes, int(b)*5)
			}
			groups, shape = append(groups, sizes), shape[1+n:]
		}
		whole, frames := drawnLog(groups)
		data := bytes.Clone(whole)
		for ; len(hits) >= 3; hits = hits[3:] {
			at := int(binary.LittleEndian.Uint16(hits[1:]))
			switch hits[0] % 4 {
			case 0: // a sector is lost, but for the header
				from := min(max(headerSize, at*sector), len(data))
				clear(data[from:min(max(from, (at+1)*sector), len(data))])
			case 1: // a bit flips
				if at /= 8; at >= headerSize && at < len(data) {
					data[at] ^= 1 << (hits[1] % 8)
				}
			case 2: // the end is lost
				data = data[:min(max(at, headerSize), len(data))]
			case 3: // the end was never written
				clear(data[min(max(at, headerSize), len(data)):])
			}
		}
		if err := readDrawn(frames, data, judge(frames, whole, data)); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzReplay damages a log of three segments in any ways, whole files included. Whatever
// it makes of it, Read gives a beginning of the records; and if Open takes it, then so
// it does the next time, with the same records, and more can be added.
func FuzzReplay(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{2, 0, 100, 255})
	f.Add([]byte{2, 1, 100, 255, 2, 2, 30, 0})
	f.Add([]byte{0, 3, 92, 60, 1, 4, 0, 0})
	f.Add([]byte{1, 5, 0, 2, 2, 6, 92, 17})
	f.Fuzz(func(t *testing.T, hits []byte) {
		if len(hits) > 40 {
			return
		}
		fsys, want := sampleLog(t)
		files := fsys.Root.Live["log"].Live
		for ; len(hits) >= 4; hits = hits[4:] {
			name := strings.TrimPrefix(SegmentPath("log", uint64(hits[0]%4)+1), "log/")
			file := files[name]
			if file == nil {
				continue
			}
			at := min(int(hits[2])|int(hits[1])>>4<<8, len(file.Data))
			rest := file.Data[at:]
			n := min(int(hits[3]), len(rest))
			switch hits[1] % 8 {
			case 0:
				clear(rest[:n])
			case 1:
				file.Data = file.Data[:at]
			case 2:
				if len(rest) > 0 {
					rest[0] ^= hits[3]
				}
			case 3: // bytes repeat
				file.Data = append(file.Data, rest[:n]...)
			case 4: // bytes are left out
				file.Data = append(file.Data[:at:at], rest[n:]...)
			case 5:
				delete(files, name)
			case 6: // bytes of another segment
				if other := files["0000000000000002.log"]; other != nil {
					copy(rest[:n], other.Data[min(at, len(other.Data)):])
				}
			case 7: // something stands before bytes
				file.Data = append(file.Data[:at:at], append(make([]byte, n), rest...)...)
			}
		}
		got, tail, err := read(fsys)
		if prefixOf(got, want) < 0 {
			t.Fatalf("%d records, of which one is wrong", len(got))
		}
		var damage *CorruptError
		l, openErr := Open("log", testRun, small(fsys), nil)
		if (err == nil) != (openErr == nil) || err != nil && !errors.As(err, &damage) {
			t.Fatalf("Read: %v; Open: %v", err, openErr)
		}
		if err != nil {
			return
		}
		if tail.Seq != uint64(len(got)) {
			t.Fatalf("%+v after %d records", tail, len(got))
		}
		must(t, l.Commit(9, []byte("more")))
		must(t, l.Close())
		if again := readAll(t, fsys); prefixOf(got, again) != len(got) || len(again) != len(got)+1 {
			t.Fatalf("%d records and then %d", len(got), len(again))
		}
	})
}
