package notify

import (
	"bytes"
	"unicode/utf8"

	"cohort/engine"
	"cohort/ingest/person"
)

// member is an optional member of a JSON object or array: a text, or a group of members. A nil one
// is never there.
type member struct {
	head  string // the JSON before the text or the group, such as the name
	text  engine.Template
	code  bool // a postcode: white space in it becomes one space
	group []*member
	end   string // of a group; empty for a text
}

// group makes a group of the members that are not nil; nil when there are none.
func group(head, end string, members ...*member) *member {
	g := &member{head: head, end: end}
	for _, m := range members {
		if m != nil {
			g.group = append(g.group, m)
		}
	}
	if len(g.group) == 0 {
		return nil
	}
	return g
}

// append writes the member of a record; nothing when it is blank.
func (m *member) append(dst []byte, fields []string) []byte {
	if m == nil {
		return dst
	}
	start := len(dst)
	if m.end == "" {
		// The text is rendered, written as JSON behind itself, and moved into its place.
		dst = m.text.AppendText(dst, fields)
		rendered := len(dst)
		text := m.tidied(dst[start:])
		if len(text) == 0 {
			return dst[:start]
		}
		dst = engine.AppendJSONBytes(append(dst, m.head...), text)
		return append(dst[:start], dst[rendered:]...)
	}
	dst = append(dst, m.head...)
	for opened, i := len(dst), 0; i < len(m.group); i++ {
		before := len(dst)
		if before > opened {
			dst = append(dst, ',')
		}
		bare := len(dst)
		if dst = m.group[i].append(dst, fields); len(dst) == bare {
			dst = dst[:before]
		}
	}
	if len(dst) == start+len(m.head) {
		return dst[:start]
	}
	return append(dst, m.end...)
}

// tidied removes invisible characters around a rendered text, in place.
func (m *member) tidied(text []byte) []byte {
	text = bytes.TrimFunc(text, person.Invisible)
	if !m.code {
		return text
	}
	code := text[:0]
	for {
		gap := bytes.IndexFunc(text, person.Invisible)
		if gap < 0 {
			return append(code, text...)
		}
		code = append(append(code, text[:gap]...), ' ')
		text = bytes.TrimLeftFunc(text[gap:], person.Invisible)
	}
}

// rendered is the text of a record, without invisible characters around it. It may use buffer.
func (m *member) rendered(buffer []byte, fields []string) []byte {
	return m.tidied(m.text.AppendText(buffer[:0], fields))
}

// length counts the characters of the text; 0 when it is blank or never there.
func (m *member) length(fields []string) int {
	if m == nil {
		return 0
	}
	var room [128]byte
	return utf8.RuneCount(m.rendered(room[:], fields))
}
