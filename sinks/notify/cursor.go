package notify

import (
	"bytes"
	"encoding/json"
)

// cursor reads JSON (RFC 8259) in place, from beginning to end. Bad JSON, or a value of another type
// than the caller asks for, makes it fail. Then it reads nothing more, and ended reports it.
type cursor struct {
	b      []byte
	at     int
	depth  int
	failed bool
}

// deepest is the most levels of nesting. No answer has as many.
const deepest = 100

// ended reports whether all of the JSON was read without failure.
func (c *cursor) ended() bool {
	return c.next() == 0 && !c.failed && c.at == len(c.b)
}

// next passes white space and returns the next byte, without passing it; 0 at the end.
func (c *cursor) next() byte {
	for ; c.at < len(c.b); c.at++ {
		switch c.b[c.at] {
		case ' ', '\t', '\n', '\r':
		default:
			return c.b[c.at]
		}
	}
	return 0
}

// take passes the next byte, which must be want.
func (c *cursor) take(want byte) bool {
	if c.failed || c.next() != want {
		return c.fail()
	}
	c.at++
	return true
}

func (c *cursor) fail() bool {
	c.failed = true
	return false
}

// object reads an object. member reads the value of each key.
func (c *cursor) object(member func(key []byte)) {
	c.list('{', '}', func() {
		key := c.text()
		if c.take(':') {
			member(key)
		}
	})
}

// array reads an array. element reads each of its values.
func (c *cursor) array(element func()) { c.list('[', ']', element) }

func (c *cursor) list(open, end byte, item func()) {
	if c.depth++; c.depth > deepest {
		c.fail()
	}
	if !c.take(open) {
		return
	}
	for first := true; ; first = false {
		switch at := c.next(); {
		case at == end:
			c.at++
			c.depth--
			return
		case first:
		case !c.take(','):
			return
		case c.next() == end: // a comma before the end
			c.fail()
			return
		}
		if item(); c.failed {
			return
		}
	}
}

// text reads a string. Without escapes, the result is a part of the JSON.
func (c *cursor) text() []byte {
	if !c.take('"') {
		return nil
	}
	start := c.at
	if n := bytes.IndexByte(c.b[c.at:], '"'); n >= 0 && isPlain(c.b[c.at:c.at+n]) {
		c.at += n + 1
		return c.b[start : c.at-1]
	}
	for ; c.at < len(c.b); c.at++ {
		switch c.b[c.at] {
		case '"':
			c.at++
			return c.decoded(c.b[start-1 : c.at])
		case '\\':
			c.at++
		}
	}
	c.fail()
	return nil
}

// isPlain reports whether a text needs no decoding.
func isPlain(text []byte) bool {
	for _, ch := range text {
		if ch < ' ' || ch >= 0x80 || ch == '\\' {
			return false
		}
	}
	return true
}

func (c *cursor) decoded(quoted []byte) []byte {
	var s string
	if json.Unmarshal(quoted, &s) != nil {
		c.fail()
		return nil
	}
	return []byte(s)
}

// skip reads a value of any kind.
func (c *cursor) skip() {
	switch c.next() {
	case '"':
		c.text()
	case '{':
		c.object(func([]byte) { c.skip() })
	case '[':
		c.array(c.skip)
	default: // a number, true, false or null
		n := bytes.IndexAny(c.b[c.at:], " \t\r\n,]}")
		if n < 0 {
			n = len(c.b) - c.at
		}
		if !json.Valid(c.b[c.at : c.at+n]) {
			c.fail()
		}
		c.at += n
	}
}
