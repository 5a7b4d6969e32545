package ingest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"cohort/ingest/person"
)

// numberField is the field under which Options.Columns names the number's column.
const numberField = "nhs_number"

// header is the trimmed column names of a cohort file in order: its first line, or
// what its format has in place of one.
type header struct {
	line  int64  // 0 where a format has no lines
	kind  string // the file's Format.Type, whose habits of naming apply
	named bool   // by the file, not by position
	names []string

	derived string // a field that stands in no column of the file's: see Derived
}

// columns finds, for each field, the one column that carries it.
func (h header) columns(fields []string, aliases map[string][]string) ([]int, *FileError) {
	found := make([]int, len(fields))
	for i, field := range fields {
		wanted, mapped := aliases[field]
		if !mapped {
			wanted = []string{field}
		}
		at := h.find(field, wanted)
		switch {
		case len(at) == 0:
			return nil, h.missing(field, wanted, h.isCertain(fields, aliases))
		case len(at) > 1:
			return nil, &FileError{
				Line:    h.line,
				Problem: fmt.Sprintf("columns %d and %d could both be the field %s", at[0]+1, at[1]+1, field),
				Fix:     "rename one of the two, or name the right one under cohort.columns",
			}
		}
		found[i] = at[0]
	}
	return found, nil
}

// find lists the columns that could carry a field: those under a wanted name, else
// those under the name that the format itself has for the field.
func (h header) find(field string, wanted []string) (at []int) {
	if h.derived != "" && field == h.derived {
		return []int{len(h.names)}
	}
	match := func(same func(name string) bool) bool {
		for k, name := range h.names {
			if same(name) {
				at = append(at, k)
			}
		}
		return len(at) > 0
	}
	if match(func(name string) bool { return slices.Contains(wanted, name) }) {
		return at
	}
	switch h.kind {
	case typeMESH:
		match(func(name string) bool { return name == meshName(field) })
	case typeNBSS:
		if field == numberField {
			wanted = append(slices.Clip(wanted), nbssNumber)
		}
		match(func(name string) bool {
			return slices.ContainsFunc(wanted, func(w string) bool { return nbssHeading(w) == nbssHeading(name) })
		})
	}
	return at
}

// isCertain says whether the first line is a header line beyond doubt: it has one of the
// columns that are needed, or one that speaks of NHS numbers. Without that it may be
// somebody's data, which no error may show.
func (h header) isCertain(fields []string, aliases map[string][]string) bool {
	return !h.named || h.kind != typeCSV || slices.ContainsFunc(h.names, func(name string) bool {
		needed := slices.ContainsFunc(fields, func(field string) bool {
			wanted, mapped := aliases[field]
			return slices.Contains(wanted, name) || !mapped && field == name
		})
		return needed || strings.Contains(strings.ToLower(name), "nhs")
	})
}

// missing explains that no column carries a field. It tells the headers there are only
// when they are certain to be headers.
func (h header) missing(field string, wanted []string, certain bool) *FileError {
	if h.named && slices.ContainsFunc(h.names, looksLikeData) {
		return &FileError{
			Line:    h.line,
			Problem: "the first line looks like data, not like a header line",
			Fix:     "add a header line that names the columns, or set cohort.format.header: false and give their positions under cohort.columns",
		}
	}
	var quoted []string
	for _, name := range wanted {
		quoted = append(quoted, strconv.Quote(name))
	}
	problem := "there is no column " + strings.Join(quoted, " or ")
	if !slices.Contains(wanted, field) || len(wanted) > 1 {
		problem += " for the field " + field
	}
	for _, name := range h.names {
		if slices.ContainsFunc(wanted, func(w string) bool { return strings.EqualFold(w, name) }) {
			return &FileError{
				Line:    h.line,
				Problem: fmt.Sprintf("%s, but there is %q, which differs only in case", problem, name),
				Fix:     fmt.Sprintf("name %q under cohort.columns, or rename the column", name),
			}
		}
	}
	if !certain {
		return &FileError{
			Line:    h.line,
			Problem: problem,
			Fix:     "make sure that the first line names the columns, and name the right one under cohort.columns",
		}
	}
	return &FileError{
		Line:    h.line,
		Problem: problem + "; the columns are " + h.list(),
		Fix:     "name the right one under cohort.columns",
	}
}

// list names the columns, within reason: at most 30 of at most 40 characters.
func (h header) list() string {
	var b strings.Builder
	for i, name := range h.names {
		if i == 30 {
			fmt.Fprintf(&b, " and %d more", len(h.names)-i)
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		if utf8.RuneCountInString(name) > 40 {
			name = string([]rune(name)[:40]) + "…"
		}
		b.WriteString(strconv.Quote(name))
	}
	return b.String()
}

// looksLikeData says whether a header is more likely somebody's data: an NHS number,
// right or wrong, another number or a date of five digits or more, or an address
// with an at sign.
func looksLikeData(name string) bool {
	if _, err := person.ParseNHSNumber(name); err == nil {
		return true
	}
	digits := 0
	letters := false
	for _, r := range name {
		switch {
		case '0' <= r && r <= '9':
			digits++
		case r == '@':
			return true
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', r >= utf8.RuneSelf:
			letters = true
		}
	}
	return digits >= 5 && !letters
}
