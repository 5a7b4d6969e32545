package delivery

import (
	"cmp"
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"cohort/engine/pace"
)

// Limiter limits the rate of questions to a service. When the service asks for fewer (429),
// nobody asks for as long as it says, and the rate is halved. Every answer brings back a
// hundredth of it. A Limiter is safe for concurrent use.
type Limiter struct {
	Permits pace.Permits // of the key's requests, which runs share; nil: none does

	most    rate.Limit
	limiter *rate.Limiter

	mu     sync.Mutex // guards what follows
	quiet  time.Time  // no question is asked before
	slowed time.Time  // questions asked before have halved the rate already
}

// slowest is the lowest rate, in questions a second.
const slowest = 0.1

// NewLimiter makes a limiter.
func NewLimiter(perSecond float64) *Limiter {
	return &Limiter{most: rate.Limit(perSecond), limiter: rate.NewLimiter(rate.Limit(perSecond), 1)}
}

// wait waits until a question may be asked, and returns that time. An error is the context's.
func (p *Limiter) wait(ctx context.Context) (time.Time, error) {
	for {
		if err := p.limiter.Wait(ctx); err != nil {
			return time.Time{}, cmp.Or(ctx.Err(), err)
		}
		p.mu.Lock()
		quiet := p.quiet
		p.mu.Unlock()
		now := time.Now()
		if !now.Before(quiet) {
			if p.Permits != nil {
				err := pace.Take(ctx, p.Permits, func(string) {})
				return time.Now(), err
			}
			return now, nil
		}
		if err := pause(ctx, quiet.Sub(now)); err != nil { // and then in turn, so that not all ask at once
			return time.Time{}, err
		}
	}
}

// done notes the end of a question for which wait has returned.
func (p *Limiter) done() {
	if p.Permits != nil {
		p.Permits.Done(pace.Answered)
	}
}

// refused stops all questions for a time, because the service refused the one asked at asked. It
// reports whether it halved the rate: questions under way at the same time count once.
func (p *Limiter) refused(asked time.Time, after time.Duration) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if until := now.Add(max(after, time.Second)); until.After(p.quiet) {
		p.quiet = until
	}
	if p.Permits != nil {
		p.Permits.Hold(max(after, time.Second))
	}
	if asked.Before(p.slowed) {
		return false
	}
	p.slowed = p.quiet
	p.limiter.SetLimit(max(slowest, p.limiter.Limit()/2))
	return true
}

// answered raises the rate for a question that was answered.
func (p *Limiter) answered() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now := p.limiter.Limit(); now < p.most {
		p.limiter.SetLimit(min(p.most, now*1.01))
	}
}

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
