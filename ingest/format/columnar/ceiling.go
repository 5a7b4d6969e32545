package columnar

import "github.com/apache/arrow/go/v15/arrow/memory"

// maxColumnar is the most memory in bytes that a file may ask for at once. An Arrow record
// batch is read in one piece, and a damaged file may ask for any amount.
const maxColumnar = 128 << 20

// ceiling is an allocator that panics when more is asked for; an allocator cannot return an
// error.
type ceiling struct {
	memory.GoAllocator
	hit bool
}

// Allocate implements memory.Allocator.
func (c *ceiling) Allocate(size int) []byte {
	c.check(int64(size))
	return c.GoAllocator.Allocate(size)
}

// Reallocate implements memory.Allocator.
func (c *ceiling) Reallocate(size int, old []byte) []byte {
	c.check(int64(size))
	return c.GoAllocator.Reallocate(size, old)
}

func (c *ceiling) check(size int64) {
	if size < 0 || size > maxColumnar {
		c.hit = true
		panic("ingest: too much memory is asked for")
	}
}
