package apim_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"cohort/sinks/apim"
)

const (
	apiKey = "an-api-key-that-nobody-may-see"
	keyID  = "test-1"
)

// signingKey is the application's key, made once.
var signingKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

func pkcs1(key *rsa.PrivateKey) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
}

func pkcs8(t *testing.T, key any) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// file writes a file and returns its path.
func file(t *testing.T, name string, text []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func credentials(t *testing.T) apim.Credentials {
	t.Helper()
	return apim.Credentials{
		APIKeyFile: file(t, "api.key", []byte(apiKey+"\n")), KeyID: keyID, PrivateKeyFile: file(t, "private.pem", pkcs8(t, signingKey())),
	}
}

// client is a client as the product makes it.
func client(t *testing.T, caFile string) *http.Client {
	t.Helper()
	c, err := apim.Client(caFile, 4)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdleConnections)
	return c
}

// clock is a clock that tests set.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock {
	return &clock{now: time.Date(2026, 3, 2, 9, 0, 0, 999_999_999, time.UTC)}
}

func (c *clock) Now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.now }

func (c *clock) pass(d time.Duration) { c.mu.Lock(); c.now = c.now.Add(d); c.mu.Unlock() }

// endpoint is a token endpoint under the control of a test. It answers the nth request
// with answer, or with token-n, which lives 600 s.
type endpoint struct {
	*httptest.Server
	mu         sync.Mutex
	assertions []string
	answer     func(n int, w http.ResponseWriter, r *http.Request) (done bool)
}

func newEndpoint(t *testing.T) *endpoint {
	t.Helper()
	e := &endpoint{}
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e.mu.Lock()
		e.assertions = append(e.assertions, r.FormValue("client_assertion"))
		n, answer := len(e.assertions), e.answer
		e.mu.Unlock()
		if answer != nil && answer(n, w, r) {
			return
		}
		_, _ = fmt.Fprintf(w, `{"access_token":"token-%d","expires_in":"600","token_type":"Bearer","issued_at":"1"}`, n)
	}))
	t.Cleanup(e.Close)
	return e
}

// says sets the answer to every request from now on; nil is the usual one.
func (e *endpoint) says(answer func(n int, w http.ResponseWriter, r *http.Request) bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.answer = answer
}

func (e *endpoint) saysStatus(status int, body string) {
	e.says(func(_ int, w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
		return true
	})
}

func (e *endpoint) asked() int { e.mu.Lock(); defer e.mu.Unlock(); return len(e.assertions) }

func (e *endpoint) tokens(t *testing.T, c *clock) *apim.Tokens {
	t.Helper()
	o := apim.Options{TokenURL: e.URL + "/oauth2/token", Credentials: credentials(t), Client: client(t, "")}
	if c != nil {
		o.Now = c.Now
	}
	return apim.NewTokens(o)
}

// token asks for a token and must get one.
func token(t *testing.T, tokens *apim.Tokens) string {
	t.Helper()
	text, err := tokens.Token(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return text
}
