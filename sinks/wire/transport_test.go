package wire_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cohort/sinks/wire"
)

// newTransport makes a transport to base. authority signs for it; nil: only the system's do.
func newTransport(t *testing.T, base string, authority *x509.Certificate, timeout time.Duration) *wire.Transport {
	t.Helper()
	settings := &http.Transport{MaxIdleConnsPerHost: 4, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS10}}
	if authority != nil {
		settings.TLSClientConfig.RootCAs = x509.NewCertPool()
		settings.TLSClientConfig.RootCAs.AddCert(authority)
	}
	c, err := wire.New(base, settings, timeout)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// startTLS starts a server that speaks TLS, and HTTP/2 to clients that offer it.
func startTLS(t *testing.T, config *tls.Config, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(handler)
	s.TLS = config
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// post sends a body and reads the answer to its end.
func post(ctx context.Context, c *wire.Transport, base string, body []byte) (status int, answer string, err error) {
	broken := false
	err = c.Post(ctx, request(base, "application/json", body), func(a *wire.Answer) error {
		status, answer, broken = a.Status, string(a.Body), a.Broken
		return nil
	})
	if broken {
		err = io.ErrUnexpectedEOF
	}
	return status, answer, err
}

const correlation = "5f3c1f6e-5f0b-4b8c-9f43-2c2c1d1f8a11"

// request makes a request of a type.
func request(base, contentType string, body []byte) wire.Request {
	at, err := url.Parse(base + "/v1/messages?a=b")
	if err != nil {
		panic(err)
	}
	return wire.Request{Head: wire.Head(at, http.Header{"Content-Type": {contentType}}), Correlation: correlation, Body: body, MaxAnswer: 8 << 20}
}

func notSent(err error) bool { _, is := errors.AsType[*wire.NotSentError](err); return is }

// byHand listens, and has speak answer on each connection, which it closes in the end.
func byHand(t *testing.T, speak func(n int, conn net.Conn, in *bufio.Reader)) (base string) {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	t.Cleanup(func() { _ = l.Close(); all.Wait() })
	all.Go(func() {
		for n := 0; ; n++ {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			stop := context.AfterFunc(t.Context(), func() { _ = conn.Close() })
			all.Go(func() {
				defer stop()
				defer func() { _ = conn.Close() }()
				speak(n, conn, bufio.NewReader(conn))
			})
		}
	})
	return "http://" + l.Addr().String()
}

func readRequest(in *bufio.Reader) bool {
	req, err := http.ReadRequest(in)
	if err != nil {
		return false
	}
	_, err = io.Copy(io.Discard, req.Body)
	return err == nil
}

func TestARequestArrivesAsItWasMeant(t *testing.T) {
	for _, size := range []int{0, 1, 16 << 10, 16<<10 + 1, 6 << 20} {
		body := bytes.Repeat([]byte("x"), size)
		var connections atomic.Int32
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			got, err := io.ReadAll(r.Body)
			if err != nil || !bytes.Equal(got, body) || r.ContentLength != int64(size) || r.RequestURI != "/v1/messages?a=b" || r.Proto != "HTTP/1.1" ||
				r.Header.Get("Content-Type") != "application/json" || r.Header.Get("X-Correlation-Id") != correlation || len(r.TransferEncoding) > 0 || !strings.HasPrefix(r.Host, "127.0.0.1:") {
				t.Errorf("%d bytes: %d arrived, %v; %s %s %v", size, len(got), err, r.Host, r.RequestURI, r.Header)
			}
			w.WriteHeader(http.StatusCreated)
			_, _ = w.Write(got)
		}))
		s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
			if state == http.StateNew {
				connections.Add(1)
			}
		}
		s.Start()
		c := newTransport(t, s.URL, nil, time.Minute)
		for range 5 {
			status, answer, err := post(t.Context(), c, s.URL, body)
			if status != http.StatusCreated || answer != string(body) || err != nil {
				t.Errorf("%d bytes: %d, %d bytes, %v", size, status, len(answer), err)
			}
		}
		if n := connections.Load(); n != 1 {
			t.Errorf("%d bytes: five requests took %d connections", size, n)
		}
		s.Close()
	}
}

func TestEveryFormOfAnswerIsRead(t *testing.T) {
	for sentence, test := range map[string]struct {
		answer string
		want   string
		reused bool // the connection carries the next request
		err    bool
	}{
		"with a length":                {"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nab", "201 ab", true, false},
		"in chunks":                    {"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n", "201 ab", true, false},
		"to the end of the connection": {"HTTP/1.1 201 Created\r\n\r\nab", "201 ab", false, false},
		"and the connection ends":      {"HTTP/1.1 500 No\r\nConnection: close\r\nContent-Length: 2\r\n\r\nab", "500 ab", false, false},
		"without a body":               {"HTTP/1.1 204 None\r\n\r\n", "204 ", true, false},
		"after interim answers":        {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nab", "201 ab", true, false},
		"followed by another answer":   {"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nabHTTP/1.1 200 OK\r\n\r\n", "201 ab", false, false},
		"a redirect":                   {"HTTP/1.1 307 There\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n", "307 ", true, false},
		"a switch to another protocol": {"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n", "", false, true},
		"another protocol at once":     {"220 mail.example ESMTP\r\n", "", false, true},
		"a head of more than 1 MiB":    {"HTTP/1.1 201 Created\r\n" + strings.Repeat("X-Long: "+strings.Repeat("y", 8000)+"\r\n", 200) + "\r\n", "", false, true},
		"cut off in the head":          {"HTTP/1.1 201 Created\r\nContent-Le", "", false, true},
		"cut off in the body":          {"HTTP/1.1 201 Created\r\nContent-Length: 5\r\n\r\nab", "", false, true},
	} {
		t.Run(sentence, func(t *testing.T) {
			var requests, connections atomic.Int32
			base := byHand(t, func(_ int, conn net.Conn, in *bufio.Reader) {
				connections.Add(1)
				for readRequest(in) {
					requests.Add(1)
					_, _ = io.WriteString(conn, test.answer)
					if !test.reused && !strings.Contains(test.answer, "Connection: close") {
						return
					}
				}
			})
			c := newTransport(t, base, nil, 10*time.Second)
			for range 2 {
				status, answer, err := post(t.Context(), c, base, []byte("{}"))
				if got := fmt.Sprint(status, " ", answer); (err != nil) != test.err || err == nil && got != test.want || notSent(err) {
					t.Errorf("%s, %v", got, err)
				}
			}
			want := int32(2)
			if test.reused {
				want = 1
			}
			if requests.Load() != 2 || connections.Load() != want {
				t.Errorf("two requests arrived as %d over %d connections", requests.Load(), connections.Load())
			}
		})
	}
}

// A gateway may refuse a large request at its head and read no further. Its answer counts,
// and nobody reads the rest of the request.
func TestAnAnswerToTheHeadAloneIsRead(t *testing.T) {
	base := byHand(t, func(_ int, conn net.Conn, in *bufio.Reader) {
		if _, err := http.ReadRequest(in); err == nil {
			_, _ = io.WriteString(conn, "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
			<-t.Context().Done()
		}
	})
	c := newTransport(t, base, nil, 10*time.Second)
	body := bytes.Repeat([]byte("x"), 20<<20)
	for range 5 {
		status, answer, err := post(t.Context(), c, base, body)
		if status != 413 || answer != "no" || err != nil {
			t.Errorf("%d %q %v", status, answer, err)
		}
		body[len(body)-1]++ // the race detector sees whoever still reads it
	}
}

func TestTheErrorSaysWhetherAByteLeft(t *testing.T) {
	silent := byHand(t, func(_ int, _ net.Conn, in *bufio.Reader) { _ = readRequest(in); _, _ = in.ReadByte() })
	deaf := byHand(t, func(_ int, conn net.Conn, _ *bufio.Reader) { time.Sleep(300 * time.Millisecond); _ = conn.Close() })
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	nothing := func(http.ResponseWriter, *http.Request) { t.Error("a request arrived") }
	secured := startTLS(t, nil, nothing)
	old := startTLS(t, &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, nothing)
	other := startTLS(t, &tls.Config{NextProtos: []string{"acme-tls/1"}}, nothing)
	resets := byHand(t, func(_ int, conn net.Conn, in *bufio.Reader) {
		_, _ = in.Peek(1)
		_ = conn.(*net.TCPConn).SetLinger(0)
	})
	over := func() context.Context {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		return ctx
	}
	later := func() context.Context {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		t.Cleanup(cancel)
		return ctx
	}
	for sentence, test := range map[string]struct {
		ctx       func() context.Context
		base      string
		authority *x509.Certificate
		body      int
		notSent   bool
	}{
		"nothing listens":                   {t.Context, gone.URL, nil, 10, true},
		"cancelled before":                  {over, silent, nil, 10, true},
		"an unknown certificate":            {t.Context, secured.URL, nil, 10, true},
		"TLS 1.1":                           {t.Context, old.URL, old.Certificate(), 10, true},
		"no HTTP/1.1 by ALPN":               {t.Context, other.URL, other.Certificate(), 10, true},
		"no TLS":                            {t.Context, strings.Replace(deaf, "http:", "https:", 1), nil, 10, true},
		"reset in the handshake of TLS":     {t.Context, strings.Replace(resets, "http:", "https:", 1), nil, 10, true},
		"reset in the request":              {t.Context, resets, nil, 1 << 20, false},
		"no answer in time":                 {t.Context, silent, nil, 10, false},
		"no answer in time to a large body": {t.Context, silent, nil, 1 << 20, false},
		"cut off while it waits":            {later, silent, nil, 10, false},
		"closed, and nothing was read":      {t.Context, deaf, nil, 10, false},
		"a large body that is never read":   {t.Context, deaf, nil, 32 << 20, false},
	} {
		t.Run(sentence, func(t *testing.T) {
			body := bytes.Repeat([]byte("x"), test.body)
			ctx := test.ctx()
			_, _, err := post(ctx, newTransport(t, test.base, test.authority, time.Second), test.base, body)
			if err == nil || notSent(err) != test.notSent {
				t.Errorf("%v", err)
			}
			if ctx.Err() != nil && !errors.Is(err, ctx.Err()) {
				t.Errorf("the error does not say that the context is over: %v", err)
			}
			clear(body) // the race detector sees whoever still reads it
		})
	}
}

func TestAHeaderCannotEndItsLine(t *testing.T) {
	for _, value := range []string{"a\r\nX-More: b", "a\nX-More: b", "a\rX-More: b"} {
		base := byHand(t, func(_ int, conn net.Conn, in *bufio.Reader) {
			req, err := http.ReadRequest(in)
			if err != nil || req.Header.Get("X-More") != "" || !strings.HasPrefix(req.Header.Get("Content-Type"), "a") {
				t.Errorf("%v: %v", req, err)
			}
			_, _ = io.WriteString(conn, "HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n")
		})
		err := newTransport(t, base, nil, time.Second).Post(t.Context(), request(base, value, nil), func(a *wire.Answer) error {
			if a.Status != http.StatusUnauthorized {
				t.Errorf("%q: %d", value, a.Status)
			}
			return nil
		})
		if err != nil {
			t.Errorf("%q: %v", value, err)
		}
	}
}

// A service may close an idle connection at any moment. The next request takes another.
func TestAClosedConnectionIsNotUsed(t *testing.T) {
	pair := certificate(t)
	for name, secured := range map[string]bool{"plain": false, "TLS": true} {
		t.Run(name, func(t *testing.T) {
			var requests atomic.Int32
			closed := make(chan bool, 100)
			base := byHand(t, func(_ int, conn net.Conn, in *bufio.Reader) {
				out := io.Writer(conn)
				if secured {
					stream := tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{pair}})
					in, out = bufio.NewReader(stream), stream
				}
				if readRequest(in) {
					requests.Add(1)
					_, _ = io.WriteString(out, "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")
				}
				_ = conn.Close()
				closed <- true
			})
			if secured {
				base = strings.Replace(base, "http:", "https:", 1)
			}
			c := newTransport(t, base, pair.Leaf, time.Second)
			for range 20 {
				if status, _, err := post(t.Context(), c, base, []byte("{}")); status != 201 || err != nil {
					t.Fatalf("%d, %v", status, err)
				}
				<-closed
				time.Sleep(5 * time.Millisecond) // until this side's system knows it
			}
			if n := requests.Load(); n != 20 {
				t.Errorf("20 requests arrived as %d", n)
			}
		})
	}
}

// held is a server's connection that keeps what is written until release, and then sends
// it in one piece.
type held struct {
	net.Conn
	holds bool
	kept  bytes.Buffer
}

func (h *held) Write(b []byte) (int, error) {
	if h.holds {
		return h.kept.Write(b)
	}
	return h.Conn.Write(b)
}

// release sends what is kept, without its last bytes.
func (h *held) release(without int) {
	h.holds = false
	_, _ = h.Conn.Write(h.kept.Next(h.kept.Len() - without))
}

// An answer that arrives before a request is no answer to it. It may come in one piece with
// the answer before, TLS may hold half of it, or it may come between two requests.
func TestADoubledAnswerBelongsToNobody(t *testing.T) {
	const answer, double = "HTTP/1.1 201 Created\r\nContent-Length: 4\r\n\r\nmine", "HTTP/1.1 422 No\r\nContent-Length: 6\r\n\r\nothers"
	pair := certificate(t)
	for name, test := range map[string]struct {
		tls     bool
		without int  // bytes of the double that do not come in the same piece
		later   bool // the double comes when the answer has been read
	}{
		"plain, in one piece":             {},
		"plain, half of it in that piece": {without: 7},
		"plain, later":                    {later: true},
		"TLS, in one piece":               {tls: true},
		"TLS, half of it in that piece":   {tls: true, without: 7},
		"TLS, later":                      {tls: true, later: true},
	} {
		t.Run(name, func(t *testing.T) {
			var connections atomic.Int32
			read, doubled := make(chan bool, 9), make(chan bool, 9)
			base := byHand(t, func(_ int, conn net.Conn, in *bufio.Reader) {
				connections.Add(1)
				h := &held{Conn: conn}
				out := io.Writer(h)
				if test.tls {
					secured := tls.Server(h, &tls.Config{Certificates: []tls.Certificate{pair}})
					in, out = bufio.NewReader(secured), secured
				}
				for readRequest(in) {
					h.holds = !test.later
					_, _ = io.WriteString(out, answer)
					if test.later {
						select {
						case <-read:
						case <-t.Context().Done():
						}
					}
					_, _ = io.WriteString(out, double)
					h.release(test.without)
					if test.later {
						doubled <- true
					}
				}
			})
			if test.tls {
				base = strings.Replace(base, "http:", "https:", 1)
			}
			c := newTransport(t, base, pair.Leaf, 5*time.Second)
			for n := range 5 {
				status, got, err := post(t.Context(), c, base, []byte("{}"))
				if status != 201 || got != "mine" || err != nil {
					t.Fatalf("request %d: %d %q, %v", n, status, got, err)
				}
				if test.later {
					read <- true
					<-doubled
				}
			}
			if n := connections.Load(); n != 5 {
				t.Errorf("5 requests went over %d connections, and each answered twice", n)
			}
		})
	}
}

// certificate makes a certificate for 127.0.0.1.
func certificate(t *testing.T) tls.Certificate {
	t.Helper()
	s := httptest.NewTLSServer(http.NotFoundHandler())
	defer s.Close()
	pair := s.TLS.Certificates[0]
	pair.Leaf = s.Certificate()
	return pair
}

func TestManyRequestsAtOnceOverTLS(t *testing.T) {
	var at, most atomic.Int32
	s := startTLS(t, nil, func(w http.ResponseWriter, r *http.Request) {
		now := at.Add(1)
		defer at.Add(-1)
		for was := most.Load(); now > was && !most.CompareAndSwap(was, now); was = most.Load() {
		}
		if r.Proto != "HTTP/1.1" {
			t.Error(r.Proto)
		}
		body, _ := io.ReadAll(r.Body)
		time.Sleep(time.Millisecond)
		_, _ = w.Write(body)
	})
	before := runtime.NumGoroutine()
	c := newTransport(t, s.URL, s.Certificate(), 10*time.Second)
	var all sync.WaitGroup
	for g := range 16 {
		all.Go(func() {
			for n := range 40 {
				body := bytes.Repeat(fmt.Appendf(nil, "%d.%d ", g, n), 1+n*n*20)
				if _, answer, err := post(t.Context(), c, s.URL, body); err != nil || answer != string(body) {
					t.Errorf("%d bytes: %d came back, %v", len(body), len(answer), err)
				}
			}
		})
	}
	all.Wait()
	if most.Load() < 4 {
		t.Errorf("at most %d at once", most.Load())
	}
	s.CloseClientConnections()
	for n := 0; runtime.NumGoroutine() > before+2 && n < 200; n++ {
		time.Sleep(10 * time.Millisecond)
	}
	if n := runtime.NumGoroutine(); n > before+2 {
		t.Errorf("%d goroutines more than before", n-before)
	}
}

// Idle connections are closed when all of them are older than the settings allow.
func TestIdleConnectionsAreClosed(t *testing.T) {
	var connections, ended atomic.Int32
	base := byHand(t, func(_ int, conn net.Conn, in *bufio.Reader) {
		connections.Add(1)
		defer ended.Add(1)
		for readRequest(in) {
			_, _ = io.WriteString(conn, "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")
		}
	})
	c, err := wire.New(base, &http.Transport{IdleConnTimeout: time.Nanosecond}, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, _, err := post(t.Context(), c, base, []byte("{}")); err != nil {
			t.Error(err)
		}
	}
	for n := 0; ended.Load() < 2 && n < 200; n++ {
		time.Sleep(10 * time.Millisecond)
	}
	if connections.Load() != 3 || ended.Load() != 2 {
		t.Errorf("%d connections, %d of them closed", connections.Load(), ended.Load())
	}
}

// One watch and one deadline serve many requests of a connection.
func TestContextAndDeadlineHoldOnAUsedConnection(t *testing.T) {
	pair := certificate(t)
	for name, secured := range map[string]bool{"plain": false, "TLS": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // it mostly waits
			var connections atomic.Int32
			var silent atomic.Bool
			asked := make(chan bool, 9)
			base := byHand(t, func(_ int, conn net.Conn, in *bufio.Reader) {
				connections.Add(1)
				out := io.Writer(conn)
				if secured {
					stream := tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{pair}})
					in, out = bufio.NewReader(stream), stream
				}
				for readRequest(in) {
					if silent.Load() {
						asked <- true
						continue
					}
					_, _ = io.WriteString(out, "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")
				}
			})
			if secured {
				base = strings.Replace(base, "http:", "https:", 1)
			}
			c := newTransport(t, base, pair.Leaf, time.Second)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			answers := func(ctx context.Context, over int32) {
				t.Helper()
				if status, _, err := post(ctx, c, base, []byte("{}")); status != 201 || err != nil || connections.Load() != over {
					t.Fatalf("%d, %v, over %d connections; want %d", status, err, connections.Load(), over)
				}
			}
			breaks := func(ctx context.Context, why error) {
				t.Helper()
				if _, _, err := post(ctx, c, base, []byte("{}")); !errors.Is(err, why) || notSent(err) {
					t.Fatalf("%v; want %v", err, why)
				}
			}
			for range 4 { // for longer than one deadline
				answers(ctx, 1)
				time.Sleep(400 * time.Millisecond)
			}
			silent.Store(true)
			breaks(ctx, os.ErrDeadlineExceeded)
			silent.Store(false)
			<-asked
			answers(ctx, 2)
			answers(t.Context(), 2)
			answers(ctx, 2)
			silent.Store(true)
			go func() { <-asked; cancel() }()
			breaks(ctx, context.Canceled)
			silent.Store(false)

			ended, end := context.WithCancel(t.Context())
			answers(ended, 3)
			end()
			if _, _, err := post(ended, c, base, []byte("{}")); !notSent(err) {
				t.Errorf("%v", err)
			}
			answers(t.Context(), 4)
		})
	}
}

// lateContext is over when it is asked for the second time.
type lateContext struct {
	context.Context
	asked atomic.Int32
}

func (c *lateContext) Err() error {
	if c.asked.Add(1) > 1 {
		return context.Canceled
	}
	return nil
}

// The end of a context may be missed while its connection is prepared.
func TestAContextMayEndAtTheLastMoment(t *testing.T) {
	var requests atomic.Int32
	base := byHand(t, func(_ int, conn net.Conn, in *bufio.Reader) {
		for readRequest(in) {
			requests.Add(1)
			_, _ = io.WriteString(conn, "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")
		}
	})
	c := newTransport(t, base, nil, 10*time.Second)
	if _, _, err := post(context.Background(), c, base, []byte("{}")); err != nil {
		t.Fatal(err)
	}
	late := &lateContext{Context: context.Background()}
	if _, _, err := post(late, c, base, []byte("{}")); !notSent(err) || requests.Load() != 1 {
		t.Errorf("%v; %d requests arrived", err, requests.Load())
	}
}

// A caller that rejects an answer cannot say what comes next on its connection, nor can one that
// has not the whole of an answer.
func TestARejectedOrBrokenAnswerClosesItsConnection(t *testing.T) {
	rejected := errors.New("another's")
	for answer, want := range map[string]error{"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n": rejected, "HTTP/1.1 201 Created\r\nContent-Length: 5\r\n\r\n": nil} {
		var connections atomic.Int32
		base := byHand(t, func(_ int, conn net.Conn, in *bufio.Reader) {
			for connections.Add(1); readRequest(in); {
				_, _ = io.WriteString(conn, answer)
			}
		})
		c := newTransport(t, base, nil, 200*time.Millisecond)
		for n := range int32(3) {
			err := c.Post(t.Context(), request(base, "x", nil), func(a *wire.Answer) error {
				if a.Broken != (want == nil) {
					t.Errorf("%q is broken: %v", answer, a.Broken)
				}
				return want
			})
			if err != want || connections.Load() != n+1 {
				t.Errorf("%q: %v after %d connections", answer, err, connections.Load())
			}
		}
	}
}

// The wait for the end of a request leaves no deadline for the next one.
func TestAnAnswerMayComeBeforeTheEndOfItsRequest(t *testing.T) {
	base := byHand(t, func(_ int, conn net.Conn, in *bufio.Reader) {
		for {
			req, err := http.ReadRequest(in)
			if err != nil {
				return
			}
			_, _ = io.WriteString(conn, "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")
			time.Sleep(5 * time.Millisecond)
			_, _ = io.Copy(io.Discard, req.Body)
		}
	})
	c := newTransport(t, base, nil, 10*time.Second)
	for range 8 {
		if status, _, err := post(t.Context(), c, base, bytes.Repeat([]byte("x"), 10<<20)); status != 201 || err != nil {
			t.Errorf("%d, %v", status, err)
		}
		time.Sleep(60 * time.Millisecond)
	}
}

func TestRequestsPassAProxy(t *testing.T) {
	s := startTLS(t, nil, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(w, r.Body)
	})
	var asked atomic.Int32
	refuses := byHand(t, func(_ int, conn net.Conn, in *bufio.Reader) {
		if req, err := http.ReadRequest(in); err == nil && req.Method == http.MethodConnect {
			asked.Add(1)
			_, _ = io.WriteString(conn, "HTTP/1.1 502 No\r\nContent-Length: 0\r\n\r\n")
		}
	})
	silent := byHand(t, func(_ int, _ net.Conn, in *bufio.Reader) { _, _ = in.Discard(1 << 20) })
	passes := byHand(t, func(_ int, conn net.Conn, in *bufio.Reader) {
		req, err := http.ReadRequest(in)
		if err != nil || req.Method != http.MethodConnect || "https://"+req.RequestURI != s.URL || req.Host != req.RequestURI {
			t.Errorf("%v %v", req, err)
			return
		}
		if user, password, ok := proxyUser(req); !ok || user != "me" || password != "secret" {
			_, _ = io.WriteString(conn, "HTTP/1.1 407 Who\r\nContent-Length: 0\r\n\r\n")
			return
		}
		asked.Add(1)
		to, err := new(net.Dialer).DialContext(t.Context(), "tcp", req.RequestURI)
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n")
		go func() { _, _ = io.Copy(conn, to); _ = conn.Close() }()
		_, _ = io.Copy(to, in)
		_ = to.Close()
	})
	withUser := strings.Replace(passes, "//", "//me:secret@", 1)
	for name, test := range map[string]struct {
		proxy string
		asked int32
		says  string // the error; empty: the request arrives
	}{
		"one that passes":       {withUser, 1, ""},
		"one without a user":    {passes, 0, "the proxy answered 407 Who"},
		"one that refuses":      {refuses, 1, "the proxy answered 502 No"},
		"one that is silent":    {silent, 0, "deadline exceeded"},
		"one of another kind":   {"socks5://127.0.0.1:1", 0, "only http:// is possible"},
		"one that is not there": {"http://127.0.0.1:1", 0, "refused"},
	} {
		t.Run(name, func(t *testing.T) {
			asked.Store(0)
			address, err := url.Parse(test.proxy)
			if err != nil {
				t.Fatal(err)
			}
			roots := x509.NewCertPool()
			roots.AddCert(s.Certificate())
			c, err := wire.New(s.URL, &http.Transport{Proxy: http.ProxyURL(address), TLSClientConfig: &tls.Config{RootCAs: roots}}, time.Second)
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				_, answer, err := post(t.Context(), c, s.URL, []byte("{}"))
				if op, is := errors.AsType[*net.OpError](err); test.says == "" && (err != nil || answer != "{}") ||
					test.says != "" && (!notSent(err) || !is || op.Op != "proxyconnect" || !strings.Contains(err.Error(), test.says)) {
					t.Errorf("%q, %v", answer, err)
				}
				if test.says != "" {
					break
				}
			}
			if n := asked.Load(); n != test.asked {
				t.Errorf("the proxy was asked %d times", n)
			}
		})
	}
}

func proxyUser(req *http.Request) (user, password string, ok bool) {
	req.Header["Authorization"] = req.Header["Proxy-Authorization"]
	return req.BasicAuth()
}

func TestAddressesThatCannotBeUsed(t *testing.T) {
	for _, base := range []string{"", "service.example", "ftp://service.example", "https://", "http://[::1"} {
		if _, err := wire.New(base, &http.Transport{}, time.Second); err == nil {
			t.Errorf("%q can be used", base)
		}
	}
	unreadable := func(*http.Request) (*url.URL, error) { return nil, errors.New("the proxy's address cannot be read") }
	if _, err := wire.New("https://service.example", &http.Transport{Proxy: unreadable}, time.Second); err == nil {
		t.Error("requests go past a proxy that cannot be read")
	}
}

// A request that is too late leaves nothing, and its connection carries the next one.
func TestALateRequestIsNotSent(t *testing.T) {
	var got, connections atomic.Int32
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { got.Add(1) }))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	s.Start()
	defer s.Close()
	c := newTransport(t, s.URL, nil, time.Minute)
	for _, until := range []time.Duration{-time.Second, time.Minute, 0, -time.Nanosecond, time.Minute} {
		r, before := request(s.URL, "text/plain", []byte("x")), got.Load()
		r.Before = time.Now().Add(until)
		err := c.Post(t.Context(), r, func(*wire.Answer) error { return nil })
		if late := until <= 0; late != errors.Is(err, wire.ErrLate) || late != notSent(err) || late != (got.Load() == before) {
			t.Errorf("until %s: %v, and the service got %d", until, err, got.Load()-before)
		}
	}
	if connections.Load() != 1 {
		t.Errorf("%d connections", connections.Load())
	}
}
