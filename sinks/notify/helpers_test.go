package notify

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"cohort/engine"
	"cohort/ingest/person"
	"cohort/sinks/sinktest"
)

const (
	plan   = "b838b13c-f98c-4def-93f0-515d4e4f4ee1"
	apiKey = sinktest.APIKey
	keyID  = sinktest.KeyID
)

var (
	signingKey = sinktest.SigningKey
	run        = sinktest.TheRun
)

// options are those of a sink for the service at address, signed in by any issuer.
func options(t *testing.T, address, tokenURL string) Options {
	t.Helper()
	return over(sinktest.NewWire(t, address+"/comms", tokenURL))
}

// over makes the options of a sink over a wire.
func over(w sinktest.Wire) Options {
	return Options{
		BaseURL: w.BaseURL, RoutingPlanID: plan, Client: w.Client, Tokens: w.Tokens, Timeout: w.Timeout,
		Limits: engine.Limits{Messages: 45_000, Bytes: 5_000_000},
	}
}

func issuer(t *testing.T) *httptest.Server { t.Helper(); return sinktest.Issuer(t) }

func listen(t *testing.T, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	return sinktest.Listen(t, handler)
}

// sinkTo makes a sink for a service with this handler.
func sinkTo(t *testing.T, handler http.HandlerFunc) *Sink {
	t.Helper()
	return New(options(t, listen(t, handler).URL, issuer(t).URL))
}

// replies makes a handler that reads the request and gives one answer.
func replies(status int, headers map[string]string, body string) http.HandlerFunc {
	return sinktest.Replies(status, headers, body)
}

// number makes the nth valid NHS number of the range 999, more or less.
func number(n int) person.NHSNumber { return sinktest.Number(n) }

// request makes a request of n messages, from a given person on.
func request(s *Sink, batch uint32, first, messages int) *engine.Request {
	return sinktest.NewRequest(s, batch, first, messages, 2)
}

// send sends three messages.
func send(t *testing.T, s *Sink) engine.Answer {
	t.Helper()
	return s.Send(context.Background(), request(s, 1, 1, 3))
}

// problem is an error body as the service writes it.
func problem(status int, code, pointer string) string {
	source := ""
	if pointer != "" {
		source = fmt.Sprintf(`,"source":{"pointer":%q}`, pointer)
	}
	return problems(fmt.Sprintf(`{"id":"rrt-1.0","code":%q,"links":{"about":"https://digital.nhs.uk/developer/api-catalogue/nhs-notify"},"status":"%d","title":"A title","detail":"A detail."%s}`, code, status, source))
}

func problems(items ...string) string { return `{"errors":[` + strings.Join(items, ",") + `]}` }

func row(code, pointer string) string {
	return fmt.Sprintf(`{"code":%q,"status":"400","source":{"pointer":%q}}`, code, pointer)
}

// noClient is a client that cannot send.
func noClient() *http.Client { return &http.Client{} }
