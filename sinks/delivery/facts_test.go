package delivery

import (
	"errors"
	"fmt"
	"iter"
	"testing"

	"cohort/engine/report"
)

// Facts come together by row, whichever side has more of them.
func TestFactsAreMerged(t *testing.T) {
	broken := errors.New("broken")
	facts := func(status string, end error, rows ...int64) iter.Seq2[report.Fact, error] {
		return func(yield func(report.Fact, error) bool) {
			for _, row := range rows {
				if !yield(report.Fact{Row: row, Status: status, Origin: report.OfStatus}, nil) {
					return
				}
			}
			if end != nil {
				yield(report.Fact{}, end)
			}
		}
	}
	for _, row := range []struct {
		before, news []int64
		beforeEnds   error
		newsEnd      error
		want         string
	}{
		{nil, nil, nil, nil, ""},
		{[]int64{1, 3}, nil, nil, nil, "1old 3old "},
		{nil, []int64{1, 3}, nil, nil, "1new 3new "},
		{[]int64{1, 3, 5}, []int64{2, 3, 7}, nil, nil, "1old 2new 3new 5old 7new "},
		{[]int64{4, 5}, []int64{1, 2}, nil, nil, "1new 2new 4old 5old "},
		{[]int64{1}, []int64{2, 3}, broken, nil, "1old broken"},
		{[]int64{1, 9}, []int64{2, 3}, broken, nil, "1old 2new 3new 9old broken"},
		{[]int64{1, 9}, []int64{2}, nil, broken, "1old 2new broken"},
	} {
		got := ""
		for f, err := range merged(facts("old", row.beforeEnds, row.before...), facts("new", row.newsEnd, row.news...)) {
			if err != nil {
				got += err.Error()
				continue
			}
			got += fmt.Sprint(f.Row, f.Status, " ")
		}
		if got != row.want {
			t.Errorf("%v and %v: %s, not %s", row.before, row.news, got, row.want)
		}
	}
}
