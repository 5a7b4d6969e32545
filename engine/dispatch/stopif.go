package dispatch

import (
	"cohort/engine/campaign"
)

// refusals watches the share of refused messages among the latest settled ones.
type refusals struct {
	rule    campaign.StopIf
	latest  []settled // oldest first
	total   int
	refused int
}

type settled struct{ total, refused int }

// add counts messages that were settled together and reports whether the run must
// halt: when at least rule.Of messages were settled and more than the rule's share of
// the latest rule.Of was refused.
func (r *refusals) add(total, refused int) bool {
	if r.rule.Of == 0 || total == 0 {
		return false
	}
	r.latest = append(r.latest, settled{total, refused})
	r.total += total
	r.refused += refused
	for len(r.latest) > 1 && r.total-r.latest[0].total >= r.rule.Of {
		r.total -= r.latest[0].total
		r.refused -= r.latest[0].refused
		r.latest = r.latest[1:]
	}
	return r.total >= r.rule.Of && float64(r.refused) > r.rule.Refused*float64(r.total)
}
