package wire

import (
	"bytes"
	"net/http"
	"strconv"
)

// Answer is the answer to a request.
type Answer struct {
	Status int
	Body   []byte
	Broken bool // the body is not whole: it broke off, or it is too long

	fields []field
}

// field is a line of an answer's head.
type field struct{ name, value []byte }

func (f field) is(name string) bool {
	return len(f.name) == len(name) && bytes.EqualFold(f.name, []byte(name))
}

// Values returns all values of a header, as http.Header does.
func (a *Answer) Values(name string) (values []string) {
	for _, f := range a.fields {
		if f.is(name) {
			values = append(values, string(f.value))
		}
	}
	return values
}

// Get returns the first value of a header; empty when there is none.
func (a *Answer) Get(name string) string {
	if values := a.Values(name); len(values) > 0 {
		return values[0]
	}
	return ""
}

// take takes over the headers that the library has read.
func (a *Answer) take(h http.Header) {
	a.fields = a.fields[:0]
	for name, values := range h {
		for _, value := range values {
			a.fields = append(a.fields, field{[]byte(name), []byte(value)})
		}
	}
}

// plain reads the head of an answer in the form that nearly all have: a 201 with one
// Content-Length, nothing that changes how the body is read, and nothing odd. It returns the
// lengths of head and body. ok is false for every other answer, and for a head that is not yet
// there whole: net/http reads those. The headers are parts of b.
func (a *Answer) plain(b []byte) (head, body int, ok bool) {
	if !bytes.HasPrefix(b, []byte("HTTP/1.1 201 ")) {
		return 0, 0, false
	}
	a.fields, body = a.fields[:0], -1
	for {
		n := bytes.IndexByte(b[head:], '\n')
		if n < 1 || b[head+n-1] != '\r' {
			return 0, 0, false
		}
		line, isStatus := b[head:head+n-1], head == 0
		head += n + 1
		if len(line) == 0 {
			return head, body, body >= 0
		}
		if isStatus {
			if !isPrintable(line) {
				return 0, 0, false
			}
			continue
		}
		f, ok := readField(line)
		if !ok {
			return 0, 0, false
		}
		switch {
		case f.is("Content-Length"):
			length, err := strconv.ParseUint(string(f.value), 10, 31)
			if err != nil || body >= 0 {
				return 0, 0, false
			}
			body = int(length)
		case f.is("Connection") && !bytes.EqualFold(f.value, []byte("keep-alive")), f.is("Transfer-Encoding"), f.is("Trailer"):
			return 0, 0, false
		}
		a.fields = append(a.fields, f)
	}
}

// nameBytes are in the names of plain headers.
const nameBytes = "-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// readField reads a line of a head.
func readField(line []byte) (f field, ok bool) {
	n := bytes.IndexByte(line, ':')
	if n < 1 {
		return f, false
	}
	f = field{line[:n], bytes.Trim(line[n+1:], " ")}
	return f, len(bytes.TrimLeft(f.name, nameBytes)) == 0 && isPrintable(f.value)
}

// isPrintable reports whether a text is printable ASCII.
func isPrintable(text []byte) bool {
	for _, c := range text {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return true
}
