package reach

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// Asker asks a service for a page of a practice's report, once. Pages count from 1; more
// says that another follows. It is safe for concurrent use. An error is ErrMissing or
// ErrRefused about the practice, a *LaterError, or one that nothing but a person mends.
type Asker interface {
	AppUsers(ctx context.Context, practice string, page int) (users []User, more bool, err error)
}

// What a service says of a practice for which it has no report.
var (
	ErrMissing = errors.New("the service has no report of the practice")
	ErrRefused = errors.New("the service takes the code for none of a practice")
)

// LaterError says that the service cannot answer for now.
type LaterError struct {
	Err     error
	Wait    time.Duration // as the service asked for; 0: it did not say
	HoldAll bool          // it is meant for every request
}

func (e *LaterError) Error() string { return e.Err.Error() }
func (e *LaterError) Unwrap() error { return e.Err }

const (
	mostTries = 8 // of one page
	mostPages = 10_000
	askers    = 8 // at once
)

// Fetching is the fetching of the reports of practices.
type Fetching struct {
	Asker     Asker
	Day       *Day
	PerSecond float64 // requests
	// Backoff is how long to wait before the nth repetition of a request, from 0, when the
	// service did not say.
	Backoff func(n int) time.Duration

	done atomic.Int64
	pace turns
}

// Done says how many practices were asked about so far. Any goroutine may ask.
func (f *Fetching) Done() int64 { return f.done.Load() }

// Fetch asks about practices and keeps what the service has of them, each as soon as it
// is whole. Its error is the first that a person must mend, or ctx's; what was kept until
// then stays.
func (f *Fetching) Fetch(ctx context.Context, practices []string) error {
	f.pace.every = time.Duration(float64(time.Second) / f.PerSecond)
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

// report asks for all pages of a practice's report.
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

// page asks for one page until there is an answer that means something.
func (f *Fetching) page(ctx context.Context, code string, page int) ([]User, bool, error) {
	for try := 0; ; try++ {
		if err := f.pace.take(ctx); err != nil {
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
			f.pace.hold(wait)
			continue
		}
		if err := sleep(ctx, wait); err != nil {
			return nil, false, err
		}
	}
}

// turns are given out one by one, at even distances.
type turns struct {
	every time.Duration
	mu    sync.Mutex
	next  time.Time
}

func (t *turns) take(ctx context.Context) error {
	for {
		t.mu.Lock()
		now := time.Now()
		wait := t.next.Sub(now)
		if wait <= 0 {
			t.next = now.Add(t.every)
			t.mu.Unlock()
			return ctx.Err()
		}
		t.mu.Unlock()
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// hold gives out none for a while.
func (t *turns) hold(d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if until := time.Now().Add(d); until.After(t.next) {
		t.next = until
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
