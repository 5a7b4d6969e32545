package ingest

import (
	"context"
	"hash"
	"io"
	"sync/atomic"
)

// tap is where a file's bytes come in: they are counted and hashed as they stand, and
// the context is heard. It remembers the source's own error, which the decoders above
// it hide.
type tap struct {
	ctx  context.Context
	src  io.Reader
	read *atomic.Int64 // may be nil
	hash hash.Hash     // may be nil
	size int64
	err  error
}

func (t *tap) Read(p []byte) (int, error) {
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

// peek reads up to the first n bytes of r and returns them, whether they are all there
// is, and a reader of the whole.
func peek(r io.Reader, n int) (head []byte, whole bool, all io.Reader, err error) {
	head = make([]byte, n)
	got, idle := 0, 0
	for got < n && !whole {
		k, err := r.Read(head[got:])
		got += k
		if idle++; k > 0 {
			idle = 0
		}
		switch {
		case err == io.EOF:
			whole = true
		case err != nil:
			return nil, false, nil, err
		case idle == 100:
			return nil, false, nil, io.ErrNoProgress
		}
	}
	return head[:got], whole, &rejoined{head[:got], r}, nil
}

// rejoined is a reader whose head was taken off and put back.
type rejoined struct {
	head []byte
	rest io.Reader
}

func (r *rejoined) Read(p []byte) (int, error) {
	if len(r.head) > 0 {
		n := copy(p, r.head)
		r.head = r.head[n:]
		return n, nil
	}
	return r.rest.Read(p)
}
