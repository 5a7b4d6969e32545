package metrics

import (
	"os"
	"path/filepath"
	"sync"
	"time"

	"cohort/engine/delivery"
	"cohort/engine/facts"
	"cohort/engine/ledger"
	"cohort/engine/plan"
)

// Delivery counts what the services said of a run's accepted messages.
type Delivery struct {
	Status  map[[2]string]int64 // by status and channel
	Overdue map[string]int64    // by channel: without a last word for longer than its limit
	Unknown int64               // messages that no service spoke of
	Took    map[float64]uint64  // delivered messages, by bounds in seconds, cumulative
	N       uint64              // delivered messages with a time
	Seconds float64             // that they took together
}

// The words of Delivery. A person may be reached by any channel of NHS Notify.
var (
	statuses = []string{delivery.Read, delivery.Delivered, delivery.Failed, "pending"}
	channels = []string{"nhsapp", "email", "sms", "letter", "none"} // none: no channel was named
	bounds   = []float64{60, 600, 3600, 6 * 3600, 24 * 3600, 4 * 24 * 3600, 7 * 24 * 3600}
)

// How long a message may be without a last word, by the channel whose turn it is.
const (
	quick   = 4 * 24 * time.Hour // the app, SMS and email
	letter  = 7 * 24 * time.Hour
	second  = 10 * 24 * time.Hour // a later step of the routing plan
	longest = 14 * 24 * time.Hour // whatever it is
)

// Count folds the events of the run in dir. It takes time and, for a while, a file in the system's folder for temporary
// files; its memory does not grow with the events.
func Count(dir string, now time.Time) (*Delivery, error) {
	p, err := plan.Open(dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = p.Close() }()
	l, err := ledger.Read(dir, p)
	if err != nil {
		return nil, err
	}
	d := &Delivery{Status: map[[2]string]int64{}, Overdue: map[string]int64{}, Took: map[float64]uint64{}}
	states, err := facts.Of(dir, p).Partial().States(os.TempDir())
	if err != nil {
		return nil, err
	}
	defer func() { _ = states.Close() }()
	heard := int64(0)
	for m, err := range states.All() {
		if err != nil {
			return nil, err
		}
		heard++
		d.add(&m.State, now)
	}
	accepted, old := int64(0), int64(0) // and those of them that were sent too long ago
	for _, s := range l.Standing() {
		if s.IsAccepted() {
			accepted += int64(s.Messages)
			if s.First != 0 && now.Sub(s.First.Time()) > longest {
				old += int64(s.Messages)
			}
		}
	}
	d.Unknown = max(0, accepted-heard)
	d.Overdue["none"] += max(0, old-heard) // at least so many
	return d, nil
}

func (d *Delivery) add(s *delivery.State, now time.Time) {
	status, channel, since, limit := "pending", "none", s.At, longest
	switch {
	case s.Read:
		status = delivery.Read
	case s.Delivered:
		status = delivery.Delivered
	case s.Final():
		status = delivery.Failed
	}
	for i := range s.Attempts { // the last that has begun
		if a := &s.Attempts[i]; a.Status != "created" {
			channel, since, limit = a.Channel, a.At, limitOf(a, i)
		}
	}
	if s.DeliveredChannel != "" {
		channel = s.DeliveredChannel
	}
	if channel != "nhsapp" && channel != "email" && channel != "sms" && channel != "letter" {
		channel = "none"
	}
	d.Status[[2]string{status, channel}]++
	if status == "pending" && now.Sub(since) > limit {
		d.Overdue[channel]++
	}
	if took := s.DeliveredAt.Sub(s.FirstEventAt); s.Delivered && !s.DeliveredAt.IsZero() && took > 0 {
		d.N++
		d.Seconds += took.Seconds()
		for _, b := range bounds {
			if took.Seconds() <= b {
				d.Took[b]++
			}
		}
	}
}

// limitOf returns how long the attempt with an index may take.
func limitOf(a *delivery.Attempt, i int) time.Duration {
	switch {
	case i > 0:
		return second
	case a.Channel == "letter":
		return letter
	}
	return quick
}

func (d *Delivery) collect(s sink) {
	for _, channel := range channels {
		for _, status := range statuses {
			n := d.Status[[2]string{status, channel}]
			s.gauge("cohort_delivery", "Accepted messages by what the services said of them last, and by channel.", float64(n), "status", status, "channel", channel)
		}
		s.gauge("cohort_delivery_overdue", "Messages without a last word for too long: 4 days, a letter 7, a later step 10, anything 14.", float64(d.Overdue[channel]), "channel", channel)
	}
	s.gauge("cohort_delivery_unknown", "Accepted messages that no service spoke of.", float64(d.Unknown))
	for _, b := range bounds {
		d.Took[b] += 0
	}
	s.histogram("cohort_delivery_seconds", "Time from the first event about a message to its delivery.", d.N, d.Seconds, d.Took)
}

// counter counts the Delivery of a run again when there is something new, at most once a minute, and at most in a
// twentieth of the time. It is safe for concurrent use.
type counter struct {
	mu     sync.Mutex
	latest *Delivery
	sizes  int64 // of the inboxes then
	next   time.Time
	busy   bool
}

// count returns the latest Delivery, and counts anew beside the caller when that is due. It is nil until the first count is
// done, and when no service can have spoken or the events cannot be read.
func (c *counter) count(dir string, now time.Time) *Delivery {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.busy || now.Before(c.next) || !facts.Any(dir) {
		return c.latest
	}
	sizes := sizeOf(filepath.Join(dir, facts.InboxFolder)) + sizeOf(filepath.Join(filepath.Dir(dir), facts.SharedFolder))
	if c.latest != nil && sizes == c.sizes && now.Sub(c.next) < time.Hour { // what is overdue changes with time alone
		return c.latest
	}
	c.busy = true
	go func() {
		began := time.Now()
		latest, err := Count(dir, now)
		c.mu.Lock()
		defer c.mu.Unlock()
		if err == nil {
			c.latest, c.sizes = latest, sizes
		}
		c.busy, c.next = false, now.Add(max(time.Minute, 20*time.Since(began)))
	}()
	return c.latest
}

func sizeOf(dir string) (bytes int64) {
	all, _ := os.ReadDir(dir)
	for _, e := range all {
		if info, err := e.Info(); err == nil {
			bytes += info.Size()
		}
	}
	return bytes
}
