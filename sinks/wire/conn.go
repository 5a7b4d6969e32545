package wire

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	maxHead    = 1 << 20  // bytes of an answer's head
	bufferSize = 16 << 10 // bytes; a request this small goes out in one piece

	// writeGrace limits the wait for the end of a request after its answer.
	writeGrace = 50 * time.Millisecond
)

// past is a deadline that is over.
var past = time.Unix(1, 0)

// conn is one connection. The request that took it owns it.
type conn struct {
	transport *Transport
	socket    *counter
	stream    net.Conn         // socket, or the TLS above it
	head      io.LimitedReader // stream, which ends when the head of an answer is too long
	in        *bufio.Reader    // head
	out       bytes.Buffer

	written   chan struct{} // closed when the request has gone out, or cannot
	writeErr  error         // valid once written is closed
	unwatch   func() bool   // ends the watch over the request's context; false: that is over
	idleSince time.Time
}

// counter is a socket that counts what leaves, and follows the TLS records that come.
type counter struct {
	net.Conn
	sent     atomic.Int64 // bytes that the system has taken since the request began
	incoming records      // the reader's
}

func (c *counter) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.incoming.add(b[:n])
	return n, err
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.sent.Add(int64(n))
	return n, err
}

// records finds where TLS records end (RFC 8446, section 5.1): five bytes of head, the last
// two of them the length of what follows.
type records struct {
	head [5]byte
	got  int // bytes of head
	left int // bytes that follow it
}

func (r *records) add(b []byte) {
	for len(b) > 0 {
		if r.left > 0 {
			n := min(r.left, len(b))
			r.left, b = r.left-n, b[n:]
			continue
		}
		n := copy(r.head[r.got:], b)
		r.got, b = r.got+n, b[n:]
		if r.got == len(r.head) {
			r.got, r.left = 0, int(r.head[3])<<8|int(r.head[4])
		}
	}
}

// areWhole reports whether the last byte ended a record.
func (r *records) areWhole() bool { return r.got == 0 && r.left == 0 }

// isQuiet reports whether an idle connection is open and holds no byte, neither in the socket
// nor in TLS.
func (c *conn) isQuiet() bool {
	raw, err := c.socket.Conn.(syscall.Conn).SyscallConn()
	if err != nil {
		return false
	}
	var one [1]byte
	var peeked error
	err = raw.Control(func(fd uintptr) {
		_, _, peeked = syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	})
	if err != nil || !errors.Is(peeked, syscall.EAGAIN) {
		return false
	}
	if c.transport.tls == nil {
		return true
	}
	_ = c.socket.SetReadDeadline(past) // so that TLS gives what it holds, and reads nothing
	n, err := c.stream.Read(one[:])
	return n == 0 && errors.Is(err, os.ErrDeadlineExceeded) && c.socket.incoming.areWhole()
}

// begin prepares the connection for a request. The end of ctx, and the deadline, break the
// request off.
func (c *conn) begin(ctx context.Context, deadline time.Time) {
	c.head.N = maxHead
	c.socket.sent.Store(0)
	_ = c.socket.SetDeadline(deadline)
	c.unwatch = context.AfterFunc(ctx, func() { _ = c.socket.SetDeadline(past) })
}

// abort closes the connection, and returns when nobody reads the request's body any more.
// It closes the socket and not TLS, which would write once more.
func (c *conn) abort() {
	c.unwatch()
	_ = c.socket.Close()
	<-c.written
}

// exchange writes a request and reads the head of its answer.
func (c *conn) exchange(req *http.Request) (*http.Response, error) {
	c.written = make(chan struct{})
	if req.ContentLength <= bufferSize {
		c.write(req)
	} else {
		go c.write(req) // the service may answer, and read no further
	}
	resp, err := c.answer(req)
	if err != nil {
		return nil, err
	}
	resp.Body = &body{ReadCloser: resp.Body, conn: c, last: resp.Close}
	return resp, nil
}

// write writes a request (RFC 9112, sections 3 and 6.2): a small one in one piece, a large
// body straight from where it is.
func (c *conn) write(req *http.Request) {
	defer func() { _ = req.Body.Close(); close(c.written) }()
	c.out.Reset()
	_, _ = fmt.Fprintf(&c.out, "%s %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n",
		req.Method, req.URL.RequestURI(), req.URL.Host, req.ContentLength)
	_ = req.Header.Write(&c.out) // lets no value end its line
	_, _ = c.out.WriteString("\r\n")
	if req.ContentLength <= bufferSize {
		_, c.writeErr = c.out.ReadFrom(req.Body)
	}
	if c.writeErr == nil {
		_, c.writeErr = c.out.WriteTo(c.stream)
	}
	if c.writeErr == nil {
		_, c.writeErr = io.Copy(c.stream, req.Body)
	}
	if c.writeErr != nil && c.socket.sent.Load() == 0 {
		_ = c.socket.Close() // no answer will come
	}
}

// answer reads the head of an answer, and skips interim answers (1xx).
func (c *conn) answer(req *http.Request) (*http.Response, error) {
	for {
		resp, err := http.ReadResponse(c.in, req)
		switch {
		case err != nil:
			return nil, err
		case resp.StatusCode == http.StatusSwitchingProtocols:
			return nil, errors.New("the service switches to another protocol")
		case resp.StatusCode >= 200:
			c.head.N = math.MaxInt64
			return resp, nil
		}
	}
}

// isReusable reports whether the request went out whole and nothing follows its answer.
func (c *conn) isReusable() bool {
	select {
	case <-c.written:
	default:
		_ = c.socket.SetWriteDeadline(time.Now().Add(writeGrace))
		<-c.written
	}
	return c.writeErr == nil && c.in.Buffered() == 0 && c.unwatch()
}

// body is the body of an answer. It gives the connection back at its end.
type body struct {
	io.ReadCloser
	conn *conn // nil: given back
	last bool  // the service closes the connection after it
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		b.release(err == io.EOF)
	}
	return n, err
}

func (b *body) Close() error {
	b.release(false)
	return nil
}

func (b *body) release(whole bool) {
	c := b.conn
	b.conn = nil
	switch {
	case c == nil:
	case whole && !b.last && c.isReusable():
		c.transport.put(c)
	default:
		c.abort()
	}
}
