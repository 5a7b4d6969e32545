package ingest

import (
	"fmt"
	"slices"
	"strconv"

	"cohort/ingest/format"
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
	case d.From == "" || d.Value == nil || d.From == d.Field || d.Field == format.NumberField || d.From == format.NumberField:
		return fmt.Errorf("ingest: the column %s cannot be worked out from %q", d.Field, d.From)
	case o.Columns[d.Field] != nil:
		return fmt.Errorf("ingest: cohort.columns has the column %s, which is worked out", d.Field)
	}
	return nil
}

// refuse refuses a file that has a column of the derived column's name.
func (d Derived) refuse(h format.Header) *format.FileError {
	if d.Field == "" || !slices.Contains(h.Names, d.Field) {
		return nil
	}
	return &format.FileError{
		Line:    h.Line,
		Problem: "there is a column " + strconv.Quote(d.Field) + ", and under that name the campaign has what is worked out from the column of " + d.From,
		Fix:     "rename the column, or take out of the campaign file what works it out",
	}
}

// derive works out a record's derived column and puts it among its values.
func (r *rules) derive(s *format.Values, record []byte, n person.NHSNumber) {
	s.SetDerived(r.value(trim(s.Value(record, r.derivedFrom)), n))
}
