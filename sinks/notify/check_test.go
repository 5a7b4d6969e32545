package notify

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"cohort/sinks/apim"
	"cohort/sinks/simulator"
	"cohort/sinks/sinktest"
)

// door answers the requests of a check: /_ping with ping, and a message that does not exist with each
// of the statuses in turn, then with the last one.
type door struct {
	t      *testing.T
	ping   int
	code   string
	turns  []int
	seen   []string
	tokens []string
}

func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.seen = append(d.seen, r.Method+" "+r.URL.Path)
	switch r.URL.Path {
	case "/comms/_ping":
		if r.Header.Get("Authorization") != "" {
			d.t.Error("/_ping is open; it was asked with a token")
		}
		w.WriteHeader(d.ping)
	default:
		d.tokens = append(d.tokens, r.Header.Get("Authorization"))
		status := d.turns[0]
		if len(d.turns) > 1 {
			d.turns = d.turns[1:]
		}
		w.Header().Set("Retry-After", "60")
		w.WriteHeader(status)
		if d.code != "" {
			_, _ = fmt.Fprintf(w, `{"errors":[{"code":%q,"status":"%d"}]}`, d.code, status)
		}
	}
}

func TestCheckBeforeASend(t *testing.T) {
	for _, row := range []struct {
		sentence string
		ping     int
		answers  []int
		code     string
		says     string // "": a send may begin
		part     apim.Part
		asked    int
	}{
		{"the message does not exist, and nobody else is told so", 200, []int{404}, "CM_NOT_FOUND", "", "", 1},
		{"the service finds the id no good, which it looks at last", 200, []int{400}, "CM_INVALID_VALUE", "", "", 1},
		{"a token that is refused once, and not again", 200, []int{401, 404}, "CM_NOT_FOUND", "", "", 2},
		{"the service is busy", 200, []int{429}, "CM_QUOTA", "", "", 1},
		{"the service is broken", 200, []int{500}, "CM_INTERNAL_SERVER_ERROR", "", "", 1},
		{"/_ping is busy", 429, []int{404}, "CM_NOT_FOUND", "", "", 1},
		{"/_ping is broken", 503, []int{404}, "CM_NOT_FOUND", "", "", 1},
		{"/_ping is not there", 404, []int{404}, "CM_NOT_FOUND", "base_url is not NHS Notify's", apim.BaseURL, 0},
		{"/_ping wants a token: it is a path further in", 401, []int{404}, "CM_NOT_FOUND", "base_url is not NHS Notify's", apim.BaseURL, 0},
		{"/_ping leads elsewhere", 302, []int{404}, "CM_NOT_FOUND", "base_url is not NHS Notify's", apim.BaseURL, 0},
		{"something else says 404", 200, []int{404}, "", "the service answered 404 (HTTP_404); check base_url", apim.Permission, 1},
		{"every token is refused", 200, []int{401}, "CM_DENIED", "the service refuses every access token (401); check that this application is allowed", apim.Permission, 2},
		{"the application is not onboarded", 200, []int{403}, "CM_FORBIDDEN", "403 CM_FORBIDDEN); ask NHS Notify onboarding", apim.Permission, 1},
		{"the account is banned", 200, []int{403}, "CM_SERVICE_BAN", "403 CM_SERVICE_BAN); call NHS Notify", apim.Permission, 1},
		{"the request is of no form that is taken", 200, []int{406}, "CM_NOT_ACCEPTABLE", "refuses requests of this form", apim.Permission, 1},
	} {
		t.Run(row.sentence, func(t *testing.T) {
			d := &door{t: t, ping: row.ping, code: row.code, turns: row.answers}
			err := New(options(t, listen(t, d.ServeHTTP).URL, issuer(t).URL)).Check(t.Context())
			if row.says == "" {
				if err != nil {
					t.Errorf("it may not: %v", err)
				}
			} else if m, ok := errors.AsType[*apim.Mistake](err); !ok || m.Part != row.part || !m.Permanent() || m.Fix == "" || !strings.Contains(err.Error(), row.says) || strings.Contains(err.Error(), "token-") {
				t.Errorf("%v", err)
			}
			if len(d.tokens) != row.asked {
				t.Errorf("asked %d times with a token: %q", len(d.tokens), d.seen)
			}
			for _, request := range d.seen {
				if !strings.HasPrefix(request, "GET /comms/") {
					t.Errorf("a check that sends nothing asked %s", request)
				}
			}
		})
	}
}

// A passing problem stops no send, but an examination reports it.
func TestPassingProblemsAreReported(t *testing.T) {
	for _, row := range []struct {
		sentence string
		ping     int
		answer   int
		code     string
		says     string
	}{
		{"the service is busy", 200, 429, "CM_QUOTA", "fewer requests (429 CM_QUOTA); wait 1m0s and try again"},
		{"the service is broken", 200, 503, "CM_SERVICE_UNAVAILABLE", "answered 503 (CM_SERVICE_UNAVAILABLE); the problem is at the service"},
		{"/_ping is broken", 502, 502, "", "/_ping answered 502; the problem is at the service"},
	} {
		t.Run(row.sentence, func(t *testing.T) {
			d := &door{t: t, ping: row.ping, code: row.code, turns: []int{row.answer}}
			s := New(options(t, listen(t, d.ServeHTTP).URL, issuer(t).URL))
			_, m := s.Ping(t.Context())
			if m == nil {
				m = s.Allowed(t.Context())
			}
			if m == nil || m.Permanent() || !strings.Contains(m.Error(), row.says) {
				t.Errorf("%v", m)
			}
		})
	}
}

func TestTheSimulatorAdmitsAKnownApplication(t *testing.T) {
	service, s := simulated(t, simulator.Options{})
	if err := s.Check(t.Context()); err != nil {
		t.Error(err)
	}
	if clock, m := s.Ping(t.Context()); m != nil || clock == nil || clock.Ahead.Abs() > time.Minute {
		t.Errorf("%v, %v", clock, m)
	}
	if service.Stats().MessagesAccepted != 0 {
		t.Error("a check has sent something")
	}
}

func TestNoServiceAtTheAddress(t *testing.T) {
	t.Run("there is no token", func(t *testing.T) {
		err := New(options(t, sinktest.ClosedPort(t), sinktest.ClosedPort(t))).Check(t.Context())
		if e, ok := errors.AsType[*apim.TokenError](err); !ok || e.Permanent() || strings.Contains(err.Error(), apiKey) {
			t.Errorf("%v", err)
		}
	})
	t.Run("nothing answers", func(t *testing.T) {
		o := options(t, sinktest.ClosedPort(t), issuer(t).URL)
		err := New(o).Check(t.Context())
		if m, ok := errors.AsType[*apim.Mistake](err); !ok || m.Permanent() || !strings.Contains(err.Error(), o.BaseURL) || !strings.Contains(err.Error(), "base_url") || strings.Contains(err.Error(), "token-1") {
			t.Errorf("%v", err)
		}
	})
	t.Run("the address is none", func(t *testing.T) {
		o := options(t, "", issuer(t).URL)
		o.BaseURL = "http://[::1"
		if err := New(o).Check(t.Context()); err == nil || !strings.Contains(err.Error(), "base_url cannot be used") {
			t.Errorf("%v", err)
		}
	})
	t.Run("nobody waits any longer", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		d := &door{t: t, ping: 200, turns: []int{404}}
		if err := New(options(t, listen(t, d.ServeHTTP).URL, issuer(t).URL)).Check(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
	})
}
