package journal

import (
	"errors"
	"fmt"
	"io"
)

// windowBytes is how much a window reads at a time unless told otherwise.
const windowBytes = 1 << 20

// window reads a file from its start towards its end, or about a place in it, through
// one buffer that never grows beyond a megabyte or the largest frame. It reads nothing
// at or beyond limit: while a writer writes, bytes beyond the size seen at the start may
// still be changing.
type window struct {
	name  string
	file  io.ReaderAt
	limit int64
	chunk int64  // bytes to read at a time, a megabyte when zero
	at    int64  // the offset of buf[0]
	buf   []byte // what has been read
}

// bytes returns n bytes from off on, valid until the next call. They must lie below the limit.
func (w *window) bytes(off int64, n int) ([]byte, error) {
	if i := off - w.at; i >= 0 && i+int64(n) <= int64(len(w.buf)) {
		return w.buf[i : i+int64(n)], nil
	}
	chunk := w.chunk
	if chunk == 0 {
		chunk = windowBytes
	}
	size := int(min(max(int64(n), chunk), w.limit-off))
	if cap(w.buf) < size {
		w.buf = make([]byte, size)
	}
	w.at, w.buf = off, w.buf[:size]
	if got, err := w.file.ReadAt(w.buf, off); got < size {
		w.buf = w.buf[:0]
		if err == nil || errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, fmt.Errorf("journal: read %s at byte %d: %w", w.name, off+int64(got), err)
	}
	return w.buf[:n], nil
}
