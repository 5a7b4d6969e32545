package shard

import "math/bits"

// dedupe finds the record that counts of each person of a shard. It is a hash table with open
// addressing, in two thirds of the time of a map.
type dedupe struct {
	numbers []uint64 // of all records so far
	orders  []int64  // likewise; nil when the rule does not use them
	chosen  []uint32 // by hash of the number: 1 + the index of the record that counts; 0: none
}

// newDedupe makes room for a number of records.
func newDedupe(records int, ordered bool) *dedupe {
	d := &dedupe{numbers: make([]uint64, 0, records), chosen: make([]uint32, 2<<bits.Len(uint(records)))}
	if ordered {
		d.orders = make([]int64, 0, records)
	}
	return d
}

// slot is the place of a number in chosen: where it stands, or would stand.
func (d *dedupe) slot(number uint64) int {
	last := len(d.chosen) - 1
	at := int(number * 0x9E3779B97F4A7C15 >> (64 - bits.Len(uint(last))))
	for d.chosen[at] > 0 && d.numbers[d.chosen[at]-1] != number {
		at = (at + 1) & last
	}
	return at
}

// add takes the next record of the shard. It returns the index of a record of the same person
// that does not count: this one, or one before it; -1 for the person's first record.
func (d *dedupe) add(number uint64, order int64, rule Rule) int {
	i, at := len(d.numbers), d.slot(number)
	d.numbers = append(d.numbers, number)
	if d.orders != nil {
		d.orders = append(d.orders, order)
	}
	before := int(d.chosen[at]) - 1
	if before >= 0 && (rule == First || rule == Latest && order < d.orders[before]) {
		return i
	}
	d.chosen[at] = uint32(i + 1)
	return before
}

// find returns the index of the person's record that counts, or -1.
func (d *dedupe) find(number uint64) int { return int(d.chosen[d.slot(number)]) - 1 }
