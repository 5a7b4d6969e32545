package file

import (
	"bytes"
	"context"
	"hash"
	"io"
	"sync/atomic"

	"cohort/ingest/format"
)

// hashingReader counts and hashes a file's bytes as they stand, and stops when ctx ends. It
// keeps the source's own error, which the decoders above it hide.
type hashingReader struct {
	ctx  context.Context
	src  io.Reader
	read *atomic.Int64 // may be nil
	hash hash.Hash     // may be nil
	size int64
	err  error
}

func (t *hashingReader) Read(p []byte) (int, error) {
	if t.ctx.Err() != nil {
		t.err = context.Cause(t.ctx)
		return 0, t.err
	}
	n, err := t.src.Read(p)
	t.size += int64(n)
	if t.read != nil {
		t.read.Add(int64(n))
	}
	if t.hash != nil {
		t.hash.Write(p[:n])
	}
	if err != nil && err != io.EOF {
		t.err = err
	}
	return n, err
}

// peek reads up to n bytes of r. It returns them, whether r ends there, and a reader of
// everything.
func peek(r io.Reader, n int) (head []byte, whole bool, all io.Reader, err error) {
	head = make([]byte, n)
	n, err = format.Fill(r, head)
	if whole = err == io.EOF; err != nil && !whole {
		return nil, false, nil, err
	}
	return head[:n], whole, io.MultiReader(bytes.NewReader(head[:n]), r), nil
}
