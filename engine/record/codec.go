package record

import (
	"encoding/binary"
	"errors"
	"time"

	"cohort/engine/plan"
)

// encoder appends the fields of a record to a buffer. Integers are varints, texts
// and lists carry their length before them.
type Encoder struct{ B []byte }

func (e *Encoder) uint(v uint64) { e.B = binary.AppendUvarint(e.B, v) }

func (e *Encoder) Text(s string) { e.uint(uint64(len(s))); e.B = append(e.B, s...) }

func (e *Encoder) time(t time.Time) { e.uint(uint64(t.UnixMilli())) }

func (e *Encoder) bytes(b []byte) { e.B = append(e.B, b...) }

func (e *Encoder) form(f plan.FormID) {
	e.uint(uint64(f.Batch))
	e.uint(uint64(f.Revision))
	e.uint(uint64(f.Part))
}

func (e *Encoder) positions(p []uint32) {
	e.uint(uint64(len(p)))
	last := uint32(0)
	for _, v := range p { // ascending, so the steps are small
		e.uint(uint64(v - last))
		last = v
	}
}

var ErrShort = errors.New("the record is shorter or longer than its kind allows")

// decoder reads what encoder wrote. After a failure every read gives zero; end tells.
type Decoder struct {
	B      []byte
	failed bool
}

func (d *Decoder) uint() uint64 {
	v, n := binary.Uvarint(d.B)
	if n <= 0 {
		d.failed, d.B = true, nil
		return 0
	}
	d.B = d.B[n:]
	return v
}

// count reads the length of a list whose elements take at least size bytes each.
func (d *Decoder) Count(size int) int {
	n := d.uint()
	if n > uint64(len(d.B)/size) {
		d.failed, d.B = true, nil
		return 0
	}
	return int(n)
}

func (d *Decoder) Bytes(n int) []byte {
	if n > len(d.B) {
		d.failed, d.B = true, nil
		return make([]byte, n)
	}
	b := d.B[:n]
	d.B = d.B[n:]
	return b
}

func (d *Decoder) text() string { return string(d.Bytes(d.Count(1))) }

func (d *Decoder) time() time.Time { return time.UnixMilli(int64(d.uint())) }

func (d *Decoder) small() uint16 { return uint16(d.uint()) }

func (d *Decoder) form() plan.FormID {
	return plan.FormID{Batch: uint32(d.uint()), Revision: d.small(), Part: d.small()}
}

func (d *Decoder) digest() (s [32]byte) { copy(s[:], d.Bytes(32)); return s }

func (d *Decoder) positions() []uint32 {
	n := d.Count(1)
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

func (d *Decoder) end() error {
	if d.failed || len(d.B) != 0 {
		return ErrShort
	}
	return nil
}
