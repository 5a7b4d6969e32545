package pacing

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cohort/bench"
)

const ms = int64(time.Millisecond)

func TestPassing(t *testing.T) {
	every := func(from, step int64, n int) (moments []int64) {
		for i := range n {
			moments = append(moments, from+int64(i)*step)
		}
		return moments
	}
	for sentence, test := range map[string]struct {
		moments  [][]int64
		achieved float64
		worst    int
	}{
		"nobody passed":                           {[][]int64{nil, nil}, 0, 0},
		"one has no rate":                         {[][]int64{{5}, nil}, 0, 1},
		"ten a second, by one":                    {[][]int64{every(0, 100*ms, 50)}, 10, 10},
		"ten a second, by two in turn":            {[][]int64{every(0, 200*ms, 25), every(100*ms, 200*ms, 25)}, 10, 10},
		"a gate that starts full is given none":   {[][]int64{{0, 0, 0}, every(100*ms, 100*ms, 47)}, 10, 12},
		"a burst across the end of a second":      {[][]int64{every(0, 100*ms, 40), {1900 * ms, 1950 * ms, 2050 * ms, 2095 * ms}}, 39 / 3.5, 14},
		"two that are just a second apart":        {[][]int64{{0, 1000 * ms}}, 1, 1},
		"two that are a little less than that":    {[][]int64{{0, 1000*ms - 1}}, 1, 2},
		"the moments of goroutines need no order": {[][]int64{{300 * ms, 400 * ms}, {0, 100 * ms, 200 * ms}}, 10, 5},
	} {
		p := passing(test.moments)
		if d := p.Achieved - test.achieved; d > 0.001 || d < -0.001 || p.Worst != test.worst {
			t.Errorf("%s: %+v, want %v and %d", sentence, p, test.achieved, test.worst)
		}
		if p.Requests != len(slices.Concat(test.moments...)) {
			t.Errorf("%s: %d requests", sentence, p.Requests)
		}
	}
}

// On a clock without late timers both gates of this process reach what they are asked for.
func TestBothGatesKeepTheRateOnAPerfectClock(t *testing.T) {
	for _, c := range cells([]string{cohortSender, rateSender}) {
		synctest.Test(t, func(t *testing.T) {
			time.Sleep(time.Hour) // midnight is the edge of a window
			r, err := Task{Sender: c.sender, Rate: c.rate, Batch: c.batch, Span: 10 * time.Second}.Run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if share := r.Achieved * float64(c.batch) / c.rate; share < 0.998 || share > 1.002 {
				t.Errorf("%s: %.2f %% of it", c, share*100)
			}
			if most := c.rate + float64(c.batch); c.sender == cohortSender && float64(r.Worst*c.batch) > most {
				t.Errorf("%s: %d requests in a second", c, r.Worst)
			}
		})
	}
	if _, err := (Task{Sender: "nonsense"}).Run(t.Context()); err == nil {
		t.Error("a sender that there is not has a rate")
	}
}

func TestWhatIsChosen(t *testing.T) {
	for sentence, test := range map[string]struct{ only, want string }{
		"everything":                  {"", "cohort,rate,vegeta"},
		"cohort alone":                {"cohort", "cohort"},
		"cohort stands beside a peer": {"vegeta", "cohort,vegeta"},
		"in their order":              {"vegeta,rate", "cohort,rate,vegeta"},
	} {
		var only []string
		if test.only != "" {
			only = strings.Split(test.only, ",")
		}
		if got, err := chosen(only); err != nil || strings.Join(got, ",") != test.want {
			t.Errorf("%s: %v %v", sentence, got, err)
		}
	}
	if _, err := chosen([]string{"nonsense"}); err == nil || !strings.Contains(err.Error(), "there are: cohort, rate") {
		t.Error(err)
	}
}

func TestMediansRoundByRound(t *testing.T) {
	asks := 0
	o := Options{Span: time.Second, Runs: 3, Sources: t.TempDir(), Say: func(string, ...any) {}}
	o.Child = func(_ context.Context, _ int, task Task) (Result, error) {
		round := asks / (len(asked) * 2)
		asks++
		r := Result{Passing: Passing{Requests: 1000, Achieved: task.Rate / float64(task.Batch), Worst: int(task.Rate)/task.Batch + []int{0, 2, 1}[round]}}
		r.Usage = bench.Usage{CPU: []float64{0.001, 0.009, 0.002}[round] * float64(task.Batch)}
		return r, nil
	}
	r, err := Measure(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if asks != len(asked)*2*3 || len(r.Rows) != len(asked)*3 {
		t.Fatalf("%d cells were measured, and there are %d rows", asks, len(r.Rows))
	}
	for _, row := range r.Rows {
		switch {
		case row.Sender == vegetaSender:
			if !strings.Contains(row.Absent, "no source") || row.Achieved != 0 {
				t.Errorf("%+v", row)
			}
		case row.Achieved != row.Asked || row.CPUToken != 2 || row.ToLimit > 1 || row.Highest <= row.ToLimit:
			t.Errorf("%+v", row)
		}
	}
	var table bytes.Buffer
	if err := r.Print(&table); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| cohort's gate ", "| x/time/rate, WaitN(100) ", "| vegeta's pacer (left out: no source", "100.00"} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, table.String())
		}
	}
	if groups := r.Chart().Groups; len(groups) != len(asked) || len(groups[0].Bars) != 2 || !groups[0].Bars[0].Ours || groups[0].Bars[0].Value != 2000 {
		t.Errorf("%+v", groups)
	}
	o.Child = func(context.Context, int, Task) (Result, error) { return Result{Passing: Passing{Requests: 3}}, nil }
	if _, err := Measure(t.Context(), o); err == nil || !strings.Contains(err.Error(), "--span") {
		t.Errorf("three requests are a rate: %v", err)
	}
}
