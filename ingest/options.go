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
	"cohort/ingest/value"
)

// Format describes a cohort's files.
type Format = format.Format

// Options say which columns of a cohort matter, and the demands on their values. The zero
// value reads only the numbers of the column nhs_number. Columns maps fields to columns.
type Options struct {
	Format Format // of the files; an empty entry is detected

	// Columns maps a field to the names that its column may have, or to positions ("1", "2", …)
	// without a header line. A field without an entry goes by its own name. The field
	// nhs_number is the NHS number.
	Columns map[string][]string

	Fields   []string              // the fields to carry, in this order; nhs_number is always carried and not in it
	Required []string              // fields that must not be empty or white space
	Types    map[string]value.Type // fields with values of a type, or empty; white space around such a value is removed
	Defaults map[string]string     // replace a carried field that is empty or white space
	Keep     []string              // columns to carry, too; those that are no fields make no record invalid

	// SupersededBy is the field of the number that superseded the record's own; empty: none.
	// The whole cohort is read twice to follow the chains. A record then gets the number at the
	// end of its chain; it is invalid when the chain has no end.
	SupersededBy string

	// Routes are tried in order, and a record takes the first that fits. A record without a
	// route is invalid, unless it is withdrawn. Empty: there is one route.
	Routes []Route

	Derived   Derived           // a computed column
	Limits    []person.Limit    // the service's demands on a record that is otherwise sendable and not withdrawn
	Address   Address           // the demands on a postal address
	LatestBy  string            // the field that orders the records of a person; empty: none
	Withdrawn Withdrawn         // which records ask that the person is not invited
	Only      Range             // the NHS numbers that may be sent to; records of others are invalid
	Names     map[string]string // by path: the file's name in errors; without an entry its own
	Zone      *time.Location    // instants of Parquet and Arrow files are written in this zone; nil: UTC
	Multiline []string          // fields with values that may hold lines like records

	EncodingChecked bool // believe that a file is in Windows-1252, even when it could be UTF-8
	BatchRows       int  // the most rows in a batch; 0: 4096

	successor string // like SupersededBy, but its chains are not followed
	listing   bool   // the file is a list: only the number of a row matters
}

// Withdrawn selects records that ask not to invite the person: the field Column is exactly one
// of Values, apart from white space around it. The zero value withdraws nobody.
type Withdrawn struct {
	Column string
	Values []string
}

// Address names the fields that are the lines of a postal address. At least Least of them must
// not be empty. No line may hold a line break or another control character, which would move
// the lines on the envelope. The zero value demands no address.
type Address struct {
	Lines []string
	Least int
}

// settled checks the options and fills in defaults.
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
		if !t.Known() || field == format.NumberField {
			return o, fmt.Errorf("ingest: the field %s cannot be of the type %q; cohort.types takes %s", field, t, value.TypeNames)
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

// opening returns the options for opening a file. A list is trusted: only its numbers matter.
func (o Options) opening() file.Options {
	return file.Options{Format: o.Format, Zone: o.Zone, Trusted: o.EncodingChecked || o.listing}
}

// days are the fields with dates.
func (o Options) days() (fields []string) {
	for _, field := range sortedKeys(o.Types) {
		if o.Types[field] == value.Date {
			fields = append(fields, field)
		}
	}
	for _, r := range o.Routes {
		for _, c := range r.When {
			if b, err := c.bounds(); err == nil && b.kind == value.Date.Words() {
				fields = append(fields, c.Field)
			}
		}
	}
	return fields
}
