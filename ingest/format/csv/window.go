package csv

import (
	"io"
	"slices"

	"cohort/ingest/format"
)

// firstWindow is the size of a window in bytes, and how much of a file is read before its
// dialect is detected.
const firstWindow = 256 << 10

// window is the part of a file that is in memory. It doubles for a record that does not fit,
// and never grows beyond what the longest record needs.
type window struct {
	src        io.Reader
	buf        []byte
	start, end int   // buf[start:end] is read and not yet consumed
	done       bool  // src has ended
	err        error // the error of src behind buf[end]
}

// bytes returns what is read and not consumed, and whether the file ends there. It returns at
// most one byte more than a record may have, so that the judgement of a record does not depend
// on how much was read.
func (w *window) bytes() (b []byte, last bool) {
	if w.end-w.start > format.MaxRecord {
		return w.buf[w.start : w.start+format.MaxRecord+1], false
	}
	return w.buf[w.start:w.end], w.done
}

// fill reads until the buffer is full or the file has ended. The unconsumed bytes move to the
// front first. When they fill more than half of the buffer, it doubles. An error of the source
// is returned only after the bytes before it were returned.
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
	if w.done {
		return nil
	}
	n, err := format.Fill(w.src, w.buf[w.end:])
	w.end += n
	if w.done = err == io.EOF; !w.done {
		w.err = err
	}
	if n == 0 {
		return w.err
	}
	return nil
}

// Read takes the unconsumed bytes, and then reads from the source itself.
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
