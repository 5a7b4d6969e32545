package dispatch

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"cohort/engine"
	"cohort/engine/enginetest"
	"cohort/engine/pace"
)

// A quiet that a service asks for holds after a restart too, for every kind of service. The
// answer may settle the request or leave it in doubt.
func TestAWishForQuietOutlivesTheProcess(t *testing.T) {
	for _, kind := range []engine.Kind{engine.Deduplicates, engine.CanBeAsked} {
		for _, answer := range []engine.Answer{{Reply: engine.Refused, Status: 429, Code: "QUOTA"}, {Reply: engine.Unknown, Status: 503, Code: "UNAVAILABLE"}} {
			answer.RetryAfter, answer.HoldAll = 10*time.Minute, true
			synctest.Test(t, func(t *testing.T) {
				s := newService(1)
				s.fault = func(n int, _ *engine.Request) (engine.Answer, bool) { return answer, n == 0 }
				b := newBench(t, enginetest.NewPeople(4, 1, nil), engine.Limits{Messages: 1, Bytes: 1 << 20})
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				_, err := b.start(ctx, &connection{kind: kind, service: s}, func(j *Job) { j.Ceiling = 1 })
				cancel()
				stoppedBy(t, err, false, "stopped by a signal")
				if _, err = b.start(t.Context(), &connection{kind: kind, service: s}, func(j *Job) { j.Ceiling = 1 }); err != nil {
					t.Error(err)
				}
				if n := len(s.requests); n < 4 {
					t.Errorf("kind %d, %d: %d requests", kind, answer.Status, n)
				}
				for _, r := range s.requests[1:] {
					if since := r.at.Sub(s.requests[0].at); since < answer.RetryAfter {
						t.Errorf("kind %d, %d: a request %s after the service asked for quiet", kind, answer.Status, since)
					}
				}
			})
		}
	}
}

// The rate also comes back gradually in a process that starts during a quiet, or just after
// it.
func TestTheRateComesBackGraduallyAfterARestart(t *testing.T) {
	for sentence, test := range map[string]struct {
		again time.Duration   // when the run is resumed, after the quiet was asked for
		want  map[int]float64 // messages in tens of seconds after the start or the quiet's end
	}{
		"in the quiet":                {20 * time.Second, map[int]float64{0: 250, 1: 550, 2: 850, 3: 1000}},
		"ten seconds after it":        {70 * time.Second, map[int]float64{0: 550, 1: 850, 2: 1000}},
		"when the quiet is long over": {200 * time.Second, map[int]float64{0: 1000, 1: 1000}},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newService(1)
			s.fault = func(n int, _ *engine.Request) (engine.Answer, bool) {
				return engine.Answer{Reply: engine.Refused, Status: 429, Code: "QUOTA", RetryAfter: time.Minute, HoldAll: true}, n == 0
			}
			b := newBench(t, enginetest.NewPeople(6000, 2, nil), engine.Limits{Messages: 10, Bytes: 1 << 20})
			job := func(j *Job) { j.Pace.PerSecond = 100 }
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			_, err := b.start(ctx, &connection{kind: engine.Deduplicates, service: s}, job)
			cancel()
			stoppedBy(t, err, false, "by a signal")
			asked := s.requests[0].at
			time.Sleep(time.Until(asked.Add(test.again)))
			summary, err := b.start(t.Context(), &connection{kind: engine.Deduplicates, service: s}, job)
			b.finished(s, summary, err)
			begins, sent := pace.Later(asked.Add(time.Minute), asked.Add(test.again)), map[int]float64{}
			for _, r := range s.requests[1:] {
				sent[int(r.at.Sub(begins)/(10*time.Second))] += float64(r.messages)
			}
			for tens, want := range test.want {
				if got := sent[tens]; got < want-30 || got > want+30 {
					t.Errorf("%s: %v messages in the ten seconds after second %d, want about %v", sentence, got, 10*tens, want)
				}
			}
		})
	}
}
