package file

import (
	"context"
	"crypto/sha256"
	"hash"
	"io"
	"os"
	"sync/atomic"

	"github.com/zeebo/xxh3"

	"cohort/ingest/format"
)

// likeness is a hash that says whether a file is still what it was when it was digested:
// XXH3 of 128 bits, as fast as memory, beside which a second SHA-256 would be a fourth of
// the work of reading a cohort. It guards against accidents, such as a file that is still
// being copied, and not against somebody who means harm: what was sent is told by the
// SHA-256 alone.
type likeness struct{ *xxh3.Hasher }

func NewLikeness() hash.Hash { return likeness{xxh3.New()} }

func (l likeness) Size() int { return 16 }

func (l likeness) Sum(b []byte) []byte {
	sum := l.Sum128().Bytes()
	return append(b, sum[:]...)
}

// digest reads a file once and returns its SHA-256 and its size in bytes. It stops soon
// after ctx ends, with the context's cause; other errors are the file system's. It counts the
// bytes while it reads them, and writes them to also, whose errors do not matter.
func Digest(ctx context.Context, path string, read *atomic.Int64, also io.Writer) (sum [32]byte, size int64, err error) {
	if err := RequireRegular(path); err != nil {
		return sum, 0, err
	}
	file, err := os.Open(path)
	if err != nil {
		return sum, 0, err
	}
	defer file.Close()
	hash := sha256.New()
	for buffer := make([]byte, 1<<20); ; {
		if ctx.Err() != nil {
			return [32]byte{}, 0, context.Cause(ctx)
		}
		n, err := file.Read(buffer)
		hash.Write(buffer[:n])
		_, _ = also.Write(buffer[:n])
		size += int64(n)
		read.Add(int64(n))
		if err == io.EOF {
			hash.Sum(sum[:0])
			return sum, size, nil
		}
		if err != nil {
			return sum, 0, err
		}
	}
}

// regular refuses what is no file that can be read to its end: a pipe could be waited for
// without end.
func RequireRegular(path string) error {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		err = &format.FileError{File: path, Problem: "this is no regular file", Fix: "copy what it holds to a file"}
	}
	return err
}
