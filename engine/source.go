package engine

import (
	"iter"

	"cohort/ingest/person"
)

// Source is a sealed set of shards: the sendable records of a cohort, cut by NHS
// number. It never changes once sealed, and it is safe for concurrent use.
//
// Where a campaign has several routes, the records of a shard that go by one of them are a
// shard here: a lane (person.Lane). So a batch goes by one route, and nothing that holds of
// a batch or of a position need know of routes.
type Source interface {
	// Shards is how many shards there are.
	Shards() int

	// Positions is how many sendable records a shard holds, duplicates and suppressed
	// ones included. Position p of a shard is its p-th sendable record in file order. The
	// lanes of a shard have its positions in common, each of which is in one of them.
	Positions(shard int) uint32

	// Recipients yields the recipients at positions from up to and not including to, in
	// order. Duplicates are left out; suppressed people come with Suppressed set, since
	// they count when batches are cut. A Recipient and its Fields are valid until the
	// next one is asked for. The first error ends the sequence.
	Recipients(shard int, from, to uint32) iter.Seq2[person.Recipient, error]
}

// Routed is a Source, or a Sink, for a campaign that may have several routes. Shard s of
// such a Source goes by route s modulo Routes, counted from 0.
type Routed interface {
	Routes() int
}

// routeOf is by which route the recipients of a shard go.
func RouteOf(s Source, shard uint32) uint8 {
	if s, ok := s.(Routed); ok {
		return uint8(shard % uint32(s.Routes()))
	}
	return 0
}
