package engine

import (
	"math"
	"testing"
)

func TestLeastAbove(t *testing.T) {
	for _, test := range []struct{ most, constant, times, want int }{
		{10, 4, 1, 7}, {10, 4, 2, 4}, {10, 4, 6, 2}, {10, 10, 1, 1}, {10, 11, 1, 0}, {10, 4, 0, math.MaxInt}, {10, 11, 0, 0},
	} {
		if got := leastAbove(test.most, test.constant, test.times); got != test.want {
			t.Errorf("%+v: %d", test, got)
		}
	}
	text, err := CompileTemplate("ab((x))c((x))", []string{"x"})
	noError(t, err)
	if n := text.LeastAbove(9); n != 4 || text.Literal() != "abc" {
		t.Errorf("%d, %q", n, text.Literal())
	}
}
