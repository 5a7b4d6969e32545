package csv

import (
	"bytes"
	"fmt"
	"strings"

	"cohort/ingest/format"
)

// skipPreamble skips first lines that one program writes for another: Excel's sep=; and
// PowerShell's #TYPE, each at most once. It returns the delimiter that Excel's line names. A
// program that saves the file again may have put more delimiters behind the text.
func (t *Sheet) skipPreamble() (delimiter string) {
	typed := false
	for _, which := range []string{"first", "second"} {
		start, _ := t.start()
		line, _, found := bytes.Cut(start, []byte{'\n'})
		text := strings.ReplaceAll(string(bytes.TrimSuffix(line, []byte{'\r'})), `"`, "")
		note := ""
		switch lower := strings.ToLower(text); {
		case !found:
			return delimiter
		case !typed && strings.HasPrefix(lower, "#type "):
			typed = true
			note = "the " + which + " line is PowerShell's #TYPE line, and is left out"
		case delimiter == "" && len(text) > 4 && strings.HasPrefix(lower, "sep=") && strings.Trim(text[5:], text[4:5]) == "":
			if _, err := (format.Format{Delimiter: text[4:5]}).Settled(); err != nil {
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
