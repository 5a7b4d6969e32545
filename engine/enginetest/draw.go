package enginetest

import (
	"strings"

	"pgregory.net/rapid"

	"cohort/ingest/person"
)

// drawPeople draws a cohort with names of many lengths.
func DrawPeople(t *rapid.T) *People {
	role := rapid.SampledFrom([]person.Fate{"", "", "", person.Duplicate, person.Suppressed})
	p := NewRouted(rapid.IntRange(0, 60).Draw(t, "people"), rapid.IntRange(1, 4).Draw(t, "shards"), rapid.SampledFrom([]int{1, 1, 2, 3}).Draw(t, "routes"), func(int64) person.Fate {
		return role.Draw(t, "role")
	})
	for _, shard := range p.Lanes {
		for i := range shard {
			shard[i].Fields[0] = strings.Repeat("n", rapid.IntRange(0, 300).Draw(t, "length"))
		}
	}
	return p
}
