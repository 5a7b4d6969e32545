package engine

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Template is a text with ((column)) placeholders, compiled once. It is read-only and safe for concurrent use.
type Template struct {
	segments []segment
}

// segment is literal text, plain and escaped for JSON, and a field behind it; -1: none.
type segment struct {
	plain, literal string
	field          int
}

// Placeholders lists the columns that a text names, in order, each once.
func Placeholders(text string) ([]string, error) {
	var names []string
	for rest := text; ; {
		_, name, after, err := nextPlaceholder(rest)
		if err != nil {
			return nil, err
		}
		if name == "" {
			return names, nil
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
		rest = after
	}
}

// CompileTemplate prepares a text for rendering. The records have their fields in the order of fields. A placeholder
// that names none of them is an error.
func CompileTemplate(text string, fields []string) (Template, error) {
	var t Template
	for rest := text; ; {
		literal, name, after, err := nextPlaceholder(rest)
		if err != nil {
			return Template{}, err
		}
		s := segment{plain: literal, literal: string(appendJSONText(nil, literal)), field: -1}
		if name != "" {
			if s.field = slices.Index(fields, name); s.field < 0 {
				return Template{}, fmt.Errorf("((%s)) names no column of the cohort", name)
			}
		}
		t.segments = append(t.segments, s)
		if name == "" {
			return t, nil
		}
		rest = after
	}
}

// columnStart matches the part of a name that is certainly a column's.
var columnStart = regexp.MustCompile(`^[\pL\pN_-]{0,40}`)

// nextPlaceholder cuts text at its first placeholder. Without one, name is empty.
func nextPlaceholder(text string) (literal, name, after string, err error) {
	open := strings.Index(text, "((")
	if open < 0 {
		return text, "", "", nil
	}
	name, after, closed := strings.Cut(text[open+2:], "))")
	name = strings.TrimSpace(name)
	switch {
	case !closed || strings.Contains(name, ")"):
		start := columnStart.FindString(name)
		return "", "", "", fmt.Errorf("%q is not closed: write ((%s))", "(("+start, cmp.Or(start, "column"))
	case name == "" || strings.ContainsAny(name, "()\n"):
		return "", "", "", errors.New("write the name of one column between (( and ))")
	}
	return text[:open], name, after, nil
}

// AppendJSON appends the rendered text to dst as a JSON string with its quotes. The
// fields must be valid UTF-8, as ingest has made sure.
func (t Template) AppendJSON(dst []byte, fields []string) []byte {
	dst = append(dst, '"')
	for _, s := range t.segments {
		dst = append(dst, s.literal...)
		if s.field >= 0 {
			dst = appendJSONText(dst, fields[s.field])
		}
	}
	return append(dst, '"')
}

// AppendText appends the rendered text to dst as it is.
func (t Template) AppendText(dst []byte, fields []string) []byte {
	for _, s := range t.segments {
		dst = append(dst, s.plain...)
		if s.field >= 0 {
			dst = append(dst, fields[s.field]...)
		}
	}
	return dst
}

// AppendTraced is AppendText. For each byte it also reports whether it comes from a field.
func (t Template) AppendTraced(dst []byte, filled []bool, fields []string) ([]byte, []bool) {
	for _, s := range t.segments {
		dst = append(dst, s.plain...)
		filled = append(filled, make([]bool, len(s.plain))...)
		if s.field >= 0 {
			dst = append(dst, fields[s.field]...)
			filled = append(filled, slices.Repeat([]bool{true}, len(fields[s.field]))...)
		}
	}
	return dst, filled
}

// AppendJSONString appends text, which must be valid UTF-8, as a JSON string.
func AppendJSONString(dst []byte, text string) []byte {
	return append(appendJSONText(append(dst, '"'), text), '"')
}

// AppendJSONBytes is AppendJSONString for a short text in a buffer. That buffer may contain dst.
func AppendJSONBytes(dst, text []byte) []byte {
	dst = append(dst, '"')
	for _, c := range text {
		if c < ' ' || c == '"' || c == '\\' {
			dst = appendEscaped(dst, c)
		} else {
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}

const hexDigits = "0123456789abcdef"

// appendJSONText escapes what RFC 8259 section 7 says must be escaped, and nothing
// else: the quotation mark, the reverse solidus, and U+0000 to U+001F.
func appendJSONText(dst []byte, text string) []byte {
	for {
		i := clean(text)
		dst = append(dst, text[:i]...)
		if i == len(text) {
			return dst
		}
		dst = appendEscaped(dst, text[i])
		text = text[i+1:]
	}
}

func appendEscaped(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}
	return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&0xF])
}

// clean returns the number of bytes at the start of text that need no escape. It looks at eight bytes at once. In
// x-ones&^x&tops, the top bit of a byte is set if the byte of x is 0; without such a byte, the result is 0.
func clean(text string) int {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	i := 0
	for ; i+8 <= len(text); i += 8 {
		t := text[i : i+8]
		w := uint64(t[0]) | uint64(t[1])<<8 | uint64(t[2])<<16 | uint64(t[3])<<24 |
			uint64(t[4])<<32 | uint64(t[5])<<40 | uint64(t[6])<<48 | uint64(t[7])<<56
		quote, solidus := w^ones*'"', w^ones*'\\'
		if ((w-ones*' ')&^w|(quote-ones)&^quote|(solidus-ones)&^solidus)&tops != 0 {
			break
		}
	}
	for ; i < len(text); i++ {
		if c := text[i]; c < ' ' || c == '"' || c == '\\' {
			break
		}
	}
	return i
}
