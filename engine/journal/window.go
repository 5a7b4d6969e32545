package journal

import (
	"cmp"
	"errors"
	"fmt"
	"io"
)

const windowBytes = 1 << 20

// window reads a file forwards, or around a place, through one buffer. The buffer never grows beyond a megabyte or the
// largest frame. It never reads at or beyond limit, because a writer may be changing those bytes.
type window struct {
	name  string
	file  io.ReaderAt
	limit int64
	chunk int64  // the size of a read in bytes; 0: a megabyte
	at    int64  // the offset of buf[0]
	buf   []byte // the bytes that were read
}

// bytes returns n bytes from off on, valid until the next call. They must lie below the limit.
func (w *window) bytes(off int64, n int) ([]byte, error) {
	if i := off - w.at; i >= 0 && i+int64(n) <= int64(len(w.buf)) {
		return w.buf[i : i+int64(n)], nil
	}
	return w.load(off, n)
}

// load reads the bytes that bytes returns, and more behind them.
func (w *window) load(off int64, n int) ([]byte, error) {
	size := int(min(max(int64(n), cmp.Or(w.chunk, windowBytes)), w.limit-off))
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
