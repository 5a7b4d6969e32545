package csv

import (
	"bytes"
	"regexp"

	"cohort/ingest/format"
)

// StartSize is the number of bytes at a file's start that decide its type and dialect.
const StartSize = 64 << 10

// magics are the first bytes of files that are often sent in place of a cohort.
var magics = []struct{ start, problem, fix string }{
	{"\xfd7zXZ\x00", "this is an xz file", "decompress it first (unxz)"},
	{"BZh", "this is a bzip2 file", "decompress it first (bunzip2)"},
	{"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "this is an Excel workbook (xls)", "save the sheet as CSV UTF-8"},
	{"%PDF-", "this is a PDF file", "ask the sender for the cohort as CSV"},
}

// markups are the starts of text files that are no CSV.
var markups = []struct {
	start        *regexp.Regexp
	problem, fix string
}{
	{regexp.MustCompile(`^\s*[\[{]\s*["\[\]{}]`), "this is a JSON file", "export the cohort as CSV"},
	{regexp.MustCompile(`(?i)^\s*<(!doctype html|html)\b`), "this is an HTML page, not a cohort", "download the file again; the page may be a log-in page"},
	{regexp.MustCompile(`^\s*<\?xml\b`), "this is an XML file", "export the cohort as CSV"},
}

// sniff refuses the start of a file that is not CSV text in UTF-8. A nil error promises
// nothing about what follows. whole says that start is all of the file.
func sniff(start []byte, whole bool) error {
	if len(start) > StartSize {
		start, whole = start[:StartSize], false
	}
	for _, m := range magics {
		// A header line may begin with BZh too: only a byte that no text has settles it.
		if bytes.HasPrefix(start, []byte(m.start)) && (m.start != "BZh" || !IsPlain(start[:min(len(start), 16)])) {
			return &format.FileError{Problem: m.problem, Fix: m.fix}
		}
	}
	text := bytes.TrimPrefix(start, []byte(format.BOM))
	if len(text) == 0 {
		return &format.FileError{Problem: "the file is empty", Fix: "ask the sender for the file again"}
	}
	for _, m := range markups {
		if m.start.Match(text[:min(len(text), 1<<10)]) {
			return &format.FileError{Problem: m.problem, Fix: m.fix}
		}
	}
	head, _, found := bytes.Cut(text, []byte{'\n'})
	if bytes.IndexByte(head, 0) >= 0 {
		if len(text) > 3 && (text[0] == 0) != (text[1] == 0) && (text[2] == 0) == (text[0] == 0) && (text[3] == 0) == (text[1] == 0) {
			return &format.FileError{Problem: "this looks like a UTF-16 text file", Fix: "set cohort.format.encoding: utf-16le (or utf-16be), or save it as UTF-8"}
		}
		return &format.FileError{Problem: "this is a binary file, not text", Fix: "export the cohort as CSV"}
	}
	if cr := bytes.IndexByte(head, '\r'); !found && cr >= 0 && (cr < len(head)-1 || !whole) {
		return &format.FileError{Line: 1, Problem: "the lines end in a carriage return alone", Fix: "save the file with LF or CRLF line ends"}
	}
	return nil
}

// IsPlain reports whether b holds only printable ASCII, tabs and line ends.
func IsPlain(b []byte) bool {
	return !bytes.ContainsFunc(b, func(c rune) bool { return (c < ' ' || c > '~') && c != '\n' && c != '\r' && c != '\t' })
}
