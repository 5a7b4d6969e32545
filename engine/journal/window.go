package journal

import (
	"errors"
	"fmt"
	"io"
)

// windowBytes is the size of a window's reads. A window of blocks reads a block, and a little of
// the next: a small record at the end of a block seldom needs another read.
const (
	windowBytes = 1 << 20
	blockBytes  = 16 << 10
	spillBytes  = 1 << 10
)

// window reads a file forwards, or around a place, through one buffer. The buffer never grows
// beyond a megabyte or the largest frame. It never reads at or beyond limit, because a writer
// may be changing those bytes.
type window struct {
	name  string
	file  io.ReaderAt
	limit int64
	block int64  // reads begin at a multiple of it; 0: anywhere
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

// load reads the bytes that bytes returns, and more around them.
func (w *window) load(off int64, n int) ([]byte, error) {
	w.at = off
	size := max(n, windowBytes)
	if w.block > 0 {
		w.at -= off % w.block
		size = max(int(off-w.at)+n, int(w.block)+spillBytes)
	}
	size = int(min(int64(size), w.limit-w.at))
	if cap(w.buf) < size {
		w.buf = make([]byte, size)
	}
	w.buf = w.buf[:size]
	if got, err := w.file.ReadAt(w.buf, w.at); got < size {
		w.buf = w.buf[:0]
		if err == nil || errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, fmt.Errorf("journal: read %s at byte %d: %w", w.name, w.at+int64(got), err)
	}
	return w.buf[off-w.at:][:n], nil
}
