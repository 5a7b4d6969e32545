package dispatch

import (
	"testing"

	"cohort/engine/campaign"
)

func TestTheBreaker(t *testing.T) {
	rule := campaign.StopIf{Refused: 0.10, Of: 100}
	for sentence, test := range map[string]struct {
		rule campaign.StopIf
		adds []settled
		halt int // the index of the first that halts; -1 for none
	}{
		"nothing refused":                                 {rule, []settled{{1000, 0}, {1000, 0}}, -1},
		"exactly the share":                               {rule, []settled{{90, 0}, {10, 10}}, -1},
		"one more than the share":                         {rule, []settled{{89, 0}, {11, 11}}, 1},
		"all refused, but too few to judge by":            {rule, []settled{{50, 50}, {49, 49}}, -1},
		"all refused, and enough to judge by":             {rule, []settled{{50, 50}, {49, 49}, {1, 1}}, 2},
		"one batch that is larger than the rule asks for": {rule, []settled{{500, 51}}, 0},
		"long ago does not count":                         {rule, []settled{{90, 0}, {10, 10}, {100, 0}, {90, 0}, {10, 10}}, -1},
		"long success does not hide it":                   {rule, []settled{{100000, 0}, {50, 5}, {50, 6}}, 2},
		"what refuses and what is accepted come by turns": {rule, []settled{{10, 10}, {90, 0}, {2, 2}, {98, 0}}, 2},
		"switched off":                                    {campaign.StopIf{Refused: 0.1}, []settled{{1000, 1000}}, -1},
		"a share of nothing halts at the first":           {campaign.StopIf{Of: 10}, []settled{{10, 0}, {10, 1}}, 1},
		"a share of everything never halts":               {campaign.StopIf{Refused: 1, Of: 10}, []settled{{10, 10}, {10, 10}}, -1},
		"what settles no messages counts nothing":         {rule, []settled{{0, 0}, {100, 11}}, 1},
	} {
		r := breaker{rule: test.rule}
		halted := -1
		for i, add := range test.adds {
			if r.add(add.total, add.refused) && halted < 0 {
				halted = i
			}
		}
		if halted != test.halt {
			t.Errorf("%s: halted at %d, want %d", sentence, halted, test.halt)
		}
	}
}

// The breaker keeps as many messages as its rule needs, not the whole run.
func TestTheBreakerForgets(t *testing.T) {
	r := breaker{rule: campaign.StopIf{Refused: 0.1, Of: 2000}}
	for range 100_000 {
		r.add(1, 0)
	}
	if len(r.latest) > 2000 || r.total > 2000 {
		t.Errorf("%d entries for %d messages are kept", len(r.latest), r.total)
	}
}
