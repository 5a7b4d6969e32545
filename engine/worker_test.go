package engine

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"cohort/engine/campaign"
)

// standsStill is a gate behind which the process stands still for a while.
type standsStill time.Duration

func (l standsStill) WaitN(context.Context, int) error {
	time.Sleep(time.Duration(l))
	return nil
}

// A process may stand still between the gate and the wire, or wait for a slow disk. What then
// falls outside the window, or behind the last day, is not sent: its attempt is in the log, and
// certainly not accepted.
func TestTheWindowIsLookedAtBetweenTheLogAndTheWire(t *testing.T) {
	hours := campaign.Pace{Window: &campaign.Hours{From: 0, To: 60}, Messages: 60_000, LastCall: 10 * time.Minute, Location: time.UTC}
	until := campaign.Pace{Until: time.Date(2000, 1, 1, 1, 0, 0, 0, time.UTC), Location: time.UTC}
	for _, test := range []struct {
		sentence string
		pace     campaign.Pace
		stands   time.Duration
		sent     int
	}{
		{"within the window", hours, 49 * time.Minute, 1},
		{"within the last call", hours, 50 * time.Minute, 0},
		{"when the window has closed", hours, 2 * time.Hour, 0},
		{"when the next has opened", hours, 24 * time.Hour, 1},
		{"on the last day", until, 59 * time.Minute, 1},
		{"after it", until, time.Hour, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newService(1)
			b := newBench(t, newPeople(3, 1, nil), Limits{Messages: 3, Bytes: 1 << 20})
			plan := openPlan(t, b.dir)
			log, err := OpenProgressLog(b.dir, plan)
			must(t, err)
			must(t, log.Open(Start{At: time.Now()}))
			planned, err := plan.Batch(0)
			must(t, err)
			w := &workers{
				builder: builder{run: plan.Run, source: b.people, sink: &connection{kind: Deduplicates, service: s}},
				gate:    standsStill(test.stands), hold: func(Answer) {}, log: log, pace: test.pace,
			}
			r := w.carry(t.Context(), t.Context(), errand{n: 1, planned: planned, form: planned.Form})
			must(t, r.err)
			must(t, log.attempted(r.attempt))
			if len(s.requests) != test.sent {
				t.Errorf("%s: %d requests", test.sentence, len(s.requests))
			}
			if unsent := r.answer.Reply == Unsent && r.answer.Code == codeWindowClosed; unsent != (test.sent == 0) {
				t.Errorf("%s: %+v", test.sentence, r.answer)
			}
			must(t, log.Close())
			must(t, plan.Close())
		})
	}
}
