package dispatch

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cohort/engine"
	"cohort/engine/enginetest"
)

// What counts as silence, answer by answer. Each answer is to an attempt a second before it.
func TestSilence(t *testing.T) {
	var (
		taken   = engine.Answer{Reply: engine.Accepted, Status: 201}
		ours    = engine.Answer{Reply: engine.Known, Status: 422}
		bad     = engine.Answer{Reply: engine.RowsRefused, Status: 400}
		large   = engine.Answer{Reply: engine.TooLarge, Status: 413}
		broken  = engine.Answer{Reply: engine.Unknown, Status: 500}
		gone    = engine.Answer{Reply: engine.Unsent, Code: "not_reached"}
		stale   = engine.Answer{Reply: engine.Refused, Status: 401, RetryAfter: time.Millisecond}
		busy    = engine.Answer{Reply: engine.Refused, Status: 429, RetryAfter: 10 * time.Minute, HoldAll: true}
		away    = engine.Answer{Reply: engine.Unknown, Status: 503, RetryAfter: 10 * time.Minute, HoldAll: true}
		bare    = engine.Answer{Reply: engine.Unknown, Status: 503, HoldAll: true}
		early   = engine.Answer{Reply: engine.Unknown, Status: 425, RetryAfter: 5 * time.Minute}
		patient = engine.Answer{Reply: engine.Unknown, Status: 500, RetryAfter: 5 * time.Minute}
	)
	type heard struct {
		at time.Duration // after the first attempt
		a  engine.Answer
	}
	const m = time.Minute
	for sentence, test := range map[string]struct {
		answers []heard
		lasts   time.Duration // by the last of them; the second that an attempt takes is left out
	}{
		"an acceptance ends it":                    {[]heard{{1 * m, broken}, {9 * m, taken}}, 0},
		"a duplicate's answer does":                {[]heard{{1 * m, broken}, {9 * m, ours}}, 0},
		"refused rows do":                          {[]heard{{1 * m, broken}, {9 * m, bad}}, 0},
		"a request that is too large does":         {[]heard{{1 * m, broken}, {9 * m, large}}, 0},
		"errors do not":                            {[]heard{{1 * m, broken}, {5 * m, broken}, {9 * m, broken}}, 8 * m},
		"nor a refused token":                      {[]heard{{1 * m, broken}, {9 * m, stale}}, 8 * m},
		"nor a connection that is refused":         {[]heard{{1 * m, gone}, {9 * m, gone}}, 8 * m},
		"nor a 503 that asks for nothing":          {[]heard{{1 * m, bare}, {9 * m, bare}}, 8 * m},
		"nor a wish for quiet, which counts not":   {[]heard{{1 * m, busy}, {11 * m, busy}}, 0},
		"however often it is asked for":            {[]heard{{1 * m, away}, {11 * m, away}, {21 * m, away}, {31 * m, away}}, 0},
		"but what is over it counts":               {[]heard{{1 * m, busy}, {13 * m, gone}}, 2 * m},
		"and what was before it":                   {[]heard{{1 * m, gone}, {5 * m, busy}, {16 * m, gone}}, 5 * m},
		"two wishes at once count once":            {[]heard{{1 * m, busy}, {3 * m, busy}, {15 * m, gone}}, 2 * m},
		"the wait of a 425 counts not":             {[]heard{{1 * m, early}, {6 * m, early}}, 0},
		"but only once":                            {[]heard{{1 * m, early}, {6 * m, early}, {11 * m, early}, {16 * m, early}}, 10 * m},
		"also of many forms":                       {[]heard{{1 * m, early}, {3 * m, early}, {5 * m, early}, {9 * m, early}}, 3 * m},
		"and once more after a settling answer":    {[]heard{{1 * m, early}, {6 * m, ours}, {7 * m, early}, {12 * m, early}}, 0},
		"an error's wish is its form's alone":      {[]heard{{1 * m, patient}, {9 * m, patient}}, 8 * m},
		"it begins behind the last settled answer": {[]heard{{1 * m, broken}, {9 * m, taken}, {20 * m, broken}, {22 * m, gone}}, 2 * m},
	} {
		var s silence
		var lasts time.Duration
		start := time.Date(2026, 11, 21, 6, 0, 0, 0, time.UTC)
		for _, h := range test.answers {
			lasts = s.add(h.a, start.Add(h.at-time.Second), start.Add(h.at))
		}
		if got := lasts.Truncate(m); got != test.lasts {
			t.Errorf("%s: %s, not %s", sentence, got, test.lasts)
		}
		s.restart(start.Add(time.Hour)) // a window, or the end of a pause
		if got := s.add(broken, start.Add(59*m), start.Add(61*m)); got != m {
			t.Errorf("%s: after a new beginning %s", sentence, got)
		}
	}
}

// A service that goes on without settling anything is given up; one that asks for quiet gets
// it, and does not begin the count anew by that.
func TestGiveUpAfter(t *testing.T) {
	fives := func(int) engine.Answer { return engine.Answer{Reply: engine.Unknown, Status: 500, Code: "INTERNAL"} }
	early := func(int) engine.Answer {
		return engine.Answer{Reply: engine.Unknown, Status: 425, Code: "EARLY", RetryAfter: 5 * time.Minute}
	}
	quiet := func(int) engine.Answer {
		return engine.Answer{Reply: engine.Refused, Status: 429, Code: "QUOTA", RetryAfter: 10 * time.Minute, HoldAll: true}
	}
	refused := func(int) engine.Answer {
		return engine.Answer{Reply: engine.Unsent, Code: "not_reached", Why: "connection refused"}
	}
	for _, test := range []struct {
		sentence string
		answer   func(n int) engine.Answer
		least    time.Duration // 0: it never gives up
		most     time.Duration
		says     string
	}{
		{"no answer at all", func(int) engine.Answer { return engine.Answer{Reply: engine.Unknown, Code: "timeout"} }, 15 * time.Minute, 18 * time.Minute, "no answer at all for 15m0s (give_up_after): NHS Notify does not answer (timeout)"},
		{"nothing to connect to", refused, 15 * time.Minute, 18 * time.Minute, "no answer at all for 15m0s (give_up_after): NHS Notify cannot be reached (connection refused)"},
		{"500 for ever", fives, 15 * time.Minute, 18 * time.Minute, "no answer that settles or refuses anything for 15m0s (give_up_after): NHS Notify does not answer well (500 INTERNAL)"},
		{"425 for ever", early, 20 * time.Minute, 26 * time.Minute, "NHS Notify is still processing an earlier request (425 EARLY)"},
		{"a wish for quiet, again and again", quiet, 0, 0, ""},
		{"a wish for quiet, and then nothing to connect to", func(n int) engine.Answer {
			if n < 8 {
				return quiet(n)
			}
			return refused(n)
		}, 35 * time.Minute, 70 * time.Minute, "NHS Notify cannot be reached"},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newService(1)
			s.fault = func(n int, _ *engine.Request) (engine.Answer, bool) { return test.answer(n), n >= 5 }
			b := newBench(t, enginetest.NewPeople(100, 1, nil), engine.Limits{Messages: 10, Bytes: 1 << 20})
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Hour)
			defer cancel()
			start := time.Now()
			_, err := b.start(ctx, &connection{kind: engine.Deduplicates, service: s, took: time.Second}, func(j *Job) {
				j.GiveUpAfter, j.Service, j.Ceiling = 15*time.Minute, "NHS Notify", 2
			})
			took := time.Since(start)
			if test.least == 0 {
				stoppedBy(t, err, false, "stopped by a signal")
				return
			}
			stoppedBy(t, err, true, test.says)
			if took < test.least || took > test.most {
				t.Errorf("%s: it gave up after %s", test.sentence, took)
			}
			if len(s.requests) > 120 {
				t.Errorf("%s: and knocked %d times", test.sentence, len(s.requests))
			}
			s.fault = nil
			summary, err := b.start(t.Context(), &connection{kind: engine.Deduplicates, service: s}, nil)
			b.finished(s, summary, err)
		})
	}
}

// A gateway that delivers each request twice is no outage: nothing is held back for it.
func TestA425HoldsBackNothingElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(1)
		s.fault = func(n int, r *engine.Request) (engine.Answer, bool) {
			if s.batches[r.Reference] {
				return engine.Answer{}, false
			}
			s.take(r)
			return engine.Answer{Reply: engine.Unknown, Status: 425, Code: "EARLY", RetryAfter: 5 * time.Minute}, true
		}
		b := newBench(t, enginetest.NewPeople(1000, 2, nil), engine.Limits{Messages: 10, Bytes: 1 << 20})
		summary, err := b.start(t.Context(), &connection{kind: engine.Deduplicates, service: s, took: time.Second}, func(j *Job) {
			j.Pace.PerSecond, j.GiveUpAfter, j.Ceiling = 10, 15*time.Minute, 4
		})
		b.finished(s, summary, err)
		first := s.requests[0].at
		if at := s.requests[99].at.Sub(first); at > 110*time.Second {
			t.Errorf("100 batches took %s to go out for the first time", at)
		}
		for i, r := range s.requests[100:] { // a 425's Retry-After is kept to
			for _, before := range s.requests[:100] {
				if wait := r.at.Sub(before.at); before.reference == r.reference && wait < 5*time.Minute {
					t.Errorf("request %d was replayed after %s", i, wait)
				}
			}
		}
	})
}

// What a run waits for is said, and until when: also when nothing but one form is left.
func TestTheWaitOfTheLastForms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(1)
		s.fault = func(n int, _ *engine.Request) (engine.Answer, bool) {
			return engine.Answer{Reply: engine.Unknown, Status: 425, Code: "EARLY", RetryAfter: 5 * time.Minute}, n == 0
		}
		b := newBench(t, enginetest.NewPeople(10, 1, nil), engine.Limits{Messages: 10, Bytes: 1 << 20})
		var waited []string
		start := time.Now()
		summary, err := b.start(t.Context(), &connection{kind: engine.Deduplicates, service: s, took: time.Second}, func(j *Job) {
			j.Service = "NHS Notify"
			j.Progress = func(now Snapshot) {
				if now.Waiting != "" && len(waited) == 0 {
					waited = append(waited, now.Waiting, now.Until.Sub(start).Round(time.Second).String())
				}
				if now.Left == 0 && now.Waiting != "" {
					t.Error("it says that it waits when all is done")
				}
			}
		})
		b.finished(s, summary, err)
		if got := strings.Join(waited, ", until "); got != "NHS Notify is still processing an earlier request (425 EARLY), until 5m1s" {
			t.Error(got)
		}
	})
}

// The wait of a 425 holds after a restart too, for its form alone.
func TestTheWaitOfA425OutlivesTheProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(1)
		s.fault = func(n int, r *engine.Request) (engine.Answer, bool) {
			if n > 0 {
				return engine.Answer{}, false
			}
			s.take(r)
			return engine.Answer{Reply: engine.Unknown, Status: 425, Code: "EARLY", RetryAfter: 5 * time.Minute}, true
		}
		b := newBench(t, enginetest.NewPeople(30, 1, nil), engine.Limits{Messages: 10, Bytes: 1 << 20})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := b.start(ctx, &connection{kind: engine.Deduplicates, service: s}, func(j *Job) { j.Pace.PerSecond = 0.2 })
		stoppedBy(t, err, false, "stopped by a signal")
		summary, err := b.start(t.Context(), &connection{kind: engine.Deduplicates, service: s}, func(j *Job) { j.Pace.PerSecond = 10 })
		b.finished(s, summary, err)
		first, last := s.requests[0], s.requests[len(s.requests)-1]
		if wait := last.at.Sub(first.at); last.reference != first.reference || wait < 5*time.Minute-time.Millisecond || len(s.requests) != 4 {
			t.Errorf("%d requests, the last of them %s after the first", len(s.requests), wait)
		}
	})
}
