package ledger

import (
	"iter"
	"maps"
	"slices"

	"cohort/engine/record"
)

// states keeps the states of the planned forms, by batch: 12 bytes each. It is not safe for concurrent use.
type states struct {
	packed []packed
	kinds  []State             // the different states so far, without First and Settled
	known  map[State]uint16    // a kind's index
	latest [Foreign + 1]uint16 // by phase: the kind that was set last; mostly the next has it too
	rare   map[uint32]State    // by batch: what does not fit
	origin int64               // Unix milliseconds; no first attempt is earlier, as a rule
}

// packed is a State in 12 bytes.
type packed struct {
	offset  uint32 // of Settled
	first   uint32 // milliseconds since the origin, and 1; 0: no first attempt
	segment uint16 // of Settled
	kind    uint16 // index into kinds, or isRare
}

const isRare = 1<<16 - 1

func newStates(n int, origin int64) states {
	return states{packed: make([]packed, n), kinds: []State{{}}, known: map[State]uint16{{}: 0}, rare: map[uint32]State{}, origin: origin}
}

func (t *states) clone() states {
	c := *t
	c.packed, c.kinds, c.known, c.rare = slices.Clone(t.packed), slices.Clone(t.kinds), maps.Clone(t.known), maps.Clone(t.rare)
	return c
}

// get fills s with the state of a batch. Copying a State costs more than reading one.
func (t *states) get(batch uint32, s *State) {
	p := t.packed[batch]
	if p.kind == isRare {
		*s = t.rare[batch]
		return
	}
	*s = t.kinds[p.kind]
	s.Settled = record.Spot(p.segment)<<32 | record.Spot(p.offset)
	if p.first != 0 {
		s.First = record.Instant(t.origin + int64(p.first) - 1)
	}
}

// kindOf returns the state of a batch, and perhaps no First and Settled. It is valid until the next set.
func (t *states) kindOf(batch uint32) *State {
	if kind := t.packed[batch].kind; kind != isRare {
		return &t.kinds[kind]
	}
	return new(t.rare[batch])
}

// set replaces the state of a batch.
func (t *states) set(batch uint32, s *State) {
	p := &t.packed[batch]
	if p.kind == isRare {
		delete(t.rare, batch)
	}
	first := int64(0)
	if s.First != 0 {
		first = int64(s.First) - t.origin + 1
	}
	kind := t.kind(s)
	if kind == isRare || first>>32 != 0 || (first == 0) != (s.First == 0) {
		p.kind, t.rare[batch] = isRare, *s
		return
	}
	*p = packed{uint32(s.Settled), uint32(first), uint16(s.Settled >> 32), kind}
}

// kind returns the index of a state's kind; isRare when there are too many kinds.
func (t *states) kind(s *State) uint16 {
	k := *s
	k.First, k.Settled = 0, 0
	latest := &t.latest[s.Phase]
	if t.kinds[*latest] == k {
		return *latest
	}
	kind, known := t.known[k]
	if !known {
		if len(t.kinds) == isRare {
			return isRare
		}
		kind = uint16(len(t.kinds))
		t.kinds, t.known[k] = append(t.kinds, k), kind
	}
	*latest = kind
	return kind
}

// totals counts the forms that have messages by what Phase and Resend say. The fold keeps it, so nobody has to look at
// every form.
type totals struct {
	counts  [Foreign + 1][toBeResent | wasResent + 1]count
	refused int64 // rows
	listed  int64 // rows

	accepted uint64 // messages that ever were, also those in a file that was refused since
}

type count struct{ forms, messages int64 }

// add counts a form n times.
func (t *totals) add(s *State, n int64) {
	if s.Messages > 0 {
		c := &t.counts[s.Phase][s.Resend]
		c.forms += n
		c.messages += n * int64(s.Messages)
	}
}

// replace takes a form out, after another state of it was added.
func (t *totals) replace(old, s *State) {
	t.add(old, -1)
	if s.IsAccepted() && !old.IsAccepted() {
		t.accepted += uint64(s.Messages)
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
