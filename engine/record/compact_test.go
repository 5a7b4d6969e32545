package record

import (
	"testing"

	"cohort/engine/journal"
)

// What is packed comes out as it went in, and what does not fit is refused.
func TestPacking(t *testing.T) {
	for _, at := range []journal.Position{{}, {Segment: 1, Offset: 64}, {Segment: 300, Offset: 64<<20 + 5}, {Segment: mostSegment, Offset: mostOffset}} {
		if p, err := SpotOf(at); err != nil || p.Position() != at {
			t.Errorf("%+v became %+v, %v", at, p.Position(), err)
		}
	}
	for _, at := range []journal.Position{{Segment: mostSegment + 1}, {Segment: 1, Offset: mostOffset + 1}} {
		if _, err := SpotOf(at); err == nil {
			t.Errorf("%+v fits", at)
		}
	}
}
