package delivery

import (
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// polite is the rate at which a service is asked questions. When the service asks for fewer
// (429) everybody is quiet for as long as it says, and the rate is halved; it comes back by a
// hundredth with every answer. Safe for concurrent use.
type Limiter struct {
	most    rate.Limit
	limiter *rate.Limiter

	mu     sync.Mutex // guards what follows
	quiet  time.Time  // nobody asks before
	slowed time.Time  // when the rate was halved last
}

// slowest is the rate that is kept to however often the service refuses.
const slowest = 0.1

func NewLimiter(perSecond float64) *Limiter {
	return &Limiter{most: rate.Limit(perSecond), limiter: rate.NewLimiter(rate.Limit(perSecond), 1)}
}

// wait waits until a question may be asked, and says when that is. An error is the context's.
func (p *Limiter) wait(ctx context.Context) (time.Time, error) {
	for {
		if err := p.limiter.Wait(ctx); err != nil {
			if ctx.Err() != nil {
				err = ctx.Err()
			}
			return time.Time{}, err
		}
		p.mu.Lock()
		quiet := p.quiet
		p.mu.Unlock()
		now := time.Now()
		if !now.Before(quiet) {
			return now, nil
		}
		if err := pause(ctx, quiet.Sub(now)); err != nil { // and then in turn, so that not all ask at once
			return time.Time{}, err
		}
	}
}

// refused has everybody be quiet for a time, since a question that was asked at a moment was
// refused for load. It says whether the rate was halved for it: questions that were under way
// together count once.
func (p *Limiter) refused(asked time.Time, after time.Duration) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if until := now.Add(max(after, time.Second)); until.After(p.quiet) {
		p.quiet = until
	}
	if asked.Before(p.slowed) {
		return false
	}
	p.slowed = p.quiet
	p.limiter.SetLimit(max(slowest, p.limiter.Limit()/2))
	return true
}

// answered counts a question that was answered.
func (p *Limiter) answered() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now := p.limiter.Limit(); now < p.most {
		p.limiter.SetLimit(min(p.most, now*1.01))
	}
}

// pause waits for a time. An error is the context's.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
