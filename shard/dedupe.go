package shard

// dedupe finds the record that counts of each person of a shard.
type dedupe struct {
	chosen map[uint64]uint32 // by NHS number: the index of the record that counts
	orders []int64           // of all records so far; empty when the rule does not use them
}

func newDedupe(records int, ordered bool) *dedupe {
	d := &dedupe{chosen: make(map[uint64]uint32, records)}
	if ordered {
		d.orders = make([]int64, 0, records)
	}
	return d
}

// add takes record i, the next of the shard. It returns the index of a record of the same
// person that does not count: i itself, or one before it; -1 for the person's first record.
func (d *dedupe) add(i int, number uint64, order int64, rule Rule) int {
	if d.orders != nil {
		d.orders = append(d.orders, order)
	}
	before := d.find(number)
	if before >= 0 && (rule == First || rule == Latest && order < d.orders[before]) {
		return i
	}
	d.chosen[number] = uint32(i)
	return before
}

// find returns the index of the person's record that counts, or -1.
func (d *dedupe) find(number uint64) int {
	if i, known := d.chosen[number]; known {
		return int(i)
	}
	return -1
}
