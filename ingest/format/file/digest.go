package file

import (
	"context"
	"crypto/sha256"
	"hash"
	"io"
	"os"
	"sync/atomic"

	"github.com/klauspost/readahead"
	"github.com/zeebo/xxh3"

	"cohort/ingest/format"
)

// NewLikeness makes a fast hash (XXH3) that shows whether a file has changed since its
// SHA-256 was computed. A second SHA-256 would be a quarter of the work of reading a cohort.
// It guards against accidents, such as a file that is still being copied, but not against
// an attacker. Only the SHA-256 is evidence of what was sent.
func NewLikeness() hash.Hash { return xxh3.New() }

// Digest reads a file once and returns its SHA-256 and its size in bytes. It adds the bytes to
// read as it goes. Another goroutine reads ahead, and hashes with also, which may be nil. It stops soon
// after ctx ends, with the context's cause. Other errors are those of the file system, or a
// *format.FileError.
func Digest(ctx context.Context, path string, read *atomic.Int64, also hash.Hash) (sum [32]byte, size int64, err error) {
	if err := RequireRegular(path); err != nil {
		return sum, 0, err
	}
	file, err := os.Open(path)
	if err != nil {
		return sum, 0, err
	}
	defer file.Close()
	ahead, err := readahead.NewReaderSize(&hashingReader{ctx: ctx, src: file, read: read, hash: also}, aheadBuffers, aheadSize)
	if err != nil {
		return sum, 0, err
	}
	defer func() { _ = ahead.Close() }()
	digest := sha256.New()
	if size, err = io.Copy(digest, ahead); err != nil {
		return sum, 0, err
	}
	return [32]byte(digest.Sum(nil)), size, nil
}

// RequireRegular refuses a path that is not a regular file: a pipe may never end.
func RequireRegular(path string) error {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		err = &format.FileError{File: path, Problem: "this is no regular file", Fix: "copy what it holds to a file"}
	}
	return err
}
