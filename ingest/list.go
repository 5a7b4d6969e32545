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

// List is a suppression list: people who must not be sent to, one NHS number a row, in
// any of the formats of a cohort. It may have a column of reason codes, and others that
// are not looked at. It is not safe for concurrent use.
type List struct {
	reader  *Reader
	name    string
	reasons bool
}

// Entry is one row of a list.
type Entry struct {
	Number person.NHSNumber
	Reason string // the row's own reason code; empty when it gives none
}

// OpenList looks at a list: what it is, and where the numbers are. The column is the one
// that is called nhs_number, NHS Number, nhsNo or the like, or the only one there is. A
// first line that is a number of somebody's, and no header, is taken for that. A list
// without a row is refused: it is more likely lost than empty. Errors are a *FileError
// when the file is no list, the file system's, or ctx's cause.
func OpenList(ctx context.Context, path string, f format.Format) (*List, error) {
	f, err := f.Settled()
	if err != nil {
		return nil, err
	}
	look := f
	look.Header = nil // so that the first line's values are seen, whatever they are
	names, kind, err := glimpse(ctx, path, look)
	if err != nil {
		return nil, named(err, path)
	}
	if f.Header != nil && *f.Header && kind == format.TypeCSV && slices.ContainsFunc(names, format.IsNumber) {
		return nil, &format.FileError{File: path, Line: 1, Problem: "the first line holds an NHS number, and the list's format says that it is a header line", Fix: "take header: true out, or give the list a header line"}
	}
	o := Options{Format: f, listing: true}
	l := &List{name: path}
	if kind == format.TypeCSV && f.Header == nil && slices.ContainsFunc(names, mayBeNumber) && !slices.ContainsFunc(names, isNumberName) {
		headed := false
		o.Format.Header = &headed
	}
	number, reason := listColumns(names, o.Format.Headed())
	if number < 0 {
		fix := "call it nhs_number"
		if !o.Format.Headed() {
			fix = "give the list a header line that calls it nhs_number"
		}
		return nil, &format.FileError{File: path, Line: 1, Problem: "no one column is the NHS number's", Fix: fix}
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

// glimpse reads the names of a file's columns.
func glimpse(ctx context.Context, path string, f format.Format) (names []string, kind string, err error) {
	if err := file.RequireRegular(path); err != nil {
		return nil, "", err
	}
	o, err := file.Open(ctx, path, file.Options{Format: f})
	if err != nil {
		return nil, "", err
	}
	defer o.Close()
	h := o.Source.Header()
	return h.Names, h.Type, nil
}

// listColumns finds the columns of the numbers and of the reasons; -1 for none.
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

// plainHeading is a heading without what people write differently.
func plainHeading(name string) string { return strings.ReplaceAll(format.CanonicalName(name), ".", "") }

// isNumberName reports whether a heading is the NHS number's.
func isNumberName(name string) bool {
	return slices.Contains([]string{"nhsnumber", "nhsno", "nhsnum"}, plainHeading(name))
}

var nineDigits = regexp.MustCompile(`([0-9][^0-9]*){9}`)

// mayBeNumber reports whether a list's first line may name somebody already. It may hold a
// number that was mistyped.
func mayBeNumber(value string) bool {
	_, err := person.ParseNHSNumber(value)
	return nineDigits.MatchString(value) || errors.Is(err, person.ErrNumberShortened) || format.LooksLikeData(value)
}

// ListCount counts a list's rows.
type ListCount struct {
	People     int64   // rows with an NHS number
	Empty      int64   // rows with an empty number: they name nobody
	Unreadable int64   // rows without a readable number: they may name somebody
	Blank      int64   // lines without anything: they are no rows
	Lines      []int64 // where the first of the unreadable rows are
}

// People yields the people on the list, in its order. A row with an empty number is only
// counted. An unreadable row may name somebody who would then be sent to: more of them than
// tolerated refuse the list. A list without any number is refused as well. An error is the
// last thing yielded, and refuses the list as a whole. People can be called once.
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

// refuse returns why the list cannot be relied on, once it has been read.
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
			Fix: fmt.Sprintf("correct the list, since such a row may name somebody; or write unreadable: %d beside the list in the campaign file, and such rows are ignored", n.Unreadable),
		}
	case n.People == 0:
		return &format.FileError{File: l.name, Problem: "no row has an NHS number", Fix: "make sure that this is a list of NHS numbers"}
	}
	return nil
}

// unreadable are the reasons why no number can be read from rows, that of the first such
// row first.
func (l *List) unreadable() []Reason {
	empty := func(r Reason) bool { return r.Words == person.ErrNumberMissing.Error() }
	all := slices.DeleteFunc(l.reader.Summary().Reasons, empty)
	slices.SortFunc(all, func(a, b Reason) int { return cmp.Compare(a.Lines[0], b.Lines[0]) })
	return all
}

// reasonCode is what a row gives as a reason, if it is a code: small letters, digits and
// underscores. Free text may speak of a person and is not taken.
func reasonCode(text string) string {
	text = strings.TrimSpace(text)
	code := func(r rune) bool { return 'a' <= r && r <= 'z' || '0' <= r && r <= '9' || r == '_' }
	if len(text) > 40 || strings.ContainsFunc(text, func(r rune) bool { return !code(r) }) {
		return ""
	}
	return strings.Clone(text)
}

// Count counts the rows, once People has ended.
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

// Digest is the SHA-256 of the file, known when People has ended.
func (l *List) Digest() (sum [sha256.Size]byte, err error) {
	if !l.reader.ended {
		return sum, errors.New("ingest: the digest of a list is known when it has been read")
	}
	return l.reader.Digest(l.reader.ctx)
}
