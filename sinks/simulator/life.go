package simulator

import (
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"time"
)

// life is all that will become of a message. A time that never comes is zero.
type life struct {
	created, pending, enriched, sending time.Time
	delivered, failed                   time.Time
	because                             failure
	channels                            []stay
}

// stay is a message in one channel.
type stay struct {
	step
	begins, delivered, failed, skipped time.Time
	because                            failure
	retries                            int
	early, late                        string // what the supplier says of it, before its end and from then on
}

// lifeOf is the life of a message. It is a function of the seed, the message's id and when it
// was accepted, so that nothing of it need be kept.
func (s *Server) lifeOf(a *Accepted) life {
	o := s.o.Statuses
	h := fnv.New64a()
	_, _ = h.Write([]byte(a.MessageID))
	f := fortune{rand.New(rand.NewPCG(s.o.Seed, h.Sum64())), o}
	l := life{created: a.AcceptedAt}
	l.pending = f.after(l.created, 10*time.Second)
	l.enriched = f.after(l.pending, 10*time.Minute)
	if f.strikes(o.Failed) {
		l.failed, l.because = l.enriched, recordFailures[f.dice.IntN(len(recordFailures))]
		return l
	}
	cascade := cascadeOf(a.RoutingPlanID)
	from := f.after(l.enriched, time.Minute)
	l.sending = from
	for i, step := range cascade {
		c := stay{step: step}
		if l.delivered.IsZero() {
			f.live(&c, from, i+1 < len(cascade))
			from = latest(c.failed, c.skipped)
			l.delivered = c.delivered
		}
		if !c.failed.IsZero() {
			l.failed, l.because = c.failed, c.because
		}
		l.channels = append(l.channels, c)
	}
	if !l.delivered.IsZero() {
		l.failed, l.because = time.Time{}, failure{}
	}
	return l
}

// fortune decides about one message.
type fortune struct {
	dice *rand.Rand
	o    Statuses
}

func (f fortune) strikes(share float64) bool { return f.dice.Float64() < share }

// after is a moment within some time.
func (f fortune) after(from time.Time, most time.Duration) time.Time {
	return from.Add(f.hastened(f.dice.Float64() * float64(most)))
}

// hastened is a time as it passes here, a century at most.
func (f fortune) hastened(nanoseconds float64) time.Duration {
	return time.Duration(min(nanoseconds/f.o.Hasten, float64(100*365*day)))
}

// live decides how a message fares in a channel that it comes to.
func (f fortune) live(c *stay, from time.Time, more bool) {
	if c.begins = from; f.o.Hasten <= 1 {
		c.begins = opens(c.channel, from)
	}
	if more && f.strikes(f.o.Skipped) {
		c.skipped = c.begins
		return
	}
	if c.channel == toApp {
		f.liveInApp(c)
		return
	}
	switch {
	case f.strikes(f.o.NoContact):
		if c.failed, c.because = c.begins, noDetail; f.strikes(0.1) {
			c.because = malformed
		}
	case f.strikes(f.o.Undone):
		c.failed, c.because, c.retries = f.after(c.begins, c.within), undone, 1+f.dice.IntN(2)
		c.early, c.late = "temporary_failure", "permanent_failure"
	case c.channel == toLetter:
		c.delivered, c.early, c.late = f.after(c.begins, c.within), "accepted", "received"
	default:
		c.delivered, c.early, c.late = f.after(c.begins, time.Hour), "accepted", "delivered"
	}
}

func (f fortune) liveInApp(c *stay) {
	told := "notified"
	if f.strikes(0.2) {
		told = "unnotified"
	}
	switch {
	case f.strikes(f.o.NoApp):
		c.failed, c.because, c.early, c.late = f.after(c.begins, time.Minute), noAppUser, "", "rejected"
	case f.strikes(f.o.Unread):
		c.failed, c.because, c.early, c.late = c.begins.Add(f.hastened(float64(c.within))), unread, told, told
	default:
		c.delivered, c.early, c.late = f.after(c.begins, c.within), told, "read"
	}
}

// opens puts off what falls outside the hours in which a channel is used: the app's pushes
// from six to 22, emails and text messages from eight to 18 on weekdays. Letters are taken
// at any time.
func opens(channel string, t time.Time) time.Time {
	where, err := london()
	if channel == toApp || err != nil {
		return byDay(t)
	}
	for there := t.In(where); channel != toLetter; there = t.In(where) {
		weekday := there.Weekday() != time.Saturday && there.Weekday() != time.Sunday
		at := func(days, hour int) time.Time {
			return time.Date(there.Year(), there.Month(), there.Day()+days, hour, 0, 0, 0, where)
		}
		switch hour := there.Hour(); {
		case weekday && hour >= 8 && hour < 18:
			return t
		case weekday && hour < 8:
			t = at(0, 8)
		default:
			t = at(1, 8)
		}
	}
	return t
}

func latest(times ...time.Time) time.Time { return slices.MaxFunc(times, time.Time.Compare) }

// The statuses of messages and channels.
const (
	statusCreated   = "created"
	statusPending   = "pending_enrichment"
	statusEnriched  = "enriched"
	statusSending   = "sending"
	statusDelivered = "delivered"
	statusFailed    = "failed"
	statusSkipped   = "skipped"
)

// at is the message's status at a moment.
func (l *life) at(now time.Time) string {
	switch {
	case past(l.delivered, now):
		return statusDelivered
	case past(l.failed, now):
		return statusFailed
	case past(l.sending, now):
		return statusSending
	case past(l.enriched, now):
		return statusEnriched
	case past(l.pending, now):
		return statusPending
	}
	return statusCreated
}

// at is the channel's status at a moment.
func (c *stay) at(now time.Time) string {
	switch {
	case past(c.delivered, now):
		return statusDelivered
	case past(c.failed, now):
		return statusFailed
	case past(c.skipped, now):
		return statusSkipped
	case past(c.begins, now):
		return statusSending
	}
	return statusCreated
}

// past reports whether a moment has come.
func past(t, now time.Time) bool { return !t.IsZero() && !t.After(now) }
