package pacing

import (
	"slices"
	"time"
)

// Passing is when requests were let through.
type Passing struct {
	Requests int     `json:"requests"`
	Achieved float64 `json:"requests_per_second"` // without the first tenth of them
	Worst    int     `json:"worst_second"`        // the most requests in any sliding second
}

// passing looks at moments, in nanoseconds, of each goroutine. The rate is that of the
// intervals between them without the first tenth, so that neither a gate that starts full
// nor one that starts empty is given anything.
func passing(of [][]int64) (p Passing) {
	moments := slices.Concat(of...)
	slices.Sort(moments)
	p.Requests = len(moments)
	if settled := p.Requests / 10; p.Requests-settled > 1 {
		span := time.Duration(moments[p.Requests-1] - moments[settled])
		p.Achieved = float64(p.Requests-1-settled) / span.Seconds()
	}
	from := 0
	for i, at := range moments {
		for moments[from] <= at-int64(time.Second) { // a second holds one of its ends
			from++
		}
		p.Worst = max(p.Worst, i-from+1)
	}
	return p
}
