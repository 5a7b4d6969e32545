package format

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"cohort/ingest/person"
)

// NumberField is the field of the NHS number.
const NumberField = "nhs_number"

// Header describes the columns of a file: its first line, or what its format has instead.
type Header struct {
	Line  int64    // where the header is; 0 where a format has no lines
	Type  string   // the file's Format.Type
	Named bool     // the file names the columns; otherwise they go by position
	Names []string // trimmed

	Note     string // which first lines of the file are left out, and why
	Sequence int64  // the extract's number in an NBSS file, else 0

	Below     []byte // the first text below the header line; valid until the first record is read
	BelowLine int64  // where that text starts
}

// Columns finds, for each field, the one column that carries it. aliases holds the names
// that a field may have; a field without an entry goes by its own name.
func (h Header) Columns(fields []string, aliases map[string][]string) ([]int, *FileError) {
	found := make([]int, len(fields))
	for i, field := range fields {
		wanted, mapped := aliases[field]
		if !mapped {
			wanted = []string{field}
		}
		at := h.find(field, wanted)
		switch {
		case len(at) == 0:
			if refused := h.title(append(slices.Clip(aliases[NumberField]), NumberField)); refused != nil {
				return nil, refused
			}
			return nil, h.missing(field, wanted, h.isCertain(fields, aliases))
		case len(at) > 1:
			return nil, &FileError{
				Line:    h.Line,
				Problem: fmt.Sprintf("columns %d and %d could both be the field %s", at[0]+1, at[1]+1, field),
				Fix:     "rename one of the two, or name only one of them under cohort.columns",
			}
		}
		found[i] = at[0]
	}
	return found, nil
}

// inCampaign says which line of a campaign file maps a field to a column.
func inCampaign(field, column string) string {
	return fmt.Sprintf("add to the campaign, under cohort: columns: {%s: %q}", field, column)
}

// find lists the columns that could carry a field: those under a wanted name, else
// those under the format's own name for the field.
func (h Header) find(field string, wanted []string) []int {
	at := h.where(func(name string) bool { return slices.Contains(wanted, name) })
	switch {
	case len(at) > 0:
	case h.Type == TypeMESH:
		at = h.where(func(name string) bool { return name == meshName(field) })
	case h.Type == TypeNBSS:
		if field == NumberField {
			wanted = append(slices.Clip(wanted), nbssNumber)
		}
		at = h.where(func(name string) bool {
			return slices.ContainsFunc(wanted, func(w string) bool { return CanonicalName(w) == CanonicalName(name) })
		})
	}
	return at
}

// where lists the columns with a fitting name.
func (h Header) where(fits func(name string) bool) (at []int) {
	for k, name := range h.Names {
		if fits(name) {
			at = append(at, k)
		}
	}
	return at
}

// isCertain reports whether the first line is certainly a header line: it names a column
// that is needed, or it speaks of NHS numbers. Without that it may be somebody's data,
// which no error may show.
func (h Header) isCertain(fields []string, aliases map[string][]string) bool {
	return !h.Named || h.Type != TypeCSV || slices.ContainsFunc(h.Names, func(name string) bool {
		needed := slices.ContainsFunc(fields, func(field string) bool {
			wanted, mapped := aliases[field]
			return slices.Contains(wanted, name) || !mapped && field == name
		})
		return needed || strings.Contains(strings.ToLower(name), "nhs")
	})
}

// missing explains that no column carries a field. It shows the names in the first line only
// when that is certainly a header line.
func (h Header) missing(field string, wanted []string, certain bool) *FileError {
	if h.Named && slices.ContainsFunc(h.Names, LooksLikeData) {
		return &FileError{
			Line:    h.Line,
			Problem: "the first line looks like data, not like a header line",
			Fix:     "add a header line that names the columns, or set cohort.format.header: false and give their positions under cohort.columns",
		}
	}
	var quoted []string
	for _, name := range wanted {
		quoted = append(quoted, strconv.Quote(name))
	}
	refused := &FileError{Line: h.Line, Problem: "there is no column " + strings.Join(quoted, " or ")}
	if !slices.Contains(wanted, field) || len(wanted) > 1 {
		refused.Problem += " for the field " + field
	}
	place := "NAME OF THE COLUMN"
	if !h.Named {
		place = "POSITION OF THE COLUMN"
	}
	likely := slices.IndexFunc(h.Names, func(name string) bool {
		return slices.ContainsFunc(wanted, func(w string) bool { return CanonicalName(w) == CanonicalName(name) })
	})
	switch {
	case likely >= 0:
		refused.Problem += fmt.Sprintf(", but there is %q", h.Names[likely])
		refused.Fix = inCampaign(field, h.Names[likely])
	case certain:
		refused.Problem += "; the columns are " + h.List()
		refused.Fix = inCampaign(field, place)
	default:
		refused.Fix = "make sure that the first line names the columns; if it does, " + inCampaign(field, place)
	}
	return refused
}

// List shows the names of the columns: at most 30, and at most 40 characters of each.
func (h Header) List() string {
	var shown []string
	for _, name := range h.Names[:min(30, len(h.Names))] {
		if utf8.RuneCountInString(name) > 40 {
			name = string([]rune(name)[:40]) + "…"
		}
		shown = append(shown, strconv.Quote(name))
	}
	list := strings.Join(shown, ", ")
	if more := len(h.Names) - len(shown); more > 0 {
		list += fmt.Sprintf(" and %d more", more)
	}
	return list
}

// title explains that the first line is a title, when one of the next lines names the
// column of the NHS number.
func (h Header) title(names []string) *FileError {
	line := h.BelowLine
	for text := range bytes.Lines(h.Below) {
		for name := range strings.FieldsFuncSeq(string(text), func(r rune) bool { return strings.ContainsRune("\",;|\t\r\n", r) }) {
			if slices.Contains(names, strings.TrimSpace(name)) {
				return &FileError{
					Line:    h.Line,
					Problem: fmt.Sprintf("the columns are named on line %d, not on this line", line),
					Fix:     fmt.Sprintf("remove the lines above line %d from the file", line),
				}
			}
		}
		line++
	}
	return nil
}

// LooksLikeData reports whether the name of a column is more likely somebody's data: an NHS
// number, another number or a date of at least five digits, or an address with an at sign.
func LooksLikeData(name string) bool {
	digits, letters := 0, false
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
	return digits >= 5 && !letters || IsNumber(name)
}

// IsNumber reports whether a value is an NHS number.
func IsNumber(value string) bool {
	_, err := person.ParseNHSNumber(value)
	return err == nil
}
