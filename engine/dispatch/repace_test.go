package dispatch

import (
	"bytes"
	"log/slog"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cohort/engine"
	"cohort/engine/campaign"
	"cohort/engine/enginetest"
	"cohort/engine/ledger"
	"cohort/engine/pace"
	"cohort/engine/record"
)

// A time to finish by has its rate computed when it is ordered. Whatever is lost before that
// time, no second has more than the rate and one batch. The rest goes out after the time, at
// the same rate.
func TestATimeToFinishByNeverEndsInASpike(t *testing.T) {
	const batch, people = 50, 12_000 // in two minutes: 100 a second
	for sentence, test := range map[string]struct {
		levers func(t *testing.T, levers chan<- Order)
		again  time.Duration // when the run is resumed; 0: it is not stopped
		late   bool
	}{
		"nothing is lost": {func(*testing.T, chan<- Order) {}, 0, false},
		"paused, and continued 3 s before it": {func(t *testing.T, levers chan<- Order) {
			pull(t, levers, 47*time.Second, ledger.Command{Verb: record.VerbPause, By: "ann"})
			pull(t, levers, 117*time.Second, ledger.Command{Verb: record.VerbContinue, By: "ann"})
		}, 0, true},
		"stopped, and resumed 4 s before it": {func(t *testing.T, levers chan<- Order) {
			pull(t, levers, 60*time.Second, ledger.Command{Verb: record.VerbStop, By: "ann"})
		}, 116 * time.Second, true},
		"paused over it": {func(t *testing.T, levers chan<- Order) {
			pull(t, levers, 60*time.Second, ledger.Command{Verb: record.VerbPause, By: "ann"})
			pull(t, levers, 10*time.Minute, ledger.Command{Verb: record.VerbContinue, By: "ann"})
		}, 0, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newService(1)
			b := newBench(t, enginetest.NewPeople(people, 2, nil), engine.Limits{Messages: batch, Bytes: 1 << 20})
			start, levers := time.Now(), make(chan Order)
			by := start.Add(2 * time.Minute)
			var said bytes.Buffer
			job := func(j *Job) {
				j.Pace, j.Orders = campaign.Pace{PerSecond: 100, Location: time.UTC}, levers
				j.Logger = slog.New(slog.NewTextHandler(&said, nil))
			}
			pull(t, levers, time.Millisecond, ledger.Command{Verb: record.VerbPace, By: "ann", Pace: pace.Override{FinishBy: by}})
			test.levers(t, levers)
			summary, err := b.start(t.Context(), &connection{kind: engine.Deduplicates, service: s}, job)
			if test.again > 0 {
				stoppedBy(t, err, false, "stopped by ann")
				time.Sleep(time.Until(start.Add(test.again)))
				summary, err = b.start(t.Context(), &connection{kind: engine.Deduplicates, service: s}, job)
			}
			b.finished(s, summary, err)
			var all []enginetest.Sent
			for _, r := range s.requests {
				all = append(all, enginetest.Sent{At: r.at, N: r.messages})
			}
			if worst := enginetest.WorstSecond(all); worst > 100+batch {
				t.Errorf("%s: %d messages in one second", sentence, worst)
			}
			if late := all[len(all)-1].At.After(by.Add(time.Second)); late != test.late {
				t.Errorf("%s: the last goes out at %s after the start", sentence, all[len(all)-1].At.Sub(start))
			}
			if told := strings.Contains(said.String(), "messages will remain at 00:02 on Sat 1 Jan; they are sent afterwards at the same rate"); told != test.late {
				t.Errorf("%s: it said %s", sentence, said.String())
			}
		})
	}
}

func TestWhatALeverMakesOfTheRate(t *testing.T) {
	b := newBench(t, enginetest.NewPeople(3600, 1, nil), engine.Limits{Messages: 10, Bytes: 1 << 20})
	l := b.ledger()
	at := func(h, m int) time.Time { return time.Date(2026, 11, 24, h, m, 0, 0, time.UTC) }
	day, night := &campaign.Hours{From: 6 * 60, To: 22 * 60}, &campaign.Hours{From: 22 * 60, To: 6 * 60}
	for sentence, test := range map[string]struct {
		pace   campaign.Pace
		lever  pace.Override
		now    time.Time
		to     float64
		by     time.Time // that goes into the log
		remain int64
		ends   time.Time
		refuse string
	}{
		"so many a second":        {campaign.Pace{PerSecond: 5}, pace.Override{PerSecond: 2}, at(12, 0), 2, time.Time{}, 0, at(12, 30), ""},
		"the campaign's again":    {campaign.Pace{PerSecond: 5}, pace.Override{}, at(12, 0), 5, time.Time{}, 0, at(12, 12), ""},
		"by a time":               {campaign.Pace{Window: day}, pace.Override{FinishBy: at(13, 0)}, at(12, 0), 1, at(13, 0), 0, at(13, 0), ""},
		"before the window opens": {campaign.Pace{Window: day}, pace.Override{FinishBy: at(7, 0)}, at(2, 0), 1, at(7, 0), 0, at(7, 0), ""},
		"over midnight":           {campaign.Pace{Window: night}, pace.Override{FinishBy: at(25, 0)}, at(23, 0), 0.5, at(25, 0), 0, at(25, 0), ""},
		"beyond the last call":    {campaign.Pace{Window: day, LastCall: time.Hour}, pace.Override{FinishBy: at(23, 0)}, at(20, 0), 1, at(21, 0), 0, at(21, 0), ""},
		"never above per_second, and what remains then": {campaign.Pace{Window: day, PerSecond: 0.5}, pace.Override{FinishBy: at(13, 0)}, at(12, 0), 0.5, at(13, 0), 1800, at(14, 0), ""},
		"seconds away is refused":                       {campaign.Pace{PerSecond: 5}, pace.Override{FinishBy: at(12, 0)}, at(12, 0).Add(-3 * time.Second), 0, time.Time{}, 0, time.Time{}, "a minute away"},
		"seconds before the last call is refused":       {campaign.Pace{Window: day}, pace.Override{FinishBy: at(23, 0)}, at(22, 0).Add(-3 * time.Second), 0, time.Time{}, 0, time.Time{}, "a minute away"},
	} {
		test.pace.Location, test.pace.Messages, test.pace.CatchUp = time.UTC, 36_000, 1
		c, err := l.Repace(test.pace, test.lever, test.now)
		if test.refuse != "" {
			if err == nil || !strings.Contains(err.Error(), test.refuse) {
				t.Errorf("%s: %+v, %v", sentence, c, err)
			}
			continue
		}
		enginetest.Must(t, err)
		if math.Abs(c.To-test.to) > 1e-9 || !c.Lever.FinishBy.Equal(test.by) || c.Remain != test.remain || c.Ends.Sub(test.ends).Abs() > time.Second || c.Left != 3600 {
			t.Errorf("%s: %+v", sentence, c)
		}
		if beyond := c.Asked.IsZero(); beyond == (sentence == "beyond the last call") {
			t.Errorf("%s: asked for %s", sentence, c.Asked)
		}
	}
}
