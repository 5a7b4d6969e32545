package apim

// records follows the records of TLS in a stream of bytes (RFC 8446, section 5.1: a type, a
// version, and a length in two bytes). Of plain bytes it makes nothing that means anything.
type records struct {
	head [5]byte
	got  int // bytes of head
	left int // bytes of the record behind it
}

func (r *records) pass(b []byte) {
	for len(b) > 0 {
		if r.left > 0 {
			n := min(r.left, len(b))
			r.left, b = r.left-n, b[n:]
			continue
		}
		n := copy(r.head[r.got:], b)
		r.got, b = r.got+n, b[n:]
		if r.got == len(r.head) {
			r.got, r.left = 0, int(r.head[3])<<8|int(r.head[4])
		}
	}
}

// areWhole reports whether the last byte was the last of a record.
func (r *records) areWhole() bool { return r.got == 0 && r.left == 0 }
