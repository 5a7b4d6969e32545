package ingest

import (
	"slices"

	"cohort/ingest/format"
	"cohort/ingest/person"
)

// mapping holds the places of the columns in one file; -1 for none.
type mapping struct {
	columns   int // the number of values in a record
	number    int
	fields    []int
	kept      []int // columns that are carried and are no fields
	required  []int
	typed     []int
	address   []int
	order     int
	withdrawn int
	routed    []int // the fields of routes, sorted by name
	successor int
	reference int
	multiline []int // columns that may hold whole records

	derived, derivedFrom int // the derived column, and the one that it is computed from
}

// plan finds the columns in a file's header, and tells the source which of them are used.
func plan(s format.Source, o Options) (mapping, error) {
	h := s.Header()
	if refused := o.Derived.refuse(h); refused != nil {
		return mapping{}, refused
	}
	typed, routed, days := sortedKeys(o.Types), routedBy(o.Routes), o.days()
	optional := []string{o.LatestBy, o.Withdrawn.Column, o.SupersededBy, o.Derived.From}
	fields := slices.Concat([]string{format.NumberField}, o.Fields, o.Required, typed, o.Address.Lines, optional, routed)
	fields = slices.DeleteFunc(fields, func(field string) bool { return field == "" || field == o.Derived.Field })
	at, refused := h.Columns(fields, o.Columns)
	if refused != nil {
		return mapping{}, refused
	}
	kept := person.Texts(o.Fields, o.Keep)[len(o.Fields):]
	for _, column := range kept {
		if column == o.Derived.Field {
			continue
		}
		k, refused := h.Columns([]string{column}, o.Columns)
		if refused != nil {
			refused.Problem += " (keep_columns names it, or followup needs it)"
			return mapping{}, refused
		}
		fields, at = append(fields, column), append(at, k...)
	}
	places := map[string]int{"": -1}
	var used []format.Column
	for i, field := range fields {
		places[field] = at[i]
		number := field == format.NumberField || field == o.SupersededBy || field == o.successor
		used = append(used, format.Column{At: at[i], Number: number, Day: slices.Contains(days, field)})
	}
	if err := s.Use(used); err != nil {
		return mapping{}, err
	}
	m := mapping{columns: len(h.Names), derived: -1, reference: h.Reference()}
	if o.Derived.Field != "" {
		places[o.Derived.Field] = m.columns
		m.derivedFrom, m.derived = places[o.Derived.From], m.columns
		s.Values().AddDerived()
	}
	all := func(fields []string) (at []int) {
		for _, field := range fields {
			at = append(at, places[field])
		}
		return at
	}
	m.number, m.fields, m.required, m.typed = places[format.NumberField], all(o.Fields), all(o.Required), all(typed)
	m.address, m.routed, m.kept = all(o.Address.Lines), all(routed), all(kept)
	m.order, m.withdrawn, m.successor = places[o.LatestBy], places[o.Withdrawn.Column], places[o.SupersededBy]
	if m.multiline, refused = h.Columns(o.Multiline, o.Columns); refused != nil {
		return mapping{}, refused
	}
	return m, nil
}
