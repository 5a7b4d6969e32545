package notify

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"cohort/engine"
	"cohort/sinks/apim"
	"cohort/sinks/sinktest"
)

func TestThePreflight(t *testing.T) {
	ping := 0
	service := listen(t, func(w http.ResponseWriter, r *http.Request) {
		ping++
		if r.Method != http.MethodGet || r.URL.Path != "/comms/_ping" {
			t.Errorf("%s %s", r.Method, r.URL)
		}
		w.WriteHeader(404) // something answers, which is enough
	})
	if err := New(options(t, service.URL, issuer(t).URL)).Check(t.Context()); err != nil || ping != 1 {
		t.Errorf("%v after %d pings", err, ping)
	}
	t.Run("there is no token", func(t *testing.T) {
		err := New(options(t, service.URL, sinktest.ClosedPort(t))).Check(t.Context())
		if e, ok := errors.AsType[*apim.TokenError](err); !ok || e.Permanent() || strings.Contains(err.Error(), apiKey) {
			t.Errorf("%v", err)
		}
	})
	t.Run("nothing answers", func(t *testing.T) {
		o := options(t, sinktest.ClosedPort(t), issuer(t).URL)
		if err := New(o).Check(t.Context()); err == nil || !strings.Contains(err.Error(), o.BaseURL) || !strings.Contains(err.Error(), "base_url") || strings.Contains(err.Error(), "token-1") {
			t.Errorf("%v", err)
		}
	})
	t.Run("the address is none", func(t *testing.T) {
		o := options(t, "", issuer(t).URL)
		o.BaseURL = "http://[::1"
		if err := New(o).Check(t.Context()); err == nil || !strings.Contains(err.Error(), "base_url") {
			t.Errorf("%v", err)
		}
	})
	t.Run("nobody waits any longer", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := New(options(t, service.URL, issuer(t).URL)).Check(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
	})
	if ping != 1 {
		t.Errorf("%d pings", ping)
	}
}

func TestWhatKindOfServiceItIs(t *testing.T) {
	o := options(t, "http://service.example", "")
	s := New(o)
	if s.Kind() != engine.Deduplicates || s.Limits() != o.Limits || s.o.Timeout <= 29*time.Second {
		t.Errorf("kind %d, limits %v, timeout %v: the service itself takes up to 29 s", s.Kind(), s.Limits(), s.o.Timeout)
	}
}
