package ingest

import "slices"

// source yields the records of one file, already known for what it is. One goroutine.
type source interface {
	// header is the columns' names.
	header() header

	// use says which columns will be looked at, before the first record. The values of
	// others need not be there. Its error refuses the file.
	use(columns []int) error

	// next yields the next record and where it starts, io.EOF behind the last. Record and
	// values hold until the next call.
	next() (record []byte, line int64, err error)

	// values holds the values of the record that next has yielded.
	values() *splitter

	// blanks counts the empty lines so far.
	blanks() int64
}

// mapping is where one file has the columns that the options ask for; -1 for none.
type mapping struct {
	columns   int // values in a record
	number    int
	fields    []int
	required  []int
	typed     []int
	address   []int
	order     int
	withdrawn int
	routed    []int // of the fields that choose a route, sorted by name
	successor int
	reference int
	multiline []int // columns that may hold whole records

	derived, derivedFrom int // the derived column, and what it is worked out from
}

// plan finds the columns in a file's header and tells the source which it will need.
func plan(s source, o Options) (mapping, error) {
	h := s.header()
	if o.Derived.Field != "" {
		var refused *FileError
		if h, refused = h.derive(o.Derived); refused != nil {
			return mapping{}, refused
		}
	}
	typed := sortedKeys(o.Types)
	wanted := append([]string{numberField}, o.Fields...)
	wanted = append(wanted, o.Required...)
	wanted = append(wanted, typed...)
	wanted = append(wanted, o.Address.Lines...)
	for _, optional := range []string{o.LatestBy, o.Withdrawn.Column, o.SupersededBy, o.Derived.From} {
		if optional != "" {
			wanted = append(wanted, optional)
		}
	}
	routed := routedBy(o.Routes)
	wanted = append(wanted, routed...)
	at, refused := h.columns(wanted, o.Columns)
	if t, text := s.(*sheet); text && refused != nil {
		names := append(slices.Clone(o.Columns[numberField]), numberField)
		refused = t.titled(refused, names)
	}
	if refused != nil {
		return mapping{}, refused
	}
	columns := len(h.names)
	if c, ok := s.(*columnar); ok {
		days := o.days()
		for i, field := range wanted {
			switch {
			case field == numberField, field == o.SupersededBy, field == o.successor:
				c.numbers = append(c.numbers, at[i])
			case slices.Contains(days, field):
				c.days = append(c.days, at[i])
			}
		}
	}
	if err := s.use(slices.DeleteFunc(slices.Clone(at), func(k int) bool { return k == columns })); err != nil {
		return mapping{}, err
	}
	m := mapping{columns: columns, order: -1, withdrawn: -1, successor: -1, derived: -1, reference: h.reference()}
	take := func(n int) []int {
		taken := at[:n]
		at = at[n:]
		return taken
	}
	m.number = take(1)[0]
	m.fields, m.required, m.typed = take(len(o.Fields)), take(len(o.Required)), take(len(typed))
	m.address = take(len(o.Address.Lines))
	if o.LatestBy != "" {
		m.order = take(1)[0]
	}
	if o.Withdrawn.Column != "" {
		m.withdrawn = take(1)[0]
	}
	if o.SupersededBy != "" {
		m.successor = take(1)[0]
	}
	if o.Derived.Field != "" {
		m.derivedFrom, m.derived = take(1)[0], columns
		v := s.values()
		v.spans = append(slices.Clip(v.spans), span{})
	}
	m.routed = take(len(routed))
	if m.multiline, refused = h.columns(o.Multiline, o.Columns); refused != nil {
		return mapping{}, refused
	}
	return m, nil
}
