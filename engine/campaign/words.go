package campaign

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"cohort/ingest/person"
)

var (
	placeholder = regexp.MustCompile(`\(\([^()\n]+\)\)`)
	// lookalike is a name in the placeholder brackets of other programs, or in single ones.
	lookalike = regexp.MustCompile(`\{+([^{}\n]+)\}+|\(([^()\n]+)\)|\[\[([^\[\]\n]+)\]\]|<+([^<>\n]+)>+|«([^«»\n]+)»`)
)

// CheckWords refuses texts that a person should not read. These are {{name}}, (name) and similar
// ones if name is a column of the cohort, and forbidden characters. content: {literal: true}
// allows the former. A mistake is a *FileError.
func (c *Campaign) CheckWords(columns []string) error {
	for field := range c.Cohort.Columns {
		columns = append(slices.Clip(columns), field)
	}
	for _, way := range c.ByRoute() {
		texts := way.Texts()
		if way.NHSApp != nil && way.NHSApp.Push != nil {
			texts = append(texts, Text{Key: "sink.nhsapp.push.display", Text: way.NHSApp.Push.Display})
		}
		for _, t := range texts {
			if person.HasControl(t.Text) {
				return way.Mistake(t.Key, "has a control character, or an invisible character that changes the text; take it out")
			}
			if found, column := unfilled(t.Text, columns); found != "" && !c.Literal {
				return way.Mistake(t.Key, fmt.Sprintf("has %q, which would be sent unchanged; "+
					"write ((%s)) to fill in the column, or set content: {literal: true} if this is plain text", found, column))
			}
		}
	}
	return nil
}

// unfilled finds the first lookalike of a placeholder that names a column.
func unfilled(text string, columns []string) (found, column string) {
	text = placeholder.ReplaceAllString(text, "\x00")
	for _, match := range lookalike.FindAllStringSubmatch(text, -1) {
		name := strings.TrimSpace(strings.Join(match[1:], ""))
		i := slices.IndexFunc(columns, func(c string) bool { return strings.EqualFold(c, name) })
		if i >= 0 {
			return match[0], columns[i]
		}
	}
	return "", ""
}
