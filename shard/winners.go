package shard

// winners knows the record that counts of every person of a shard: a hash table of
// indices by open addressing, at most three quarters full.
type winners struct {
	numbers []uint64 // of every record of the shard so far
	orders  []int64  // likewise, when the rule asks for them
	table   []uint32 // index of the record that counts, plus 1; 0 is free
	mask    uint64
}

func newWinners(n int, ordered bool) *winners {
	size := 16
	for 3*size < 4*n {
		size *= 2
	}
	w := &winners{numbers: make([]uint64, 0, n), table: make([]uint32, size), mask: uint64(size - 1)}
	if ordered {
		w.orders = make([]int64, 0, n)
	}
	return w
}

// slot is the place of a person in the table, free or not.
func (w *winners) slot(number uint64) *uint32 {
	for i := number * 0x9E3779B97F4A7C15 >> 17 & w.mask; ; i = (i + 1) & w.mask {
		if at := &w.table[i]; *at == 0 || w.numbers[*at-1] == number {
			return at
		}
	}
}

// add takes record i, the next of the shard, and returns the index of the record of the
// same person that does not count because of it or beside it; -1 when it is the first.
func (w *winners) add(i int, number uint64, order int64, rule Rule) int {
	at := w.slot(number)
	w.numbers = append(w.numbers, number)
	if w.orders != nil {
		w.orders = append(w.orders, order)
	}
	before := int(*at) - 1
	if before >= 0 && (rule == First || rule == Latest && order < w.orders[before]) {
		return i
	}
	*at = uint32(i + 1)
	return before
}

// find returns the index of the person's record that counts, or -1.
func (w *winners) find(number uint64) int { return int(*w.slot(number)) - 1 }
