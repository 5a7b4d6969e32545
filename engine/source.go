package engine

import (
	"iter"

	"cohort/ingest/person"
)

// Source is a sealed set of shards: the sendable records of a cohort, cut by NHS
// number. It never changes once sealed, and it is safe for concurrent use.
type Source interface {
	// Shards is how many shards there are.
	Shards() int

	// Positions is how many sendable records a shard holds, duplicates and suppressed
	// ones included. Position p of a shard is its p-th sendable record in file order.
	Positions(shard int) uint32

	// Recipients yields the recipients at positions from up to and not including to, in
	// order. Duplicates are left out; suppressed people come with Suppressed set, since
	// they count when batches are cut. A Recipient and its Fields are valid until the
	// next one is asked for. The first error ends the sequence.
	Recipients(shard int, from, to uint32) iter.Seq2[person.Recipient, error]
}
