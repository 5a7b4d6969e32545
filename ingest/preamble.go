package ingest

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// skipPreamble goes past first lines that one program writes for another, one of a kind, and
// returns the delimiter that they name, if any: Excel's sep=; and PowerShell's #TYPE. A program
// that writes the file again may have put more delimiters behind them.
func (t *sheet) skipPreamble() (delimiter string) {
	typed := false
	for _, which := range []string{"first", "second"} {
		line, _, found := bytes.Cut(t.start(), []byte{'\n'})
		text := strings.ReplaceAll(string(bytes.TrimSuffix(line, []byte{'\r'})), `"`, "")
		note := ""
		switch lower := strings.ToLower(text); {
		case !found:
			return delimiter
		case !typed && strings.HasPrefix(lower, "#type "):
			typed = true
			note = "the " + which + " line is PowerShell's #TYPE line, and is left out"
		case delimiter == "" && len(text) > 4 && strings.HasPrefix(lower, "sep=") && strings.Trim(text[5:], text[4:5]) == "":
			if _, err := (Format{Delimiter: text[4:5]}).settled(); err != nil {
				return ""
			}
			delimiter = text[4:5]
			note = fmt.Sprintf("the %s line is Excel's %q, which names the delimiter, and is left out", which, text[:5])
		default:
			return delimiter
		}
		if t.note != "" {
			t.note += "; "
		}
		t.note += note
		t.window.start += len(line) + 1
		t.line++
	}
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
