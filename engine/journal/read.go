package journal

import (
	"errors"
	"fmt"
	"sync"
)

// Read calls fn, unless it is nil, with every record of the log in order, and returns the end of the log. It never
// writes and may run while a Log appends. It then sees the log as it was at some moment during the call, and the last
// records may not be durable yet. Of the options it uses only FS.
//
// A missing or empty directory is an empty log. An error of fn ends the reading and is
// returned unchanged. Damage is a *CorruptError, a segment of another run ErrOtherRun, and a
// newer format ErrNewer. After an error the caller must not use the records given to fn.
func Read(dir string, run [16]byte, o Options, fn func(Record) error) (Tail, error) {
	o, err := o.complete()
	if err != nil {
		return Tail{}, err
	}
	tail, _, err := replay(o.FS, dir, run, false, fn)
	return tail, err
}

// Reader reads single records of a log, at positions from a replay. It never writes, may be
// used while a Log appends, and is safe for concurrent use. It keeps its segments open.
type Reader struct {
	fsys FS
	dir  string
	run  [16]byte

	mu       sync.Mutex
	segments map[uint64]*segment // nil once closed
}

// OpenReader returns a Reader. It opens no file yet, so a missing log is an error of Cursor.At. Of the options it uses
// only FS.
func OpenReader(dir string, run [16]byte, o Options) (*Reader, error) {
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	return &Reader{fsys: o.FS, dir: dir, run: run, segments: map[uint64]*segment{}}, nil
}

// Cursor reads records at positions that mostly rise. One Cursor is not safe for concurrent
// use; several Cursors of one Reader are.
type Cursor struct {
	r       *Reader
	w       window
	segment uint64 // the segment that the window reads; 0: none yet
}

// aheadBytes is the size of a cursor's reads. The records of neighbouring requests are close together.
const aheadBytes = 16 << 10

// Cursor returns a cursor. It needs no Close. Its buffer grows to the largest record that it has read.
func (r *Reader) Cursor() *Cursor { return &Cursor{r: r} }

// At returns the record at a position. Its payload is valid until the next call. The record must have been in the log
// before the first call of the cursor. An invalid frame or a wrong position is a *CorruptError. After Close of the
// Reader the error is ErrClosed.
func (c *Cursor) At(pos Position) (Record, error) {
	s, err := c.r.segment(pos.Segment)
	if err != nil {
		return Record{}, err
	}
	if pos.Offset < headerSize {
		return Record{}, &CorruptError{File: s.path, Offset: pos.Offset, Err: errLength}
	}
	if c.segment != pos.Segment {
		size, err := s.file.Size() // the last segment grows behind the position
		if err != nil {
			return Record{}, fmt.Errorf("journal: size of %s: %w", s.path, err)
		}
		c.w = window{name: s.path, file: s.file, limit: size, chunk: aheadBytes, buf: c.w.buf[:0]}
		c.segment = pos.Segment
	}
	frame, bad, err := readFrame(&c.w, pos.Offset, s.sum)
	if err == nil && bad == nil && frameSeq(frame) < s.firstSeq {
		bad = errSeq
	}
	if bad != nil {
		err = &CorruptError{File: s.path, Offset: pos.Offset, Err: bad}
	}
	if err != nil {
		return Record{}, err
	}
	return record(frame, pos), nil
}

func (r *Reader) segment(number uint64) (*segment, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.segments == nil {
		return nil, ErrClosed
	}
	if s := r.segments[number]; s != nil {
		return s, nil
	}
	s, err := openSegment(r.fsys, r.dir, r.run, number, false)
	if err == nil {
		r.segments[number] = s
	}
	return s, err
}

// Close closes the files. It must not be called while At runs.
func (r *Reader) Close() (err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.segments {
		err = errors.Join(err, s.file.Close())
	}
	r.segments = nil
	return err
}
