package ingest

import (
	"fmt"
	"slices"
	"strconv"

	"cohort/ingest/person"
)

// Derived is a column that no file has: its value is worked out for each record, from
// another column and the number of the person as it is known now. It stands behind the
// file's own columns, and wherever a field may be named it may be. The zero value is none.
type Derived struct {
	Field string // its name
	From  string // the field that it is worked out from
	// Value is the value. It is asked of records with a valid NHS number, from several
	// goroutines at once, and must not keep from.
	Value func(from []byte, n person.NHSNumber) string
}

// settle checks a derived column.
func (d Derived) settle(o Options) error {
	switch {
	case d.Field == "":
		return nil
	case d.From == "" || d.Value == nil || d.From == d.Field || d.Field == numberField || d.From == numberField:
		return fmt.Errorf("ingest: the column %s cannot be worked out from %q", d.Field, d.From)
	case o.Columns[d.Field] != nil:
		return fmt.Errorf("ingest: cohort.columns has the column %s, which is worked out", d.Field)
	}
	return nil
}

// derive tells a file's header of the derived column. Its place is that behind the last.
func (h header) derive(d Derived) (header, *FileError) {
	if slices.Contains(h.names, d.Field) {
		return h, &FileError{
			Line:    h.line,
			Problem: "there is a column " + strconv.Quote(d.Field) + ", and under that name the campaign has what is worked out from the column of " + d.From,
			Fix:     "rename the column, or take out of the campaign file what works it out",
		}
	}
	h.derived = d.Field
	return h, nil
}

// derive works out a record's derived column and puts it among its values.
func (r *rules) derive(s *splitter, record []byte, n person.NHSNumber) {
	s.derived = append(s.derived[:0], r.value(trim(s.value(record, r.derivedFrom)), n)...)
	s.spans[r.derived] = span{folded: true}
}
