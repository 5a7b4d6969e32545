package nhsapp

import (
	"bytes"
	"html"
	"regexp"
	"slices"
	"strings"
	"sync"

	"cohort/engine"
)

// An in-app message is Markdown, and a value is text. The service promises no way to escape a
// character. So a record is invalid when the service would read one of its values as Markdown: a
// link or an image, bold, or a heading or a list item at the beginning of a line. The beginning
// of a line depends on the message, so the rule checks the rendered message. An entity counts as
// its character. Everything that the service does not promise to render is text: a single * or
// _, a quote, a table, an address without a link.
const markdownWords = "a value would be read as Markdown: " +
	"a link, an image, bold, or a heading or list item at the beginning of a line"

// valuesAreText makes the rule of a message.
func valuesAreText(content engine.Template) func(fields []string) bool {
	var once sync.Once
	var inLink bool // a value is in a link or right after a ], where few characters are safe
	return func(fields []string) bool {
		once.Do(func() {
			for _, probe := range []string{`\`, "(x)"} {
				inLink = inLink || marked(content.AppendTraced(nil, nil, slices.Repeat([]string{probe}, len(fields))))
			}
		})
		return !inLink && !slices.ContainsFunc(fields, mayMark) || !marked(content.AppendTraced(nil, nil, fields))
	}
}

// mayMark reports whether a value could begin Markdown.
func mayMark(value string) bool {
	first := strings.TrimLeft(value, " \t0123456789")
	return strings.ContainsAny(value, "[]*_&<>!\r\n") || first != "" && strings.IndexByte("#-+=*.)", first[0]) >= 0
}

// marked reports whether filled-in bytes make something in a message Markdown.
func marked(text []byte, filled []bool) bool {
	text, filled = decoded(text, filled)
	return marksLine(text, filled) || marksLabel(text, filled) || marksLink(text, filled) || marksBold(text, filled)
}

func decoded(text []byte, filled []bool) (plain []byte, of []bool) {
	last := 0
	for _, at := range entity.FindAllIndex(text, -1) {
		character := html.UnescapeString(string(text[at[0]:at[1]]))
		plain, of = append(plain, text[last:at[0]]...), append(of, filled[last:at[0]]...)
		plain = append(plain, character...)
		of = append(of, slices.Repeat([]bool{slices.Contains(filled[at[0]:at[1]], true)}, len(character))...)
		last = at[1]
	}
	return append(plain, text[last:]...), append(of, filled[last:]...)
}

var (
	entity   = regexp.MustCompile(`&(#[0-9]+|#[xX][0-9a-fA-F]+|[A-Za-z][A-Za-z0-9]*);`)
	autolink = regexp.MustCompile(`<[A-Za-z][^<>\s]*[:@][^<>\s]*>`)

	// The beginnings of lines. item: list items and quotes, which may nest. heading: a heading, a
	// line that makes the line before it a heading, and the address of a named link.
	item    = regexp.MustCompile(`^[ \t]*(?:(?:[-*+]|[0-9]{1,9}[.)])(?:[ \t]|$)|>)`)
	heading = regexp.MustCompile(`^[ \t]*(?:#{1,6}(?:[ \t]|$)|=+[ \t]*$|-+[ \t]*$|\[[^\]]*\]:)`)
)

// marksLine finds lines that begin a heading or a list item because of a value.
func marksLine(text []byte, filled []bool) bool {
	for at := 0; at < len(text); {
		end := at
		for end < len(text) && text[end] != '\n' && text[end] != '\r' {
			end++
		}
		broken := at > 0 && filled[at-1] // by a value
		for nested := true; nested; {
			first := item.FindIndex(text[at:end])
			if nested = first != nil; !nested {
				first = heading.FindIndex(text[at:end])
			}
			if first == nil {
				break
			}
			for i := at; i < at+first[1]; i++ {
				if (filled[i] || broken) && strings.IndexByte("#=-*+.)[:", text[i]) >= 0 {
					return true
				}
				broken = broken || filled[i] && text[i] == '>' // the next character begins the quote's line
			}
			at += first[1]
		}
		at = end + 1
	}
	return false
}

// marksLabel finds a ] that becomes the end of a link's label because of a value. It ignores the
// place of the [.
func marksLabel(text []byte, filled []bool) bool {
	for i, c := range text {
		next := i + 1
		for c == ']' && filled[i] && next < len(text) && filled[next] && isBlank(text[next]) {
			next++
		}
		if c == ']' && next < len(text) && (filled[i] || filled[next]) &&
			(text[next] == ':' || text[next] == '[' || text[next] == '(' && next == i+1) {
			return true
		}
	}
	return false
}

// marksLink finds links that values make, and links of the message that values break.
func marksLink(text []byte, filled []bool) bool {
	holds := func(from, to int, characters string) bool {
		for i := from; i < to; i++ {
			if filled[i] && strings.IndexByte(characters, text[i]) >= 0 {
				return true
			}
		}
		return false
	}
	if autolink.Match(text) && holds(0, len(text), "<>") {
		return true
	}
	for from := 0; ; {
		middle := bytes.Index(text[from:], []byte("](")) + from
		if middle < from {
			return false
		}
		from = middle + 2
		open, end := bytes.LastIndexByte(text[:middle], '['), bytes.IndexByte(text[from:], ')')+from
		if open < 0 || end < from {
			continue
		}
		address := from
		for address < end && (filled[address] || !isBlank(text[address]) || address == from) {
			address++
		}
		if holds(max(0, open-1), open, "!") || holds(open, middle+1, `[]\`) || filled[from-1] ||
			holds(from, address, " \t\r\n()<>\"'\\") || holds(address, end+1, "\"()\\") {
			return true
		}
	}
}

// marksBold pairs the beginnings and the ends of bold.
func marksBold(text []byte, filled []bool) bool {
	type run struct {
		of     byte
		filled bool
	}
	var begun []run
	for i := 0; i < len(text); {
		to := i + 1
		for to < len(text) && text[to] == text[i] {
			to++
		}
		r := run{text[i], slices.Contains(filled[i:to], true)}
		before, behind := byte(' '), byte(' ')
		if i > 0 {
			before = text[i-1]
		}
		if to < len(text) {
			behind = text[to]
		}
		bold := to-i > 1 && (r.of == '*' || r.of == '_')
		i = to
		if !bold {
			continue
		}
		begins := !isBlank(behind) && (!isMark(behind) || isBlank(before) || isMark(before))
		ends := !isBlank(before) && (!isMark(before) || isBlank(behind) || isMark(behind))
		if r.of == '_' {
			begins, ends = begins && (!ends || isMark(before)), ends && (!begins || isMark(behind))
		}
		last := len(begun) - 1
		for ends && last >= 0 && begun[last].of != r.of {
			last--
		}
		switch {
		case ends && last >= 0 && (r.filled || begun[last].filled):
			return true
		case ends && last >= 0:
			begun = begun[:last]
		case begins:
			begun = append(begun, r)
		}
	}
	return false
}

func isBlank(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' }

// isMark reports whether a character is ASCII, and neither blank nor a letter or a digit.
func isMark(c byte) bool {
	return '!' <= c && c <= '/' || ':' <= c && c <= '@' || '[' <= c && c <= '`' || '{' <= c && c <= '~'
}
