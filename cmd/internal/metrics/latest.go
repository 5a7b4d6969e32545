package metrics

import "time"

// Counter counts the Delivery of a run, now and then. The zero Counter is ready. It is safe for concurrent use.
type Counter struct{ counter counter }

// Latest returns the latest count of the run in dir, and begins another beside the caller when it is due: at most once a
// minute, and only when something was said since. It is nil until the first count is done, and when no service can have
// spoken or the events cannot be read.
func (c *Counter) Latest(dir string, now time.Time) *Delivery { return c.counter.count(dir, now) }
