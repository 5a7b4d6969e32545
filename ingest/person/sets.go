package person

import (
	"iter"
	"slices"
)

// Sets groups NHS numbers of one person: those that links connect. It grows with the number of
// links. A nil *Sets has no groups. It is read-only once made.
type Sets struct {
	numbers []NHSNumber // of all links, ascending
	starts  []int32     // for each number: the start of its set in grouped
	grouped []NHSNumber // the same numbers set by set, each set ascending
	ends    []int32     // for each start: the end of the set in grouped
}

// NewSets makes sets of links. A link says that two numbers are one person's. Links are ranged
// over twice.
func NewSets(links iter.Seq2[NHSNumber, NHSNumber]) *Sets {
	s := &Sets{}
	for a, b := range links {
		s.numbers = append(s.numbers, a, b)
	}
	slices.Sort(s.numbers)
	s.numbers = slices.Clip(slices.Compact(s.numbers))
	parent := make([]int32, len(s.numbers))
	for i := range parent {
		parent[i] = int32(i)
	}
	root := func(n NHSNumber) int32 {
		at, _ := slices.BinarySearch(s.numbers, n)
		i := int32(at)
		for parent[i] != i {
			parent[i] = parent[parent[i]]
			i = parent[i]
		}
		return i
	}
	for a, b := range links {
		x, y := root(a), root(b)
		parent[max(x, y)] = min(x, y) // the least number of a set is its root
	}
	s.group(parent)
	return s
}

// group lays the numbers out set by set. The root of each number's tree is its least.
func (s *Sets) group(parent []int32) {
	s.starts, s.ends, s.grouped = make([]int32, len(parent)), make([]int32, len(parent)), make([]NHSNumber, len(parent))
	sizes := make([]int32, len(parent))
	for i, p := range parent { // parents come first, and have found their root
		parent[i] = parent[p]
		sizes[parent[i]]++
	}
	next := int32(0)
	for i, size := range sizes {
		if size > 0 { // a root
			s.starts[i], s.ends[next] = next, next
			next += size
		}
	}
	for i, r := range parent {
		start := s.starts[r]
		s.starts[i] = start
		s.grouped[s.ends[start]] = s.numbers[i]
		s.ends[start]++
	}
}

// Of lists all numbers of the person who has or had the number n, ascending.
func (s *Sets) Of(n NHSNumber) []NHSNumber {
	if s != nil {
		if i, found := slices.BinarySearch(s.numbers, n); found {
			return s.grouped[s.starts[i]:s.ends[s.starts[i]]]
		}
	}
	return []NHSNumber{n}
}
