package ingest

import (
	"fmt"
	"slices"
	"strconv"

	"cohort/ingest/format"
	"cohort/ingest/person"
)

// Derived is a column that is computed for each record, from another column and the person's
// current NHS number. Options may name it like any other field. The zero value is none.
type Derived struct {
	Field string // its name
	From  string // the field that it is computed from
	// Value computes the value of a record with a valid NHS number. Several goroutines call
	// it at once. It must not keep from.
	Value func(from []byte, n person.NHSNumber) string
}

// settle checks a derived column.
func (d Derived) settle(o Options) error {
	switch {
	case d.Field == "":
		return nil
	case d.From == "" || d.Value == nil || d.From == d.Field || d.Field == format.NumberField || d.From == format.NumberField:
		return fmt.Errorf("ingest: the column %s cannot be computed from %q", d.Field, d.From)
	case o.Columns[d.Field] != nil:
		return fmt.Errorf("ingest: cohort.columns has the column %s, but the campaign computes it", d.Field)
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
		Problem: "there is a column " + strconv.Quote(d.Field) + ", but the campaign computes a column of that name from " + d.From,
		Fix:     "rename the column, or remove the computed column from the campaign file",
	}
}

// derive computes a record's derived column and adds it to the values.
func (r *rules) derive(s *format.Values, record []byte, n person.NHSNumber) {
	s.SetDerived(r.value(trim(s.Value(record, r.derivedFrom)), n))
}
