package enginetest

import "time"

type Sent struct {
	At time.Time
	N  int // messages
}

// WorstSecond returns the most messages in any sliding second.
func WorstSecond(all []Sent) int {
	worst, sum, from := 0, 0, 0
	for _, s := range all {
		sum += s.N
		for !all[from].At.Add(time.Second).After(s.At) {
			sum -= all[from].N
			from++
		}
		worst = max(worst, sum)
	}
	return worst
}
