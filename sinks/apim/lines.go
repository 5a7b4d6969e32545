package apim

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// Lines carries requests to one service over connections that stay open, one request at a
// time on each. It sends a request once or not at all, whatever happens, and knows which:
// an error of type *UnsentError says that not one byte of it left this machine.
//
// It speaks HTTP/1.1 (RFC 9112), has the library read the answers, and does without the
// library's Transport, whose two goroutines a connection hand each request over four times. That
// halves the processor time of a request, and leaves nothing that could repeat one. It
// is safe for concurrent use.
type Lines struct {
	host    string      // with its port
	tls     *tls.Config // nil: plain HTTP
	dialer  net.Dialer
	timeout time.Duration // of a request, from connecting to the end of its answer; 0: none
	most    int           // idle lines that are kept
	keep    time.Duration // how long an idle one is kept

	mu   sync.Mutex
	idle []*line // the one that was used last comes last
}

var _ http.RoundTripper = (*Lines)(nil)

// UnsentError says that nothing of a request left this machine.
type UnsentError struct{ Err error }

func (e *UnsentError) Error() string { return "not sent: " + e.Err.Error() }

// Unwrap gives the cause.
func (e *UnsentError) Unwrap() error { return e.Err }

// Carrier makes what carries requests to the service at base, an http or https address, each
// within timeout: Lines with the certificates and the number of idle connections of client,
// which Client has made. Where the environment names a proxy for base it is client's own
// transport, which knows proxies. Either way an error of type *UnsentError says that nothing
// was sent.
func Carrier(client *http.Client, base string, timeout time.Duration) (http.RoundTripper, error) {
	req, err := http.NewRequest(http.MethodPost, base, nil)
	if err != nil {
		return nil, err
	}
	transport, known := client.Transport.(*http.Transport)
	if !known {
		return &library{client.Transport, timeout}, nil
	}
	if transport.Proxy != nil {
		if proxy, err := transport.Proxy(req); err != nil || proxy != nil {
			return &library{transport, timeout}, err
		}
	}
	l := &Lines{
		dialer: net.Dialer{KeepAlive: 30 * time.Second}, timeout: timeout, most: max(1, transport.MaxIdleConnsPerHost), keep: transport.IdleConnTimeout,
	}
	port := req.URL.Port()
	switch {
	case req.URL.Scheme == "https":
		l.tls = transport.TLSClientConfig.Clone()
		l.tls.ServerName = req.URL.Hostname()
		if port == "" {
			port = "443"
		}
	case req.URL.Scheme != "http" || req.URL.Host == "":
		return nil, fmt.Errorf("%q is no address of a web service", base)
	case port == "":
		port = "80"
	}
	l.host = net.JoinHostPort(req.URL.Hostname(), port)
	return l, nil
}

// RoundTrip implements http.RoundTripper, for requests to its service. The answer's body
// must be read to its end or closed; only when it was read to its end does its line serve
// another request. When RoundTrip returns an error, or the answer's body is at its end or
// closed, the request's body is not looked at any more.
func (l *Lines) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	if err := ctx.Err(); err != nil {
		return nil, &UnsentError{err}
	}
	var deadline time.Time
	if l.timeout > 0 {
		deadline = time.Now().Add(l.timeout)
	}
	c, err := l.take(ctx, deadline)
	if err != nil {
		return nil, &UnsentError{err}
	}
	c.begin(ctx, deadline)
	resp, err := c.exchange(req)
	if err == nil {
		return resp, nil
	}
	c.end()
	if ctx.Err() != nil {
		err = fmt.Errorf("%w: %w", ctx.Err(), err)
	}
	if c.raw.sent.Load() == 0 {
		err = &UnsentError{err}
	}
	return nil, err
}

// CloseIdleConnections closes the lines that no request is using.
func (l *Lines) CloseIdleConnections() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closeIdle()
}

func (l *Lines) closeIdle() {
	for _, c := range l.idle {
		_ = c.conn.Close()
	}
	clear(l.idle)
	l.idle = l.idle[:0]
}

// take returns a line that is open and that nobody uses.
func (l *Lines) take(ctx context.Context, deadline time.Time) (*line, error) {
	for c := l.pop(); c != nil; c = l.pop() {
		if c.isQuiet() {
			return c, nil
		}
		_ = c.conn.Close() // the service has ended it, or says what nobody asked for
	}
	if !deadline.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline)
		defer cancel()
	}
	raw, err := l.dialer.DialContext(ctx, "tcp", l.host)
	if err != nil {
		return nil, err
	}
	c, err := newLine(ctx, l, raw)
	if err != nil {
		_ = raw.Close()
	}
	return c, err
}

// pop takes the line that was used last. When that one has been idle for too long, all
// have.
func (l *Lines) pop() *line {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(l.idle)
	if n > 0 && l.keep > 0 && time.Since(l.idle[n-1].since) > l.keep {
		l.closeIdle()
		n = 0
	}
	if n == 0 {
		return nil
	}
	c := l.idle[n-1]
	l.idle[n-1] = nil
	l.idle = l.idle[:n-1]
	return c
}

// put takes a line back that can serve another request.
func (l *Lines) put(c *line) {
	c.since = time.Now()
	l.mu.Lock()
	kept := len(l.idle) < l.most
	if kept {
		l.idle = append(l.idle, c)
	}
	l.mu.Unlock()
	if !kept {
		_ = c.conn.Close()
	}
}
