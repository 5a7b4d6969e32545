package sinktest

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cohort/engine"
	"cohort/ingest/person"
	"cohort/sinks/apim"
)

// The credentials of every Wire.
const (
	APIKey = "an-api-key"
	KeyID  = "test-1"
)

// SigningKey is the private key of the credentials. It is made once.
var SigningKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

// Wire is a sink's access to a service.
type Wire struct {
	BaseURL string
	Client  *http.Client
	Tokens  *apim.Tokens
	Timeout time.Duration // of one request; 0: the sink's default
}

// NewWire makes a Wire to the service at baseURL, with tokens from tokenURL.
func NewWire(t *testing.T, baseURL, tokenURL string) Wire {
	t.Helper()
	return newWire(t, baseURL, tokenURL, "")
}

func newWire(t *testing.T, baseURL, tokenURL, caFile string) Wire {
	t.Helper()
	client, err := apim.Client(caFile, 4)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.CloseIdleConnections)
	return Wire{BaseURL: baseURL, Client: client, Tokens: apim.NewTokens(apim.Options{TokenURL: tokenURL, Credentials: credentials(t), Client: client})}
}

func credentials(t *testing.T) apim.Credentials {
	t.Helper()
	dir := t.TempDir()
	c := apim.Credentials{APIKeyFile: filepath.Join(dir, "api.key"), KeyID: KeyID, PrivateKeyFile: filepath.Join(dir, "private.pem")}
	key := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(SigningKey())})
	for path, text := range map[string][]byte{c.APIKeyFile: []byte(APIKey), c.PrivateKeyFile: key} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// Issuer is a token endpoint. It gives token-1, token-2 and so on.
func Issuer(t *testing.T) *httptest.Server {
	t.Helper()
	var n atomic.Int32
	return Listen(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, `{"access_token":"token-%d","expires_in":"599"}`, n.Add(1))
	})
}

// Listen starts a service that answers with handler.
func Listen(t *testing.T, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(handler)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Start()
	t.Cleanup(s.Close)
	return s
}

// Replies makes a handler that reads the request and then answers.
func Replies(status int, headers map[string]string, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		for name, value := range headers {
			w.Header().Set(name, value)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// ClosedPort is an address where nothing listens.
func ClosedPort(t *testing.T) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return "http://" + l.Addr().String()
}

// TheRun is the run of all requests.
var TheRun = engine.NewRunID("a campaign", [32]byte{7}, "a service")

// Number makes valid NHS numbers of the test range 999. A greater n never gives a smaller one.
func Number(n int) person.NHSNumber {
	for body := 999_000_000 + n; ; body++ {
		for check := range 10 {
			if p, err := person.ParseNHSNumber(fmt.Sprint(body*10 + check)); err == nil {
				return p
			}
		}
	}
}

// Person makes the nth person, with the given number of fields.
func Person(n, fields int) person.Recipient {
	p := person.Recipient{Row: int64(n), Number: Number(n * 2)}
	for f := range fields {
		p.Fields = append(p.Fields, []string{"Zoë", "line\n\"two\" & three"}[f%2])
	}
	return p
}

// NewRequest makes a request. Its messages are for the people from first on.
func NewRequest(s engine.Sink, batch uint32, first, messages, fields int) *engine.Request {
	r := &engine.Request{Reference: TheRun.References().Batch(0, batch, 0, 0)}
	_, _ = rand.Read(r.Correlation[:])
	body, between := s.AppendHead(nil, r.Reference, 0), ","
	if other, ok := s.(engine.Separated); ok {
		between = other.Separator()
	}
	for i := range messages {
		p := Person(first+i, fields)
		m := TheRun.References().Message(p.Row)
		if r.Messages = append(r.Messages, m); i > 0 {
			body = append(body, between...)
		}
		body = s.AppendMessage(body, m, &p)
	}
	r.Body = s.AppendTail(body)
	return r
}
