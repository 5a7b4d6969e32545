package shard

import (
	"slices"

	"cohort/ingest/person"
)

// excludeReplaced leaves out records of a person with several numbers in this cohort, when only
// earlier files connect the numbers. A number that was not replaced stays; when all were
// replaced, the lowest stays. Memory grows only with the replaced numbers.
func (b *build) excludeReplaced() error {
	if b.o.Replaced == nil {
		return nil
	}
	old, here := map[person.NHSNumber]bool{}, map[person.NHSNumber]bool{}
	for n, by := range b.o.Replaced {
		if n != by {
			old[n] = true
		}
	}
	numbers := person.NewSets(b.o.Replaced)
	for _, k := range b.keys {
		err := k.each(func(_ int, number uint64, _ byte, _ int64) {
			if n := person.NHSNumber(number); len(numbers.Of(n)) > 1 {
				here[n] = true
			}
		})
		if err != nil {
			return err
		}
	}
	for n := range here {
		others := slices.DeleteFunc(slices.Clone(numbers.Of(n)), func(o person.NHSNumber) bool { return o == n || !here[o] })
		givesWay := func(o person.NHSNumber) bool { return old[n] && (!old[o] || o < n) }
		if !slices.ContainsFunc(others, givesWay) {
			continue
		}
		verdict, err := b.verdictFor(person.CodeReplaced)
		if err == nil {
			err = b.listed.add(n.Uint64(), verdict, 0)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
