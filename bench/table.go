package bench

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// WriteTable writes rows of cells below headings as a table that is aligned for eyes and
// is Markdown at once. Columns whose heading begins with a space are aligned to the right.
func WriteTable(w io.Writer, headings []string, rows [][]string) error {
	widths := make([]int, len(headings))
	rule := make([]string, len(headings))
	for i, h := range headings {
		widths[i] = utf8.RuneCountInString(strings.TrimSpace(h))
		for _, row := range rows {
			widths[i] = max(widths[i], utf8.RuneCountInString(row[i]))
		}
		rule[i] = strings.Repeat("-", widths[i])
		if strings.HasPrefix(h, " ") {
			rule[i] = rule[i][1:] + ":"
		}
	}
	for _, row := range append([][]string{headings, rule}, rows...) {
		var line strings.Builder
		for i, cell := range row {
			cell = strings.TrimSpace(cell)
			room := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if strings.HasPrefix(headings[i], " ") {
				line.WriteString("| " + room + cell + " ")
			} else {
				line.WriteString("| " + cell + room + " ")
			}
		}
		if _, err := fmt.Fprintln(w, line.String()+"|"); err != nil {
			return err
		}
	}
	return nil
}
