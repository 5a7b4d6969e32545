package record

import (
	"encoding/binary"
	"errors"
	"time"

	"cohort/engine/plan"
)

// coder writes the fields of a record to b, or reads them from b. Integers are varints. A text or a list has its
// length before it. After a failure every read gives zero, and end returns ErrLength.
type coder struct {
	b       []byte
	reading bool
	failed  bool
}

// ErrLength says that a record has more or fewer bytes than its kind allows.
var ErrLength = errors.New("the record is shorter or longer than its kind allows")

func (c *coder) end() error {
	if c.failed || len(c.b) != 0 {
		return ErrLength
	}
	return nil
}

func (c *coder) fail() { c.failed, c.b = true, nil }

// number writes v, or reads a number. It returns the number.
func (c *coder) number(v uint64) uint64 {
	if !c.reading {
		c.b = binary.AppendUvarint(c.b, v)
		return v
	}
	return c.uvarint()
}

// uvarint reads a number. Most numbers are a single byte.
func (c *coder) uvarint() uint64 {
	if len(c.b) > 0 && c.b[0] < 0x80 {
		v := c.b[0]
		c.b = c.b[1:]
		return uint64(v)
	}
	return c.longer()
}

func (c *coder) longer() uint64 {
	v, n := binary.Uvarint(c.b)
	if n <= 0 {
		c.fail()
		return 0
	}
	c.b = c.b[n:]
	return v
}

// length writes or reads the length of a list. Each element has at least size bytes.
func (c *coder) length(n, size int) int {
	v := c.number(uint64(n))
	if c.reading && v > uint64(len(c.b)/size) {
		c.fail()
		return 0
	}
	return int(v)
}

func integer[T ~int | ~uint8 | ~uint16 | ~uint32 | ~uint64](c *coder, v *T) {
	if c.reading { // writing must not touch what another goroutine may read
		*v = T(c.uvarint())
		return
	}
	c.number(uint64(*v))
}

// list writes or reads a list. Each element has at least size bytes. A list without elements is read as nil.
func list[T any](c *coder, v *[]T, size int, element func(*T)) {
	n := c.length(len(*v), size)
	if c.reading {
		*v = nil
		if n > 0 {
			*v = make([]T, n)
		}
	}
	for i := range *v {
		element(&(*v)[i])
	}
}

// bytes writes p, or fills it.
func (c *coder) bytes(p []byte) {
	switch {
	case !c.reading:
		c.b = append(c.b, p...)
	case len(p) > len(c.b):
		c.fail()
	default:
		c.b = c.b[copy(p, c.b):]
	}
}

// raw reads a text as bytes of b.
func (c *coder) raw() []byte {
	n := c.length(0, 1)
	p := c.b[:n]
	c.b = c.b[n:]
	return p
}

func (c *coder) text(v *string) {
	if c.reading {
		*v = string(c.raw())
		return
	}
	c.number(uint64(len(*v)))
	c.b = append(c.b, *v...)
}

func (c *coder) time(v *time.Time) {
	if c.reading {
		*v = time.UnixMilli(int64(c.uvarint()))
		return
	}
	c.number(uint64(v.UnixMilli()))
}

func (c *coder) milliseconds(v *time.Duration) {
	if c.reading {
		*v = time.Duration(c.uvarint()) * time.Millisecond
		return
	}
	c.number(uint64(v.Milliseconds()))
}

func (c *coder) form(v *plan.FormID) {
	integer(c, &v.Batch)
	integer(c, &v.Revision)
	integer(c, &v.Part)
}

// positions writes or reads the differences between ascending positions, which are small.
func (c *coder) positions(v *[]uint32) {
	last := uint32(0)
	list(c, v, 1, func(p *uint32) {
		step := uint32(c.number(uint64(*p - last)))
		if last += step; c.reading {
			*p = last
		}
	})
}
