package shard

import "cohort/ingest/person"

// Index is the 0-based shard of a person. It depends only on the NHS number and on the number
// of shards. It is part of the spool's format: a person has the same shard in every run and on
// every machine.
//
// The hash is the finaliser of SplitMix64 (Steele, Lea and Flood, 2014). Its upper bits are
// scaled to the number of shards.
func Index(n person.NHSNumber, shards int) int {
	z := n.Uint64() + 0x9E3779B97F4A7C15
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	z ^= z >> 31
	return int((z >> 32) * uint64(shards) >> 32)
}

// Count is the number of shards for a cohort file of a size in bytes: one for each 4 MiB, a
// power of two up to 64. So a small cohort has few batches, and the shards of a large one fit
// in memory.
func Count(bytes int64) int {
	shards := 1
	for shards < 64 && int64(shards)<<22 < bytes {
		shards *= 2
	}
	return shards
}

// CountRouted is Count for a cohort with several routes. It makes about as many lanes as Count
// makes shards, because each lane has a record batch in memory while it is sent. It never goes
// below four shards, or below Count.
func CountRouted(bytes int64, routes int) int {
	shards := Count(bytes)
	return max(min(shards, 4), shards/max(1, routes))
}
