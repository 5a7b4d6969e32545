package journal

import (
	"errors"
	"fmt"
)

// sector is the unit in which a power cut takes or leaves unsynced bytes. Larger ones,
// such as pages, are made up of it.
const sector = 512

// tailBudget is how many bytes judgeTail is willing to sum. A torn tail costs next to
// nothing, since what a frame would be at each byte of it is mostly not possible.
const tailBudget = 1 << 30

// judgeTail decides whether the bytes beyond the valid frames of the unsealed segment are
// a torn tail: what a power cut left of one group that was never acknowledged. They are
// not if anything among them says that the first frame missing was acknowledged, or if
// nothing says that it was not. See the package's documentation for why.
func (s *segment) judgeTail(p progress, bad error) error {
	damage := func(why error) error {
		return &CorruptError{File: s.path, Offset: p.end, Err: fmt.Errorf("%w, and %w", bad, why)}
	}
	if bad == errSeq || bad == errGroup { // a whole frame in the wrong place was not torn
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

// candidate returns the valid frame at off that may be one of those beyond p, or nil.
func (s *segment) candidate(w *window, off int64, p progress, budget *int64) ([]byte, error) {
	head, err := w.bytes(off, frameHeader)
	if err != nil {
		return nil, err
	}
	most := p.seq + uint64(s.size-p.end)/frameHeader // no more frames than this have room
	if q := frameSeq(head); q < p.seq || q > most {
		return nil, nil // spares the sum, which could be over megabytes at every byte
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

// sameGroup reports whether a valid frame beyond the valid ones was written together
// with the first one missing, and so says nothing about whether that was acknowledged.
// Its group must then begin with the missing frame, or be the one that broke off.
func (p progress) sameGroup(frame []byte) bool {
	first := frameSeq(frame) - frameBack(frame)
	return first == p.seq || first == p.group && p.group < p.seq
}

// sectorMissing reports whether a sector is all zeros, as one is that was never written,
// of the bytes from one offset to another. Of the first sector those from the offset on
// count: the frame there would begin with its type, which is not zero.
func sectorMissing(w *window, from, to int64) (bool, error) {
	for at := from; ; {
		next := (at/sector + 1) * sector
		if next > to {
			return false, nil
		}
		b, err := w.bytes(at, int(next-at))
		if err != nil {
			return false, err
		}
		if allZero(b) {
			return true, nil
		}
		at = next
	}
}

func allZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
