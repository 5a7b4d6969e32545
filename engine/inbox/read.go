package inbox

import (
	"cmp"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"time"

	"cohort/engine/delivery"
	"cohort/engine/disk"
	"cohort/engine/journal"
)

// Position is a place between two events of an inbox. The zero Position is before the first event
// that is there.
type Position struct {
	Volume  uint64
	Segment uint64 // of the volume's log
	Offset  int64  // in the segment, in bytes
	Seq     uint64 // how many events of the volume are before it

	// The last event before it. Of a position that an older version wrote both are 0.
	Size int64  // its bytes in the segment
	Sum  uint32 // CRC-32C of its record
}

// String writes a position as VOLUME:SEGMENT:OFFSET:SEQ:SIZE:SUM.
func (p Position) String() string {
	text := fmt.Sprintf("%d:%d:%d:%d", p.Volume, p.Segment, p.Offset, p.Seq)
	if p.Size == 0 {
		return text
	}
	return fmt.Sprintf("%s:%d:%d", text, p.Size, p.Sum)
}

// MarshalText is String.
func (p Position) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads what String wrote.
func (p *Position) UnmarshalText(text []byte) error {
	*p = Position{}
	_, _ = fmt.Sscanf(string(text), "%d:%d:%d:%d:%d:%d", &p.Volume, &p.Segment, &p.Offset, &p.Seq, &p.Size, &p.Sum)
	if p.String() != string(text) {
		return fmt.Errorf("%q is not a position in an inbox", text)
	}
	return nil
}

// Compare orders positions of one inbox.
func (p Position) Compare(q Position) int {
	return cmp.Or(cmp.Compare(p.Volume, q.Volume), cmp.Compare(p.Segment, q.Segment), cmp.Compare(p.Offset, q.Offset))
}

// ErrGone means that an inbox has no volume of a position. Its events were dropped, or its folder
// was deleted and made anew.
var ErrGone = errors.New("the inbox does not have the events of this position any more; read it from its start")

// Read calls fn with every event after from, in the order in which they were stored, and with the
// position after the event. It returns the position after the last event. It never writes, and may
// run while another process writes. It may see events shortly before they are acknowledged; a
// power cut can still take those.
//
// It reads from the start when the volume does not have the event before from: a power cut took it, or the inbox was brought
// back from an older copy, or an older version wrote the position. fn may then be called with events that it had before.
//
// An error of fn ends the reading and is returned unchanged, with the position before its event.
// ErrGone is described above, and delivery.ErrNewer means an event of a newer program. Other
// errors are those of journal.Read: the caller must not use what fn was given.
func Read(dir string, from Position, fn func(Position, delivery.Event) error) (Position, error) {
	return readOn(disk.OS(), dir, from, nil, nil, fn)
}

// ReadPast is Read that goes on behind damage, with the next volume. It calls past with each damage. A position behind
// damage hides it, so nobody may keep it.
func ReadPast(dir string, from Position, past func(error), fn func(Position, delivery.Event) error) (Position, error) {
	return readOn(disk.OS(), dir, from, nil, past, fn)
}

// ReadOf is Read for events about messages that are wanted, by their references; nil: all. It does not parse the others.
func ReadOf(
	dir string, from Position, wanted map[string]bool, fn func(Position, delivery.Event) error,
) (Position, error) {
	return readOn(disk.OS(), dir, from, wanted, nil, fn)
}

// readOn reads the events that are wanted; nil: all of them. past takes damage; nil: damage ends the reading.
func readOn(
	fsys disk.FS, dir string, from Position, wanted map[string]bool, past func(error), fn func(Position, delivery.Event) error,
) (Position, error) {
	all, err := volumes(fsys, dir)
	if err != nil {
		return from, err
	}
	if from.Volume != 0 && !slices.Contains(all, from.Volume) {
		return from, fmt.Errorf("%s at %s: %w", dir, from, ErrGone)
	}
	fits, err := from.fits(fsys, dir)
	if err != nil {
		return from, err
	}
	if !fits {
		from = Position{}
	}
	reached := from
	for _, volume := range all {
		if volume < from.Volume {
			continue
		}
		start := Position{Volume: volume}
		if volume == from.Volume {
			start = from
		}
		var failed error // of fn
		err := readVolume(fsys, dir, start, func(r journal.Record) error {
			after := Position{volume, r.At.Segment, r.At.Offset + r.Size(), r.Seq, r.Size(), sumOf(r)}
			if name := delivery.ReferenceOf(r.Payload); wanted != nil && name != nil && !wanted[string(name)] {
				reached = after
				return nil
			}
			e, err := delivery.Parse(r.Payload)
			if err == nil && r.Type != eventType {
				err = delivery.ErrNewer
			}
			if err != nil {
				return fmt.Errorf("%s: %w", volumePath(dir, volume), err)
			}
			if failed = fn(after, e); failed == nil {
				reached = after
			}
			return failed
		})
		if failed != nil {
			return reached, failed
		}
		if volume == from.Volume && errors.As(err, new(*journal.CorruptError)) {
			// Perhaps only because the position is beyond the end of its segment.
			return readOn(fsys, dir, Position{}, wanted, past, fn)
		}
		if past != nil && isDamage(err) {
			past(err)
			err = nil
		}
		if err != nil {
			return from, err
		}
	}
	return reached, nil
}

func readVolume(fsys disk.FS, dir string, from Position, fn func(journal.Record) error) error {
	tail := journal.Tail{Segment: from.Segment, End: from.Offset, Seq: from.Seq}
	_, err := journal.ReadOn(volumePath(dir, from.Volume), volumeID(from.Volume), journal.Options{FS: fsys}, tail, fn)
	return err
}

// fits reports whether the last event before the position is there.
func (p Position) fits(fsys disk.FS, dir string) (bool, error) {
	if p.Size == 0 {
		return p.Volume == 0, nil
	}
	reader, err := journal.OpenReader(volumePath(dir, p.Volume), volumeID(p.Volume), journal.Options{FS: fsys})
	if err != nil {
		return false, err
	}
	defer func() { _ = reader.Close() }() // it was opened for reading
	r, err := reader.At(journal.Position{Segment: p.Segment, Offset: p.Offset - p.Size})
	if errors.As(err, new(*journal.CorruptError)) {
		return false, nil
	}
	return err == nil && r.Seq == p.Seq && r.Size() == p.Size && sumOf(r) == p.Sum, err
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func sumOf(r journal.Record) uint32 { return crc32.Checksum(r.Payload, castagnoli) }

// Drop removes the volumes before that of a position, if nobody has written to them since a time. The
// position is the earliest that a reader still needs. It may run while others write and read. It keeps
// the volume that is written to.
func Drop(dir string, before Position, since time.Time) error {
	all, err := volumes(disk.OS(), dir)
	if err != nil || len(all) == 0 {
		return err
	}
	const dropped = ".dropped" // what a crash leaves behind is no volume
	for i, volume := range all[:len(all)-1] {
		path := volumePath(dir, volume)
		info, err := os.Stat(volumePath(dir, all[i+1])) // made after the last event of this one
		if err == nil && volume < before.Volume && info.ModTime().Before(since) {
			err = os.Rename(path, path+dropped)
		}
		if err != nil {
			return fmt.Errorf("an old volume of the inbox cannot be dropped: %w", err)
		}
	}
	if err := disk.SyncFolder(dir); err != nil {
		return fmt.Errorf("an old volume of the inbox cannot be dropped: %w", err)
	}
	old, err := filepath.Glob(filepath.Join(dir, "*"+dropped))
	for _, path := range old {
		err = errors.Join(err, os.RemoveAll(path))
	}
	return err
}
