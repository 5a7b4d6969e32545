package journal

import (
	"crypto/sha256"
	"fmt"
	"io"
	"sync/atomic"

	"cohort/engine/disk"
)

// Tail is the end of a log as a reader found it. An empty log has the zero Tail.
type Tail struct {
	Segment uint64 // the number of the last segment; 0: none
	End     int64  // where its last valid frame ends, in bytes from its start
	Seq     uint64 // the number of the last record; 0: none
	Torn    int64  // bytes beyond End, which are not records
}

// replay reads a whole log and calls fn with every record in order. It returns the tail. With settle it makes the last
// segment durable before it reads it, and also returns the chain value that seals that segment at the tail.
func replay(fsys disk.FS, dir string, run [16]byte, settle bool, fn func(Record) error) (tail Tail, chain [32]byte, err error) {
	last, err := lastSegment(fsys, dir)
	if err != nil || last == 0 {
		return Tail{}, chain, err
	}
	current, err := openSegment(fsys, dir, run, 1, settle && last == 1)
	if err != nil {
		return Tail{}, chain, err
	}
	if current.firstSeq != 1 || current.prevEnd != 0 || current.prevChain != [32]byte{} {
		_ = current.file.Close()
		return Tail{}, chain, &CorruptError{File: current.path, Offset: 40, Err: errSeal}
	}
	return current.readToEnd(fsys, dir, 1, last, settle, fn)
}

// readToEnd reads this segment and those that follow, up to the last one. The first record has
// the number next. It closes the files. Its results are those of replay.
func (s *segment) readToEnd(fsys disk.FS, dir string, next, last uint64, settle bool, fn func(Record) error) (tail Tail, chain [32]byte, err error) {
	current := s
	defer func() { _ = current.file.Close() }() // an error of closing after reading loses nothing
	for number := s.number + 1; number <= last; number++ {
		successor, err := openSegment(fsys, dir, s.run, number, settle && number == last)
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
	read, bad, err := current.readFrames(current.size, next, fn)
	if err == nil && bad != nil {
		err = current.judgeTail(read, bad)
	}
	if err != nil {
		return Tail{}, chain, err
	}
	tail = Tail{Segment: current.number, End: read.end, Seq: read.seq - 1, Torn: current.size - read.end}
	if settle {
		chain, err = current.chain(tail.End)
	}
	return tail, chain, err
}

// readSealed reads a segment up to its sealed end and returns the next sequence number. Every
// byte up to that end must be valid.
func (s *segment) readSealed(next *segment, seq uint64, fn func(Record) error) (uint64, error) {
	if next.prevEnd > uint64(s.size) {
		return 0, &CorruptError{File: s.path, Offset: s.size, Err: fmt.Errorf("%w: its sealed end is %d", errShort, next.prevEnd)}
	}
	if next.prevEnd < headerSize {
		return 0, &CorruptError{File: next.path, Offset: 48, Err: errSeal}
	}
	end := int64(next.prevEnd)
	sum := make(chan error, 1) // hashing and reading take about the same time
	go func() { sum <- s.checkChain(end, next.prevChain) }()
	read, bad, err := s.readFrames(end, seq, fn)
	sumErr := <-sum // also after an error: the file is closed next
	switch {
	case err != nil:
		return 0, err
	case bad != nil:
		return 0, &CorruptError{File: s.path, Offset: read.end, Err: bad}
	case sumErr != nil:
		return 0, sumErr
	case next.firstSeq != read.seq:
		return 0, &CorruptError{File: next.path, Offset: 40, Err: errFirst}
	}
	return read.seq, nil
}

// progress is the state of reading after the last valid frame of a segment.
type progress struct {
	end   int64  // where that frame ends, in bytes from the start of the file
	seq   uint64 // the number of the next frame
	group uint64 // the number of the first frame of that frame's group
}

// stretchBytes limits the frames that are handed over at once, in bytes. The last frame may pass the limit.
const stretchBytes = 256 << 10

type stretch struct {
	frames []byte
	at     int64 // where the first is in the segment
}

// readFrames reads frames from the start of reading up to limit. The first has the number seq.
// bad means that the valid frames end before the limit. A goroutine checks the frames ahead of
// those that fn is called with. It has ended when readFrames returns.
func (s *segment) readFrames(limit int64, seq uint64, fn func(Record) error) (p progress, bad, err error) {
	ahead, free := make(chan stretch), make(chan []byte, 2)
	free <- nil
	free <- nil
	var refused atomic.Bool // fn has returned an error
	go func() {
		defer close(ahead)
		next := stretch{frames: <-free}
		p, bad, err = s.checkFrames(limit, seq, func(frame []byte, at int64) bool {
			if len(next.frames) >= stretchBytes {
				ahead <- next
				next.frames = (<-free)[:0]
			}
			if len(next.frames) == 0 {
				next.at = at
			}
			next.frames = append(next.frames, frame...)
			return !refused.Load()
		})
		ahead <- next
	}()
	var fnErr error
	for now := range ahead {
		at := now.at
		for rest := now.frames; fn != nil && fnErr == nil && len(rest) > 0; {
			n := frameSize(rest)
			fnErr = fn(record(rest[:n], Position{s.number, at}))
			at, rest = at+int64(n), rest[n:]
		}
		refused.Store(fnErr != nil)
		free <- now.frames
	}
	if fnErr != nil {
		return p, nil, fnErr
	}
	return p, bad, err
}

// checkFrames is readFrames without records. It calls each with every valid frame and its place,
// until each returns false. The frame is valid only during the call.
func (s *segment) checkFrames(limit int64, seq uint64, each func([]byte, int64) bool) (p progress, bad, err error) {
	w := window{name: s.path, file: s.file, limit: limit}
	for p = (progress{end: max(headerSize, s.start), seq: seq, group: seq}); p.end < limit; p.seq++ {
		frame, bad, err := readFrame(&w, p.end, s.sum)
		if err == nil && bad == nil {
			if p.end == s.start { // in the middle of the segment, perhaps of a group
				p.group = p.seq - frameBack(frame)
			}
			bad = p.follows(frame)
		}
		if err != nil || bad != nil {
			return p, bad, err
		}
		p.group = p.seq - frameBack(frame)
		if !each(frame, p.end) {
			break
		}
		p.end += int64(len(frame))
	}
	return p, nil, nil
}

// follows checks that a valid frame is the next one: it must have the next number, and begin
// a group or belong to the group of the previous frame.
func (p progress) follows(frame []byte) error {
	if frameSeq(frame) != p.seq {
		return errSeq
	}
	if back := frameBack(frame); back != 0 && back != p.seq-p.group {
		return errGroup
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
