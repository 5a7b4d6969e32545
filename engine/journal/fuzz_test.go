package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"
)

// FuzzRead reads arbitrary bytes, as a whole segment and as what follows an honest
// header. Whatever it takes for records must be exactly the bytes that the package would
// write for them, one after the other.
func FuzzRead(f *testing.F) {
	fsys, _ := sampleLog(f)
	for number := uint64(1); number <= 3; number++ {
		data := fileOf(fsys, number).data
		f.Add(data, false)
		f.Add(data[headerSize:], true)
		f.Add(data[:len(data)-5], false)
	}
	head := header{run: testRun, number: 1, firstSeq: 1}
	start, sum := head.encode()
	frames := appendFrame(appendFrame(nil, 1, []byte("one")), 2, nil)
	stamp(frames, sum, 1)
	f.Add(frames, true)
	f.Add(append(bytes.Clone(frames), frames...), true)
	f.Add(append(make([]byte, 50), frames...), true)
	f.Add(binary.LittleEndian.AppendUint32(nil, maxPayload), true)
	f.Add(binary.LittleEndian.AppendUint32(nil, 1<<31), true)
	f.Add([]byte{}, false)
	f.Fuzz(func(t *testing.T, data []byte, headed bool) {
		if headed {
			data = append(bytes.Clone(start[:]), data...)
		}
		fsys := newCrashFS()
		must(t, fsys.Mkdir("log"))
		fsys.root.live["log"].live["0000000000000001.log"] = &node{data: data}
		end, seq := int64(headerSize), uint64(0)
		tail, err := Read("log", testRun, small(fsys), func(r Record) error {
			seq++
			frame := appendFrame(nil, r.Type, r.Payload)
			stamp(frame, binary.LittleEndian.Uint32(data[12:]), seq)
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
