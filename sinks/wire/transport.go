package wire

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// NotSentError says that nothing of a request left this machine.
type NotSentError struct{ Err error }

func (e *NotSentError) Error() string { return "not sent: " + e.Err.Error() }

func (e *NotSentError) Unwrap() error { return e.Err }

// Transport carries requests to one service over connections that stay open, one request at
// a time on each. It is safe for concurrent use.
type Transport struct {
	service string      // host:port
	tls     *tls.Config // nil: plain HTTP
	proxy   *url.URL    // nil: none
	timeout time.Duration
	maxIdle int
	maxAge  time.Duration // of an idle connection; 0: any

	mu   sync.Mutex
	idle []*conn // the one that was used last comes last
}

// tolerance: a request may take this part of its timeout longer, a second of each minute.
const tolerance = 60

// New makes a transport to the service at base, an http or https address. A request may take
// timeout, from connecting to the end of its answer, and up to a sixtieth more; 0 means any time. The certificates, the
// proxy, and the number and age of idle connections are those of settings.
func New(base string, settings *http.Transport, timeout time.Duration) (*Transport, error) {
	at, err := url.Parse(base)
	if err != nil {
		return nil, err
	}
	t := &Transport{timeout: timeout, maxIdle: max(1, settings.MaxIdleConnsPerHost), maxAge: settings.IdleConnTimeout}
	port := "80"
	switch {
	case at.Scheme == "https" && at.Host != "":
		port = "443"
		t.tls = &tls.Config{}
		if settings.TLSClientConfig != nil {
			t.tls = settings.TLSClientConfig.Clone()
		}
		t.tls.MinVersion = max(t.tls.MinVersion, tls.VersionTLS12)
		t.tls.ServerName, t.tls.NextProtos = at.Hostname(), []string{"http/1.1"}
	case at.Scheme != "http" || at.Host == "":
		return nil, fmt.Errorf("%q is not the address of a web service", base)
	}
	if at.Port() != "" {
		port = at.Port()
	}
	t.service = net.JoinHostPort(at.Hostname(), port)
	if settings.Proxy != nil {
		t.proxy, err = settings.Proxy(&http.Request{URL: at})
	}
	return t, err
}

// Head makes the head of POST requests to an address, without the lines that differ between
// them. It is made once for many requests.
func Head(at *url.URL, h http.Header) []byte {
	var b bytes.Buffer
	_, _ = fmt.Fprintf(&b, "POST %s HTTP/1.1\r\nHost: %s\r\n", at.RequestURI(), at.Host)
	_ = h.Write(&b) // lets no value end its line
	return b.Bytes()
}

// Request is a request that holds messages.
type Request struct {
	Head        []byte // from Head
	Correlation string // the X-Correlation-Id, a UUID
	Body        []byte
	MaxAnswer   int64     // bytes of the answer's body
	Before      time.Time // no byte leaves from then on, and the error is ErrLate; zero: any time
}

// ErrLate says that a request was not sent before the moment that was set for it.
var ErrLate = errors.New("it is too late for it")

// Post sends a request, and has read read the answer, which is valid until it returns. Then the
// connection may carry another request. An error of read closes it, and is returned. After
// any other error there was no answer.
func (t *Transport) Post(ctx context.Context, r Request, read func(*Answer) error) error {
	now := time.Now()
	c, err := t.take(ctx, now)
	if err != nil {
		return &NotSentError{err}
	}
	if !r.Before.IsZero() && !time.Now().Before(r.Before) {
		t.put(c)
		return &NotSentError{ErrLate}
	}
	c.request = r
	if err = c.begin(ctx, now); err == nil {
		err = c.exchange()
	}
	if err == nil {
		err = read(&c.answer)
		c.end(err == nil)
		return err
	}
	c.abort()
	if ctx.Err() != nil {
		err = fmt.Errorf("%w: %w", ctx.Err(), err)
	} else if c.writeErr != nil {
		err = fmt.Errorf("%w (the request was not written whole: %w)", err, c.writeErr)
	}
	if c.socket.sent.Load() == 0 {
		err = &NotSentError{err}
	}
	return err
}

// take returns an open connection that nobody else uses, and whose requests end with ctx.
func (t *Transport) take(ctx context.Context, now time.Time) (*conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for c := t.pop(now); c != nil; c = t.pop(now) {
		if c.isQuiet() && c.watch(ctx) {
			return c, nil
		}
		c.close()
	}
	dialing := ctx
	if t.timeout > 0 {
		var cancel context.CancelFunc
		dialing, cancel = context.WithDeadline(ctx, now.Add(t.timeout))
		defer cancel()
	}
	c, err := t.dial(dialing)
	if err == nil {
		c.watch(ctx)
	}
	return c, err
}

// pop takes the connection that was used last. When that one has been idle for too long, all
// have.
func (t *Transport) pop(now time.Time) *conn {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(t.idle)
	if n > 0 && t.maxAge > 0 && now.Sub(t.idle[n-1].idleSince) > t.maxAge {
		for _, c := range t.idle {
			c.close()
		}
		n, t.idle = 0, nil
	}
	if n == 0 {
		return nil
	}
	c := t.idle[n-1]
	t.idle[n-1] = nil
	t.idle = t.idle[:n-1]
	return c
}

// put keeps a connection for another request.
func (t *Transport) put(c *conn) {
	c.idleSince, c.request = time.Now(), Request{}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.idle) < t.maxIdle {
		t.idle = append(t.idle, c)
		return
	}
	c.close()
}
