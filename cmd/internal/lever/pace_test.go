package lever

import (
	"cmp"
	"errors"
	"fmt"
	"testing"
	"time"

	"cohort/engine/campaign"
	"cohort/engine/ledger"
	"cohort/engine/pace"
	"cohort/engine/refusal"
)

func TestATimeOfDayToFinishBy(t *testing.T) {
	day, night := &campaign.Hours{From: 6 * 60, To: 22 * 60}, &campaign.Hours{From: 22 * 60, To: 6 * 60}
	london, err := time.LoadLocation("Europe/London")
	if err != nil {
		t.Fatal(err)
	}
	for sentence, test := range map[string]struct {
		window *campaign.Hours
		now    string
		text   string
		want   string // or what the refusal says
	}{
		"later today":                                {day, "2026-11-24 14:00", "21:00", "2026-11-24 21:00"},
		"later today, after the window's end":        {day, "2026-11-24 14:00", "23:00", "2026-11-24 23:00"},
		"over today, and the window ends before":     {day, "2026-11-24 14:00", "10:00", "finish_by_too_late: 21:59 on Tue 24 Nov"},
		"in tomorrow's window, which comes next":     {day, "2026-11-24 23:00", "10:00", "2026-11-25 10:00"},
		"over midnight, in the window that is open":  {night, "2026-11-24 23:00", "05:00", "2026-11-25 05:00"},
		"over midnight, before the window opens":     {night, "2026-11-24 20:00", "05:00", "2026-11-25 05:00"},
		"after midnight, in the window that is open": {night, "2026-11-25 01:00", "05:00", "2026-11-25 05:00"},
		"over midnight, and the window ends before":  {night, "2026-11-24 23:00", "08:00", "finish_by_too_late: 05:59 on Wed 25 Nov"},
		"before the window opens":                    {night, "2026-11-24 20:00", "21:00", "finish_by_too_early: 22:00 on Tue 24 Nov"},
		"without a window, tomorrow":                 {nil, "2026-11-24 23:00", "02:00", "2026-11-25 02:00"},
		"in the night when an hour comes twice":      {nil, "2026-10-24 23:00", "02:00", "2026-10-25 02:00"},
		"no time at all":                             {nil, "2026-11-24 23:00", "25:00", "finish_by_wrong: 25:00"},
	} {
		now, err := time.ParseInLocation("2006-01-02 15:04", test.now, london)
		if err != nil {
			t.Fatal(err)
		}
		p := campaign.Pace{Messages: 1000, CatchUp: 1, Window: test.window, Location: london, LastCall: time.Minute}
		at, err := timeAhead(p, test.text, now)
		got := at.Format("2006-01-02 15:04")
		if r := (*refusal.Refused)(nil); errors.As(err, &r) {
			got = fmt.Sprint(r.Code, ": ", cmp.Or(r.Facts["closes"], r.Facts["opens"], r.Facts["time"]))
		}
		if got != test.want {
			t.Errorf("%s: %s, %v; want %s", sentence, got, err, test.want)
		}
	}
}

func TestTheAnswerToPace(t *testing.T) {
	at := func(h, m int) time.Time { return time.Date(2026, 11, 24, h, m, 0, 0, time.UTC) }
	for sentence, test := range map[string]struct {
		change ledger.PaceChange
		noted  bool
		want   string
	}{
		"it is done in time": {
			ledger.PaceChange{From: 59.09, To: 40, Requests: 4, Left: 3400, Ends: at(21, 0)}, false,
			"the pace goes from 59.09/s to 40/s, about 4 requests a minute; the 3400 messages that are left are sent by about 21:00 on Tue 24 Nov\n",
		},
		"it cannot be kept": {
			ledger.PaceChange{Lever: pace.Override{FinishBy: at(21, 0)}, To: 59, Requests: 6.01, Left: 3400, Remain: 412, At: at(21, 0)}, false,
			"the pace goes from as fast as the service takes it to 59/s, about 6.1 requests a minute\nat 59/s 412 will remain at 21:00 on Tue 24 Nov; they are sent afterwards at the same rate\n",
		},
		"it was asked for after the last call": {
			ledger.PaceChange{Lever: pace.Override{FinishBy: at(21, 59)}, Asked: at(23, 0), From: 5, To: 5}, true,
			"the pace goes from 5/s to 5/s\n23:00 on Tue 24 Nov is after the window's last call: what is left is spread until 21:59 on Tue 24 Nov\nno process is at work on the run: all of this is as if it were resumed now\n",
		},
		"the run is paused": {
			ledger.PaceChange{From: 5, To: 4, Paused: true}, true,
			"the pace goes from 5/s to 4/s\nthe run is paused: all of this is as if it continued now\n",
		},
	} {
		if got := answerPace(test.change, test.noted, time.UTC) + "\n"; got != test.want {
			t.Errorf("%s: %q", sentence, got)
		}
	}
}
