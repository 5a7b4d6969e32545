package intake

import (
	"runtime"

	"github.com/apache/arrow/go/v15/arrow/array"
	"golang.org/x/sync/errgroup"

	"cohort/ingest/person"
	"cohort/shard"
)

// censusShards keep the set of each shard within a processor's cache.
const censusShards = 64

// census counts people: numbers are put aside by shard, and each shard is counted by
// itself, several at once. Its zero value is ready.
type census struct{ shards [censusShards][]uint64 }

// add takes the valid numbers of a batch.
func (c *census) add(numbers *array.Uint64) {
	values, nulls := numbers.Uint64Values(), numbers.NullN() > 0
	for i, n := range values {
		if nulls && numbers.IsNull(i) {
			continue
		}
		s := shard.Of(person.NHSNumber(n), censusShards)
		c.shards[s] = append(c.shards[s], n)
	}
}

// people is how many different numbers there were.
func (c *census) people() (sum int64) {
	var counted [censusShards]int64
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for s, numbers := range c.shards {
		group.Go(func() error {
			counted[s] = different(numbers)
			return nil
		})
	}
	_ = group.Wait() // none fails
	for _, n := range counted {
		sum += n
	}
	return sum
}

// different counts the different numbers with a table of open addressing, at most half
// full. No number is 0.
func different(numbers []uint64) (n int64) {
	size := 16
	for size < 2*len(numbers) {
		size *= 2
	}
	table, mask := make([]uint64, size), uint64(size-1)
	for _, number := range numbers {
		i := number * 0x9E3779B97F4A7C15 >> 17 & mask
		for table[i] != 0 && table[i] != number {
			i = (i + 1) & mask
		}
		if table[i] == 0 {
			table[i] = number
			n++
		}
	}
	return n
}
