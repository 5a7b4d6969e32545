package record

import (
	"fmt"
	"time"

	"cohort/engine/journal"
)

// A run of single messages keeps a State for each of them, so what a State holds is packed.

// instant is a moment in Unix milliseconds, up to the year 10889. Zero is none.
type Instant [6]byte

func InstantOf(ms int64) (s Instant) {
	for i := range s {
		s[i] = byte(ms >> (8 * i))
	}
	return s
}

// UnixMilli is the moment; 0 when there is none.
func (s Instant) UnixMilli() (ms int64) {
	for i, b := range s {
		ms |= int64(b) << (8 * i)
	}
	return ms
}

// Time is the moment. There must be one.
func (s Instant) Time() time.Time { return time.UnixMilli(s.UnixMilli()) }

// spot is where a record of the log stands: its segment, of which there may be 65,535 (4 TB
// as they are written), and the byte in it, up to 4 GiB.
type Spot [6]byte

const (
	mostSegment = 1<<16 - 1
	mostOffset  = 1<<32 - 1
)

func SpotOf(at journal.Position) (p Spot, err error) {
	if at.Segment > mostSegment || at.Offset > mostOffset {
		return p, fmt.Errorf("byte %d of segment %d of the progress log is further than this version of cohort can count", at.Offset, at.Segment)
	}
	packed := at.Segment<<32 | uint64(at.Offset)
	for i := range p {
		p[i] = byte(packed >> (8 * i))
	}
	return p, nil
}

func (p Spot) Position() journal.Position {
	var packed uint64
	for i, b := range p {
		packed |= uint64(b) << (8 * i)
	}
	return journal.Position{Segment: packed >> 32, Offset: int64(packed & mostOffset)}
}
