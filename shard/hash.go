package shard

import "cohort/ingest/person"

// Index is the shard, from 0, in which a person lives when there are shards of them. It
// depends on nothing but the number and is part of the spool's format: the same
// person lives in the same shard in every run and on every machine.
//
// The hash is the finaliser of SplitMix64 (Steele, Lea and Flood, 2014), whose upper
// bits are scaled to the number of shards.
func Index(n person.NHSNumber, shards int) int {
	z := n.Uint64() + 0x9E3779B97F4A7C15
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	z ^= z >> 31
	return int((z >> 32) * uint64(shards) >> 32)
}

// Count is how many shards a cohort file of so many bytes is cut into: one for each
// 4 MiB, a power of two up to 64. A small cohort is not scattered over more batches
// than it needs, and a large one never has a shard that does not fit in memory.
func Count(bytes int64) int {
	shards := 1
	for shards < 64 && int64(shards)<<22 < bytes {
		shards *= 2
	}
	return shards
}

// CountRouted is Count for a cohort of several routes: about as many lanes as there would be
// shards, since each has a record batch in memory while it is sent. Four shards or fewer are
// not made less.
func CountRouted(bytes int64, routes int) int {
	shards := Count(bytes)
	return max(min(shards, 4), shards/max(1, routes))
}
