package simulator

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"cohort/sinks/simulator/gateway"
)

const (
	somePlan  = "b838b13c-f98c-4def-93f0-515d4e4f4ee1"
	batchPath = "/comms/v1/message-batches"

	plainJSON = "application/json"
	fhirJSON  = "application/fhir+json"

	trustedAnswers = 5 // before a token can be revoked
)

var signingKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

// service is a Server behind a real listener, and a plain client of it.
type service struct {
	*Server
	t     *testing.T
	url   string
	token string
	http  *http.Client
}

func serve(t *testing.T, o Options) *service {
	t.Helper()
	s := &service{Server: New(o), t: t}
	web := httptest.NewServer(s.Server)
	s.url, s.http = web.URL, web.Client()
	t.Cleanup(web.Close)
	s.token = s.fetchToken("api-key")
	return s
}

// answer is a whole reply, or the part before err.
type answer struct {
	status int
	header http.Header
	body   []byte
	err    error
}

// errorItem is one error of NHS Notify's answer.
type errorItem struct {
	ID, Code, Status, Title, Detail string
	Links                           linksOfError
	Source                          sourceOfError
	Meta                            any
}

type linksOfError struct{ About, NHSNumbers string }

type sourceOfError struct{ Pointer, Header string }

func (a answer) errors(t *testing.T) []errorItem {
	t.Helper()
	var v struct{ Errors []errorItem }
	if err := json.Unmarshal(a.body, &v); err != nil || len(v.Errors) == 0 {
		t.Fatalf("status %d: not an error body: %v: %.300s", a.status, err, a.body)
	}
	return v.Errors
}

func (a answer) code(t *testing.T) string {
	t.Helper()
	if a.status == 201 {
		return "201"
	}
	return a.errors(t)[0].Code
}

func (s *service) do(method, path, body string, headers ...string) answer {
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Error(err)
		return answer{err: err}
	}
	if s.token != "" {
		r.Header.Set("Authorization", "Bearer "+s.token)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/vnd.api+json")
	}
	for i := 0; i < len(headers); i += 2 {
		switch headers[i+1] {
		case "(absent)":
			r.Header.Del(headers[i])
		default:
			r.Header.Set(headers[i], headers[i+1])
		}
	}
	resp, err := s.http.Do(r)
	if err != nil {
		return answer{err: err}
	}
	defer func() { _ = resp.Body.Close() }()
	got, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, got, err}
}

func (s *service) post(body string) answer { return s.do("POST", batchPath, body) }

// sign makes a client assertion; change may spoil it first.
func sign(key *rsa.PrivateKey, issuer, audience string, now time.Time, change func(header, claims map[string]any)) string {
	header := map[string]any{"alg": "RS512", "typ": "JWT", "kid": "key-1"}
	claims := map[string]any{"iss": issuer, "sub": issuer, "aud": audience, "jti": uuid.NewString(), "exp": now.Unix() + 240}
	if change != nil {
		change(header, claims)
	}
	part := func(v any) string { return base64.RawURLEncoding.EncodeToString(gateway.EncodeJSON(v)) }
	signed := part(header) + "." + part(claims)
	digest := sha512.Sum512([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA512, digest[:])
	if err != nil {
		panic(err)
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature)
}

func tokenForm(assertion string) url.Values {
	return url.Values{"grant_type": {"client_credentials"}, "client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, "client_assertion": {assertion}}
}

func (s *service) askToken(form url.Values) answer {
	return s.do("POST", "/oauth2/token", form.Encode(), "Content-Type", "application/x-www-form-urlencoded")
}

func (s *service) fetchToken(apiKey string) string {
	s.t.Helper()
	got := s.askToken(tokenForm(sign(signingKey(), apiKey, s.url+"/oauth2/token", s.gateway.Options.Now(), nil)))
	var v struct {
		Access string `json:"access_token"`
	}
	if err := json.Unmarshal(got.body, &v); err != nil || v.Access == "" {
		s.t.Fatalf("no token: %d %s", got.status, got.body)
	}
	return v.Access
}

// number makes the nth valid NHS number.
func number(n int) string {
	for base := 400_000_000 + n*7; ; base++ {
		s := fmt.Sprintf("%09d", base)
		for d := range 10 {
			if full := s + fmt.Sprint(d); gateway.ValidNHSNumber(full) {
				return full
			}
		}
	}
}

func item(n int) string {
	return fmt.Sprintf(`{"messageReference":"r%06d","recipient":{"nhsNumber":"%s"},"personalisation":{"body":"text %d <b>"}}`, n, number(n), n)
}

func wrap(plan, reference string, items ...string) string {
	return fmt.Sprintf(`{"data":{"type":"MessageBatch","attributes":{"routingPlanId":"%s","messageBatchReference":"%s","messages":[%s]}}}`, plan, reference, strings.Join(items, ","))
}

// batch makes a body with messages from up to (not including) to.
func batch(reference string, from, to int) string {
	items := make([]string, 0, to-from)
	for n := from; n < to; n++ {
		items = append(items, item(n))
	}
	return wrap(somePlan, reference, items...)
}

func single(reference string, n int) string {
	return fmt.Sprintf(`{"data":{"type":"Message","attributes":{"routingPlanId":"%s","messageReference":"%s","recipient":{"nhsNumber":"%s"}}}}`, somePlan, reference, number(n))
}

func (s *service) accepted() int { return s.Stats().MessagesAccepted }

// clock is a time that tests move by hand.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.now }

func (c *clock) pass(d time.Duration) { c.mu.Lock(); c.now = c.now.Add(d); c.mu.Unlock() }

func repeatItem(n int, text string) string {
	return strings.TrimSuffix(string(bytes.Repeat([]byte(text+","), n)), ",")
}
