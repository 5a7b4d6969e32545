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
	done       bool  // src has ended
	err        error // src has failed, or nothing can be read: it follows buf[end]
}

// bytes returns what is read and not consumed, cut to one byte more than a record
// may have so that the verdict on a record does not depend on how much was read.
// last says that the file ends there.
func (w *window) bytes() (b []byte, last bool) {
	if w.end-w.start > maxRecord {
		return w.buf[w.start : w.start+maxRecord+1], false
	}
	return w.buf[w.start:w.end], w.done
}

// fill reads until the buffer is full or the file has ended. A record in the way
// moves to the front first; when it fills the buffer the buffer doubles. An error of
// the source comes only once what was read before it has been looked at.
func (w *window) fill() error {
	if w.err != nil {
		return w.err
	}
	if w.buf == nil {
		w.buf = make([]byte, firstWindow)
	}
	w.end = copy(w.buf, w.buf[w.start:w.end])
	w.start = 0
	if w.end > len(w.buf)/2 {
		w.buf = slices.Grow(w.buf, len(w.buf))
		w.buf = w.buf[:cap(w.buf)]
	}
	before := w.end
	for idle := 0; w.end < len(w.buf) && !w.done && w.err == nil; {
		n, err := w.src.Read(w.buf[w.end:])
		w.end += n
		if idle++; n > 0 {
			idle = 0
		}
		switch {
		case err == io.EOF:
			w.done = true
		case err != nil:
			w.err = err
		case idle == 100:
			w.err = io.ErrNoProgress
		}
	}
	if w.end == before {
		return w.err
	}
	return nil
}

// Read takes what is not consumed yet, and then from the source itself.
func (w *window) Read(p []byte) (int, error) {
	switch {
	case w.start < w.end:
		n := copy(p, w.buf[w.start:w.end])
		w.start += n
		return n, nil
	case w.err != nil:
		return 0, w.err
	case w.done:
		return 0, io.EOF
	}
	w.buf, w.start, w.end = nil, 0, 0
	return w.src.Read(p)
}
