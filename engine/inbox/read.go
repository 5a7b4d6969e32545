package inbox

import (
	"cmp"
	"errors"
	"fmt"
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
}

// String writes a position as VOLUME:SEGMENT:OFFSET:SEQ.
func (p Position) String() string {
	return fmt.Sprintf("%d:%d:%d:%d", p.Volume, p.Segment, p.Offset, p.Seq)
}

// MarshalText is String.
func (p Position) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads what String wrote.
func (p *Position) UnmarshalText(text []byte) error {
	_, err := fmt.Sscanf(string(text), "%d:%d:%d:%d", &p.Volume, &p.Segment, &p.Offset, &p.Seq)
	if err != nil || p.String() != string(text) {
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
// power cut can still take those, and the next Read goes on behind them.
//
// An error of fn ends the reading and is returned unchanged, with the position before its event.
// ErrGone is described above, and delivery.ErrNewer means an event of a newer program. Other
// errors are those of journal.Read: the caller must not use what fn was given.
func Read(dir string, from Position, fn func(Position, delivery.Event) error) (Position, error) {
	return readOn(disk.OS(), dir, from, nil, fn)
}

// ReadOf is Read for events about messages that are wanted, by their references; nil: all. It does not parse the others.
func ReadOf(
	dir string, from Position, wanted map[string]bool, fn func(Position, delivery.Event) error,
) (Position, error) {
	return readOn(disk.OS(), dir, from, wanted, fn)
}

// readOn reads the events that are wanted; nil: all of them.
func readOn(
	fsys disk.FS, dir string, from Position, wanted map[string]bool, fn func(Position, delivery.Event) error,
) (Position, error) {
	all, err := volumes(fsys, dir)
	if err != nil {
		return from, err
	}
	if from.Volume != 0 && !slices.Contains(all, from.Volume) {
		return from, fmt.Errorf("%s at %s: %w", dir, from, ErrGone)
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
			after := Position{volume, r.At.Segment, r.At.Offset + frameBytes + int64(len(r.Payload)), r.Seq}
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
		if err != nil {
			return from, err
		}
	}
	return reached, nil
}

// readVolume reads a volume from a position on.
func readVolume(fsys disk.FS, dir string, from Position, fn func(journal.Record) error) error {
	path, id, o := volumePath(dir, from.Volume), volumeID(from.Volume), journal.Options{FS: fsys}
	_, err := journal.ReadOn(path, id, o, journal.Tail{Segment: from.Segment, End: from.Offset, Seq: from.Seq}, fn)
	if !errors.As(err, new(*journal.CorruptError)) || from.Segment == 0 {
		return err
	}
	// An earlier Read may have seen events that a power cut took before their sync. Nobody was told
	// that they were durable. What was stored since is in the next segment, if there is one yet.
	segments, e := journal.Segments(path, id, o)
	if e != nil || from.Segment > uint64(len(segments)) {
		return err
	}
	switch s := segments[from.Segment-1]; {
	case s.Sealed > 0 && from.Offset > s.Sealed:
		next := journal.Tail{Segment: from.Segment + 1, Seq: segments[from.Segment].FirstSeq - 1}
		_, err = journal.ReadOn(path, id, o, next, fn)
	case s.Sealed == 0 && from.Offset > s.Size:
		return nil
	}
	return err
}

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
