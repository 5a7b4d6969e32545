package apim_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestAHundredCallersCauseOneExchange(t *testing.T) {
	e := newEndpoint(t)
	tokens := e.tokens(t, nil)
	gate := make(chan struct{})
	e.says(func(int, http.ResponseWriter, *http.Request) bool { <-gate; return false })
	var callers, waiting sync.WaitGroup
	waiting.Add(100)
	for range 100 {
		callers.Go(func() {
			waiting.Done()
			if text, err := tokens.Token(context.Background()); err != nil || text != "token-1" {
				t.Errorf("%q %v", text, err)
			}
		})
	}
	waiting.Wait()
	close(gate)
	callers.Wait()
	if n := e.asked(); n != 1 {
		t.Errorf("%d exchanges", n)
	}
}

func TestAWaitingCallerCanBeCancelled(t *testing.T) {
	e := newEndpoint(t)
	tokens := e.tokens(t, nil)
	gate, begun := make(chan struct{}), make(chan struct{})
	e.says(func(int, http.ResponseWriter, *http.Request) bool { close(begun); <-gate; return false })
	var first sync.WaitGroup
	first.Go(func() { token(t, tokens) })
	<-begun
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := tokens.Token(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	close(gate)
	first.Wait()
}

func TestAnAskingCallerCanBeCancelledAndTheNextOneAsks(t *testing.T) {
	e := newEndpoint(t)
	tokens := e.tokens(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	e.says(func(n int, _ http.ResponseWriter, r *http.Request) bool {
		if n == 1 {
			cancel()
			<-r.Context().Done() // until the client has hung up
		}
		return false
	})
	if _, err := tokens.Token(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if got := token(t, tokens); got != "token-2" {
		t.Errorf("%s", got)
	}
}

// A token lives 600 s. After 480 s one caller renews it, and the others use it meanwhile. In
// its last ten seconds nobody uses it.
func TestATokenIsRenewedEarlyWhileTheOldOneServes(t *testing.T) {
	c := newClock()
	e := newEndpoint(t)
	tokens := e.tokens(t, c)
	token(t, tokens)
	c.pass(480*time.Second - 1)
	if got := token(t, tokens); got != "token-1" || e.asked() != 1 {
		t.Errorf("just before 80 %%: %s after %d exchanges", got, e.asked())
	}
	c.pass(1)
	gate, begun := make(chan struct{}), make(chan struct{})
	e.says(func(int, http.ResponseWriter, *http.Request) bool { close(begun); <-gate; return false })
	var renewer sync.WaitGroup
	renewer.Go(func() {
		if got := token(t, tokens); got != "token-2" {
			t.Errorf("who renews gets %s", got)
		}
	})
	<-begun
	for range 10 {
		if got := token(t, tokens); got != "token-1" {
			t.Errorf("meanwhile the others get %s", got)
		}
	}
	close(gate)
	renewer.Wait()
	if got := token(t, tokens); got != "token-2" || e.asked() != 2 {
		t.Errorf("then: %s after %d exchanges", got, e.asked())
	}
}

func TestATokenIsNotUsedInItsLastTenSeconds(t *testing.T) {
	c := newClock()
	e := newEndpoint(t)
	tokens := e.tokens(t, c)
	token(t, tokens)
	c.pass(590 * time.Second)
	e.saysStatus(503, "")
	if text, err := tokens.Token(t.Context()); err == nil {
		t.Errorf("%s serves after 590 of 600 s", text)
	}
	gate, begun := make(chan struct{}), make(chan struct{})
	e.says(func(int, http.ResponseWriter, *http.Request) bool { close(begun); <-gate; return false })
	var callers sync.WaitGroup
	callers.Go(func() { token(t, tokens) })
	<-begun
	callers.Go(func() { // who comes meanwhile waits
		if got := token(t, tokens); got != "token-3" {
			t.Errorf("%s", got)
		}
	})
	time.AfterFunc(50*time.Millisecond, func() { close(gate) })
	callers.Wait()
}

// Only a 200 is a token, whatever the body says.
func TestATokenComesWith200Only(t *testing.T) {
	for _, status := range []int{201, 203, 206, 300, 302, 304} {
		e := newEndpoint(t)
		e.saysStatus(status, `{"access_token":"token-x","expires_in":"599"}`)
		if text, err := e.tokens(t, nil).Token(t.Context()); err == nil {
			t.Errorf("%d: %s", status, text)
		}
	}
}

// A token goes into a header. It is one word, so that it cannot end its line.
func TestATokenIsOneWord(t *testing.T) {
	for _, text := range []string{"", "a b", `a\r\nX-More: b`, `a\u0000b`, `a\u007fb`, "ä"} {
		e := newEndpoint(t)
		e.saysStatus(http.StatusOK, `{"access_token":"`+text+`","expires_in":"599"}`)
		if got, err := e.tokens(t, nil).Token(t.Context()); err == nil || !strings.Contains(err.Error(), "holds no token") {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
}

func TestARenewalThatFailsKeepsTheOldTokenAndIsTriedAgainLater(t *testing.T) {
	c := newClock()
	e := newEndpoint(t)
	tokens := e.tokens(t, c)
	token(t, tokens)
	c.pass(500 * time.Second)
	e.saysStatus(500, "")
	since := c.Now()
	for _, row := range []struct {
		sentence string
		pass     time.Duration
		asked    int
	}{
		{"the first failure", 0, 2}, {"at once after it", 0, 2}, {"not quite ten seconds later", 10*time.Second - 1, 2}, {"ten seconds later", 1, 3}, {"another twenty seconds later", 20 * time.Second, 4},
	} {
		c.pass(row.pass)
		if got := token(t, tokens); got != "token-1" || e.asked() != row.asked {
			t.Errorf("%s: %s after %d exchanges", row.sentence, got, e.asked())
		}
	}
	if expires, failing := tokens.Standing(); !failing.Equal(since) || !expires.Equal(since.Add(100*time.Second)) {
		t.Errorf("it is said to fail since %v, with a token until %v", failing, expires)
	}
	e.says(nil)
	c.pass(10 * time.Second)
	if got := token(t, tokens); got != "token-5" {
		t.Errorf("when the endpoint is back: %s", got)
	}
	if _, failing := tokens.Standing(); !failing.IsZero() {
		t.Errorf("it is said to fail since %v", failing)
	}
}

// An exchange may take 30 s, and the old token may expire meanwhile.
func TestARenewalThatFailsTooLateLeavesNoDeadToken(t *testing.T) {
	c := newClock()
	e := newEndpoint(t)
	tokens := e.tokens(t, c)
	token(t, tokens)
	c.pass(588 * time.Second)
	e.says(func(_ int, w http.ResponseWriter, _ *http.Request) bool {
		c.pass(20 * time.Second)
		w.WriteHeader(503)
		return true
	})
	if text, err := tokens.Token(t.Context()); err == nil {
		t.Errorf("%s is given out 8 s after its end", text)
	}
	e.says(nil)
	if got := token(t, tokens); got != "token-3" {
		t.Errorf("then: %s", got)
	}
}

func TestHowLongATokenLives(t *testing.T) {
	for _, row := range []struct {
		expiresIn string // as it stands in the answer
		lives     time.Duration
	}{
		{`"599"`, 599 * time.Second}, {`599`, 599 * time.Second}, {`"60"`, time.Minute}, {`599.0`, 599 * time.Second}, {`3.6e3`, time.Hour},
		{`"0"`, 0}, {`0`, 0}, {`-5`, 0}, {`"-5"`, 0}, {`""`, 0}, {`"soon"`, 0}, {`null`, 0}, {`{}`, 0}, {`"NaN"`, 0}, {`true`, 0},
	} {
		t.Run(row.expiresIn, func(t *testing.T) {
			c := newClock()
			e := newEndpoint(t)
			tokens := e.tokens(t, c)
			e.says(func(_ int, w http.ResponseWriter, _ *http.Request) bool {
				_, _ = fmt.Fprintf(w, `{"access_token":"token-x","expires_in":%s}`, row.expiresIn)
				return true
			})
			if row.lives == 0 {
				if text, err := tokens.Token(t.Context()); err == nil {
					t.Errorf("taken: %s", text)
				}
				return
			}
			token(t, tokens)
			c.pass(row.lives*8/10 - 1)
			if token(t, tokens); e.asked() != 1 {
				t.Errorf("%d exchanges before 80 %%", e.asked())
			}
			c.pass(1)
			if token(t, tokens); e.asked() != 2 {
				t.Errorf("%d exchanges at 80 %%", e.asked())
			}
		})
	}
}
