package wire

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
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
	raw       syscall.RawConn  // of the socket
	peek      func(fd uintptr) // looks for a byte without waiting, and sets peeked
	peeked    error
	one       [1]byte
	stream    net.Conn         // socket, or the TLS above it
	head      io.LimitedReader // stream, which ends when the head of an answer is too long
	in        *bufio.Reader    // head
	out       []byte

	until     time.Time       // the deadline of the socket; zero: none
	done      <-chan struct{} // of the context whose end breaks requests off
	unwatch   func() bool     // ends the watch over it; false: it is over
	idleSince time.Time

	request  Request
	written  chan struct{} // closed when the request has gone out, or cannot
	writeErr error         // valid once written is closed
	answer   Answer
	last     bool          // the service closes the connection after the answer
	long     *bytes.Buffer // holds the answer's body; nil: in does
}

// counter is a socket that counts what leaves, and follows the TLS records that come.
type counter struct {
	net.Conn
	sent     atomic.Int64 // bytes that the system has taken since the request began
	incoming records      // the reader's
	shut     bool         // the reader's: nothing is read
}

func (c *counter) Read(b []byte) (int, error) {
	if c.shut {
		return 0, os.ErrDeadlineExceeded
	}
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
	if err := c.raw.Control(c.peek); err != nil || !errors.Is(c.peeked, syscall.EAGAIN) {
		return false
	}
	if c.transport.tls == nil {
		return true
	}
	c.socket.shut = true // so that TLS gives what it holds; the error is one that may pass
	n, err := c.stream.Read(c.one[:])
	c.socket.shut = false
	return n == 0 && errors.Is(err, os.ErrDeadlineExceeded) && c.socket.incoming.areWhole()
}

// watch has the end of ctx break off requests. The watch stays between requests, which mostly
// have one context. It reports false when an earlier context is over: its end breaks off
// whatever comes.
func (c *conn) watch(ctx context.Context) bool {
	done := ctx.Done()
	if done == c.done {
		return true
	}
	if !c.unwatch() {
		return false
	}
	c.done, c.unwatch = done, context.AfterFunc(ctx, func() { _ = c.socket.SetDeadline(past) })
	return true
}

// begin prepares the connection for a request under the watched ctx. The deadline of the socket
// is moved only when it would come too early, and then to a little later than it must be.
func (c *conn) begin(ctx context.Context, now time.Time) error {
	c.head.N = maxHead
	c.socket.sent.Store(0)
	c.written, c.writeErr = closed, nil
	if timeout := c.transport.timeout; timeout > 0 && c.until.Before(now.Add(timeout)) {
		c.until = now.Add(timeout + timeout/tolerance)
		_ = c.socket.SetDeadline(c.until)
	}
	return ctx.Err() // asked last: the deadline may have replaced the one that its end set
}

// closed is the channel of a request that is written before anybody waits.
var closed = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

// end ends a request that was answered. The connection is kept for another one, unless
// something speaks against it.
func (c *conn) end(keep bool) {
	if c.long != nil {
		longAnswers.Put(c.long)
		c.long = nil
	}
	if keep && !c.answer.Broken && !c.last && c.isReusable() {
		c.transport.put(c)
	} else {
		c.abort()
	}
}

// abort closes the connection, and returns when nobody reads the request's body any more.
// It closes the socket and not TLS, which would write once more.
func (c *conn) abort() {
	c.unwatch()
	_ = c.socket.Close()
	<-c.written
}

func (c *conn) close() {
	c.unwatch()
	_ = c.stream.Close()
}

func (c *conn) exchange() error {
	if len(c.request.Body) <= bufferSize {
		c.write()
	} else {
		c.written = make(chan struct{})
		go func() { // the service may answer, and read no further
			defer close(c.written)
			c.write()
		}()
	}
	if _, err := c.in.Peek(1); err != nil {
		return err
	}
	if c.readPlain() {
		return nil
	}
	return c.readAny()
}

// write writes a request (RFC 9112, sections 3 and 6.2): a small one in one piece, a large
// body straight from where it is.
func (c *conn) write() {
	r := &c.request
	c.out = append(append(c.out[:0], r.Head...), "X-Correlation-Id: "...)
	c.out = append(append(c.out, r.Correlation...), "\r\nContent-Length: "...)
	c.out = append(strconv.AppendInt(c.out, int64(len(r.Body)), 10), "\r\n\r\n"...)
	rest := r.Body
	if len(rest) <= bufferSize {
		c.out, rest = append(c.out, rest...), nil
	}
	if _, c.writeErr = c.stream.Write(c.out); c.writeErr == nil && rest != nil {
		_, c.writeErr = c.stream.Write(rest)
	}
	if c.writeErr != nil && c.socket.sent.Load() == 0 {
		_ = c.socket.Close() // no answer will come
	}
}

// readPlain reads a plain answer that fits into the buffer. If it is not one, the bytes stay
// for readAny.
func (c *conn) readPlain() bool {
	b, _ := c.in.Peek(c.in.Buffered())
	head, body, ok := c.answer.plain(b)
	if !ok || head+body > bufferSize || int64(body) > c.request.MaxAnswer {
		return false
	}
	b, err := c.in.Peek(head + body)
	if err != nil {
		return false
	}
	_, _ = c.in.Discard(len(b))
	c.answer.Status, c.answer.Body, c.answer.Broken, c.last = http.StatusCreated, b[head:], false, false
	return true
}

// longAnswers hold the bodies of answers that are not plain.
var longAnswers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// readAny reads an answer of any form, and skips interim answers (1xx).
func (c *conn) readAny() error {
	for {
		resp, err := http.ReadResponse(c.in, nil)
		switch {
		case err != nil:
			return err
		case resp.StatusCode == http.StatusSwitchingProtocols:
			return errors.New("the service switches to another protocol")
		case resp.StatusCode < 200:
			continue
		}
		c.head.N = math.MaxInt64
		c.answer.take(resp.Header)
		c.long = longAnswers.Get().(*bytes.Buffer)
		c.long.Reset()
		if resp.ContentLength > 0 && resp.ContentLength <= c.request.MaxAnswer {
			c.long.Grow(int(resp.ContentLength) + bytes.MinRead) // so that it need not grow while it is read
		}
		_, err = c.long.ReadFrom(io.LimitReader(resp.Body, c.request.MaxAnswer+1))
		c.answer.Status, c.answer.Body, c.last = resp.StatusCode, c.long.Bytes(), resp.Close
		c.answer.Broken = err != nil || int64(c.long.Len()) > c.request.MaxAnswer
		return nil
	}
}

// isReusable reports whether the request went out whole and nothing follows its answer.
func (c *conn) isReusable() bool {
	select {
	case <-c.written:
	default:
		_ = c.socket.SetWriteDeadline(time.Now().Add(writeGrace))
		<-c.written
		_ = c.socket.SetWriteDeadline(c.until)
	}
	return c.writeErr == nil && c.in.Buffered() == 0
}
