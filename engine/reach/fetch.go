package reach

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"
)

// Asker requests a page of a practice's report, once. Pages count from 1; more means that
// another page follows. It is safe for concurrent use. The error is ErrMissing or ErrRefused for
// the practice, a *LaterError, or one that a person must fix.
type Asker interface {
	AppUsers(ctx context.Context, practice string, page int) (users []User, more bool, err error)
}

// The errors for a practice without a report.
var (
	ErrMissing = errors.New("the service has no report of the practice")
	ErrRefused = errors.New("the service does not know this code as a practice")
)

// LaterError means that the service cannot answer now.
type LaterError struct {
	Err     error
	Wait    time.Duration // as the service asked; 0: it did not say
	HoldAll bool          // for all requests
}

func (e *LaterError) Error() string { return e.Err.Error() }
func (e *LaterError) Unwrap() error { return e.Err }

const (
	mostTries = 8 // of one page
	mostPages = 10_000
	askers    = 8 // at once
)

type Fetching struct {
	Asker     Asker
	Day       *Day
	PerSecond float64 // requests
	// Backoff is the wait before repetition n of a request, from 0, if the service did not say.
	Backoff func(n int) time.Duration

	done  atomic.Int64
	limit *rate.Limiter
	held  atomic.Int64 // Unix nanoseconds before which no request starts
}

// Done counts the practices fetched so far. It is safe for concurrent use.
func (f *Fetching) Done() int64 { return f.done.Load() }

// Fetch requests the reports of practices and keeps each as soon as it is complete. Its error
// is the first that a person must fix, or that of ctx. Reports fetched before an error are kept.
func (f *Fetching) Fetch(ctx context.Context, practices []string) error {
	f.limit = rate.NewLimiter(rate.Limit(f.PerSecond), 1)
	group, asking := errgroup.WithContext(ctx)
	group.SetLimit(askers)
	for _, code := range practices {
		if asking.Err() != nil {
			break
		}
		group.Go(func() error {
			state, users, err := f.report(asking, code)
			if err == nil {
				err = f.Day.Put(code, state, users)
			}
			if err != nil {
				return fmt.Errorf("practice %s: %w", code, err)
			}
			f.done.Add(1)
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return ctx.Err() // when it came before the first
}

func (f *Fetching) report(ctx context.Context, code string) (state State, all []User, err error) {
	for page := 1; page <= mostPages; page++ {
		users, more, err := f.page(ctx, code, page)
		switch {
		case errors.Is(err, ErrMissing) && page == 1:
			return Missing, nil, nil
		case errors.Is(err, ErrRefused) && page == 1:
			return Refused, nil, nil
		case err != nil:
			return "", nil, fmt.Errorf("page %d: %w", page, err)
		}
		all = append(all, users...)
		if !more {
			return Reported, all, nil
		}
	}
	return "", nil, errors.New("its report has no end")
}

// page requests one page until the service answers.
func (f *Fetching) page(ctx context.Context, code string, page int) ([]User, bool, error) {
	for try := 0; ; try++ {
		if err := f.turn(ctx); err != nil {
			return nil, false, err
		}
		users, more, err := f.Asker.AppUsers(ctx, code, page)
		later := (*LaterError)(nil)
		if err == nil || !errors.As(err, &later) || ctx.Err() != nil {
			return users, more, err
		}
		if try == mostTries-1 {
			return nil, false, fmt.Errorf("%w, %d times; try again later: what was fetched is kept", err, mostTries)
		}
		wait := later.Wait
		if wait == 0 {
			wait = f.Backoff(try)
		}
		if later.HoldAll {
			f.hold(time.Now().Add(wait))
			continue
		}
		if err := sleep(ctx, wait); err != nil {
			return nil, false, err
		}
	}
}

func (f *Fetching) turn(ctx context.Context) error {
	for {
		if err := f.limit.Wait(ctx); err != nil {
			return err
		}
		held := time.Until(time.Unix(0, f.held.Load()))
		if held <= 0 {
			return nil
		}
		if err := sleep(ctx, held); err != nil {
			return err
		}
	}
}

// hold delays all requests until a time, unless they are delayed for longer already.
func (f *Fetching) hold(until time.Time) {
	for at := until.UnixNano(); ; {
		if old := f.held.Load(); old >= at || f.held.CompareAndSwap(old, at) {
			return
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
