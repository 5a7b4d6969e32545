package exchange

import (
	"bytes"
	"encoding/json"
)

// Cursor reads JSON (RFC 8259) in place, from beginning to end. Bad JSON, or a value of another type
// than the caller asks for, makes it fail. Then it reads nothing more, and Ended reports it.
type Cursor struct {
	b      []byte
	at     int
	depth  int
	failed bool
}

// NewCursor makes a cursor at the beginning of a text.
func NewCursor(text []byte) Cursor { return Cursor{b: text} }

// deepest is the most levels of nesting. No answer has as many.
const deepest = 100

// Ended reports whether all of the JSON was read without failure.
func (c *Cursor) Ended() bool {
	return c.next() == 0 && !c.failed && c.at == len(c.b)
}

// next passes white space and returns the next byte, without passing it; 0 at the end.
func (c *Cursor) next() byte {
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
func (c *Cursor) take(want byte) bool {
	if c.failed || c.next() != want {
		return c.fail()
	}
	c.at++
	return true
}

func (c *Cursor) fail() bool {
	c.failed = true
	return false
}

// null passes a null. It stands for a text, an object or an array that is not there.
func (c *Cursor) null() bool {
	c.next()
	is := bytes.HasPrefix(c.b[c.at:], []byte("null"))
	if is {
		c.at += len("null")
	}
	return is
}

// Object reads an object. member reads the value of each key.
func (c *Cursor) Object(member func(key []byte)) {
	c.list('{', '}', func() {
		key := c.text()
		if c.take(':') {
			member(key)
		}
	})
}

// In reads an object. read reads the value of one member; the others are skipped.
func (c *Cursor) In(name string, read func()) {
	c.Object(func(key []byte) {
		if string(key) == name {
			read()
		} else {
			c.Skip()
		}
	})
}

// Texts reads an object, and returns the texts of two of its members; nil when absent.
func (c *Cursor) Texts(first, second string) (a, b []byte) {
	c.Object(func(key []byte) {
		switch string(key) {
		case first:
			a = c.Text()
		case second:
			b = c.Text()
		default:
			c.Skip()
		}
	})
	return a, b
}

// Array reads an array. element reads each of its values.
func (c *Cursor) Array(element func()) { c.list('[', ']', element) }

func (c *Cursor) list(open, end byte, item func()) {
	if c.null() {
		return
	}
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

// Text reads a string. Without escapes, the result is a part of the JSON.
func (c *Cursor) Text() []byte {
	if c.null() {
		return nil
	}
	return c.text()
}

func (c *Cursor) text() []byte {
	if !c.take('"') {
		return nil
	}
	start := c.at
	for i, ch := range c.b[start:] {
		if ch == '"' {
			c.at += i + 1
			return c.b[start : c.at-1]
		}
		if ch < ' ' || ch >= 0x80 || ch == '\\' {
			break
		}
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

func (c *Cursor) decoded(quoted []byte) []byte {
	var s string
	if json.Unmarshal(quoted, &s) != nil {
		c.fail()
		return nil
	}
	return []byte(s)
}

// Skip reads a value of any kind.
func (c *Cursor) Skip() {
	switch c.next() {
	case '"':
		c.text()
	case '{':
		c.Object(func([]byte) { c.Skip() })
	case '[':
		c.Array(c.Skip)
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
