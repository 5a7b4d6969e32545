package dispatch

import "cohort/engine/campaign"

// breaker watches the share of refused messages among the latest settled ones.
type breaker struct {
	rule    campaign.StopIf
	latest  []settled // oldest first
	total   int
	refused int
}

type settled struct{ total, refused int }

// add counts messages that were settled together. It reports whether the run must halt: at least rule.Of messages are
// settled, and of the latest rule.Of more than the rule's share was refused.
func (b *breaker) add(total, refused int) bool {
	if b.rule.Of == 0 || total == 0 {
		return false
	}
	b.latest = append(b.latest, settled{total, refused})
	b.total += total
	b.refused += refused
	for len(b.latest) > 1 && b.total-b.latest[0].total >= b.rule.Of {
		b.total -= b.latest[0].total
		b.refused -= b.latest[0].refused
		b.latest = b.latest[1:]
	}
	return b.total >= b.rule.Of && float64(b.refused) > b.rule.Refused*float64(b.total)
}
