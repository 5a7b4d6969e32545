package ingest

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// skipPreamble goes past a first line that one program writes for another, and returns the
// delimiter that it names, if any: Excel's sep=; and PowerShell's #TYPE.
func (t *sheet) skipPreamble() (delimiter string) {
	first, _, found := bytes.Cut(t.start(), []byte{'\n'})
	text := strings.Trim(string(bytes.TrimSuffix(first, []byte{'\r'})), `"`)
	switch lower := strings.ToLower(text); {
	case !found:
		return ""
	case strings.HasPrefix(lower, "#type "):
		t.note = "the first line is PowerShell's #TYPE line, and is left out"
	case len(text) == 5 && strings.HasPrefix(lower, "sep="):
		delimiter = text[4:]
		if _, err := (Format{Delimiter: delimiter}).settled(); err != nil {
			return ""
		}
		t.note = fmt.Sprintf("the first line is Excel's %q, which names the delimiter, and is left out", text)
	default:
		return ""
	}
	t.window.start += len(first) + 1
	t.line++
	return delimiter
}

// titled says of a header line without the column of the NHS number that it is a title, when
// one of the first lines behind it has that column.
func (t *sheet) titled(refused *FileError, names []string) *FileError {
	line := t.line
	for text := range bytes.Lines(t.start()) {
		for name := range strings.FieldsFuncSeq(string(text), func(r rune) bool { return strings.ContainsRune("\",;|\t\r\n", r) }) {
			if slices.Contains(names, strings.TrimSpace(name)) {
				return &FileError{
					Line:    t.head.line,
					Problem: fmt.Sprintf("the names of the columns are not here but on line %d, behind a title", line),
					Fix:     "take the lines above them out of the file",
				}
			}
		}
		line++
	}
	return refused
}
