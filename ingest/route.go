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
	"cohort/ingest/value"
)

// MostRoutes is the most routes of a campaign: a record's route is a byte.
const MostRoutes = 100

// Route takes the records that meet all conditions. Without conditions it takes every record.
type Route struct {
	When []Condition
}

// Condition demands that a field is one of Values, or between From and To. It depends only on
// the record, so that a cohort that is read again gets the same routes.
type Condition struct {
	Field    string
	Values   []string // compared without case, and without white space around them
	From, To string   // inclusive; whole numbers, or dates as 2027-01-31; empty: no bound
}

// bounds are a range of whole numbers, or of days.
type bounds struct {
	read     func([]byte) (int64, bool) // nil: there is no range
	kind     string                     // what is read, as in "a date"
	from, to int64
}

// bounds checks a condition and returns its bounds; none for one with values.
func (c Condition) bounds() (bounds, error) {
	switch ranged := c.From != "" || c.To != ""; {
	case c.Field == format.NumberField:
		return bounds{}, fmt.Errorf("the NHS number cannot choose a route")
	case ranged == (len(c.Values) > 0):
		return bounds{}, fmt.Errorf("the field %s needs either values or bounds", c.Field)
	case !ranged:
		return bounds{}, nil
	}
	for _, b := range []bounds{{read: value.Whole, kind: "a whole number"}, {read: value.DayNumber, kind: "a date"}} {
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

// settleRoutes checks routes. Each field is compared in one way only, so that its reason can
// name the way.
func settleRoutes(routes []Route) error {
	if len(routes) > MostRoutes {
		return fmt.Errorf("ingest: there are %d routes; the most is %d", len(routes), MostRoutes)
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

// route is a Route that is ready to compare.
type route struct{ when []condition }

type condition struct {
	field  int // into mapping.routed
	values [][]byte
	bounds
	instead []byte // the field's default, for an empty value; nil for none
}

// routedBy lists the fields of routes, sorted.
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
			asked.bounds, _ = c.bounds() // settleRoutes has checked them
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

// routeReasons lists the reasons why a record has no route: none fits, or a field cannot be
// compared.
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

// route finds the first route that takes a record. A withdrawn record is sent nothing, so it
// needs no route and then gets the first.
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

// takes reports whether a route takes a record; of returns its values. When that depends on a
// value that cannot be compared, unread is its field, else -1.
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
