package pace

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestBackoff(t *testing.T) {
	for sentence, test := range map[string]struct {
		n      int
		jitter float64
		want   time.Duration
	}{
		"the first repetition waits up to a second": {1, 1, time.Second},
		"half of it with half the jitter":           {1, 0.5, 500 * time.Millisecond},
		"nothing without jitter":                    {1, 0, 0},
		"the second up to two":                      {2, 1, 2 * time.Second},
		"the fifth up to sixteen":                   {5, 1, 16 * time.Second},
		"the eighth up to 128":                      {8, 1, 128 * time.Second},
		"the ninth up to five minutes":              {9, 1, 5 * time.Minute},
		"the thousandth no longer":                  {1000, 1, 5 * time.Minute},
		"no repetition is taken for the first":      {0, 1, time.Second},
		"nor is a number below none":                {-3, 1, time.Second},
	} {
		if got := Backoff(test.n, test.jitter); got != test.want {
			t.Errorf("%s: got %s", sentence, got)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		n, jitter := rapid.IntRange(-2, 1<<30).Draw(t, "n"), rapid.Float64Range(0, 1).Draw(t, "jitter")
		if d := Backoff(n, jitter); d < 0 || d > mostBackoff || d > Backoff(n+1, jitter) {
			t.Fatalf("the %d-th waits %s, the next %s", n, d, Backoff(n+1, jitter))
		}
	})
}
