package ingest

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"cohort/ingest/format"
	"cohort/ingest/format/file"
	"cohort/ingest/person"
)

// Format is how a cohort's files are written.
type Format = format.Format

// Options say which columns of a cohort matter and what is asked of their values. The
// zero value reads the numbers of the column nhs_number and nothing else. Wherever a
// field is named, Columns says which column carries it.
type Options struct {
	Format   Format              // what the files are, where their content shall not say so
	Columns  map[string][]string // field: the headers it may have, or positions ("1", "2", …) without a header line. A field without an entry has its own name as header. The field nhs_number is the NHS number
	Fields   []string            // the fields to carry, in this order; not nhs_number, which is always carried
	Required []string            // the fields that may be neither empty nor white space
	Types    map[string]Type     // the fields whose values, unless empty, must be of a type; such a value is carried without the white space around it
	Defaults map[string]string   // what a carried field is when it is empty or white space
	// SupersededBy is the field with the number that superseded the record's own; none when
	// empty. Its chains are followed over the whole cohort, which is read twice for it, and
	// the record then bears the number at the end. Whose chain has none is invalid.
	SupersededBy string

	Routes    []Route           // by which of them a record goes: the first that takes it. Whose record none takes is invalid, unless it is withdrawn. None: there is one
	Derived   Derived           // a column that is worked out
	Limits    []person.Limit    // what the service asks of a record that could be sent, after all else; not of one that is withdrawn
	Address   Address           // what a postal address must have
	LatestBy  string            // the field that says which record of a person is the latest; no order when empty
	Withdrawn Withdrawn         // when a record says that the person is not to be invited
	Only      Range             // which NHS numbers may be sent to; the others' records are invalid
	Names     map[string]string // path: what errors call the file that stands there; without an entry its own name
	Zone      *time.Location    // the time zone in which the instants of Parquet and Arrow files are written out; UTC when nil
	Multiline []string          // fields whose values may hold lines that would be records by themselves

	EncodingChecked bool // a file that is said to be in Windows-1252 is, even if it could be UTF-8

	successor string // a field that holds an NHS number, as SupersededBy does, whose chains are not followed
	listing   bool   // the file is a list: nothing but the number of a row is asked for
	BatchRows int    // the most rows in a batch, 4096 when 0
}

// Withdrawn says when a record asks for its person not to be invited: the field Column
// holds one of Values, to the letter but for white space around it. The zero value
// withdraws nobody.
type Withdrawn struct {
	Column string
	Values []string
}

// Address says which fields are the lines of a postal address, and how many of them may
// not be empty. No line may hold a line break or another control character, which would
// move the lines on the envelope. The zero value asks for no address.
type Address struct {
	Lines []string
	Least int
}

// settled checks options and returns them in their plainest form.
func (o Options) settled() (Options, error) {
	if o.BatchRows < 0 {
		return o, fmt.Errorf("ingest: %d rows in a batch", o.BatchRows)
	}
	if o.BatchRows == 0 {
		o.BatchRows = 4096
	}
	for i, field := range o.Fields {
		if field == format.NumberField || slices.Contains(o.Fields[:i], field) {
			return o, fmt.Errorf("ingest: the field %s is carried already", field)
		}
	}
	for field, t := range o.Types {
		if _, known := types[t]; !known || field == format.NumberField {
			return o, fmt.Errorf("ingest: the field %s cannot be of the type %q; cohort.types takes %s", field, t, typeNames)
		}
	}
	for field, value := range o.Defaults {
		if slices.Contains(o.Required, field) || !slices.Contains(o.Fields, field) {
			return o, fmt.Errorf("ingest: the field %s cannot have a default: it is required, or not used", field)
		}
		if t, typed := o.Types[field]; typed && value != "" && !t.Holds(value) {
			return o, fmt.Errorf("ingest: the default of the field %s is not %s", field, t.Words())
		}
	}
	if err := settleRoutes(o.Routes); err != nil {
		return o, err
	}
	if (o.Withdrawn.Column == "") != (len(o.Withdrawn.Values) == 0) {
		return o, fmt.Errorf("ingest: cohort.withdrawn needs both a column and values")
	}
	if err := o.Derived.settle(o); err != nil {
		return o, err
	}
	if o.Address.Least < 0 || o.Address.Least > len(o.Address.Lines) {
		return o, fmt.Errorf("ingest: %d of %d address lines are asked for", o.Address.Least, len(o.Address.Lines))
	}
	var err error
	o.Format, err = o.Format.Settled()
	return o, err
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

// opening is how the files are opened. A list is trusted: only its numbers matter.
func (o Options) opening() file.Options {
	return file.Options{Format: o.Format, Zone: o.Zone, Trusted: o.EncodingChecked || o.listing}
}
