package record

import (
	"fmt"
	"time"

	"cohort/engine/journal"
)

// Instant is a time in Unix milliseconds. The zero Instant means no time.
type Instant int64

// Time returns the time; 1 January 1970 for no time.
func (s Instant) Time() time.Time { return time.UnixMilli(int64(s)) }

// Spot is the place of a record in the log, in 48 bits: its segment (at most 65,535) and its byte there (at most 4 GiB).
type Spot uint64

const (
	mostSegment = 1<<16 - 1
	mostOffset  = 1<<32 - 1
)

// SpotOf packs a position in the log. It fails when the position is too far to be packed.
func SpotOf(at journal.Position) (Spot, error) {
	if at.Segment > mostSegment || at.Offset > mostOffset {
		return 0, fmt.Errorf("byte %d of segment %d of the progress log is beyond the limit of this version of cohort",
			at.Offset, at.Segment)
	}
	return Spot(at.Segment<<32 | uint64(at.Offset)), nil
}

func (p Spot) Position() journal.Position {
	return journal.Position{Segment: uint64(p >> 32), Offset: int64(p & mostOffset)}
}
