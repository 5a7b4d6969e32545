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
	// lookalike is a name in the brackets that other programs fill in, or in one bracket of ours.
	lookalike = regexp.MustCompile(`\{+([^{}\n]+)\}+|\(([^()\n]+)\)|\[\[([^\[\]\n]+)\]\]|<+([^<>\n]+)>+|«([^«»\n]+)»`)
)

// CheckWords refuses words that a person would get to read and should not: {{name}}, (name)
// and their like, where name is one of the cohort's columns, and characters that no message
// may hold. With content: {literal: true} the first are words. A mistake is a *FileError.
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
				return way.Mistake(t.Key, "holds a control character, or an invisible one that changes how the text is read; take it out")
			}
			if found, column := unfilled(t.Text, columns); found != "" && !c.Literal {
				return way.Mistake(t.Key, fmt.Sprintf("has %q, which would be sent as it stands; "+
					"write ((%s)) to fill in the column, or set content: {literal: true} if these are words", found, column))
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
