package intake

import (
	"math/bits"
	"runtime"
	"sync"

	"github.com/apache/arrow/go/v15/arrow/array"
)

// Numbers are put aside in so many shards that the set of each stays within a
// processor's nearest cache, for cohorts of some millions.
const (
	censusBits   = 10
	censusShards = 1 << censusBits
)

// census counts people: numbers are put aside by shard, and each shard is counted by
// itself, several at once. Its zero value is ready.
//
// A number is kept without its check digit, which the nine digits before it settle, so
// that it takes four bytes. What is left is 0 only for a number that is not valid.
type census struct{ shards [censusShards][]uint32 }

// spread is a hash: its upper bits choose the shard, those below the place in its set.
func spread(nine uint32) uint32 { return nine * 0x9E3779B1 }

// add takes the valid numbers of a batch.
func (c *census) add(numbers *array.Uint64) {
	values, nulls := numbers.Uint64Values(), numbers.NullN() > 0
	for i, n := range values {
		if nulls && numbers.IsNull(i) {
			continue
		}
		nine := uint32(n / 10)
		s := &c.shards[spread(nine)>>(32-censusBits)]
		*s = append(*s, nine)
	}
}

// people is how many different numbers there were.
func (c *census) people() (sum int64) {
	workers := runtime.GOMAXPROCS(0)
	counted := make([]int64, workers)
	var group sync.WaitGroup
	for w := range workers {
		group.Go(func() {
			var table []uint32
			for s := w; s < censusShards; s += workers {
				table = room(table, len(c.shards[s]))
				counted[w] += different(c.shards[s], table)
			}
		})
	}
	group.Wait()
	for _, n := range counted {
		sum += n
	}
	return sum
}

// room is an empty table for n numbers, at most half full with them: a power of two.
func room(table []uint32, n int) []uint32 {
	size := 1 << bits.Len(uint(2*n|15))
	if cap(table) < size {
		return make([]uint32, size)
	}
	table = table[:size]
	clear(table)
	return table
}

// different counts the different numbers with a table of open addressing.
func different(numbers, table []uint32) (n int64) {
	mask := uint32(len(table) - 1)
	shift := 32 - bits.Len32(mask)
	for _, number := range numbers {
		i := spread(number) << censusBits >> shift
		for table[i&mask] != 0 && table[i&mask] != number {
			i++
		}
		if table[i&mask] == 0 {
			table[i&mask] = number
			n++
		}
	}
	return n
}
