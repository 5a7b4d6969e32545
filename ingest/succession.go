package ingest

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"maps"
	"slices"

	"github.com/apache/arrow/go/v15/arrow/array"

	"cohort/ingest/person"
)

// succession knows the current number of each person with a superseded number. Its memory
// grows with the superseded numbers, not with the cohort. It is read-only once made.
type succession struct {
	links   []link             // by old number
	current []person.NHSNumber // for the first link of each old number: the end of its chain, or a mark below
}

// The marks of chains without an end. No NHS number is so low.
const circular, forked, followed = 1, 2, 3

// link says that one number was superseded by another.
type link struct{ old, next person.NHSNumber }

func byOld(a, b link) int { return cmp.Or(cmp.Compare(a.old, b.old), cmp.Compare(a.next, b.next)) }

// newSuccession follows every chain of links to its end. A chain has no end when it comes
// back to itself, or when a number in it was superseded by two.
func newSuccession(links []link) *succession {
	slices.SortFunc(links, byOld)
	links = slices.Compact(links)
	s := &succession{links, make([]person.NHSNumber, len(links))}
	var path []int
	for start := range links {
		path = path[:0]
		end := person.NHSNumber(circular)
		for i, found := start, true; s.current[i] != followed; {
			if end = s.current[i]; end != 0 {
				break
			}
			path = append(path, i)
			s.current[i] = followed
			if len(s.next(i)) > 1 {
				end = forked
				break
			}
			end = links[i].next
			if i, found = s.find(end); !found {
				break
			}
			end = circular
		}
		for _, i := range path {
			s.current[i] = end
		}
	}
	return s
}

// find is the first link of an old number.
func (s *succession) find(old person.NHSNumber) (at int, found bool) {
	return slices.BinarySearchFunc(s.links, old, func(l link, n person.NHSNumber) int { return cmp.Compare(l.old, n) })
}

// next lists the links from i on with the same old number.
func (s *succession) next(i int) []link {
	n := 1
	for i+n < len(s.links) && s.links[i+n].old == s.links[i].old {
		n++
	}
	return s.links[i:][:n]
}

// of is the current number of the person, or the verdict on a chain without an end.
func (s *succession) of(n person.NHSNumber) (person.NHSNumber, verdict) {
	if s == nil {
		return n, sendable
	}
	i, found := s.find(n)
	if !found {
		return n, sendable
	}
	switch s.current[i] {
	case circular:
		return 0, inCircle
	case forked:
		return 0, inFork
	}
	return s.current[i], sendable
}

// follow reads the superseded numbers, before the records are read.
func (d *Reader) follow() (err error) {
	if d.options.SupersededBy == "" {
		return nil
	}
	if d.stream {
		return errors.New("ingest: superseded numbers cannot be followed in a stream, which is read once")
	}
	d.checker.rules.succession, err = d.readSuccession(d.ctx)
	return err
}

// ends lists the ends of all chains from the i-th link, by every fork: a person who had that
// old number is one of them. Where a chain forks or is circular, the list has the next numbers
// too, because they may be the same person's.
func (s *succession) ends(i int) (ends []person.NHSNumber) {
	switch s.current[i] {
	case circular:
		return []person.NHSNumber{s.links[i].next}
	case forked:
	default:
		return []person.NHSNumber{s.current[i]}
	}
	for _, l := range s.next(i) {
		ends = append(ends, l.next)
	}
	seen, todo := map[person.NHSNumber]bool{}, slices.Clone(ends)
	for len(todo) > 0 {
		n := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if seen[n] {
			continue
		}
		seen[n] = true
		k, superseded := s.find(n)
		if !superseded {
			ends = append(ends, n)
			continue
		}
		for _, l := range s.next(k) {
			todo = append(todo, l.next)
		}
	}
	slices.Sort(ends)
	return slices.Compact(ends)
}

// readSuccession reads the whole cohort, only for its superseded numbers.
func (d *Reader) readSuccession(ctx context.Context) (*succession, error) {
	var paths []string
	for _, f := range d.files {
		paths = append(paths, f.info.Path)
	}
	const field = "superseded_by"
	columns := map[string][]string{}
	maps.Copy(columns, d.options.Columns)
	if columns[field] = columns[d.options.SupersededBy]; columns[field] == nil {
		columns[field] = []string{d.options.SupersededBy}
	}
	first, err := Open(ctx, paths, Options{
		Format: d.options.Format, Columns: columns, Fields: []string{field}, Names: d.options.Names,
		Multiline: d.options.Multiline, EncodingChecked: d.options.EncodingChecked, successor: field,
	})
	if err != nil {
		return nil, err
	}
	for i := range d.files { // both readings must read what was digested
		first.files[i].like, first.files[i].info = d.files[i].like, d.files[i].info
	}
	var links []link
	for batch, err := range first.Records() {
		if err != nil {
			return nil, err
		}
		numbers, values := batch.Column(person.ColumnNumber).(*array.Uint64), batch.Column(person.FirstField).(*array.String)
		for i := range numbers.Len() {
			if numbers.IsNull(i) || values.ValueLen(i) == 0 {
				continue
			}
			if next, err := person.ParseNHSNumber(values.Value(i)); err == nil {
				links = append(links, link{person.NHSNumber(numbers.Value(i)), next})
			}
		}
	}
	for i, f := range first.files {
		d.files[i].info.SHA256, d.files[i].info.Bytes = f.info.SHA256, f.info.Bytes
	}
	return newSuccession(links), nil
}

// Superseded yields the superseded numbers, ascending, each with the person's current number,
// which Records yields. It is complete once the first record has come.
//
// A number that was superseded by two comes with each of them: its own records are invalid, and
// a list that names it means one of them. A number with a circular or forked chain comes with
// the next number too, because another cohort may know the person by any of them.
func (d *Reader) Superseded() iter.Seq2[person.NHSNumber, person.NHSNumber] {
	return func(yield func(old, current person.NHSNumber) bool) {
		s := d.checker.rules.succession
		if s == nil {
			return
		}
		for i, l := range s.links {
			if i > 0 && s.links[i-1].old == l.old {
				continue
			}
			for _, end := range s.ends(i) {
				if !yield(l.old, end) {
					return
				}
			}
		}
	}
}
