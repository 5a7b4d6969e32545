package apim

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	mostHead  = 1 << 20  // bytes of an answer's head
	smallBody = 16 << 10 // bytes of a body that goes out in one piece with its head

	lateWord = 50 * time.Millisecond // how long an answer that is whole waits for its request to be
)

var (
	errLongHead = errors.New("the head of the answer has no end")
	errSwitched = errors.New("the service speaks another protocol")
)

// line is one connection. Whoever has taken it owns it.
type line struct {
	of   *Lines
	raw  *counted
	conn net.Conn // raw, or what secures it
	in   *bufio.Reader
	out  []byte // the head of the request, and a small body

	head    int64         // bytes that the head of the answer may still have; negative: it has been read
	written chan struct{} // closed when a large body has gone out, or cannot; nil: there is none
	broken  error         // why the request did not go out whole; behind written
	spare   func() bool   // takes back that the request's context may break the line off
	since   time.Time     // idle
}

// counted is a connection that knows how much of a request has left, and whether what has
// come ends where a record of TLS does.
type counted struct {
	net.Conn
	sent    atomic.Int64 // bytes that the system has taken since the request began
	records records      // the reader's
}

// Read implements io.Reader.
func (c *counted) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.records.pass(b[:n])
	return n, err
}

func (c *counted) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.sent.Add(int64(n))
	return n, err
}

// newLine makes a line of a connection, secured where the service wants it.
func newLine(ctx context.Context, of *Lines, conn net.Conn) (*line, error) {
	c := &line{of: of, raw: &counted{Conn: conn}}
	c.conn = c.raw
	if of.tls != nil {
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		secured := tls.Client(c.raw, of.tls)
		if err := secured.HandshakeContext(ctx); err != nil {
			return nil, err
		}
		c.conn = secured
	}
	c.in = bufio.NewReaderSize((*answers)(c), 16<<10)
	return c, nil
}

// answers is a line as those who read from it see it.
type answers line

func (c *answers) Read(b []byte) (int, error) {
	if c.head == 0 {
		return 0, errLongHead
	}
	n, err := c.conn.Read(b)
	if c.head > 0 {
		c.head = max(0, c.head-int64(n))
	}
	return n, err
}

// isQuiet reports whether an idle line is open and nothing has come over it: what comes
// before a request is not its answer.
func (c *line) isQuiet() bool {
	if c.of.tls != nil {
		// TLS may have read more than it has given out. It is asked for it, and must have none.
		_ = c.raw.SetReadDeadline(time.Unix(1, 0))
		var one [1]byte
		n, err := c.conn.Read(one[:])
		return n == 0 && errors.Is(err, os.ErrDeadlineExceeded) && c.raw.records.areWhole()
	}
	system, is := c.raw.Conn.(syscall.Conn)
	if !is {
		return true
	}
	raw, err := system.SyscallConn()
	if err != nil {
		return false
	}
	quiet := false
	err = raw.Control(func(fd uintptr) {
		look := [1]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(look[:], 0)
		quiet = n == 0 && err == nil
	})
	return quiet && err == nil
}

// begin makes the line ready for a request, which ctx and the deadline break off.
func (c *line) begin(ctx context.Context, deadline time.Time) {
	c.head, c.written, c.broken = mostHead, nil, nil
	c.raw.sent.Store(0)
	_ = c.raw.SetDeadline(deadline)
	c.spare = context.AfterFunc(ctx, func() { _ = c.raw.SetDeadline(time.Unix(1, 0)) })
}

// end closes the line in the middle of a request, and waits until nothing looks at the
// request's body any more. What secures the line is not told: it would write once more.
func (c *line) end() {
	c.spare()
	_ = c.raw.Close()
	if c.written != nil {
		<-c.written
	}
}

// exchange writes a request and reads the head of its answer.
func (c *line) exchange(req *http.Request) (*http.Response, error) {
	body, err := bytesOf(req)
	if err != nil {
		return nil, err
	}
	if c.out, err = appendHead(c.out[:0], req, len(body)); err != nil {
		return nil, err
	}
	if len(body) <= smallBody {
		c.out = append(c.out, body...)
		_, c.broken = c.conn.Write(c.out)
	} else {
		// The service may refuse what it has not read to the end. Its answer must be read then
		// while there is still a connection.
		c.written = make(chan struct{})
		go func() {
			defer close(c.written)
			if _, c.broken = c.conn.Write(c.out); c.broken == nil {
				_, c.broken = c.conn.Write(body)
			}
		}()
	}
	resp, err := c.answer(req)
	if err != nil {
		return nil, err
	}
	resp.Body = &answerBody{ReadCloser: resp.Body, line: c, last: resp.Close}
	return resp, nil
}

// answer reads the head of the answer, past those that only say that one is to come.
func (c *line) answer(req *http.Request) (*http.Response, error) {
	for {
		resp, err := http.ReadResponse(c.in, req)
		switch {
		case err != nil:
			return nil, err
		case resp.StatusCode == http.StatusSwitchingProtocols:
			return nil, errSwitched
		case resp.StatusCode >= 200:
			c.head = -1
			return resp, nil
		}
	}
}

// isReusable reports whether the request went out whole and its answer was all there was.
func (c *line) isReusable() bool {
	if c.written != nil {
		// The answer may overtake the word that the body has gone out: a moment is waited for it.
		late := time.NewTimer(lateWord)
		defer late.Stop()
		select {
		case <-c.written:
		case <-late.C:
			return false // answered before it was read to its end
		}
	}
	return c.broken == nil && c.in.Buffered() == 0 && c.spare()
}

// answerBody is the body of an answer.
type answerBody struct {
	io.ReadCloser
	line *line // nil: it was let go
	last bool  // the service ends the connection behind it
}

// Read implements io.Reader.
func (b *answerBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		b.letGo(err == io.EOF && !b.last)
	}
	return n, err
}

// Close implements io.Closer.
func (b *answerBody) Close() error {
	b.letGo(false)
	return nil
}

// letGo gives the line to the next request, or closes it.
func (b *answerBody) letGo(whole bool) {
	c := b.line
	b.line = nil
	switch {
	case c == nil:
	case whole && c.isReusable():
		c.of.put(c)
	default:
		c.end()
	}
}
