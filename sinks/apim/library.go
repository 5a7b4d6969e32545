package apim

import (
	"context"
	"io"
	"net/http"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"time"
)

// library carries requests through another transport, each within timeout, and tells like
// Lines what was not sent. What that transport had a connection for counts as sent.
type library struct {
	base    http.RoundTripper
	timeout time.Duration
}

// RoundTrip implements http.RoundTripper.
func (l *library) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := req.Context(), context.CancelFunc(func() {})
	if l.timeout > 0 {
		ctx, cancel = context.WithTimeout(ctx, l.timeout)
	}
	// The transport may go on reading a request that was answered early; whoever has the body
	// wants to know when that is over.
	sent := &watchedBody{ReadCloser: req.Body, closed: make(chan struct{})}
	if req.Body == nil {
		_ = sent.Close()
	}
	var connected atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
	})
	watched := req.WithContext(ctx)
	if req.Body != nil {
		watched.Body = sent
	}
	resp, err := l.base.RoundTrip(watched)
	if err != nil {
		cancel()
		<-sent.closed
		if !connected.Load() {
			err = &UnsentError{err}
		}
		return nil, err
	}
	resp.Body = &timedBody{resp.Body, cancel, sent.closed}
	return resp, nil
}

// watchedBody is the body of a request. The library closes it when it needs it no more.
type watchedBody struct {
	io.ReadCloser
	once   sync.Once
	closed chan struct{}
}

// Close implements io.Closer.
func (b *watchedBody) Close() (err error) {
	b.once.Do(func() {
		if b.ReadCloser != nil {
			err = b.ReadCloser.Close()
		}
		close(b.closed)
	})
	return err
}

// timedBody is the body of an answer whose time ends when it is closed, and with it the
// reading of the request's body.
type timedBody struct {
	io.ReadCloser
	cancel context.CancelFunc
	sent   <-chan struct{}
}

// Close implements io.Closer.
func (b *timedBody) Close() error {
	err := b.ReadCloser.Close()
	b.cancel()
	<-b.sent
	return err
}
