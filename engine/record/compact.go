package record

import (
	"fmt"
	"time"

	"cohort/engine/journal"
)

// A run of single messages keeps a ledger.State for each message. The types of this file keep that state small.

// Instant is a time in Unix milliseconds, up to the year 10889. The zero Instant means no time.
type Instant [6]byte

// InstantOf packs a time in Unix milliseconds.
func InstantOf(ms int64) Instant { return Instant(pack(uint64(ms))) }

// UnixMilli returns the time in Unix milliseconds; 0 for no time.
func (s Instant) UnixMilli() int64 { return int64(unpack(s)) }

// Time returns the time; 1 January 1970 for no time.
func (s Instant) Time() time.Time { return time.UnixMilli(s.UnixMilli()) }

// Spot is the place of a record in the log: its segment (at most 65,535) and its byte there (at most 4 GiB).
type Spot [6]byte

const (
	mostSegment = 1<<16 - 1
	mostOffset  = 1<<32 - 1
)

// SpotOf packs a position in the log. It fails when the position is too far to be packed.
func SpotOf(at journal.Position) (Spot, error) {
	if at.Segment > mostSegment || at.Offset > mostOffset {
		return Spot{}, fmt.Errorf("byte %d of segment %d of the progress log is beyond the limit of this version of cohort",
			at.Offset, at.Segment)
	}
	return Spot(pack(at.Segment<<32 | uint64(at.Offset))), nil
}

// Position returns the position in the log.
func (p Spot) Position() journal.Position {
	packed := unpack(p)
	return journal.Position{Segment: packed >> 32, Offset: int64(packed & mostOffset)}
}

func pack(v uint64) (p [6]byte) {
	for i := range p {
		p[i] = byte(v >> (8 * i))
	}
	return p
}

func unpack(p [6]byte) (v uint64) {
	for i, b := range p {
		v |= uint64(b) << (8 * i)
	}
	return v
}
