package ingest

import (
	"io"
	"slices"
)

// maxRecord is how many bytes a record may take, its line end included.
const maxRecord = 1 << 20

// firstWindow is what is read at a time, and the least that is known of a file
// before it is judged.
const firstWindow = 256 << 10

// window is the stretch of a file under work. It grows, by doubling, only for a
// record that does not fit, and never beyond what the longest record needs.
type window struct {
	src        io.Reader
	buf        []byte
	start, end int   // buf[start:end] is read and not yet consumed
	total      int64 // bytes read so far
	done       bool  // src has ended
}

// bytes returns what is read and not consumed, cut to one byte more than a record
// may have so that the verdict on a record does not depend on how much was read.
// last says that the file ends there.
func (w *window) bytes() (b []byte, last bool) {
	if w.end-w.start > maxRecord+1 {
		return w.buf[w.start : w.start+maxRecord+1], false
	}
	return w.buf[w.start:w.end], w.done
}

// fill reads until the buffer is full or the file has ended. A record in the way
// moves to the front first; when it fills the buffer the buffer doubles.
func (w *window) fill() error {
	if w.buf == nil {
		w.buf = make([]byte, firstWindow)
	}
	w.end = copy(w.buf, w.buf[w.start:w.end])
	w.start = 0
	if w.end > len(w.buf)/2 {
		w.buf = slices.Grow(w.buf, len(w.buf))
		w.buf = w.buf[:cap(w.buf)]
	}
	for idle := 0; w.end < len(w.buf) && !w.done; {
		n, err := w.src.Read(w.buf[w.end:])
		w.end += n
		w.total += int64(n)
		if n == 0 {
			idle++
		} else {
			idle = 0
		}
		switch {
		case err == io.EOF:
			w.done = true
		case err != nil:
			return err
		case idle == 100:
			return io.ErrNoProgress
		}
	}
	return nil
}
