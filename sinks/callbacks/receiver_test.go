package callbacks

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"cohort/engine/delivery"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// memory is a store that a test looks into.
type memory struct {
	mu     sync.Mutex
	events []delivery.Event
	err    error
}

func (m *memory) Put(_ context.Context, events []delivery.Event) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err == nil {
		m.events = append(m.events, events...)
	}
	return m.err
}

const (
	application = "4f1c2d3e-0000-4000-8000-000000000001"
	apiKey      = "the-secret-api-key"
	oldKey      = "the-previous-api-key"
)

// fixture is a receiver, and what it stores and logs.
type fixture struct {
	*Receiver
	memory memory
	log    bytes.Buffer
	now    time.Time
	ca     *authority
}

func newFixture(t testing.TB, trusted bool) *fixture {
	f := &fixture{now: time.Date(2026, 11, 21, 7, 0, 0, 0, time.UTC), ca: newAuthority(t)}
	f.Receiver = New(Options{
		Store: &f.memory, Log: slog.New(slog.NewTextHandler(&f.log, nil)), APIKeyHeader: "x-api-key",
		ClientNames: []string{"notify.example.nhs.uk"}, Now: func() time.Time { return f.now },
	})
	if trusted {
		f.TrustKeys(application, apiKey, oldKey)
		f.TrustClients(f.ca.pool())
	}
	return f
}

func sign(body, key string) string {
	mac := hmac.New(sha256.New, []byte(application+"."+key))
	mac.Write([]byte(body))
	return hex.EncodeToString(mac.Sum(nil))
}

// callback is a request as NHS Notify's sender makes it.
func callback(path, body string) *http.Request {
	req := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("x-api-key", apiKey)
	req.Header.Set("x-hmac-sha256-signature", sign(body, apiKey))
	return req
}

func (f *fixture) do(req *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	f.ServeHTTP(w, req)
	return w
}

const delivered = `{"data":[{"type":"MessageStatus","attributes":{"messageId":"2WL3qFTEFM0qMY8xjRbt1LIKCzM","messageReference":"r1","messageStatus":"delivered","channels":[{"type":"nhsapp","channelStatus":"delivered"}],"timestamp":"2026-11-21T08:00:00.123Z","routingPlan":{"id":"b838b13c-f98c-4def-93f0-515d4e4f4ee1","name":"Plan","version":"v7","createdDate":"2026-01-01T00:00:00Z"}},"links":{"message":"/v1/message-batches/messages/2WL3qFTEFM0qMY8xjRbt1LIKCzM"},"meta":{"idempotencyKey":"k1"}}]}`

// withCertificate gives a request the connection of a client with a certificate.
func withCertificate(req *http.Request, c ...*tls.Certificate) *http.Request {
	req.TLS = &tls.ConnectionState{}
	for _, one := range c {
		req.TLS.PeerCertificates = append(req.TLS.PeerCertificates, one.Leaf)
	}
	return req
}

// The table of answers: what each callback gets, and whether it is stored.
func TestAnswers(t *testing.T) {
	other := newAuthority(t)
	post := func(path, body string, change func(*http.Request)) func(*fixture) *http.Request {
		return func(*fixture) *http.Request {
			req := callback(path, body)
			if change != nil {
				change(req)
			}
			return req
		}
	}
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	by := func(path string, names ...string) func(*fixture) *http.Request {
		return func(f *fixture) *http.Request {
			return withCertificate(httptest.NewRequest(http.MethodPost, path, strings.NewReader(`{"resourceType":"Task"}`)), f.ca.issue(t, names...))
		}
	}
	for _, test := range []struct {
		name   string
		req    func(*fixture) *http.Request
		want   int
		events int
	}{
		{"a message", post(MessagesPath, delivered, nil), 202, 1},
		{"a message at the other path", post(ChannelsPath, delivered, nil), 202, 1},
		{"another content type", post(MessagesPath, delivered, header("Content-Type", "application/vnd.api+json")), 202, 1},
		{"no content type", post(MessagesPath, delivered, func(r *http.Request) { r.Header.Del("Content-Type") }), 202, 1},
		{"a strange content type", post(MessagesPath, delivered, header("Content-Type", "text/html")), 202, 1},
		{"an unknown reference", post(MessagesPath, strings.ReplaceAll(delivered, `"r1"`, `"no run has it"`), nil), 202, 1},
		{"no reference", post(MessagesPath, strings.ReplaceAll(delivered, `"messageReference":"r1",`, ""), nil), 202, 1},
		{"the same item twice", post(MessagesPath, `{"data":[`+delivered[9:len(delivered)-2]+","+delivered[9:], nil), 202, 2},
		{"an unknown type", post(MessagesPath, `{"data":[{"type":"Moon"}]}`, nil), 202, 1},
		{"an unknown value", post(MessagesPath, strings.ReplaceAll(delivered, `"delivered"`, `"teleported"`), nil), 202, 1},
		{"an unknown shape", post(MessagesPath, `{"data":{"a":[1]}}`, nil), 202, 1},
		{"no JSON", post(MessagesPath, "\x00\xff not JSON", nil), 202, 1},
		{"an empty body", post(MessagesPath, "", nil), 202, 1},
		{"two items", post(MessagesPath, `{"data":[{},{}]}`, nil), 202, 2},
		{"the largest body", post(MessagesPath, strings.Repeat("x", 1<<20), nil), 202, 1},
		{"the previous secret", post(MessagesPath, delivered, func(r *http.Request) {
			r.Header.Set("x-api-key", oldKey)
			r.Header.Set("x-hmac-sha256-signature", sign(delivered, oldKey))
		}), 202, 1},

		{"no API key", post(MessagesPath, delivered, func(r *http.Request) { r.Header.Del("x-api-key") }), 401, 0},
		{"a wrong API key", post(MessagesPath, delivered, header("x-api-key", "wrong")), 401, 0},
		{"an API key that begins right", post(MessagesPath, delivered, header("x-api-key", apiKey[:5])), 401, 0},
		{"no signature", post(MessagesPath, delivered, func(r *http.Request) { r.Header.Del("x-hmac-sha256-signature") }), 403, 0},
		{"a wrong signature", post(MessagesPath, delivered, header("x-hmac-sha256-signature", sign("other", apiKey))), 403, 0},
		{"a cut signature", post(MessagesPath, delivered, header("x-hmac-sha256-signature", sign(delivered, apiKey)[:40])), 403, 0},
		{"no hexadecimal signature", post(MessagesPath, delivered, header("x-hmac-sha256-signature", "zz"+sign(delivered, apiKey)[2:])), 403, 0},
		{"a right signature and more", post(MessagesPath, delivered, header("x-hmac-sha256-signature", sign(delivered, apiKey)+"zz")), 403, 0},
		{"a signature of the API key alone", post(MessagesPath, delivered, func(r *http.Request) {
			mac := hmac.New(sha256.New, []byte(apiKey))
			mac.Write([]byte(delivered))
			r.Header.Set("x-hmac-sha256-signature", hex.EncodeToString(mac.Sum(nil)))
		}), 403, 0},
		{"a body too large", post(MessagesPath, strings.Repeat("x", 1<<20+1), nil), 413, 0},
		{"GET", func(*fixture) *http.Request { return httptest.NewRequest(http.MethodGet, MessagesPath, nil) }, 405, 0},
		{"PUT", func(*fixture) *http.Request { return httptest.NewRequest(http.MethodPut, ReceiptsPath, nil) }, 405, 0},
		{"another path", post("/callbacks/notify/message", delivered, nil), 404, 0},
		{"a path with a slash", post(MessagesPath+"/", delivered, nil), 404, 0},
		{"the root", post("/", delivered, nil), 404, 0},

		{"a response", by(ResponsesPath, "notify.example.nhs.uk"), 202, 1},
		{"a receipt", by(ReceiptsPath, "other", "NOTIFY.example.nhs.uk"), 202, 1},
		{"a reply, with the common name", by(RepliesPath, "cn:notify.example.nhs.uk"), 202, 1},
		{"another name", by(ReceiptsPath, "evil.example.nhs.uk"), 403, 0},
		{"a name of a subdomain", by(ReceiptsPath, "a.notify.example.nhs.uk"), 403, 0},
		{"no name", by(ReceiptsPath), 403, 0},
		{"a server's certificate", by(ReceiptsPath, "notify.example.nhs.uk", "server:"), 403, 0},
		{"no TLS", post(ReceiptsPath, delivered, nil), 403, 0},
		{"no certificate", func(*fixture) *http.Request { return withCertificate(callback(ReceiptsPath, delivered)) }, 403, 0},
		{"the certificate of another authority", func(*fixture) *http.Request {
			return withCertificate(callback(ResponsesPath, delivered), other.issue(t, "notify.example.nhs.uk"))
		}, 403, 0},
		{"a certificate that has ended", func(f *fixture) *http.Request {
			f.now = f.now.AddDate(2, 0, 0)
			return withCertificate(callback(ResponsesPath, delivered), f.ca.issue(t, "notify.example.nhs.uk"))
		}, 403, 0},
	} {
		f := newFixture(t, true)
		f.keys.Load().verified.Store(true)
		f.clients.Load().verified.Store(true)
		w := f.do(test.req(f))
		if w.Code != test.want || len(f.memory.events) != test.events {
			t.Errorf("%s: %d and %d events, not %d and %d", test.name, w.Code, len(f.memory.events), test.want, test.events)
		}
		if got := f.Report(); !strings.HasPrefix(got, "1 received: 1 ") || !strings.HasSuffix(got, fmt.Sprintf("(%d)", test.want)) {
			t.Errorf("%s: counted as %s", test.name, got)
		}
		for _, e := range f.memory.events {
			if !e.Received.Equal(f.now) {
				t.Errorf("%s: received at %v", test.name, e.Received)
			}
		}
		if f.log.Len() > 0 {
			t.Errorf("%s logs %s", test.name, f.log.String())
		}
	}
}

// A receiver without an application, or without an authority, does not have the paths that need it.
func TestPathsThatAreSwitchedOff(t *testing.T) {
	for _, o := range []Options{{APIKeyHeader: "x-api-key"}, {ClientNames: []string{"notify.example.nhs.uk"}}} {
		f := newFixture(t, false)
		o.Store, o.Log = &f.memory, slog.New(slog.DiscardHandler)
		r := New(o)
		if o.APIKeyHeader != "" {
			r.TrustKeys(application, apiKey)
		} else {
			r.TrustClients(f.ca.pool())
		}
		for path, way := range ways {
			w := httptest.NewRecorder()
			r.ServeHTTP(w, withCertificate(callback(path, delivered), f.ca.issue(t, "notify.example.nhs.uk")))
			if is := way.certificate == (o.APIKeyHeader == ""); is && w.Code != 202 || !is && w.Code != 404 {
				t.Errorf("%+v: %s is %d", o.ClientNames, path, w.Code)
			}
		}
	}
}

// While nothing has verified, what is not verified is asked for again, for two hours, and one line
// is logged. That begins anew when secrets are loaded.
func TestGraceWhileNothingHasVerified(t *testing.T) {
	forged := callback(MessagesPath, delivered)
	forged.Header.Set("x-hmac-sha256-signature", sign("other", apiKey))
	another := callback(MessagesPath, delivered)
	another.Header.Set("x-api-key", "another")
	another.Header.Set("x-hmac-sha256-signature", sign(delivered, "another"))
	stranger := withCertificate(httptest.NewRequest(http.MethodPost, ReceiptsPath, nil))

	for _, test := range []struct {
		req  *http.Request
		good func(*fixture) *http.Request
		load func(*fixture)
		late int
	}{
		{forged, func(*fixture) *http.Request { return callback(MessagesPath, delivered) }, func(f *fixture) { f.TrustKeys(application, apiKey) }, 403},
		{another, func(*fixture) *http.Request { return callback(MessagesPath, delivered) }, func(f *fixture) { f.TrustKeys(application, apiKey) }, 401},
		{stranger, func(f *fixture) *http.Request {
			return withCertificate(httptest.NewRequest(http.MethodPost, ReceiptsPath, nil), f.ca.issue(t, "notify.example.nhs.uk"))
		}, func(f *fixture) { f.TrustClients(f.ca.pool()) }, 403},
	} {
		f := newFixture(t, true)
		ask := func(want, alarms int) {
			t.Helper()
			if w := f.do(test.req); w.Code != want {
				t.Errorf("%d, not %d", w.Code, want)
			}
			if n := strings.Count(f.log.String(), "ALARM"); n != alarms {
				t.Errorf("%d alarms, not %d: %s", n, alarms, f.log.String())
			}
		}
		ask(503, 1)
		f.now = f.now.Add(2*time.Hour - time.Second)
		ask(503, 1)
		f.now = f.now.Add(time.Second)
		ask(test.late, 1)
		test.load(f)
		ask(503, 2)
		if w := f.do(test.good(f)); w.Code != 202 {
			t.Errorf("a good one gets %d", w.Code)
		}
		ask(test.late, 2)
		test.load(f)
		ask(503, 3)
	}
	// A right signature proves the secret: then the API key's header is at fault.
	f := newFixture(t, true)
	keyless := callback(MessagesPath, delivered)
	keyless.Header.Del("x-api-key")
	if w := f.do(keyless); w.Code != 401 || len(f.memory.events) > 0 {
		t.Errorf("a signed callback without an API key: %d", w.Code)
	}
}

// Many callbacks that are lost after one has verified are our own fault, and an alarm says what to check. A few are a
// stranger's.
func TestManyLostCallbacksAreAnAlarm(t *testing.T) {
	keyless := callback(MessagesPath, delivered)
	keyless.Header.Del("x-api-key")
	forged := callback(MessagesPath, delivered)
	forged.Header.Set("x-hmac-sha256-signature", sign("other", apiKey))
	for want, req := range map[string]*http.Request{
		"lost=20 found=\"API key missing or wrong\" check=\"api_key_file": keyless,
		"found=\"signature missing or wrong\" check=\"application_id":     forged,
		"found=\"no trusted client certificate\" check=\"client_ca_file":  withCertificate(httptest.NewRequest(http.MethodPost, ReceiptsPath, nil)),
	} {
		f := newFixture(t, true)
		f.do(callback(MessagesPath, delivered))
		f.do(withCertificate(httptest.NewRequest(http.MethodPost, ReceiptsPath, nil), f.ca.issue(t, "notify.example.nhs.uk")))
		for range manyLost - 1 {
			f.do(req)
		}
		if f.Report(); f.log.Len() > 0 {
			t.Errorf("a few: %s", f.log.String())
		}
		for range manyLost {
			f.do(req)
		}
		if f.Report(); !strings.Contains(f.log.String(), want) || strings.Count(f.log.String(), "level=ERROR") != 1 {
			t.Errorf("%s has no %s", f.log.String(), want)
		}
	}
}

func TestOurOwnFaultsAre503(t *testing.T) {
	f := newFixture(t, false)
	ready := func(want int) {
		t.Helper()
		if w := f.do(httptest.NewRequest(http.MethodGet, ReadyPath, nil)); w.Code != want {
			t.Errorf("ready: %d, not %d", w.Code, want)
		}
		if w := f.do(httptest.NewRequest(http.MethodGet, HealthPath, nil)); w.Code != 200 {
			t.Errorf("health: %d", w.Code)
		}
	}
	ask := func(want int) {
		t.Helper()
		if w := f.do(callback(MessagesPath, delivered)); w.Code != want {
			t.Errorf("%d, not %d", w.Code, want)
		}
	}
	ready(503) // starting: no secret yet
	ask(503)
	f.TrustKeys(application, apiKey)
	ready(503)
	f.TrustClients(f.ca.pool())
	ready(200)
	ask(202)
	for _, cause := range []error{syscall.ENOSPC, errors.New("a sync failed"), context.DeadlineExceeded} {
		f.memory.err = fmt.Errorf("the inbox: %w", cause)
		ask(503)
		ready(503)
	}
	if n := strings.Count(f.log.String(), "ALARM"); n != 1 || !strings.Contains(f.log.String(), "no space left") || !f.Failing() {
		t.Errorf("the log has %d alarms: %s", n, f.log.String())
	}
	f.memory.err = nil
	ask(202)
	ready(200)
	ask(202) // the same callback once more is stored once more
	if !strings.Contains(f.log.String(), "stored again") || f.Failing() {
		t.Error(f.log.String())
	}
	f.Stop()
	ask(503)
	ready(503)
	if n := len(f.memory.events); n != 3 {
		t.Errorf("%d events are stored, not 3", n)
	}
	if got := f.Report(); got != "8 received: 3 stored (202), 3 could not be stored (503), 2 starting or stopping (503)" {
		t.Error(got)
	}
	if got := f.Report(); got != "" {
		t.Errorf("it is reported again: %s", got)
	}
}

// A body that stops is a 408 after its time, one that breaks off a 503, and both leave the receiver
// free to stop.
func TestSlowAndBrokenBodies(t *testing.T) {
	f := newFixture(t, true)
	f.o.BodyTime = 50 * time.Millisecond
	f.keys.Load().verified.Store(true) // half a body has no right signature
	server := httptest.NewServer(f)
	defer server.Close()
	answer := func(length string, hang bool) string {
		c, err := dial(server.Listener.Addr().String())
		must(t, err)
		defer func() { _ = c.Close() }()
		_, err = fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: a\r\nx-api-key: %s\r\nContent-Length: %s\r\n\r\n{\"data\"", MessagesPath, apiKey, length)
		must(t, err)
		if !hang {
			must(t, c.CloseWrite())
		}
		text := make([]byte, 12)
		_, err = c.Read(text)
		must(t, err)
		return strings.TrimPrefix(string(text), "HTTP/1.1 ")
	}
	if got := answer("1000", true); got != "408" {
		t.Errorf("a slow body gets %s", got)
	}
	if got := answer("1000", false); got != "503" {
		t.Errorf("a broken body gets %s", got)
	}
	f.Stop()
}

// Stop waits for the callbacks under way.
func TestStopWaits(t *testing.T) {
	f := newFixture(t, true)
	begun, finish := make(chan struct{}), make(chan struct{})
	store := putter(func() error { close(begun); <-finish; return nil })
	f.o.Store = store
	code, stopped := make(chan int, 1), make(chan struct{})
	go func() { code <- f.do(callback(MessagesPath, delivered)).Code }()
	<-begun
	go func() { f.Stop(); close(stopped) }()
	for f.do(httptest.NewRequest(http.MethodGet, ReadyPath, nil)).Code != 503 {
		time.Sleep(time.Millisecond)
	}
	if w := f.do(callback(MessagesPath, delivered)); w.Code != 503 {
		t.Errorf("a callback while stopping gets %d", w.Code)
	}
	select {
	case <-stopped:
		t.Error("it stopped with a callback under way")
	default:
	}
	close(finish)
	if c := <-code; c != 202 {
		t.Errorf("the one under way gets %d", c)
	}
	<-stopped
}

type putter func() error

func (p putter) Put(context.Context, []delivery.Event) error { return p() }

// No log line and no answer shows a number, a name, a key or a signature. The same search finds them where
// they were put on purpose.
func TestNothingPersonalOrSecretIsShown(t *testing.T) {
	const number, name = "9434765919", "Philomena Canary"
	f := newFixture(t, true)
	var shown bytes.Buffer
	say := func(w *httptest.ResponseRecorder) { fmt.Fprintln(&shown, w.Code, w.Header(), w.Body.String()) }
	personal := `{"resourceType":"CommunicationRequest","requester":{"identifier":{"value":"` + number + `"},"display":"` + name + `"}}`
	for path := range ways {
		for _, status := range []error{errors.New("sync failed"), nil} {
			f.memory.err = status
			for _, body := range []string{personal, personal[1:], strings.Repeat(personal, 20_000)} {
				say(f.do(callback(path, body)))
				say(f.do(withCertificate(callback(path, body), f.ca.issue(t, "notify.example.nhs.uk"))))
				forged := callback(path, body)
				forged.Header.Set("x-hmac-sha256-signature", sign(body+name, apiKey))
				say(f.do(forged))
				forged.Header.Set("x-api-key", name)
				say(f.do(forged))
				f.TrustKeys(application, apiKey, oldKey)
			}
		}
	}
	fmt.Fprint(&shown, f.Report(), f.log.String())
	find := func(text string) (found []string) {
		for _, canary := range []string{number, name, apiKey, oldKey, application, sign(personal, apiKey), sign(personal+name, apiKey)} {
			if strings.Contains(text, canary) {
				found = append(found, canary)
			}
		}
		return found
	}
	if found := find(shown.String()); len(found) > 0 {
		t.Errorf("%q are shown", found)
	}
	if shown.Len() < 1000 || !strings.Contains(shown.String(), "ALARM") {
		t.Error("too little is shown for a search")
	}
	f.Receiver.o.Log.Info("planted", "key", apiKey, "person", name+number)
	if found := find(f.log.String()); len(found) != 3 {
		t.Errorf("the search finds %q of what was planted", found)
	}
}
