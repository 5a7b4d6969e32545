package intake

import (
	"strings"
	"testing"

	"cohort/engine/plan"
)

func TestSharesInWholePercents(t *testing.T) {
	for _, test := range []struct {
		n, of int64
		want  string
	}{
		{0, 0, "0 %"}, {0, 7, "0 %"}, {7, 7, "100 %"}, {1, 2, "50 %"}, {1, 3, "33 %"}, {2, 3, "67 %"}, {1, 200, "1 %"}, {1, 201, "less than 1 %"},
		{199, 200, "more than 99 %"}, {198, 200, "99 %"}, {3_399_999, 3_400_000, "more than 99 %"}, {61, 100, "61 %"},
	} {
		if got := percent(test.n, test.of); got != test.want {
			t.Errorf("%d of %d: %s, not %s", test.n, test.of, got, test.want)
		}
	}
}

func TestReachInWords(t *testing.T) {
	for _, test := range []struct {
		r    reached
		want string
	}{
		{reached{}, "reach     not known: who has the NHS App was not fetched today\n"},
		{reached{ReachRead: &plan.ReachRead{Day: "2026-11-25", Reported: 4}, People: 100, Notifications: 48, Yes: 13, No: 39}, "reach     61 % of this cohort can be reached by the app, 48 % with notifications on (as of 2026-11-25)\n"},
		{
			reached{ReachRead: &plan.ReachRead{Day: "2026-11-25", Missing: 3, Refused: 1}, People: 100, Notifications: 48, Yes: 13, No: 30, Unknown: 9},
			"reach     61 % of this cohort can be reached by the app, 48 % with notifications on; of 9 % it is not known; 3 practices have no report; the service knows no practice under 1 code (as of 2026-11-25)\n",
		},
	} {
		var text strings.Builder
		if test.r.Print(&text); text.String() != test.want {
			t.Errorf("%snot\n%s", text.String(), test.want)
		}
	}
}
