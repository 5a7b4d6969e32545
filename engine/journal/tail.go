package journal

import (
	"bytes"
	"errors"
	"fmt"
)

// sector is the unit of unsynced bytes that a power cut takes or leaves. Larger units, such
// as pages, consist of sectors.
const sector = 512

// tailBudget limits the bytes that judgeTail sums. A torn tail costs almost nothing, because
// few of its bytes look like the start of a frame.
const tailBudget = 1 << 30

// judgeTail decides whether the bytes beyond the valid frames of the unsealed segment are a torn tail. They are damage
// if the first missing frame was perhaps acknowledged. See the package documentation for the rule.
func (s *segment) judgeTail(p progress, bad error) error {
	damage := func(why error) error {
		return &CorruptError{File: s.path, Offset: p.end, Err: fmt.Errorf("%w, and %w", bad, why)}
	}
	if bad == errSeq || bad == errGroup { // a complete frame in the wrong place is not torn
		return &CorruptError{File: s.path, Offset: p.end, Err: bad}
	}
	w := window{name: s.path, file: s.file, limit: s.size}
	found := int64(0) // where the first valid frame begins
	budget := int64(tailBudget)
	for off := p.end; s.size-off >= frameHeader; {
		frame, err := s.candidate(&w, off, p, &budget)
		if errors.Is(err, errMurky) {
			return damage(err)
		}
		if err != nil {
			return err
		}
		if frame == nil {
			off++
			continue
		}
		if frameSeq(frame) == p.seq {
			return damage(fmt.Errorf("%w: it is at byte %d", errPlace, off))
		}
		if !p.sameGroup(frame) {
			return damage(fmt.Errorf("%w: number %d at byte %d", errLater, frameSeq(frame), off))
		}
		if found == 0 {
			found = off
		}
		off += int64(len(frame))
	}
	if found == 0 {
		return nil
	}
	missing, err := sectorMissing(&w, p.end, found)
	if err == nil && !missing {
		err = damage(fmt.Errorf("%w: the next is at byte %d", errWhole, found))
	}
	return err
}

// candidate returns the valid frame at off if it may be a frame beyond p, or nil.
func (s *segment) candidate(w *window, off int64, p progress, budget *int64) ([]byte, error) {
	head, err := w.bytes(off, frameHeader)
	if err != nil {
		return nil, err
	}
	most := p.seq + uint64(s.size-p.end)/frameHeader // the file has no room for more frames
	if q := frameSeq(head); q < p.seq || q > most {
		return nil, nil // without the sum, which may cover megabytes
	}
	size := frameSize(head)
	frame, bad, err := readFrame(w, off, s.sum)
	if bad == errSum {
		if *budget -= int64(size); *budget < 0 {
			return nil, errMurky
		}
	}
	return frame, err
}

// sameGroup reports whether a later valid frame was written together with the first missing
// frame. Then it does not show whether that frame was acknowledged. Its group must begin with
// the missing frame, or be the group that broke off.
func (p progress) sameGroup(frame []byte) bool {
	first := frameSeq(frame) - frameBack(frame)
	return first == p.seq || first == p.group && p.group < p.seq
}

// sectorMissing reports whether a sector between two offsets is all zeros, as if it was never written. In the first
// sector only the bytes from the offset on count: the frame there would begin with its type, which is not zero.
func sectorMissing(w *window, from, to int64) (bool, error) {
	for at, next := from, from; ; at = next {
		if next = (at/sector + 1) * sector; next > to {
			return false, nil
		}
		b, err := w.bytes(at, int(next-at))
		if err != nil {
			return false, err
		}
		if len(bytes.TrimLeft(b, "\x00")) == 0 {
			return true, nil
		}
	}
}
