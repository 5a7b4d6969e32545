package reach

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"cohort/ingest/person"
)

// service is a service that is asked: it notes when, and answers as told.
type service struct {
	mu     sync.Mutex
	asked  []string
	at     []time.Time
	answer func(asked int, practice string, page int) ([]User, bool, error)
}

func (s *service) AppUsers(ctx context.Context, practice string, page int) ([]User, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked, s.at = append(s.asked, fmt.Sprintf("%s %d", practice, page)), append(s.at, time.Now())
	if ctx.Err() != nil {
		return nil, false, ctx.Err()
	}
	return s.answer(len(s.asked), practice, page)
}

// fetch fetches practices at ten requests a second, on a clock of its own.
func fetch(t *testing.T, practices []string, answer func(asked int, practice string, page int) ([]User, bool, error), look func(s *service, d *Day, f *Fetching, err error)) {
	t.Helper()
	d := day(t)
	synctest.Test(t, func(t *testing.T) {
		s := &service{answer: answer}
		f := &Fetching{Asker: s, Day: d, PerSecond: 10, Backoff: func(n int) time.Duration { return time.Duration(n+1) * time.Second }}
		err := f.Fetch(t.Context(), practices)
		look(s, d, f, err)
	})
}

func TestFetchingAllPages(t *testing.T) {
	var practices []string
	for i := range 30 {
		practices = append(practices, fmt.Sprintf("A%02d", i))
	}
	fetch(t, practices, func(_ int, practice string, page int) ([]User, bool, error) {
		switch practice {
		case "A01":
			return nil, false, ErrMissing
		case "A02":
			return nil, false, fmt.Errorf("wrapped: %w", ErrRefused)
		}
		return []User{{person.NHSNumber(page), page%2 == 0}}, page < 3, nil
	}, func(s *service, d *Day, f *Fetching, err error) {
		if err != nil || f.Done() != 30 || len(d.Without(practices)) != 0 {
			t.Fatalf("%d of 30: %v", f.Done(), err)
		}
		sorted := slices.Clone(s.asked)
		slices.Sort(sorted)
		if len(sorted) != 28*3+2 || len(slices.Compact(sorted)) != len(s.asked) {
			t.Errorf("%d requests, some twice", len(s.asked))
		}
		for i := range s.at[1:] {
			if d := s.at[i+1].Sub(s.at[i]); d < 100*time.Millisecond {
				t.Errorf("request %d came %s behind the one before", i+1, d)
			}
		}
		if took := s.at[len(s.at)-1].Sub(s.at[0]); took > 9*time.Second {
			t.Errorf("86 requests at ten a second took %s", took)
		}
		x := fixed(t, d, t.TempDir()+"/fixed")
		for number, want := range map[person.NHSNumber]Answer{1: Yes, 2: Notifications, 3: Yes, 4: No} {
			if got := x.Of([]byte("A29"), number); got != want {
				t.Errorf("%d: %s", number.Uint64(), got)
			}
		}
		for code, want := range map[string]State{"A01": Missing, "A02": Refused, "A03": Reported} {
			if state, err := d.State(code); state != want || err != nil {
				t.Errorf("%s: %q, %v", code, state, err)
			}
		}
	})
}

// What the service cannot answer now it is asked again; a word to all holds everybody.
func TestFetchingFromABusyService(t *testing.T) {
	busy := &LaterError{Err: errors.New("the service answered 429"), Wait: 30 * time.Second, HoldAll: true}
	fetch(t, []string{"A01", "A02", "A03", "A04"}, func(asked int, _ string, _ int) ([]User, bool, error) {
		switch asked {
		case 2:
			return nil, false, busy
		case 4:
			return nil, false, &LaterError{Err: errors.New("the service answered 502")}
		}
		return nil, false, nil
	}, func(s *service, d *Day, f *Fetching, err error) {
		if err != nil || len(s.asked) != 6 || f.Done() != 4 {
			t.Fatalf("%v after %v", err, s.asked)
		}
		if d := s.at[2].Sub(s.at[1]); d < 30*time.Second {
			t.Errorf("asked again after %s", d)
		}
		if d := s.at[5].Sub(s.at[3]); d < time.Second {
			t.Errorf("asked again after %s", d)
		}
	})
}

func TestFetchingThatCannotSucceed(t *testing.T) {
	away := &LaterError{Err: errors.New("the service answered 503"), HoldAll: true}
	fetch(t, []string{"A01"}, func(int, string, int) ([]User, bool, error) { return nil, false, away }, func(s *service, d *Day, _ *Fetching, err error) {
		if !errors.Is(err, away.Err) || !strings.Contains(err.Error(), "practice A01: page 1: the service answered 503, 8 times") || len(s.asked) != 8 || d.Has("A01") {
			t.Errorf("%d times: %v", len(s.asked), err)
		}
	})
	never := errors.New("the service answered 403")
	fetch(t, []string{"A01", "A02", "A03", "A04", "A05", "A06", "A07", "A08", "A09", "A10", "A11", "A12", "A13"}, func(_ int, practice string, _ int) ([]User, bool, error) {
		if practice == "A02" {
			return nil, false, never
		}
		return nil, false, nil
	}, func(s *service, d *Day, f *Fetching, err error) {
		if !errors.Is(err, never) || len(s.asked) == 13 || d.Has("A02") {
			t.Errorf("%d practices were asked about: %v", len(s.asked), err)
		}
	})
	fetch(t, []string{"A01"}, func(_ int, _ string, page int) ([]User, bool, error) {
		if page == 2 {
			return nil, false, ErrMissing
		}
		return nil, true, nil
	}, func(_ *service, d *Day, _ *Fetching, err error) {
		if !errors.Is(err, ErrMissing) || d.Has("A01") {
			t.Errorf("a report that breaks off: %v", err)
		}
	})
}

func TestFetchingThatIsStopped(t *testing.T) {
	d := day(t)
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		s := &service{}
		s.answer = func(asked int, _ string, _ int) ([]User, bool, error) {
			if asked == 3 {
				cancel()
			}
			return nil, false, nil
		}
		f := &Fetching{Asker: s, Day: d, PerSecond: 10}
		err := f.Fetch(ctx, []string{"A01", "A02", "A03", "A04", "A05", "A06", "A07", "A08", "A09", "A10"})
		if !errors.Is(err, context.Canceled) || len(s.asked) != 3 || f.Done() < 2 {
			t.Errorf("%d requests, %d practices: %v", len(s.asked), f.Done(), err)
		}
	})
}
