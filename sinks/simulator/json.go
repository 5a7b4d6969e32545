package simulator

import (
	"bytes"
	"encoding/json"
	"strconv"
)

// raw is one JSON value as it stood in a body that is known to be valid JSON.
// A nil raw is a property that was not there: JavaScript's undefined.
type raw []byte

func (v raw) undefined() bool { return v == nil }
func (v raw) null() bool      { return len(v) > 0 && v[0] == 'n' }
func (v raw) object() bool    { return len(v) > 0 && v[0] == '{' }
func (v raw) array() bool     { return len(v) > 0 && v[0] == '[' }
func (v raw) isString() bool  { return len(v) > 0 && v[0] == '"' }

// text is the decoded string; the bool is false for anything but a string.
func (v raw) text() (string, bool) {
	if !v.isString() {
		return "", false
	}
	if bytes.IndexByte(v, '\\') < 0 {
		return string(v[1 : len(v)-1]), true
	}
	var s string
	if err := json.Unmarshal(v, &s); err != nil {
		return "", false
	}
	return s, true
}

// falsy is JavaScript's idea of it: what an `if` does not enter.
func (v raw) falsy() bool {
	switch {
	case v.undefined(), v.null(), v[0] == 'f':
		return true
	case v.isString():
		return len(v) == 2
	case v[0] == '-' || v[0] >= '0' && v[0] <= '9':
		n, _ := strconv.ParseFloat(string(v), 64)
		return n == 0
	}
	return false
}

// members calls f for each property of an object in document order. Callers
// assign as they go, so that of a repeated name the last wins, as in JSON.parse.
func (v raw) members(f func(name []byte, value raw)) {
	if !v.object() {
		return
	}
	for i := skipSpace(v, 1); v[i] != '}'; {
		end := skipString(v, i)
		name := []byte(v[i+1 : end-1])
		if bytes.IndexByte(name, '\\') >= 0 {
			text, _ := v[i:end].text()
			name = []byte(text)
		}
		start := skipSpace(v, skipSpace(v, end)+1)
		end = skipValue(v, start)
		f(name, v[start:end])
		if i = skipSpace(v, end); v[i] == ',' {
			i = skipSpace(v, i+1)
		}
	}
}

// elements are the values of an array.
func (v raw) elements() []raw {
	if !v.array() {
		return nil
	}
	list := []raw{}
	for i := skipSpace(v, 1); v[i] != ']'; {
		end := skipValue(v, i)
		list = append(list, v[i:end])
		if i = skipSpace(v, end); v[i] == ',' {
			i = skipSpace(v, i+1)
		}
	}
	return list
}

func skipSpace(v raw, i int) int {
	for i < len(v) && (v[i] == ' ' || v[i] == '\n' || v[i] == '\t' || v[i] == '\r') {
		i++
	}
	return i
}

// skipString takes the index of an opening quote and returns that after the
// closing one.
func skipString(v raw, i int) int {
	for i++; v[i] != '"'; i++ {
		if v[i] == '\\' {
			i++
		}
	}
	return i + 1
}

func skipValue(v raw, i int) int {
	switch v[i] {
	case '"':
		return skipString(v, i)
	case '{', '[':
		for depth := 0; ; {
			switch v[i] {
			case '"':
				i = skipString(v, i)
				continue
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
			i++
		}
	}
	for i < len(v) {
		switch v[i] {
		case ',', '}', ']', ' ', '\n', '\t', '\r':
			return i
		}
		i++
	}
	return i
}
