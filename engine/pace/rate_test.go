package pace

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"cohort/engine/campaign"
)

func TestTheRate(t *testing.T) {
	opens := time.Date(2026, 11, 21, 6, 0, 0, 0, time.UTC)
	o := Opening{Opens: opens, Closes: opens.Add(10 * time.Hour), Rate: 10} // 360,000 messages
	at := func(h, m int) time.Time { return opens.Add(time.Duration(h)*time.Hour + time.Duration(m)*time.Minute) }
	window := &campaign.Hours{From: 360, To: 960}
	for sentence, test := range map[string]struct {
		pace  campaign.Pace
		begun time.Time // of the stretch; zero: it has not begun
		of    int64     // messages of the stretch
		left  int64
		now   time.Time
		rate  float64
	}{
		"before the stretch has begun the even rate holds":    {pace: campaign.Pace{Window: window, CatchUp: 2}, left: 5, now: at(3, 0), rate: 10},
		"spread, before the stretch has begun":                {pace: campaign.Pace{Window: window, Spread: true, CatchUp: 2}, left: 72_000, now: at(0, -60), rate: 2},
		"on the line":                                         {pace: campaign.Pace{Window: window, CatchUp: 2}, begun: at(0, 0), of: 360_000, left: 324_000, now: at(1, 0), rate: 10},
		"an hour lost, and nothing may be made up":            {pace: campaign.Pace{Window: window, CatchUp: 1}, begun: at(0, 0), of: 360_000, left: 360_000, now: at(1, 0), rate: 10},
		"an hour lost is made up":                             {pace: campaign.Pace{Window: window, CatchUp: 1.5}, begun: at(0, 0), of: 360_000, left: 360_000, now: at(1, 0), rate: 15},
		"and not above the ceiling":                           {pace: campaign.Pace{Window: window, CatchUp: 1.5, PerSecond: 12}, begun: at(0, 0), of: 360_000, left: 360_000, now: at(1, 0), rate: 12},
		"less than the slack is not late":                     {pace: campaign.Pace{Window: window, CatchUp: 2}, begun: at(0, 0), of: 360_000, left: 324_090, now: at(1, 0), rate: 10},
		"what was lost before the run began is not":           {pace: campaign.Pace{Window: window, CatchUp: 2}, begun: at(5, 0), of: 360_000, left: 360_000, now: at(5, 0), rate: 10},
		"a small cohort is spread over the window":            {pace: campaign.Pace{Window: window, Spread: true, CatchUp: 1}, begun: at(0, 0), of: 36_000, left: 36_000, now: at(0, 0), rate: 1},
		"and over what is left of it":                         {pace: campaign.Pace{Window: window, Spread: true, CatchUp: 1}, begun: at(5, 0), of: 36_000, left: 36_000, now: at(5, 0), rate: 2},
		"spread, an hour lost, and nothing may be made up":    {pace: campaign.Pace{Window: window, Spread: true, CatchUp: 1}, begun: at(0, 0), of: 36_000, left: 36_000, now: at(1, 0), rate: 1},
		"spread, an hour lost, made up over the whole rest":   {pace: campaign.Pace{Window: window, Spread: true, CatchUp: 2}, begun: at(0, 0), of: 36_000, left: 36_000, now: at(1, 0), rate: 36_000.0 / (9 * 3600)},
		"spread, nine hours lost, made up as far as may be":   {pace: campaign.Pace{Window: window, Spread: true, CatchUp: 2}, begun: at(0, 0), of: 36_000, left: 36_000, now: at(9, 0), rate: 2},
		"spread, and ahead":                                   {pace: campaign.Pace{Window: window, Spread: true, CatchUp: 2}, begun: at(0, 0), of: 36_000, left: 16_200, now: at(5, 0), rate: 0.9},
		"spread, a large cohort goes above the capacity's":    {pace: campaign.Pace{Window: window, Spread: true, CatchUp: 1}, begun: at(0, 0), of: 720_000, left: 720_000, now: at(0, 0), rate: 20},
		"unless there is a ceiling":                           {pace: campaign.Pace{Window: window, Spread: true, CatchUp: 1, PerSecond: 12}, begun: at(0, 0), of: 720_000, left: 720_000, now: at(0, 0), rate: 12},
		"with nothing left it does not stand still":           {pace: campaign.Pace{Window: window, Spread: true, CatchUp: 1}, begun: at(0, 0), of: 36_000, left: 0, now: at(5, 0), rate: slowest},
		"in the last second it does not run away":             {pace: campaign.Pace{Window: window, Spread: true, CatchUp: 3}, begun: at(0, 0), of: 36_000, left: 36_000, now: at(10, 0).Add(-time.Millisecond), rate: 3},
		"without a window there is nothing to spread or make": {pace: campaign.Pace{Spread: true, CatchUp: 3}, begun: at(0, 0), of: 36_000, left: 36_000, now: at(9, 0), rate: 10},
	} {
		s := WindowStart{Begun: test.begun, Left: test.of}
		if !test.begun.IsZero() {
			s.Opens = opens
		}
		if got := (Facts{Pace: test.pace, Window: s, Left: test.left, Largest: 50}).rateAt(o, test.now); math.Abs(got-test.rate) > 1e-9 {
			t.Errorf("%s: %v a second, want %v", sentence, got, test.rate)
		}
	}
}

func TestRemaining(t *testing.T) {
	opens := time.Date(2026, 11, 21, 6, 0, 0, 0, time.UTC)
	o := Opening{Opens: opens, Closes: opens.Add(time.Hour)}
	for sentence, test := range map[string]struct {
		o    Opening
		left int64
		rate float64
		now  time.Time
		want int64
	}{
		"it is just enough":               {o, 3600, 1, opens, 0},
		"it is not":                       {o, 5000, 1, opens, 1400},
		"half of it is over":              {o, 3600, 1, opens.Add(30 * time.Minute), 1800},
		"it has not begun":                {o, 5000, 1, opens.Add(-5 * time.Hour), 1400},
		"it is over":                      {o, 5000, 1, opens.Add(2 * time.Hour), 5000},
		"one that does not end holds all": {Opening{Opens: opens}, 5000, 1, opens, 0},
		"as fast as the service takes it": {o, 5000, 0, opens, 0},
		"nothing is left":                 {o, 0, 1, opens, 0},
	} {
		if got := remaining(Later(test.now, test.o.Opens), test.o.Closes, test.left, test.rate); got != test.want {
			t.Errorf("%s: %d remain, want %d", sentence, got, test.want)
		}
	}
}

func TestTheServiceIsAskedForLessWhileItRefuses(t *testing.T) {
	var l congestion
	now := time.Date(2026, 11, 21, 6, 0, 0, 0, time.UTC)
	is := func(sentence string, want float64) {
		t.Helper()
		if got := l.share(now); math.Abs(got-want) > 1e-9 {
			t.Errorf("%s: %v of the rate, want %v", sentence, got, want)
		}
	}
	refuses := func(attempted time.Time, quiet time.Duration) bool {
		return l.refusal(attempted, now, now.Add(quiet), true)
	}
	is("at first", 1)
	if refuses(now, 30*time.Second) {
		t.Error("one refusal lowers the rate")
	}
	before := now
	now = now.Add(time.Second)
	if refuses(now, 30*time.Second) {
		t.Error("what was under way when it refused counts again")
	}
	now = now.Add(30 * time.Second)
	is("when the quiet ends", 0.1)
	now = now.Add(time.Second)
	if refuses(before, 0) {
		t.Error("what was under way when it refused counts again after the quiet")
	}
	now = now.Add(15 * time.Second)
	is("half way back", 0.55)
	now = now.Add(15 * time.Second)
	is("back", 1)
	if !refuses(now, time.Second) {
		t.Error("a second refusal in a row does not lower the rate")
	}
	now = now.Add(30 * time.Second)
	is("after the second", 0.7)
	if !refuses(now, time.Second) {
		t.Error("a third refusal in a row does not lower the rate")
	}
	now = now.Add(30 * time.Second)
	is("after the third", 0.49)
	now = now.Add(raiseEvery)
	is("after a while without", 0.7)
	now = now.Add(raiseEvery)
	is("after two whiles", 1)
	for range 100 {
		now = now.Add(30 * time.Second)
		refuses(now, time.Second)
	}
	now = now.Add(30 * time.Second)
	is("however often it refuses", lowestFactor)
	now = now.Add(time.Hour)
	is("and an hour later", 1)
	for range recentAnswers {
		l.answered()
	}
	for range 3 { // each is an incident
		now = now.Add(sameTrouble)
		if refuses(now, time.Second) {
			t.Error("refusals that are far apart lower the rate")
		}
	}
}

// A service that refuses the odd request takes the rate all the same; one that refuses a good
// part of them does not.
func TestTheOddRefusalLowersNothing(t *testing.T) {
	for sentence, test := range map[string]struct {
		share      float64 // of the requests that are refused
		slow       bool
		least, top float64 // of the rate, as a mean
	}{
		"nothing is refused":              {0, false, 1, 1},
		"half a per cent":                 {0.005, false, 0.99, 1},
		"two per cent":                    {0.02, false, 0.97, 1},
		"four per cent":                   {0.04, false, 0.90, 1},
		"half a per cent, at a slow pace": {0.005, true, 0.99, 1},
		"four per cent, at a slow pace":   {0.04, true, 0.90, 1},
		"every third":                     {0.33, false, 0, 0.2},
		"every third, at a slow pace":     {0.33, true, 0, 0.4},
		"everything":                      {1, false, 0, 0.1},
		"everything, at a slow pace":      {1, true, 0, 0.1},
	} {
		var l congestion
		rng := rand.New(rand.NewPCG(1, 2))
		now, each, sum, n := time.Date(2026, 11, 21, 6, 0, 0, 0, time.UTC), 50*time.Millisecond, 0.0, 100_000
		if test.slow {
			each, n = 10*time.Second, 5000
		}
		for range n {
			now = now.Add(each)
			sum += l.factor(now)
			if rng.Float64() < test.share {
				l.refusal(now, now, now.Add(time.Second), test.slow)
				now = now.Add(time.Second)
			} else {
				l.answered()
			}
		}
		if mean := sum / float64(n); mean < test.least || mean > test.top {
			t.Errorf("%s: %.3f of the rate, want between %v and %v", sentence, mean, test.least, test.top)
		}
	}
}

func TestTheEvenRate(t *testing.T) {
	window, six := &campaign.Hours{From: 360, To: 1320}, time.Date(2026, 11, 23, 6, 0, 0, 0, time.UTC)
	whole := campaign.Pace{Messages: 57_600, Window: window, Location: time.UTC, CatchUp: 2}
	spread := whole
	spread.Spread = true
	for sentence, test := range map[string]struct {
		facts Facts
		now   time.Time
		want  float64
	}{
		"of a window's capacity, also for a run that is behind": {Facts{Pace: whole, Left: 50_000}, six.Add(8 * time.Hour), 1},
		"of what was left when the window began":                {Facts{Pace: spread, Window: WindowStart{Opens: six, Begun: six, Left: 28_800}, Left: 28_000}, six.Add(8 * time.Hour), 0.5},
		"of what is left, for a run that begins":                {Facts{Pace: spread, Left: 5_760}, six.Add(-time.Hour), 0.1},
		"an order of a person is another rate":                  {Facts{Pace: whole, Override: Override{PerSecond: 9}}, six, 1},
		"without a window":                                      {Facts{Pace: campaign.Pace{PerSecond: 5, Location: time.UTC}}, six, 5},
		"any":                                                   {Facts{Pace: campaign.Pace{Location: time.UTC}}, six, 0},
	} {
		if got := test.facts.Even(test.now); got != test.want {
			t.Errorf("%s: %v, want %v", sentence, got, test.want)
		}
	}
}
