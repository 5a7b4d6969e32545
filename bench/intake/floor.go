package intake

import (
	"bytes"
	"context"
	"io"
	"os"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// floor is the least that any reader of lines does.
func floor(ctx context.Context, t Task) (Counts, error) {
	f, err := os.Open(t.File)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	block := make([]byte, 256<<10)
	c := Counts{}
	for {
		n, err := f.Read(block)
		c[countBytes] += int64(n)
		c[countLines] += int64(bytes.Count(block[:n], []byte{'\n'}))
		if err == io.EOF {
			return c, nil
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return nil, err
		}
	}
}

func gunzipAlone(ctx context.Context, t Task) (Counts, error) {
	return unpackAlone(ctx, t.File, func(r io.Reader) (io.Reader, func(), error) {
		z, err := gzip.NewReader(r)
		return z, func() {}, err
	})
}

// unzstdAlone lets the library use as many cores as it likes.
func unzstdAlone(ctx context.Context, t Task) (Counts, error) {
	return unpackAlone(ctx, t.File, func(r io.Reader) (io.Reader, func(), error) {
		z, err := zstd.NewReader(r)
		if err != nil {
			return nil, nil, err
		}
		return z, z.Close, nil
	})
}

// unpackAlone unpacks a file and throws away what comes out.
func unpackAlone(ctx context.Context, path string, unpack func(io.Reader) (io.Reader, func(), error)) (Counts, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	r, end, err := unpack(f)
	if err != nil {
		return nil, err
	}
	defer end()
	n, err := io.Copy(untilDone{ctx, io.Discard}, r)
	return Counts{countBytes: n}, err
}

// untilDone is a writer that fails when a context has ended.
type untilDone struct {
	ctx context.Context
	to  io.Writer
}

func (w untilDone) Write(p []byte) (int, error) {
	if w.ctx.Err() != nil {
		return 0, context.Cause(w.ctx)
	}
	return w.to.Write(p)
}
