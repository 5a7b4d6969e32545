package dispatch

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"cohort/engine"
	"cohort/engine/campaign"
	"cohort/engine/enginetest"
	"cohort/engine/ledger"
	"cohort/engine/pace"
	"cohort/engine/plan"
)

// A process may stand still between the gate and the wire, or wait for a slow disk. A request
// that then falls outside the window, or after the last day, is not sent. Its attempt is in the
// log, and was certainly not accepted.
func TestTheWindowIsCheckedBetweenTheLogAndTheWire(t *testing.T) {
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
			b := newBench(t, enginetest.NewPeople(3, 1, nil), engine.Limits{Messages: 3, Bytes: 1 << 20})
			p := enginetest.OpenPlan(t, b.dir)
			log, err := ledger.Open(b.dir, p)
			enginetest.Must(t, err)
			enginetest.Must(t, log.Open(ledger.Start{At: time.Now()}))
			planned, err := p.Batch(0)
			enginetest.Must(t, err)
			w := &workers{
				builder: plan.Builder{References: p.References, Source: b.people, Sink: &connection{kind: engine.Deduplicates, service: s}},
				wait: func(context.Context, int) (time.Time, error) { // the process stands still behind the gate
					time.Sleep(test.stands)
					return time.Time{}, nil
				},
				done: func(u pace.Used) {
					if (u == pace.Answered) != (test.sent > 0) {
						t.Errorf("%s: the permit comes back as %d", test.sentence, u)
					}
				},
				onAnswer: func(engine.Answer) {}, log: log, pace: test.pace,
			}
			r := w.execute(t.Context(), t.Context(), task{n: 1, planned: planned, form: planned.Form})
			enginetest.Must(t, r.err)
			enginetest.Must(t, log.Attempted(r.attempt))
			if len(s.requests) != test.sent {
				t.Errorf("%s: %d requests", test.sentence, len(s.requests))
			}
			if unsent := r.answer.Reply == engine.Unsent && r.answer.Code == codeWindowClosed; unsent != (test.sent == 0) {
				t.Errorf("%s: %+v", test.sentence, r.answer)
			}
			enginetest.Must(t, log.Close())
			enginetest.Must(t, p.Close())
		})
	}
}
