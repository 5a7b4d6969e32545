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

// succession knows under which number each person is known now, of those whose number
// was superseded. It grows with their number and not with the cohort's, and is read-only
// once made.
type succession struct {
	old     []person.NHSNumber // ascending
	current []person.NHSNumber // the end of the chain that begins there, or circular, or forked
	forks   []link             // of the numbers that were superseded by several, in order; all of their links
	into    []person.NHSNumber // the next number of each old one that leads into a fork; 0 of others; nil without forks
	circles []link             // of the numbers that lead into a circle, in order
}

// The numbers of a chain without an end are of two kinds.
const circular, forked = 0, 1

// link says that one number was superseded by another.
type link struct{ old, next person.NHSNumber }

// newSuccession follows every chain of links to its end. A chain that comes back to
// itself, or that forks since a number was superseded by two, has none.
func newSuccession(links []link) *succession {
	slices.SortFunc(links, byOld)
	links = slices.Compact(links)
	s := &succession{}
	var next []person.NHSNumber
	for i, l := range links {
		if n := len(s.old); n > 0 && s.old[n-1] == l.old {
			if next[n-1] != forked {
				s.forks = append(s.forks, links[i-1])
			}
			s.forks = append(s.forks, l)
			next[n-1] = forked
			continue
		}
		s.old, next = append(s.old, l.old), append(next, l.next)
	}
	if len(s.forks) > 0 {
		s.into = slices.Clone(next)
	}
	s.current = make([]person.NHSNumber, len(next))
	done := make([]bool, len(next))
	var path []int
	var steps []person.NHSNumber // from each of path to the next
	for start := range next {
		path, steps = path[:0], steps[:0]
		end := person.NHSNumber(circular)
		for i := start; ; {
			if done[i] {
				end = s.current[i]
				break
			}
			if next[i] == forked {
				end = forked
				path = append(path, i)
				break
			}
			if next[i] == underWay {
				break
			}
			to := next[i]
			path, steps = append(path, i), append(steps, to)
			next[i] = underWay
			var found bool
			if i, found = slices.BinarySearch(s.old, to); !found {
				end = to
				break
			}
		}
		for k, i := range path {
			s.current[i], done[i] = end, true
			if end == circular {
				s.circles = append(s.circles, link{s.old[i], steps[k]})
			}
		}
	}
	slices.SortFunc(s.circles, byOld)
	return s
}

func byOld(a, b link) int { return cmp.Or(cmp.Compare(a.old, b.old), cmp.Compare(a.next, b.next)) }

// underWay marks the numbers of the chain that is being followed: met again, it is a
// circle.
const underWay = 2

// of is the number under which the person is known now, or the verdict on a chain
// without an end.
func (s *succession) of(n person.NHSNumber) (person.NHSNumber, verdict) {
	if s == nil {
		return n, sendable
	}
	i, found := slices.BinarySearch(s.old, n)
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

// follow finds out, before the records are read, which of their numbers were superseded.
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

// ends lists where the chains from the i-th old number lead, by every fork: a person who has
// had that number is one of them. Where a chain forks or goes round in a circle, the next
// numbers are in the list too: they may be the same person's.
func (s *succession) ends(i int) (ends []person.NHSNumber) {
	switch s.current[i] {
	case forked:
	case circular:
		at, _ := slices.BinarySearchFunc(s.circles, s.old[i], startsAt)
		return []person.NHSNumber{s.circles[at].next}
	default:
		return []person.NHSNumber{s.current[i]}
	}
	ends = s.steps(i)
	seen, todo := map[person.NHSNumber]bool{}, slices.Clone(ends)
	for len(todo) > 0 {
		n := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if seen[n] {
			continue
		}
		seen[n] = true
		if k, superseded := slices.BinarySearch(s.old, n); superseded {
			todo = append(todo, s.steps(k)...)
		} else {
			ends = append(ends, n)
		}
	}
	slices.Sort(ends)
	return slices.Compact(ends)
}

// steps lists the next numbers of the i-th old number, where there are forks.
func (s *succession) steps(i int) (next []person.NHSNumber) {
	if s.into[i] != forked {
		return []person.NHSNumber{s.into[i]}
	}
	first, _ := slices.BinarySearchFunc(s.forks, s.old[i], startsAt)
	for ; first < len(s.forks) && s.forks[first].old == s.old[i]; first++ {
		next = append(next, s.forks[first].next)
	}
	return next
}

func startsAt(l link, n person.NHSNumber) int { return cmp.Compare(l.old, n) }

// readSuccession reads the whole cohort for the numbers that were superseded alone.
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
	for i := range d.files { // what was digested must be what is read, now and the second time
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

// Superseded yields the numbers that the cohort says were superseded, ascending, with the
// number under which the person is known now, which is the one that Records yields. A
// number that was superseded by two different ones comes with each: its own records are
// invalid, and a list that names it means one of the others. One whose chain goes round in
// a circle, or through a fork, comes with the next number too. Their records are invalid,
// and another cohort may know the person by any of them. It is known when the first record
// has come.
func (d *Reader) Superseded() iter.Seq2[person.NHSNumber, person.NHSNumber] {
	return func(yield func(old, current person.NHSNumber) bool) {
		s := d.checker.rules.succession
		if s == nil {
			return
		}
		for i, old := range s.old {
			for _, end := range s.ends(i) {
				if !yield(old, end) {
					return
				}
			}
		}
	}
}
