package ledger

import (
	"iter"

	"cohort/engine/record"
)

// states keeps the states of the planned forms, by batch: 16 bytes each. A state that does not fit is in a map. It is
// not safe for concurrent use.
type states struct {
	packed []packed
	rare   map[uint32]State
	origin int64 // Unix milliseconds; no first attempt is earlier, as a rule
}

// packed is a State in 16 bytes, from the lowest bits on: in place, Settled (48 bits) and Messages (16); in rest, Resend
// (2), Loss (2), Phase (4), Reason (8), Unsent (8), Attempts (8), and First (32) in milliseconds since the origin, and 1.
type packed struct{ place, rest uint64 }

// isRare is the rest of a state that is in the map. Its phase does not exist.
const isRare = 0xFF

func newStates(n int, origin int64) states {
	return states{packed: make([]packed, n), rare: map[uint32]State{}, origin: origin}
}

// get fills s with the state of a batch. Copying a State costs more than reading one.
func (t *states) get(batch uint32, s *State) {
	p := t.packed[batch]
	if p.rest == isRare {
		*s = t.rare[batch]
		return
	}
	s.Settled, s.Messages = record.Spot(p.place&(1<<48-1)), uint32(p.place>>48)
	s.Resend, s.Loss, s.Phase = Resending(p.rest&3), Loss(p.rest>>2&3), Phase(p.rest>>4&15)
	s.Reason, s.Unsent, s.Attempts = uint16(p.rest>>8&0xFF), uint16(p.rest>>16&0xFF), uint16(p.rest>>24&0xFF)
	s.First = 0
	if first := int64(p.rest >> 32); first != 0 {
		s.First = record.Instant(t.origin + first - 1)
	}
}

func (t *states) set(batch uint32, s *State) {
	p := &t.packed[batch]
	if p.rest == isRare {
		delete(t.rare, batch)
	}
	first := int64(0)
	if s.First != 0 {
		first = int64(s.First) - t.origin + 1
	}
	if s.Messages >= 1<<16 || max(s.Attempts, s.Unsent, s.Reason) >= 1<<8 || first>>32 != 0 || (first == 0) != (s.First == 0) {
		p.rest, t.rare[batch] = isRare, *s
		return
	}
	p.place = uint64(s.Settled) | uint64(s.Messages)<<48
	p.rest = uint64(s.Resend) | uint64(s.Loss)<<2 | uint64(s.Phase)<<4 |
		uint64(s.Reason)<<8 | uint64(s.Unsent)<<16 | uint64(s.Attempts)<<24 | uint64(first)<<32
}

// totals counts the forms that have messages by what Phase and Resend say. The fold keeps it, so nobody has to look at
// every form.
type totals struct {
	counts  [Foreign + 1][toBeResent | wasResent + 1]count
	refused int64 // rows
	listed  int64 // rows
}

type count struct{ forms, messages int64 }

func (t *totals) add(s *State, n int64) {
	if s.Messages > 0 {
		c := &t.counts[s.Phase][s.Resend]
		c.forms += n
		c.messages += n * int64(s.Messages)
	}
}

// counts yields the counts of some totals. Each comes with a State that has the Phase and Resend of its forms, and one
// message.
func counts(of []totals) iter.Seq2[State, count] {
	return func(yield func(State, count) bool) {
		for i := range of {
			for phase := range of[i].counts {
				for resend, c := range of[i].counts[phase] {
					if !yield(State{Phase: Phase(phase), Resend: Resending(resend), Messages: 1}, c) {
						return
					}
				}
			}
		}
	}
}
