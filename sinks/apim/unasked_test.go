package apim_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"cohort/sinks/apim"
)

// gathered is a server's connection that sends what is written only when it is told to, in
// one piece, and keeps back some of the end of it for later.
type gathered struct {
	net.Conn
	hold bool
	buf  bytes.Buffer
}

func (g *gathered) Write(b []byte) (int, error) {
	if g.hold {
		return g.buf.Write(b)
	}
	return g.Conn.Write(b)
}

func (g *gathered) flush(keep int) {
	g.hold = false
	_, _ = g.Conn.Write(g.buf.Next(g.buf.Len() - keep))
}

// What the service says before it is asked is nobody's answer, wherever it lies about: it
// may come in one piece with the answer before it, and TLS may have read it already.
func TestWhatComesUnaskedIsNobodysAnswer(t *testing.T) {
	for sentence, keep := range map[string]int{"a whole record behind the answer": 0, "a part of one, and the rest later": 7} {
		t.Run(sentence, func(t *testing.T) {
			made := httptest.NewUnstartedServer(http.NotFoundHandler())
			made.StartTLS()
			certificates := made.TLS.Certificates
			_, ca := secure(t, &tls.Config{Certificates: certificates}, func(http.ResponseWriter, *http.Request) {})
			made.Close()
			var connections atomic.Int32
			base := byHand(t, func(_ int, conn net.Conn, _ *bufio.Reader) {
				connections.Add(1)
				g := &gathered{Conn: conn}
				secured := tls.Server(g, &tls.Config{Certificates: certificates})
				in := bufio.NewReader(secured)
				for readRequest(in) {
					g.flush(0)
					g.hold = true
					_, _ = io.WriteString(secured, "HTTP/1.1 201 Created\r\nContent-Length: 4\r\n\r\nmine")
					_, _ = io.WriteString(secured, "HTTP/1.1 422 Unasked\r\nContent-Length: 6\r\n\r\nothers")
					g.flush(keep)
				}
			})
			base = "https" + base[len("http"):]
			c := carrier(t, ca, base, 5*time.Second)
			for n := range 5 {
				status, answer, err := post(t.Context(), c, base, []byte("{}"))
				if status != 201 || answer != "mine" || err != nil {
					t.Errorf("request %d: %d %q, %v", n, status, answer, err)
				}
			}
			if n := connections.Load(); n != 5 {
				t.Errorf("5 requests over %d connections, each of which said too much", n)
			}
		})
	}
}

// A proxy may answer at once and read the request at its leisure. Its sender has the body
// back when the answer is closed, and not before the library is done with it.
func TestABodyIsGivenBackByTheLibraryToo(t *testing.T) {
	proxy := byHand(t, func(_ int, conn net.Conn, in *bufio.Reader) {
		if _, err := http.ReadRequest(in); err != nil {
			return
		}
		_, _ = fmt.Fprint(conn, "HTTP/1.1 429 Later\r\nContent-Length: 2\r\n\r\nno")
		for {
			if _, err := in.Discard(20_000); err != nil {
				return
			}
			time.Sleep(time.Millisecond)
		}
	})
	address, err := url.Parse(proxy)
	if err != nil {
		t.Fatal(err)
	}
	web := client(t, "")
	web.Transport.(*http.Transport).Proxy = http.ProxyURL(address)
	c, err := apim.Carrier(web, "http://service.example", 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		body := &lent{Reader: bytes.NewReader(bytes.Repeat([]byte("x"), 5<<20))}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://service.example", body)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := c.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != 429 {
			t.Errorf("%d, %v", resp.StatusCode, err)
		}
		if err := resp.Body.Close(); err != nil || !body.back.Load() {
			t.Errorf("the body is still lent, %v", err)
		}
	}
}

// lent is a body that knows whether it was given back.
type lent struct {
	io.Reader
	back atomic.Bool
}

func (l *lent) Close() error {
	l.back.Store(true)
	return nil
}
