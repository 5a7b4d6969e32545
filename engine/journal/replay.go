package journal

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
)

// Tail is the end of a log as a reader found it. The zero Tail is that of an empty log.
type Tail struct {
	Segment uint64 // the number of the last segment, 0 when there is none
	End     int64  // where its last valid frame ends, in bytes from its start
	Seq     uint64 // of the last record, 0 when there is none
	Torn    int64  // bytes beyond End, which are no records
}

// replay reads a whole log and calls fn with every record in order. It returns the tail
// and the chain value that seals the last segment there. With settle the
// last segment is made durable before it is read; only then is there a chain value.
func replay(fsys FS, dir string, run [16]byte, settle bool, fn func(Record) error) (tail Tail, chain [32]byte, err error) {
	last, err := lastSegment(fsys, dir)
	if err != nil || last == 0 {
		return Tail{}, chain, err
	}
	current, err := openSegment(fsys, dir, run, 1, settle && last == 1)
	if err != nil {
		return Tail{}, chain, err
	}
	// Opened for reading: Close has nothing to report that reading did not.
	defer func() { _ = current.file.Close() }()
	if current.firstSeq != 1 || current.prevEnd != 0 || current.prevChain != [32]byte{} {
		return Tail{}, chain, &CorruptError{File: current.path, Offset: 40, Err: errSeal}
	}
	next := current.firstSeq
	for number := uint64(2); number <= last; number++ {
		successor, err := openSegment(fsys, dir, run, number, settle && number == last)
		if err != nil {
			return Tail{}, chain, err
		}
		next, err = current.readSealed(successor, next, fn)
		_ = current.file.Close()
		current = successor
		if err != nil {
			return Tail{}, chain, err
		}
	}
	if tail, err = current.readLast(next, fn); err == nil && settle {
		chain, err = current.chain(tail.End)
	}
	return tail, chain, err
}

// readSealed reads a segment up to the end that the next one sealed, where every byte
// must be valid, and returns the sequence number that follows.
func (s *segment) readSealed(next *segment, seq uint64, fn func(Record) error) (uint64, error) {
	if next.prevEnd > uint64(s.size) {
		return 0, &CorruptError{File: s.path, Offset: s.size, Err: fmt.Errorf("%w: its sealed end is %d", errShort, next.prevEnd)}
	}
	if next.prevEnd < headerSize {
		return 0, &CorruptError{File: next.path, Offset: 48, Err: errSeal}
	}
	end := int64(next.prevEnd)
	sum := make(chan error, 1) // hashed beside the reading: either takes about as long
	go func() { sum <- s.checkChain(end, next.prevChain) }()
	read, seq, bad, err := s.readFrames(end, seq, fn)
	sumErr := <-sum // also after an error: the file is closed next
	switch {
	case err != nil:
		return 0, err
	case bad != nil:
		return 0, &CorruptError{File: s.path, Offset: read, Err: bad}
	case sumErr != nil:
		return 0, sumErr
	case next.firstSeq != seq:
		return 0, &CorruptError{File: next.path, Offset: 40, Err: errFirst}
	}
	return seq, nil
}

// readLast reads the unsealed segment up to a torn tail.
func (s *segment) readLast(seq uint64, fn func(Record) error) (Tail, error) {
	end, seq, bad, err := s.readFrames(s.size, seq, fn)
	if err != nil {
		return Tail{}, err
	}
	if bad != nil {
		if err := s.judgeTail(end, seq, bad); err != nil {
			return Tail{}, err
		}
	}
	return Tail{Segment: s.number, End: end, Seq: seq - 1, Torn: s.size - end}, nil
}

// readFrames reads frames up to limit and returns where the valid ones end and the
// sequence number that follows them. Where bad is not nil they end before the limit.
func (s *segment) readFrames(limit int64, seq uint64, fn func(Record) error) (end int64, next uint64, bad, err error) {
	w := window{name: s.path, file: s.file, limit: limit}
	for end = headerSize; end < limit; seq++ {
		frame, bad, err := readFrame(&w, end, s.sum)
		if err == nil && bad == nil && frameSeq(frame) != seq {
			bad = errSeq
		}
		if err != nil || bad != nil {
			return end, seq, bad, err
		}
		if fn != nil {
			if err := fn(record(frame, Position{s.number, end})); err != nil {
				return end, seq, nil, err
			}
		}
		end += int64(len(frame))
	}
	return end, seq, nil, nil
}

// tailBudget is how many bytes judgeTail is willing to sum. A torn tail costs next to
// nothing, since what a frame would be at each byte of it is mostly not possible.
const tailBudget = 1 << 30

// judgeTail decides whether the bytes from end on, where a frame numbered seq should
// have been and is not, are a torn tail. They are not if anywhere among them there is a valid frame
// with that number or a higher one: then the damage may sit on acknowledged records.
func (s *segment) judgeTail(end int64, seq uint64, bad error) error {
	if bad == errSeq { // a whole frame in the wrong place was not torn
		return &CorruptError{File: s.path, Offset: end, Err: bad}
	}
	w := window{name: s.path, file: s.file, limit: s.size}
	most := seq + uint64(s.size-end)/frameHeader // no more frames than this have room
	budget := int64(tailBudget)
	for off := end; s.size-off >= frameHeader; off++ {
		head, err := w.bytes(off, frameHeader)
		if err != nil {
			return err
		}
		if q := frameSeq(head); q < seq || q > most {
			continue // spares the sum, which could be over megabytes at every byte
		}
		frame, not, err := readFrame(&w, off, s.sum)
		if err != nil {
			return err
		}
		if not == nil {
			return &CorruptError{File: s.path, Offset: end,
				Err: fmt.Errorf("%w, and %w: number %d at byte %d", bad, errLater, frameSeq(frame), off)}
		}
		if not == errSum {
			head, err := w.bytes(off, frameHeader)
			if err != nil {
				return err
			}
			if budget -= int64(binary.LittleEndian.Uint32(head)); budget < 0 {
				return &CorruptError{File: s.path, Offset: end, Err: fmt.Errorf("%w, and %w", bad, errMurky)}
			}
		}
	}
	return nil
}

// checkChain compares the segment's bytes up to end with the chain value that seals them.
func (s *segment) checkChain(end int64, want [32]byte) error {
	got, err := s.chain(end)
	if err == nil && got != want {
		err = &CorruptError{File: s.path, Offset: end, Err: errChain}
	}
	return err
}

// chain returns the hash of the segment's bytes up to end.
func (s *segment) chain(end int64) (sum [32]byte, err error) {
	hash := sha256.New()
	n, err := io.Copy(hash, io.NewSectionReader(s.file, 0, end))
	if err == nil && n != end {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return sum, fmt.Errorf("journal: read %s at byte %d: %w", s.path, n, err)
	}
	return [32]byte(hash.Sum(nil)), nil
}
