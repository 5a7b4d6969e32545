package simulator

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"cohort/sinks/simulator/faults"
)

// One fault each, always on: what a plain client sees, and whether the batch was
// accepted all the same. 18 rows.
func TestFaults(t *testing.T) {
	rows := []struct {
		kind       faults.Kind
		set        faults.Fault
		status     int // 0: no whole answer
		code       string
		retryAfter string
		accepted   bool
	}{
		{kind: faults.ResetBefore},
		{kind: faults.ResetAfter, accepted: true},
		{kind: faults.TimeoutAfter, set: faults.Fault{Hold: 20 * time.Millisecond}, status: 504, code: "CM_TIMEOUT", accepted: true},
		{kind: faults.Gateway504After, status: 504, code: "CM_TIMEOUT", accepted: true},
		{kind: faults.Gateway504Before, status: 504, code: "CM_TIMEOUT"},
		{kind: faults.Truncated201, accepted: true},
		{kind: faults.Quota429, status: 429, code: "CM_QUOTA", retryAfter: "60"},
		{kind: faults.Quota429, set: faults.Fault{RetryAfter: 1500 * time.Millisecond}, status: 429, code: "CM_QUOTA", retryAfter: "2"},
		{kind: faults.Spike429, status: 429, code: "CM_QUOTA", retryAfter: "1"},
		{kind: faults.SlowAccept, accepted: true},
		{kind: faults.Unavailable503, status: 503, code: "CM_SERVICE_UNAVAILABLE", retryAfter: "5"},
		{kind: faults.Unavailable503Bare, status: 503, code: "CM_SERVICE_UNAVAILABLE"},
		{kind: faults.Error500Before, status: 500, code: "CM_INTERNAL_SERVER_ERROR"},
		{kind: faults.Error500After, status: 500, code: "CM_INTERNAL_SERVER_ERROR", accepted: true},
		{kind: faults.BadGateway502, status: 502, code: "CM_BAD_GATEWAY"},
		{kind: faults.HTMLError, status: 502},
		{kind: faults.Banned, status: 403, code: "CM_SERVICE_BAN"},
		{kind: faults.NoSuchPlan, status: 404, code: "CM_NO_SUCH_ROUTING_PLAN"},
	}
	if len(rows) != 18 {
		t.Errorf("%d rows, not 18", len(rows))
	}
	for _, row := range rows {
		t.Run(row.kind.String(), func(t *testing.T) {
			row.set.Share = 1
			row.set.Limit = 1
			s := serve(t, Options{Faults: faults.Set{row.kind: row.set}})
			got := s.post(batch("b1", 0, 20))
			if (got.err == nil) != (row.status != 0) {
				t.Fatalf("status %d, error %v", got.status, got.err)
			}
			if row.status != 0 && (got.status != row.status || got.header.Get("Retry-After") != row.retryAfter) {
				t.Errorf("status %d, Retry-After %q", got.status, got.header.Get("Retry-After"))
			}
			if row.code != "" && got.code(t) != row.code {
				t.Errorf("code %s", got.code(t))
			}
			switch row.kind {
			case faults.ResetBefore, faults.ResetAfter, faults.SlowAccept:
				if !errors.Is(got.err, syscall.ECONNRESET) && !errors.Is(got.err, io.EOF) {
					t.Errorf("error %v", got.err)
				}
			case faults.Truncated201:
				if got.status != 201 || !errors.Is(got.err, io.ErrUnexpectedEOF) || len(got.body) == 0 {
					t.Errorf("status %d, %d bytes, error %v", got.status, len(got.body), got.err)
				}
			case faults.HTMLError:
				if !strings.HasPrefix(got.header.Get("Content-Type"), "text/html") || !strings.HasPrefix(string(got.body), "<html>") {
					t.Errorf("%s", got.body)
				}
			}
			want := 0
			if row.accepted {
				want = 20
			}
			if n := s.accepted(); n != want {
				t.Errorf("%d messages accepted, want %d", n, want)
			}
			if n := s.Stats().Faults[row.kind.String()]; n != 1 {
				t.Errorf("counted %d times", n)
			}
			// A replay: the limit is reached, so it gets the plain answer.
			again, status := s.post(batch("b1", 0, 20)), 201
			switch {
			case row.kind == faults.SlowAccept:
				status = 425
			case row.accepted:
				status = 422
			}
			if again.status != status {
				t.Errorf("the replay: %d, want %d", again.status, status)
			}
			if s.accepted() != 20 {
				t.Errorf("%d messages accepted in the end", s.accepted())
			}
		})
	}
}

func TestFaultsStrikeReplaysToo(t *testing.T) {
	s := serve(t, Options{Faults: faults.Set{faults.ResetAfter: {Share: 1, Limit: 3}}})
	for i := range 3 {
		if got := s.post(batch("b1", 0, 2)); got.err == nil {
			t.Errorf("request %d: answered %d", i, got.status)
		}
	}
	if got := s.post(batch("b1", 0, 2)); got.status != 422 {
		t.Errorf("at last: %d", got.status)
	}
	if s.accepted() != 2 {
		t.Errorf("%d accepted", s.accepted())
	}
}

func TestSlowAcceptEnds(t *testing.T) {
	c := newClock()
	s := serve(t, Options{Now: c.Now, Faults: faults.Set{faults.SlowAccept: {Share: 1, Limit: 1, RetryAfter: 3 * time.Second, Processing: 4 * time.Second}}})
	if got := s.post(batch("b1", 0, 2)); got.err == nil {
		t.Fatalf("answered %d", got.status)
	}
	for range 2 {
		if got := s.post(batch("b1", 0, 2)); got.status != 425 || got.header.Get("Retry-After") != "3" {
			t.Fatalf("%d, Retry-After %q", got.status, got.header.Get("Retry-After"))
		}
	}
	if n := s.Stats().ReplaysBeforeTheirDue; n != 1 {
		t.Errorf("%d hasty replays counted", n)
	}
	c.pass(4 * time.Second)
	if got := s.post(batch("b1", 0, 2)); got.status != 422 {
		t.Errorf("after processing: %d", got.status)
	}
}

// The messages are there all the same, once.
func TestAPostThatAGatewayDeliversTwice(t *testing.T) {
	c := newClock()
	s := serve(t, Options{Now: c.Now, Faults: faults.Set{faults.DeliveredTwice: {Share: 1, Limit: 1, RetryAfter: 3 * time.Second, Processing: 4 * time.Second}}})
	for range 2 {
		if got := s.post(batch("b1", 0, 2)); got.status != 425 || got.header.Get("Retry-After") != "3" {
			t.Fatalf("%d, Retry-After %q", got.status, got.header.Get("Retry-After"))
		}
	}
	if n := s.Stats().ReplaysBeforeTheirDue; n != 1 {
		t.Errorf("%d hasty replays counted", n)
	}
	c.pass(4 * time.Second)
	if got := s.post(batch("b1", 0, 2)); got.status != 422 || s.accepted() != 2 {
		t.Errorf("after processing: %d, %d accepted", got.status, s.accepted())
	}
}

func TestTooEarlyIsDrawnOnceForAReference(t *testing.T) {
	c := newClock()
	s := serve(t, Options{Now: c.Now, Faults: faults.Set{faults.TooEarly425: {Share: 1, RetryAfter: 2 * time.Second}}})
	s.post(batch("b1", 0, 2))
	if got := s.post(batch("b1", 0, 2)); got.status != 425 || got.header.Get("Retry-After") != "2" {
		t.Errorf("%d, Retry-After %q", got.status, got.header.Get("Retry-After"))
	}
	c.pass(2 * time.Second)
	for range 2 {
		if got := s.post(batch("b1", 0, 2)); got.status != 422 {
			t.Errorf("afterwards: %d", got.status)
		}
	}
}

func TestTokenIsNeverRevokedInItsFirstUses(t *testing.T) {
	s := serve(t, Options{Faults: faults.Set{faults.TokenRevoked: {Share: 1}}})
	for round := range 2 {
		for i := range 5 {
			if got := s.post(batch(fmt.Sprint("b", round, i), 0, 1)); got.status != 201 {
				t.Fatalf("use %d: %d", i, got.status)
			}
		}
		for range 2 { // void, not a passing refusal
			if got := s.post(batch("late", 0, 1)); got.status != 401 || got.code(t) != "CM_DENIED" {
				t.Fatalf("worn token: %d", got.status)
			}
		}
		s.token = s.fetchToken("api-key")
	}
}

func TestTokenEndpointFailsAndUsesUpTheJTI(t *testing.T) {
	s := serve(t, Options{Faults: faults.Set{faults.TokenEndpoint500: {Share: 1, After: 1, Limit: 1}}}) // serve takes the first token
	form := tokenForm(sign(signingKey(), "k", s.url+"/oauth2/token", time.Now(), nil))
	if got := s.askToken(form); got.status != 500 {
		t.Errorf("%d", got.status)
	}
	if got := s.askToken(form); got.status != 400 || !strings.Contains(string(got.body), "Non-unique") {
		t.Errorf("the same assertion again: %d %s", got.status, got.body)
	}
	if s.fetchToken("k") == "" {
		t.Error("no token from a new assertion")
	}
}

func TestLatency(t *testing.T) {
	s := serve(t, Options{Faults: faults.Set{faults.Latency: {Fixed: 40 * time.Millisecond, Jitter: 10 * time.Millisecond}}})
	start := time.Now()
	s.post(batch("b1", 0, 1))
	if took := time.Since(start); took < 40*time.Millisecond {
		t.Errorf("took %v", took)
	}
}

func TestTimeoutListensToTheClient(t *testing.T) {
	s := serve(t, Options{Faults: faults.Set{faults.TimeoutAfter: {Share: 1, Hold: time.Hour}}})
	s.http.Timeout = 100 * time.Millisecond
	if got := s.post(batch("b1", 0, 2)); got.err == nil {
		t.Errorf("answered %d", got.status)
	}
	s.eventually("given up", func() bool { return s.Stats().ByStatus["unanswered"] == 1 })
	if s.accepted() != 2 {
		t.Error("not accepted")
	}
}

func TestPoisonedRecipientsAreStable(t *testing.T) {
	tenth := faults.Set{faults.PoisonedRecipients: {Share: 0.1}}
	s := serve(t, Options{Seed: 3, Faults: tenth})
	var want []string
	for n := range 300 {
		if s.gateway.Dice.Poisoned(number(n)) {
			want = append(want, fmt.Sprintf("/data/attributes/messages/%d/recipient/nhsNumber", n))
		}
	}
	if len(want) < 10 || len(want) > 60 {
		t.Fatalf("%d of 300 poisoned", len(want))
	}
	for range 2 {
		got := s.post(batch("b1", 0, 300))
		var have []string
		for _, e := range got.errors(t) {
			if e.Code != "CM_INVALID_NHS_NUMBER" {
				t.Errorf("%+v", e)
			}
			have = append(have, e.Source.Pointer)
		}
		if got.status != 400 || !slices.Equal(have, want) {
			t.Errorf("%d %v", got.status, have)
		}
	}
	if serve(t, Options{Seed: 4, Faults: tenth}).gateway.Dice.Poisoned(number(0)) == s.gateway.Dice.Poisoned(number(0)) {
		same := true
		for n := range 300 {
			same = same && faults.NewDice(4, tenth).Poisoned(number(n)) == s.gateway.Dice.Poisoned(number(n))
		}
		if same {
			t.Error("another seed poisons the same people")
		}
	}
}

func TestSameSeedSameFate(t *testing.T) {
	set := faults.Set{faults.ResetBefore: {Share: 0.2}, faults.ResetAfter: {Share: 0.2}, faults.Quota429: {Share: 0.2}, faults.Error500After: {Share: 0.2}, faults.Truncated201: {Share: 0.2}}
	c := newClock()
	run := func(seed uint64, set faults.Set) (fates []string) {
		s := serve(t, Options{Seed: seed, Faults: set, Now: c.Now})
		for i := range 60 {
			got := s.post(batch(fmt.Sprint("b", i), i, i+1))
			fates = append(fates, fmt.Sprint(got.status, got.err != nil))
		}
		for a := range s.Ledger() {
			fates = append(fates, a.MessageID)
		}
		return fates
	}
	first := run(1, set)
	if !slices.Equal(first, run(1, set)) {
		t.Error("the same seed had another fate")
	}
	if slices.Equal(first, run(2, set)) {
		t.Error("another seed had the same fate")
	}
	// Adding a fault leaves the draws of the others alone.
	a, b := faults.NewDice(1, faults.Set{faults.ResetBefore: {Share: 0.5}}), faults.NewDice(1, faults.Set{faults.ResetBefore: {Share: 0.5}, faults.Spike429: {Share: 0.5}})
	for range 100 {
		b.Strike(faults.Spike429)
		_, x := a.Strike(faults.ResetBefore)
		if _, y := b.Strike(faults.ResetBefore); x != y {
			t.Fatal("streams are not apart")
		}
	}
}

func TestSharesAfterAndLimit(t *testing.T) {
	d := faults.NewDice(9, faults.Set{faults.ResetBefore: {Share: 0.3}, faults.ResetAfter: {Share: 1, After: 3, Limit: 2}})
	hits := 0
	for range 10_000 {
		if _, hit := d.Strike(faults.ResetBefore); hit {
			hits++
		}
	}
	if hits < 2800 || hits > 3200 {
		t.Errorf("%d of 10,000 at 0.3", hits)
	}
	var at []int
	for i := range 10 {
		if _, hit := d.Strike(faults.ResetAfter); hit {
			at = append(at, i)
		}
	}
	if !slices.Equal(at, []int{3, 4}) {
		t.Errorf("struck at %v", at)
	}
}

func TestGatewayTooLargeIsNotJSON(t *testing.T) {
	const tenMiB = 10 << 20
	s := serve(t, Options{})
	body := wrap(somePlan, "b1", item(1)) + strings.Repeat(" ", tenMiB)
	for _, fill := range []int{0, tenMiB - len(batch("b2", 1, 2))} {
		got := s.post(batch("b2", 1, 2) + strings.Repeat(" ", fill))
		if want := map[bool]int{true: 201, false: 413}[fill == 0]; got.status != want {
			t.Errorf("filled with %d: %d, want %d (%v)", fill, got.status, want, got.err)
		} else if want == 413 && got.code(t) != "CM_TOO_LARGE" {
			t.Errorf("up to 10 MiB: %s", got.body)
		}
	}
	got := s.post(body)
	if got.status != 413 || !strings.HasPrefix(string(got.body), "<html>") {
		t.Errorf("%d %.100s %v", got.status, got.body, got.err)
	}
}
