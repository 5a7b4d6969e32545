package ingest

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"iter"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/apache/arrow/go/v15/arrow/array"

	"cohort/ingest/format"
	"cohort/ingest/format/file"
	"cohort/ingest/person"
)

// List is a suppression list: people who must not be sent to, one NHS number in each row, in
// any format of a cohort. It may have a column of reason codes; other columns do not matter.
// It is not safe for concurrent use.
type List struct {
	reader  *Reader
	name    string
	reasons bool
}

// Entry is one row of a list.
type Entry struct {
	Number person.NHSNumber
	Reason string // the row's own reason code; empty when it has none
}

// OpenList detects the format of a list and the column of the numbers: the one named
// nhs_number, NHS Number, nhsNo or similar, or the only column. A first line with somebody's
// number is a row, not a header line. A list without rows is refused, because it is more
// likely lost than empty. Errors are a *format.FileError when the file is not a list, the file
// system's, or ctx's cause.
func OpenList(ctx context.Context, path string, f format.Format) (*List, error) {
	f, err := f.Settled()
	if err != nil {
		return nil, err
	}
	any := f
	any.Header = nil // the first line's values are needed, whatever they are
	h, err := firstLine(ctx, path, any)
	if err != nil {
		return nil, named(err, path)
	}
	names, kind := h.Names, h.Type
	if f.Header != nil && *f.Header && kind == format.TypeCSV && slices.ContainsFunc(names, format.IsNumber) {
		return nil, &format.FileError{File: path, Line: 1, Problem: "the first line holds an NHS number, but the list's format has header: true", Fix: "remove header: true, or give the list a header line"}
	}
	o := Options{Format: f, listing: true}
	l := &List{name: path}
	if kind == format.TypeCSV && f.Header == nil && slices.ContainsFunc(names, mayBeNumber) && !slices.ContainsFunc(names, isNumberName) {
		headed := false
		o.Format.Header = &headed
	}
	number, reason := listColumns(names, o.Format.Headed())
	if number < 0 {
		refused := &format.FileError{File: path, Line: 1, Problem: fmt.Sprintf("it is not clear which of the %d columns holds the NHS numbers", len(names)), Fix: "rename that column to nhs_number"}
		switch {
		case !o.Format.Headed():
			refused.Fix = "give the list a header line that calls that column nhs_number"
		case slices.ContainsFunc(names, isNumberName): // so it is a header line, and nobody's data
			refused.Problem += ": " + h.List()
		}
		return nil, refused
	}
	o.Columns = map[string][]string{format.NumberField: {names[number]}}
	if !o.Format.Headed() {
		o.Columns[format.NumberField] = []string{strconv.Itoa(number + 1)}
	}
	if reason >= 0 {
		l.reasons = true
		o.Fields, o.Columns["reason"] = []string{"reason"}, []string{names[reason]}
	}
	l.reader, err = Open(ctx, []string{path}, o)
	return l, err
}

// firstLine reads the names of a file's columns.
func firstLine(ctx context.Context, path string, f format.Format) (h format.Header, err error) {
	if err := file.RequireRegular(path); err != nil {
		return h, err
	}
	o, err := file.Open(ctx, path, file.Options{Format: f})
	if err != nil {
		return h, err
	}
	defer o.Close()
	return o.Source.Header(), nil
}

// listColumns finds the columns of the numbers and of the reasons; -1 when there is none, or
// more than one.
func listColumns(names []string, headed bool) (number, reason int) {
	find := func(is func(name string) bool) int {
		at := slices.IndexFunc(names, is)
		if at >= 0 && slices.ContainsFunc(names[at+1:], is) {
			return -1
		}
		return at
	}
	if !headed {
		number = find(format.IsNumber)
		reason = -1
	} else {
		number = find(isNumberName)
		reason = find(func(name string) bool { return slices.Contains([]string{"reason", "reasoncode"}, plainHeading(name)) })
	}
	if number < 0 && len(names) == 1 {
		number = 0
	}
	return number, reason
}

func plainHeading(name string) string { return strings.ReplaceAll(format.CanonicalName(name), ".", "") }

// isNumberName reports whether a column's name is one for the NHS number.
func isNumberName(name string) bool {
	return slices.Contains([]string{"nhsnumber", "nhsno", "nhsnum"}, plainHeading(name))
}

var nineDigits = regexp.MustCompile(`([0-9][^0-9]*){9}`)

// mayBeNumber reports whether a value of a list's first line may name somebody, also by a
// mistyped number.
func mayBeNumber(value string) bool {
	_, err := person.ParseNHSNumber(value)
	return nineDigits.MatchString(value) || errors.Is(err, person.ErrNumberShortened) || format.LooksLikeData(value)
}

// ListCount counts a list's rows.
type ListCount struct {
	People     int64   // rows with an NHS number
	Empty      int64   // rows with an empty number: they name nobody
	Unreadable int64   // rows with an unreadable number: they may name somebody
	Blank      int64   // empty lines, which are not rows
	Lines      []int64 // of the first unreadable rows
}

// People yields the people on the list, in its order. A row with an empty number is only
// counted. An unreadable row may name somebody, who would then be sent to. So a list with more
// of them than tolerated is refused, and so is a list without any number. An error comes last,
// and refuses the whole list. People can be called once.
func (l *List) People(tolerated int64) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for batch, err := range l.reader.Records() {
			if err != nil {
				yield(Entry{}, err)
				return
			}
			numbers := batch.Column(person.ColumnNumber).(*array.Uint64)
			for i := range numbers.Len() {
				if numbers.IsNull(i) {
					continue
				}
				e := Entry{Number: person.NHSNumber(numbers.Value(i))}
				if l.reasons {
					e.Reason = reasonCode(batch.Column(person.FirstField).(*array.String).Value(i))
				}
				if !yield(e, nil) {
					return
				}
			}
		}
		if refused := l.refuse(tolerated); refused != nil {
			yield(Entry{}, refused)
		}
	}
}

// refuse refuses a list that cannot be relied on, once it has been read.
func (l *List) refuse(tolerated int64) *format.FileError {
	n := l.Count()
	switch {
	case n.Unreadable > tolerated:
		problem := "no NHS number can be read from this row: " + l.unreadable()[0].Words
		if n.Unreadable > 1 {
			problem += fmt.Sprintf("; %d rows of the list cannot be read", n.Unreadable)
		}
		return &format.FileError{
			File: l.name, Line: n.Lines[0], Problem: problem,
			Fix: fmt.Sprintf("correct the list, because such a row may name somebody; or ignore such rows with unreadable: %d beside the list in the campaign file", n.Unreadable),
		}
	case n.People == 0:
		return &format.FileError{File: l.name, Problem: "no row has an NHS number", Fix: "make sure that this is a list of NHS numbers"}
	}
	return nil
}

// unreadable lists the reasons for unreadable rows, in the order of their first rows.
func (l *List) unreadable() []Reason {
	empty := func(r Reason) bool { return r.Words == person.ErrNumberMissing.Error() }
	all := slices.DeleteFunc(l.reader.Summary().Reasons, empty)
	slices.SortFunc(all, func(a, b Reason) int { return cmp.Compare(a.Lines[0], b.Lines[0]) })
	return all
}

// reasonCode is a row's reason if it is a code of lower-case letters, digits and underscores.
// Free text may hold personal data, and is dropped.
func reasonCode(text string) string {
	text = strings.TrimSpace(text)
	code := func(r rune) bool { return 'a' <= r && r <= 'z' || '0' <= r && r <= '9' || r == '_' }
	if len(text) > 40 || strings.ContainsFunc(text, func(r rune) bool { return !code(r) }) {
		return ""
	}
	return strings.Clone(text)
}

// Count counts the rows. It is complete once People has ended.
func (l *List) Count() ListCount {
	s := l.reader.Summary()
	n := ListCount{People: s.Sendable, Empty: s.Invalid, Blank: s.BlankLines}
	for _, r := range l.unreadable() {
		n.Unreadable, n.Empty = n.Unreadable+r.Count, n.Empty-r.Count
		n.Lines = append(n.Lines, r.Lines...)
	}
	slices.Sort(n.Lines)
	n.Lines = n.Lines[:min(maxLines, len(n.Lines))]
	return n
}

// Digest is the SHA-256 of the file. It is known once People has ended.
func (l *List) Digest() (sum [sha256.Size]byte, err error) {
	if !l.reader.ended {
		return sum, errors.New("ingest: the digest of a list is known when it has been read")
	}
	return l.reader.Digest(l.reader.ctx)
}
