package enginetest

import (
	"iter"

	"cohort/engine/plan"
)

// listed yields those of some rows that were to be sent to.
func (p *People) Listed(rows map[int64]string) iter.Seq2[plan.Listed, error] {
	return func(yield func(plan.Listed, error) bool) {
		for shard := range p.Lanes {
			for _, r := range p.Lanes[shard] {
				if code, named := rows[r.Row]; named && !r.Suppressed && !p.Dropped[r.Row] {
					if !yield(plan.Listed{Shard: shard, Position: r.Position, Code: code}, nil) {
						return
					}
				}
			}
		}
	}
}
