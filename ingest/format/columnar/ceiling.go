package columnar

import "github.com/apache/arrow/go/v15/arrow/memory"

// maxColumnar is the most memory that a Parquet or Arrow file may ask for at once. A
// record batch of an Arrow file is read in one piece, and what a damaged file asks for
// has no bounds.
const maxColumnar = 128 << 20

// ceiling is an allocator that refuses more, by a panic, as an allocator must.
type ceiling struct {
	memory.GoAllocator
	hit bool
}

// Allocate is part of memory.Allocator.
func (c *ceiling) Allocate(size int) []byte {
	c.check(int64(size))
	return c.GoAllocator.Allocate(size)
}

// Reallocate is part of memory.Allocator.
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
