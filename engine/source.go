package engine

import (
	"iter"

	"cohort/ingest/person"
)

// Source is a sealed set of lanes: the sendable records of a cohort, cut by NHS number and by route (person.Lane). So
// a batch has one route. Without routes, a lane is a shard. A Source never changes once sealed, and it is safe for
// concurrent use.
type Source interface {
	// Lanes returns the number of lanes.
	Lanes() int

	// Positions returns the number of sendable records of a lane's shard, with duplicates and suppressed people.
	// Position p of a shard is its p-th sendable record in file order. The lanes of a shard share its positions.
	Positions(lane person.Lane) uint32

	// Recipients yields the recipients of a lane at positions from up to and not including to, in order. Duplicates
	// are absent. Suppressed people have Suppressed set, since they count when batches are cut. A Recipient and its
	// Fields are valid until the next one. The first error ends the sequence.
	Recipients(lane person.Lane, from, to uint32) iter.Seq2[person.Recipient, error]
}

// Routed is a Source, or a Sink, for a campaign that may have several routes. Lane l of such a Source has route l
// modulo Routes, counted from 0.
type Routed interface {
	Routes() int
}

// RouteOf returns the route of a lane.
func RouteOf(s Source, lane person.Lane) uint8 {
	if s, ok := s.(Routed); ok {
		return uint8(int(lane) % s.Routes())
	}
	return 0
}
