package ingest

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"

	"cohort/ingest/format"
	"cohort/ingest/person"
)

// MostRoutes is how many routes there may be: a record's is a byte.
const MostRoutes = 100

// Route says which records a route takes: those for which all conditions hold. Without
// conditions it takes every record.
type Route struct {
	When []Condition
}

// Condition asks something of a field: to be one of Values, or to lie between From and To.
// What it says hangs on the record alone, so that a cohort read again is routed as it was.
type Condition struct {
	Field    string
	Values   []string // but for white space around it, and for upper and lower case
	From, To string   // inclusive; whole numbers, or dates as 2027-01-31; empty: no bound
}

// bounds are a range of whole numbers, or of days.
type bounds struct {
	read     func([]byte) (int64, bool) // nil: there is no range
	kind     string                     // what is read, as in "a date"
	from, to int64
}

// bounds are the bounds of a condition. Of one with values there are none.
func (c Condition) bounds() (bounds, error) {
	switch ranged := c.From != "" || c.To != ""; {
	case c.Field == format.NumberField:
		return bounds{}, fmt.Errorf("nobody is routed by the NHS number")
	case ranged == (len(c.Values) > 0):
		return bounds{}, fmt.Errorf("the field %s needs values or bounds, and not both", c.Field)
	case !ranged:
		return bounds{}, nil
	}
	for _, b := range []bounds{{read: whole, kind: "a whole number"}, {read: dayNumber, kind: "a date"}} {
		from, to := true, true
		if b.from = math.MinInt64; c.From != "" {
			b.from, from = b.read([]byte(c.From))
		}
		if b.to = math.MaxInt64; c.To != "" {
			b.to, to = b.read([]byte(c.To))
		}
		if from && to {
			return b, nil
		}
	}
	return bounds{}, fmt.Errorf("the bounds of the field %s are neither whole numbers nor dates", c.Field)
}

// settleRoutes checks routes. Each field is compared in one way, so that its reason says
// which.
func settleRoutes(routes []Route) error {
	if len(routes) > MostRoutes {
		return fmt.Errorf("ingest: there are %d routes, and there may be %d", len(routes), MostRoutes)
	}
	kinds := map[string]string{}
	for i, r := range routes {
		for _, c := range r.When {
			b, err := c.bounds()
			if was := kinds[c.Field]; err == nil && b.kind != "" && was != "" && was != b.kind {
				err = fmt.Errorf("the field %s is compared as %s, and before as %s", c.Field, b.kind, was)
			}
			if err != nil {
				return fmt.Errorf("ingest: route %d: %w", i+1, err)
			}
			kinds[c.Field] = cmp.Or(kinds[c.Field], b.kind)
		}
	}
	return nil
}

// route is a Route for asking.
type route struct{ when []condition }

type condition struct {
	field  int // into mapping.routed
	values [][]byte
	bounds
	instead []byte // of an empty value: the field's default; nil for none
}

// routedBy lists the fields that routes look at, sorted.
func routedBy(routes []Route) (fields []string) {
	for _, r := range routes {
		for _, c := range r.When {
			fields = append(fields, c.Field)
		}
	}
	slices.Sort(fields)
	return slices.Compact(fields)
}

func newRoutes(o Options) (routes []route) {
	fields := routedBy(o.Routes)
	for _, r := range o.Routes {
		var when []condition
		for _, c := range r.When {
			asked := condition{field: slices.Index(fields, c.Field)}
			asked.bounds, _ = c.bounds() // they were looked at when the options were settled
			for _, v := range c.Values {
				asked.values = append(asked.values, bytes.TrimSpace([]byte(v)))
			}
			if value, has := o.Defaults[c.Field]; has {
				asked.instead = []byte(value)
			}
			when = append(when, asked)
		}
		routes = append(routes, route{when})
	}
	return routes
}

// routeReasons lists the reasons for which a record has no route: that none takes it, and of
// each field that it cannot be compared.
func routeReasons(routes []Route) (all []Reason) {
	if len(routes) == 0 {
		return nil
	}
	all = append(all, Reason{Code: person.CodeNoRoute, Words: "none of the campaign's routes takes the record"})
	for _, field := range routedBy(routes) {
		kind := ""
		for _, r := range routes {
			for _, c := range r.When {
				if b, err := c.bounds(); err == nil && c.Field == field {
					kind = cmp.Or(kind, b.kind)
				}
			}
		}
		all = append(all, Reason{Code: person.CodeBadType, Words: "the field " + strconv.Quote(field) + " is not " + kind + ", by which a route is chosen"})
	}
	return all
}

// route finds the first route that takes a record. Of one that withdraws its person, who is
// sent nothing, nothing is asked: without a route it goes by the first.
func (r *rules) route(s *format.Values, record []byte, withdrawn bool) (uint8, verdict) {
	none := r.firstLimit() + verdict(len(r.limits))
	for i := range r.routes {
		takes, unread := r.routes[i].takes(func(field int) []byte { return s.Value(record, r.routed[field]) })
		switch {
		case takes && unread < 0:
			return uint8(i), sendable
		case takes && !withdrawn:
			return 0, none + 1 + verdict(unread)
		}
	}
	if withdrawn {
		return 0, sendable
	}
	return 0, none
}

// takes says whether a route takes a record whose values of() has. Where that hangs on a
// value that cannot be compared, unread is its field; else -1.
func (r *route) takes(of func(field int) []byte) (takes bool, unread int) {
	unread = -1
	for i := range r.when {
		c := &r.when[i]
		value := trim(of(c.field))
		if len(value) == 0 && c.instead != nil {
			value = c.instead
		}
		if c.read == nil {
			if !slices.ContainsFunc(c.values, func(v []byte) bool { return bytes.EqualFold(v, value) }) {
				return false, -1
			}
			continue
		}
		switch n, ok := c.read(value); {
		case !ok:
			unread = c.field
		case n < c.from || n > c.to:
			return false, -1
		}
	}
	return true, unread
}
