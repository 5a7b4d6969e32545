package ledger

import "cohort/engine/record"

// states keeps the states of the planned forms, by batch: 16 bytes each. A state that does not fit is in a map. It is
// not safe for concurrent use.
type states struct {
	packed []packed
	rare   map[uint32]State
	origin int64 // Unix milliseconds; no first attempt is earlier, as a rule
}

// packed is a State in 16 bytes.
type packed struct {
	settled  record.Spot
	messages uint16
	first    uint32 // milliseconds since the origin, and 1; 0: none
	attempts uint8
	unsent   uint8
	reason   uint8
	kind     uint8 // phase, loss and resending
}

// isRare is the kind of a state that is in the map. Its phase does not exist.
const isRare = 0xFF

func newStates(n int, origin int64) states {
	return states{packed: make([]packed, n), rare: map[uint32]State{}, origin: origin}
}

// get returns the state of a batch.
func (t *states) get(batch uint32) State {
	p := &t.packed[batch]
	if p.kind == isRare {
		return t.rare[batch]
	}
	s := State{
		Messages: uint32(p.messages), Attempts: uint16(p.attempts), Unsent: uint16(p.unsent), Reason: uint16(p.reason),
		Phase: Phase(p.kind >> 4), Loss: Loss(p.kind >> 2 & 3), Resend: Resending(p.kind & 3), Settled: p.settled,
	}
	if p.first != 0 {
		s.First = record.InstantOf(t.origin + int64(p.first) - 1)
	}
	return s
}

// set replaces the state of a batch.
func (t *states) set(batch uint32, s State) {
	p := &t.packed[batch]
	if p.kind == isRare {
		delete(t.rare, batch)
	}
	first := int64(0)
	if s.First != (record.Instant{}) {
		first = s.First.UnixMilli() - t.origin + 1
	}
	*p = packed{
		settled: s.Settled, messages: uint16(s.Messages), first: uint32(first), attempts: uint8(s.Attempts),
		unsent: uint8(s.Unsent), reason: uint8(s.Reason), kind: uint8(s.Phase)<<4 | uint8(s.Loss)<<2 | uint8(s.Resend),
	}
	if t.get(batch) != s {
		p.kind, t.rare[batch] = isRare, s
	}
}

// totals counts the forms that have messages by what Phase and Resend say. The fold keeps it, so nobody has to look at
// every form.
type totals struct {
	counts  [Foreign + 1][toBeResent | wasResent + 1]count
	refused int64 // rows
	listed  int64 // rows
}

type count struct{ forms, messages int64 }

// add counts a form n times.
func (t *totals) add(s State, n int64) {
	if s.Messages > 0 {
		c := &t.counts[s.Phase][s.Resend]
		c.forms += n
		c.messages += n * int64(s.Messages)
	}
}

// each yields the counts. Each comes with a State that has the Phase and Resend of its forms, and one message.
func (t *totals) each(yield func(State, count) bool) {
	for phase := range t.counts {
		for resend, c := range t.counts[phase] {
			if !yield(State{Phase: Phase(phase), Resend: Resending(resend), Messages: 1}, c) {
				return
			}
		}
	}
}

// counts yields the counts of all routes.
func (l *Ledger) counts(yield func(State, count) bool) {
	for i := range l.totals {
		for s, n := range l.totals[i].each {
			if !yield(s, n) {
				return
			}
		}
	}
}
