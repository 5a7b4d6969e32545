package engine

import (
	"testing"
	"time"
)

func TestPoolSize(t *testing.T) {
	for sentence, test := range map[string]struct {
		requests float64
		latency  time.Duration
		ceiling  int
		want     int
	}{
		"a slow pace and quick answers need two":          {0.1, 100 * time.Millisecond, 16, 2},
		"a batch each ten seconds, answered in 29":        {0.1, 29 * time.Second, 16, 7},
		"ten a second that take half a second each":       {10, 500 * time.Millisecond, 16, 11},
		"one more for the request that is being built":    {1, time.Second, 16, 3},
		"parts are rounded up":                            {1, 1100 * time.Millisecond, 16, 4},
		"no more than the ceiling":                        {1000, time.Second, 16, 16},
		"a ceiling of one outranks the two":               {0.1, time.Millisecond, 1, 1},
		"without a rate the ceiling":                      {0, time.Second, 16, 16},
		"a latency of nothing":                            {59, 0, 16, 2},
		"a rate so high that the product leaves integers": {1e30, time.Hour, 16, 16},
	} {
		if got := PoolSize(test.requests, test.latency, test.ceiling); got != test.want {
			t.Errorf("%s: got %d, want %d", sentence, got, test.want)
		}
	}
}

func TestLatencies(t *testing.T) {
	var l latencies
	if l.p95() != time.Second {
		t.Error("without an answer the guess is a second")
	}
	l.add(3 * time.Second)
	if l.p95() != 3*time.Second {
		t.Errorf("of one answer: %s", l.p95())
	}
	l = latencies{}
	for i := range 100 {
		l.add(time.Duration(i+1) * time.Millisecond)
	}
	if got := l.p95(); got != 96*time.Millisecond {
		t.Errorf("of 1 to 100 ms: %s", got)
	}
	for range 128 {
		l.add(7 * time.Millisecond)
	}
	if got := l.p95(); got != 7*time.Millisecond {
		t.Errorf("old answers are not forgotten: %s", got)
	}
}
