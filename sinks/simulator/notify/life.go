package notify

import (
	"math/rand/v2"
	"slices"
	"time"

	"cohort/sinks/simulator/faults"
	"cohort/sinks/simulator/ledger"
	"cohort/sinks/simulator/nhsapp"
)

// life holds every step of a message. A time that never comes is zero.
type life struct {
	created, pending, enriched, sending time.Time
	delivered, failed                   time.Time
	because                             failure
	channels                            []channelLife
}

// channelLife holds every step of a message in one channel.
type channelLife struct {
	channel                            string
	within                             time.Duration
	begins, delivered, failed, skipped time.Time
	because                            failure
	retries                            int
	early, late                        string // the supplier's status, before the end and after it
}

// lifeOf is a function of the seed, the message's id and the time of acceptance. Nothing of it
// is kept.
func (s *Service) lifeOf(a *ledger.Accepted) life {
	o := s.o.Statuses
	f := odds{rand.New(faults.Stream(s.gateway.Options.Seed, a.MessageID)), o}
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
		c := channelLife{channel: step.channel, within: step.within}
		if l.delivered.IsZero() {
			f.decide(&c, from, i+1 < len(cascade))
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

type odds struct {
	dice *rand.Rand
	o    Statuses
}

func (f odds) strikes(share float64) bool { return f.dice.Float64() < share }

// after is a moment between from and most later.
func (f odds) after(from time.Time, most time.Duration) time.Time {
	return from.Add(f.delay(f.dice.Float64() * float64(most)))
}

// delay is a time divided by Hasten, a century at most.
func (f odds) delay(nanoseconds float64) time.Duration {
	return time.Duration(min(nanoseconds/f.o.Hasten, float64(100*365*day)))
}

// decide draws the outcome of a message in a channel that it reaches.
func (f odds) decide(c *channelLife, from time.Time, more bool) {
	if c.begins = from; f.o.Hasten <= 1 {
		c.begins = opens(c.channel, from)
	}
	if more && f.strikes(f.o.Skipped) {
		c.skipped = c.begins
		return
	}
	if c.channel == toApp {
		f.decideApp(c)
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

func (f odds) decideApp(c *channelLife) {
	status := "notified"
	if f.strikes(0.2) {
		status = "unnotified"
	}
	switch {
	case f.strikes(f.o.NoApp):
		c.failed, c.because, c.early, c.late = f.after(c.begins, time.Minute), noAppUser, "", "rejected"
	case f.strikes(f.o.Unread):
		c.failed, c.because, c.early, c.late = c.begins.Add(f.delay(float64(c.within))), unread, status, status
	default:
		c.delivered, c.early, c.late = f.after(c.begins, c.within), status, "read"
	}
}

// opens moves a time into the hours of a channel: for pushes of the app from 6 to 22, for
// emails and text messages from 8 to 18 on weekdays. Letters have no hours.
func opens(channel string, t time.Time) time.Time {
	if channel == toApp {
		return nhsapp.ByDay(t)
	}
	where := nhsapp.London()
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

type moment struct {
	status string
	at     time.Time
}

// lastOf is the status of the first of the moments that has come; created when none has. The latest
// status stands first.
func lastOf(now time.Time, moments ...moment) string {
	for _, m := range moments {
		if reached(m.at, now) {
			return m.status
		}
	}
	return statusCreated
}

func (l *life) at(now time.Time) string {
	return lastOf(now, moment{statusDelivered, l.delivered}, moment{statusFailed, l.failed}, moment{statusSending, l.sending},
		moment{statusEnriched, l.enriched}, moment{statusPending, l.pending})
}

func (c *channelLife) at(now time.Time) string {
	return lastOf(now, moment{statusDelivered, c.delivered}, moment{statusFailed, c.failed},
		moment{statusSkipped, c.skipped}, moment{statusSending, c.begins})
}

// suppliers are the supplier's statuses in this channel, the first one first. The times between
// the beginning and the end are the same parts of it for every message.
func (c *channelLife) suppliers() []moment {
	var list []moment
	end := latest(c.delivered, c.failed)
	switch {
	case c.early == "" || c.begins.Equal(end):
	case c.channel == toApp:
		part := end.Sub(c.begins) / 8
		list = []moment{{"delivered", c.begins}, {"notification_attempted", c.begins.Add(part)}, {c.early, c.begins.Add(2 * part)}}
	default:
		list = []moment{{c.early, c.begins}}
	}
	if c.late != "" {
		list = append(list, moment{c.late, end})
	}
	return list
}

// reached reports whether a moment has come.
func reached(t, now time.Time) bool { return !t.IsZero() && !t.After(now) }
