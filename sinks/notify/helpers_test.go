package notify

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"cohort/engine"
	"cohort/ingest/person"
	"cohort/sinks/apim"
)

const (
	plan   = "b838b13c-f98c-4def-93f0-515d4e4f4ee1"
	apiKey = "an-api-key"
	keyID  = "test-1"
)

var signingKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

func credentials(t *testing.T) apim.Credentials {
	t.Helper()
	dir := t.TempDir()
	c := apim.Credentials{APIKeyFile: filepath.Join(dir, "api.key"), KeyID: keyID, PrivateKeyFile: filepath.Join(dir, "private.pem")}
	key := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(signingKey())})
	for path, text := range map[string][]byte{c.APIKeyFile: []byte(apiKey), c.PrivateKeyFile: key} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// issuer gives a token to whoever asks.
func issuer(t *testing.T) *httptest.Server {
	t.Helper()
	var mu sync.Mutex
	n := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		n++
		_, _ = fmt.Fprintf(w, `{"access_token":"token-%d","expires_in":"599"}`, n)
	}))
	t.Cleanup(s.Close)
	return s
}

// options are those of a sink for the service at address, signed in by any issuer.
func options(t *testing.T, address, tokenURL string) Options {
	t.Helper()
	client, err := apim.Client("", 4)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.CloseIdleConnections)
	return Options{
		BaseURL: address + "/comms", RoutingPlanID: plan, Client: client, Limits: engine.Limits{Messages: 45_000, Bytes: 5_000_000},
		Tokens: apim.NewTokens(apim.Options{TokenURL: tokenURL, Credentials: credentials(t), Client: client}),
	}
}

// listen starts a service that answers batches with handler.
func listen(t *testing.T, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(handler)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Start()
	t.Cleanup(s.Close)
	return s
}

// sinkTo makes a sink whose batches are answered by handler.
func sinkTo(t *testing.T, handler http.HandlerFunc) *Sink {
	t.Helper()
	return New(options(t, listen(t, handler).URL, issuer(t).URL))
}

// replies makes a handler that reads the request and gives one answer.
func replies(status int, headers map[string]string, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		for name, value := range headers {
			w.Header().Set(name, value)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

var run = engine.NewRunID("a campaign", [32]byte{7}, "a service")

// number makes the nth valid NHS number of the range 999, more or less.
func number(n int) person.NHSNumber {
	for body := 999_000_000 + n; ; body++ {
		for check := range 10 {
			if p, err := person.ParseNHSNumber(fmt.Sprint(body*10 + check)); err == nil {
				return p
			}
		}
	}
}

// request makes a request of so many messages, for people from a given one on.
func request(s *Sink, batch uint32, first, messages int) *engine.Request {
	r := &engine.Request{Reference: run.BatchReference(0, batch, 0, 0)}
	_, _ = rand.Read(r.Correlation[:])
	body := s.AppendHead(nil, r.Reference)
	for i := range messages {
		p := person.Recipient{Row: int64(first + i), Number: number((first + i) * 2), Fields: []string{"Zoë", "line\n\"two\""}}
		m := run.MessageReference(p.Row)
		if r.Messages = append(r.Messages, m); i > 0 {
			body = append(body, ',')
		}
		body = s.AppendMessage(body, m, &p)
	}
	r.Body = s.AppendTail(body)
	return r
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

// noClient is a client for sinks that send nothing.
func noClient() *http.Client { return &http.Client{} }
