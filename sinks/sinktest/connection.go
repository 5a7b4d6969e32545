package sinktest

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"

	"cohort/engine"
)

// byHand listens, and has speak answer on each connection, which it closes in the end.
func byHand(t *testing.T, speak func(conn *net.TCPConn)) (address string) {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	t.Cleanup(func() { _ = l.Close(); all.Wait() })
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			stop := context.AfterFunc(t.Context(), func() { _ = conn.Close() })
			all.Go(func() {
				defer stop()
				defer func() { _ = conn.Close() }()
				speak(conn.(*net.TCPConn))
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

func reset(conn *net.TCPConn) {
	_ = conn.SetLinger(0)
	_ = conn.Close()
}

func raw(status int, body string) string {
	return fmt.Sprintf("HTTP/1.1 %d Words\r\nContent-Length: %d\r\n\r\n%s", status, len(body), body)
}

// startTLS starts a service that speaks TLS, and HTTP/2 to clients that offer it.
func (s Subject) startTLS(t *testing.T, config *tls.Config, handler http.HandlerFunc) (*httptest.Server, Wire) {
	t.Helper()
	service := httptest.NewUnstartedServer(handler)
	service.Config.ErrorLog = log.New(io.Discard, "", 0)
	service.TLS, service.EnableHTTP2 = config, true
	service.StartTLS()
	t.Cleanup(service.Close)
	return service, s.secured(t, service.URL, service)
}

// secured makes a Wire to the service at address, which has the certificate of another.
func (s Subject) secured(t *testing.T, address string, of *httptest.Server) Wire {
	t.Helper()
	authority := filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: of.Certificate().Raw})
	if err := os.WriteFile(authority, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return newWire(t, address+s.Base, Issuer(t).URL, authority)
}

// ownAnswers: an answer with another request's X-Correlation-Id is in doubt, whatever its
// status. One without that header, or with the request's own, is judged by its status.
func (s Subject) ownAnswers(t *testing.T) {
	for _, status := range []int{200, 201, 400, 401, 403, 404, 408, 422, 425, 429, 500, 503} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			send := func(correlation func(own string) []string) (engine.Answer, Wire) {
				var r *engine.Request
				w := s.wire(t, Listen(t, func(w http.ResponseWriter, req *http.Request) {
					body := s.Problem(status, "words")
					if status == http.StatusCreated {
						body, _ = s.Created(r)
					}
					w.Header()["X-Correlation-Id"] = correlation(req.Header.Get("X-Correlation-Id"))
					Replies(status, nil, body)(w, req)
				}).URL)
				sink := s.Make(w)
				r = s.request(sink, 1)
				return sink.Send(context.Background(), r), w
			}
			want, _ := send(func(string) []string { return nil })
			if want.Status != status || want.Code == "not_our_answer" {
				t.Errorf("without the header: %+v", want)
			}
			for name, own := range map[string]func(string) []string{
				"its own": func(own string) []string { return []string{own} }, "its own in capitals": func(own string) []string { return []string{strings.ToUpper(own)} },
				"its own, twice": func(own string) []string { return []string{own, own} }, "empty": func(string) []string { return []string{""} },
			} {
				if a, _ := send(own); !reflect.DeepEqual(a, want) {
					t.Errorf("%s: %+v; want %+v", name, a, want)
				}
			}
			for name, others := range map[string]func(string) []string{
				"another's": func(string) []string { return []string{uuid.NewString()} }, "its own and another's": func(own string) []string { return []string{own, uuid.NewString()} },
			} {
				a, w := send(others)
				if isAnswer(t, a, engine.Unknown, "not_our_answer"); a.RetryAfter != 0 || a.HoldAll {
					t.Errorf("%s: %+v", name, a)
				}
				if token, err := w.Tokens.Token(t.Context()); token != "token-1" || err != nil {
					t.Errorf("%s: the token was replaced: %q, %v", name, token, err)
				}
			}
		})
	}
}

// doubledAnswers: a service answers twice in one segment. The second answer, which is a
// refusal, is never taken for the answer to the next request.
func (s Subject) doubledAnswers(t *testing.T) {
	twice := raw(500, s.Problem(500, "words")) + raw(403, s.Problem(403, "words"))
	of, _ := s.startTLS(t, nil, nil)
	for _, secured := range []bool{false, true} {
		t.Run(fmt.Sprint("TLS ", secured), func(t *testing.T) {
			address := byHand(t, func(conn *net.TCPConn) {
				stream := net.Conn(conn)
				if secured {
					stream = tls.Server(conn, &tls.Config{Certificates: of.TLS.Certificates})
				}
				for in := bufio.NewReader(stream); readRequest(in); {
					_, _ = io.WriteString(stream, twice)
				}
			})
			w := s.wire(t, address)
			if secured {
				w = s.secured(t, strings.Replace(address, "http:", "https:", 1), of)
			}
			sink := s.Make(w)
			for n := range uint32(5) {
				if a := sink.Send(context.Background(), s.request(sink, n)); a.Status != 500 || a.Reply != engine.Unknown {
					t.Errorf("request %d: %+v", n, a)
				}
			}
		})
	}
}

// http2: a sink speaks HTTP/1.1 to a service that offers HTTP/2 too. A service without
// HTTP/1.1 gets nothing.
func (s Subject) http2(t *testing.T) {
	send := func(w Wire) engine.Answer {
		sink := s.Make(w)
		return sink.Send(context.Background(), s.request(sink, 1))
	}
	for name, config := range map[string]*tls.Config{"both": nil, "HTTP/2 alone, by ALPN": {NextProtos: []string{"acme-tls/1"}}} {
		t.Run(name, func(t *testing.T) {
			var requests atomic.Int32
			_, w := s.startTLS(t, config, func(w http.ResponseWriter, r *http.Request) {
				if requests.Add(1); r.Proto != "HTTP/1.1" {
					t.Error(r.Proto)
				}
				Replies(500, nil, "")(w, r)
			})
			if a := send(w); config != nil {
				isAnswer(t, a, engine.Unsent, "not_reached")
			} else if a.Status != 500 {
				t.Errorf("%+v", a)
			}
			if n := requests.Load(); (n == 1) != (config == nil) {
				t.Errorf("the service got %d requests", n)
			}
		})
	}
	t.Run("HTTP/2 alone, without ALPN", func(t *testing.T) {
		isAnswer(t, send(s.wire(t, byHand(t, func(conn *net.TCPConn) {
			_, _ = conn.Write([]byte{0, 0, 0, 4, 0, 0, 0, 0, 0}) // an empty SETTINGS frame (RFC 9113, section 6.5)
			_ = readRequest(bufio.NewReader(conn))
		}))), engine.Unknown, "no_answer")
	})
}

// resets: a connection is reset. Before the first byte of a request has left, nothing is in
// doubt. From then on the request is.
func (s Subject) resets(t *testing.T) {
	t.Run("in the handshake", func(t *testing.T) {
		address := byHand(t, func(conn *net.TCPConn) { _, _ = conn.Read(make([]byte, 1)); reset(conn) })
		sink := s.Make(s.wire(t, strings.Replace(address, "http:", "https:", 1)))
		isAnswer(t, sink.Send(context.Background(), s.request(sink, 1)), engine.Unsent, "not_reached")
	})
	t.Run("between two requests", func(t *testing.T) {
		done, gone := make(chan bool, 3), make(chan bool, 3)
		sink := s.Make(s.wire(t, byHand(t, func(conn *net.TCPConn) {
			if readRequest(bufio.NewReader(conn)) {
				_, _ = io.WriteString(conn, raw(500, "{}"))
				select {
				case <-done:
				case <-t.Context().Done():
				}
				reset(conn)
				gone <- true
			}
		})))
		for n := range uint32(3) {
			if a := sink.Send(context.Background(), s.request(sink, n)); a.Status != 500 {
				t.Fatalf("request %d: %+v", n, a)
			}
			done <- true
			<-gone
		}
	})
	for name, read := range map[string]func(conn io.Reader, body func() int64){
		"at its first byte": func(conn io.Reader, _ func() int64) { _, _ = io.CopyN(io.Discard, conn, 1) },
		"before its body":   func(conn io.Reader, _ func() int64) { readHead(conn) },
		"within its body":   func(conn io.Reader, body func() int64) { readHead(conn); _, _ = io.CopyN(io.Discard, conn, body()/2) },
		"after its body":    func(conn io.Reader, body func() int64) { readHead(conn); _, _ = io.CopyN(io.Discard, conn, body()) },
	} {
		t.Run(name, func(t *testing.T) {
			var r *engine.Request
			var requests atomic.Int32
			sink := s.Make(s.wire(t, byHand(t, func(conn *net.TCPConn) {
				requests.Add(1)
				read(conn, func() int64 { return int64(len(r.Body)) })
				reset(conn)
			})))
			r = s.request(sink, 1)
			isAnswer(t, sink.Send(context.Background(), r), engine.Unknown, "no_answer")
			if n := requests.Load(); n != 1 {
				t.Errorf("the request was sent %d times", n)
			}
		})
	}
}

// readHead reads the head of a request, and not a byte more.
func readHead(conn io.Reader) {
	var head, one []byte = nil, make([]byte, 1)
	for !bytes.HasSuffix(head, []byte("\r\n\r\n")) {
		if _, err := conn.Read(one); err != nil {
			return
		}
		head = append(head, one...)
	}
}

// noRepetition: a service answers one request on each connection, and closes it when the
// next begins. net/http would send some of those again.
func (s Subject) noRepetition(t *testing.T) {
	var requests atomic.Int32
	sink := s.Make(s.wire(t, byHand(t, func(conn *net.TCPConn) {
		in := bufio.NewReader(conn)
		for n := 0; n < 2 && readRequest(in); n++ {
			if requests.Add(1); n == 0 {
				_, _ = io.WriteString(conn, raw(500, "{}"))
			}
		}
	})))
	const sendings = 10
	for i := range uint32(sendings) {
		if a := sink.Send(context.Background(), s.request(sink, i)); a.Reply != engine.Unknown || (a.Status == 500) != (i%2 == 0) {
			t.Errorf("sending %d: %+v", i, a)
		}
	}
	if n := requests.Load(); n != sendings {
		t.Errorf("%d sendings were %d requests", sendings, n)
	}
}
