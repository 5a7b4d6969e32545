package wire

import (
	"context"
	"crypto/tls"
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

// Unwrap gives the cause.
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

var _ http.RoundTripper = (*Transport)(nil)

// New makes a transport to the service at base, an http or https address. A request may take
// timeout, from connecting to the end of its answer; 0 means any time. The certificates, the
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

// RoundTrip implements http.RoundTripper for requests with a body of known length. The caller
// reads the answer's body to its end, or closes it. Only a body that was read to its end leaves
// the connection for another request.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	var deadline time.Time
	if t.timeout > 0 {
		deadline = time.Now().Add(t.timeout)
	}
	c, err := t.take(ctx, deadline)
	if err != nil {
		_ = req.Body.Close()
		return nil, &NotSentError{err}
	}
	c.begin(ctx, deadline)
	resp, err := c.exchange(req)
	if err == nil {
		return resp, nil
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
	return nil, err
}

// take returns an open connection that nobody else uses.
func (t *Transport) take(ctx context.Context, deadline time.Time) (*conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for c := t.pop(); c != nil; c = t.pop() {
		if c.isQuiet() {
			return c, nil
		}
		_ = c.stream.Close()
	}
	if !deadline.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline)
		defer cancel()
	}
	return t.dial(ctx)
}

// pop takes the connection that was used last. When that one has been idle for too long, all
// have.
func (t *Transport) pop() *conn {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(t.idle)
	if n > 0 && t.maxAge > 0 && time.Since(t.idle[n-1].idleSince) > t.maxAge {
		for _, c := range t.idle {
			_ = c.stream.Close()
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
	c.idleSince = time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.idle) < t.maxIdle {
		t.idle = append(t.idle, c)
		return
	}
	_ = c.stream.Close()
}
