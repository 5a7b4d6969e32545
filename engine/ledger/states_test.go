package ledger

import (
	"testing"
	"unsafe"

	"pgregory.net/rapid"

	"cohort/engine/record"
)

// A planned form costs 12 bytes, and each state comes back as it was, whether it fits or not.
func TestStatesComeBack(t *testing.T) {
	if size := unsafe.Sizeof(packed{}); size != 12 {
		t.Errorf("a packed state takes %d bytes", size)
	}
	const origin = 1_795_000_000_000
	rapid.Check(t, func(t *rapid.T) {
		around := func(name string, edge, most uint64) uint64 {
			return rapid.OneOf(rapid.Uint64Range(0, 3), rapid.Uint64Range(edge-2, min(most, edge+2)), rapid.Uint64Range(0, most)).Draw(t, name)
		}
		states, want := newStates(3, origin), map[uint32]State{}
		for range rapid.IntRange(1, 20).Draw(t, "changes") {
			s := State{
				Messages: uint32(around("messages", 1<<16, 1<<32-1)), Attempts: uint16(around("attempts", 1<<8, 1<<16-1)),
				Unsent: uint16(around("unsent", 1<<8, 1<<16-1)), Reason: uint16(around("reason", 1<<8, 1<<16-1)),
				Phase: Phase(around("phase", uint64(Foreign), uint64(Foreign))), Loss: Loss(around("loss", 2, 2)),
				Resend: Resending(around("resend", 3, 3)), Settled: record.Spot(around("settled", 1<<32, 1<<48-1)),
			}
			if rapid.Bool().Draw(t, "attempted") {
				s.First = record.Instant(origin - 3 + int64(around("first", 1<<32, 1<<40)))
			}
			batch := rapid.Uint32Range(0, 2).Draw(t, "batch")
			states.set(batch, &s)
			want[batch] = s
			for batch := range uint32(3) {
				var got State
				if states.get(batch, &got); got != want[batch] {
					t.Fatalf("%+v came back as %+v", want[batch], got)
				}
			}
		}
		for batch, s := range want { // an ordinary state is not in the map
			at := int64(s.First) - origin
			fits := s.First == 0 || at >= 0 && at < 1<<32-1
			if _, rare := states.rare[batch]; rare == fits {
				t.Fatalf("%+v is in the map: %v", s, rare)
			}
		}
	})
}

// A state of one kind too many is in the map, and those of known kinds are not.
func TestStatesOfTooManyKinds(t *testing.T) {
	states := newStates(2, 0)
	for n := range uint32(1 << 16) {
		states.set(0, &State{Messages: n})
	}
	for batch, n := range []uint32{1 << 16, 1<<16 - 2} {
		s, got := State{Messages: n}, State{}
		states.set(uint32(batch), &s)
		if states.get(uint32(batch), &got); got != s {
			t.Errorf("%+v came back as %+v", s, got)
		}
	}
	if len(states.rare) != 1 {
		t.Errorf("%d states are in the map", len(states.rare))
	}
}
