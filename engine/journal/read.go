package journal

import (
	"errors"
	"io/fs"

	"cohort/engine/disk"
)

// Read calls fn, unless it is nil, with every record of the log in order, and returns the
// end of the log. It never writes and may run while a Log appends. It then sees the log as it
// was at some moment during the call, and the last records may not be durable yet. Of the
// options it uses only FS.
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

// Reader reads single records of a log, at positions from a replay. It never writes, and may be
// used while a Log appends. It keeps its segments open, and the blocks that it has read last. It
// is not safe for concurrent use.
type Reader struct {
	fsys     disk.FS
	dir      string
	run      [16]byte
	segments map[uint64]*segment // nil once closed
	blocks   [keptBlocks]window  // by their places in a segment
}

// keptBlocks is the number of blocks that a Reader keeps, some 8 MB. The positions of many lanes
// rise side by side, so each block is read about once.
const keptBlocks = 512

// OpenReader returns a Reader. It opens no file yet, so a missing log is an error of At. Of
// the options it uses only FS.
func OpenReader(dir string, run [16]byte, o Options) (*Reader, error) {
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	return &Reader{fsys: o.FS, dir: dir, run: run, segments: map[uint64]*segment{}}, nil
}

// At returns the record at a position. It must have been in the log before the first call. The
// payload is valid until the next call. An invalid frame or a wrong position is a *CorruptError.
// After Close the error is ErrClosed.
func (r *Reader) At(pos Position) (Record, error) {
	s, err := r.segment(pos.Segment)
	if err != nil {
		return Record{}, err
	}
	if pos.Offset < headerSize {
		return Record{}, &CorruptError{File: s.path, Offset: pos.Offset, Err: errLength}
	}
	w := &r.blocks[pos.Offset/blockBytes%keptBlocks]
	if w.file != s.file {
		*w = window{name: s.path, file: s.file, limit: s.size, block: blockBytes, buf: w.buf[:0]}
	}
	frame, bad, err := readFrame(w, pos.Offset, s.sum)
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

// segment returns an open segment.
func (r *Reader) segment(number uint64) (*segment, error) {
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

// Close closes the files.
func (r *Reader) Close() error {
	var errs []error
	for _, s := range r.segments {
		if err := s.file.Close(); err != nil && !errors.Is(err, fs.ErrClosed) {
			errs = append(errs, err)
		}
	}
	r.segments = nil
	return errors.Join(errs...)
}
