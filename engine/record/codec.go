package record

import (
	"encoding/binary"
	"errors"
	"time"

	"cohort/engine/plan"
)

// encoder appends the fields of a record to a buffer. Integers are varints. A text or a list has its length before it.
type encoder struct{ b []byte }

func (e *encoder) uint(v uint64) { e.b = binary.AppendUvarint(e.b, v) }

func (e *encoder) text(s string) { e.uint(uint64(len(s))); e.b = append(e.b, s...) }

func (e *encoder) time(t time.Time) { e.uint(uint64(t.UnixMilli())) }

func (e *encoder) bytes(b []byte) { e.b = append(e.b, b...) }

func (e *encoder) form(f plan.FormID) {
	e.uint(uint64(f.Batch))
	e.uint(uint64(f.Revision))
	e.uint(uint64(f.Part))
}

func (e *encoder) texts(all []string) {
	e.uint(uint64(len(all)))
	for _, s := range all {
		e.text(s)
	}
}

func (e *encoder) positions(p []uint32) {
	e.uint(uint64(len(p)))
	last := uint32(0)
	for _, v := range p { // ascending, so the differences are small
		e.uint(uint64(v - last))
		last = v
	}
}

// ErrLength says that a record has more or fewer bytes than its kind allows.
var ErrLength = errors.New("the record is shorter or longer than its kind allows")

// decoder reads the bytes of an encoder. After a failure every read gives zero, and end returns ErrLength.
type decoder struct {
	b      []byte
	failed bool
}

func (d *decoder) uint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.failed, d.b = true, nil
		return 0
	}
	d.b = d.b[n:]
	return v
}

// count reads the length of a list. Each element has at least size bytes.
func (d *decoder) count(size int) int {
	n := d.uint()
	if n > uint64(len(d.b)/size) {
		d.failed, d.b = true, nil
		return 0
	}
	return int(n)
}

func (d *decoder) bytes(n int) []byte {
	if n > len(d.b) {
		d.failed, d.b = true, nil
		return make([]byte, n)
	}
	b := d.b[:n]
	d.b = d.b[n:]
	return b
}

func (d *decoder) text() string { return string(d.bytes(d.count(1))) }

func (d *decoder) time() time.Time { return time.UnixMilli(int64(d.uint())) }

func (d *decoder) milliseconds() time.Duration { return time.Duration(d.uint()) * time.Millisecond }

func (d *decoder) small() uint16 { return uint16(d.uint()) }

func (d *decoder) form() plan.FormID {
	return plan.FormID{Batch: uint32(d.uint()), Revision: d.small(), Part: d.small()}
}

func (d *decoder) digest() (s [32]byte) { copy(s[:], d.bytes(32)); return s }

func (d *decoder) texts() []string {
	all := make([]string, d.count(1))
	for i := range all {
		all[i] = d.text()
	}
	return all
}

func (d *decoder) positions() []uint32 {
	n := d.count(1)
	if n == 0 {
		return nil
	}
	p := make([]uint32, n)
	last := uint32(0)
	for i := range p {
		last += uint32(d.uint())
		p[i] = last
	}
	return p
}

func (d *decoder) end() error {
	if d.failed || len(d.b) != 0 {
		return ErrLength
	}
	return nil
}
