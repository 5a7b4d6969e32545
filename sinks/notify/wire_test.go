package notify

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"cohort/engine"
)

func isAnswer(t *testing.T, a engine.Answer, reply engine.Reply, code string) {
	t.Helper()
	if a.Reply != reply || a.Code != code || a.Status != 0 || a.Halt != "" || a.IDs != nil || a.Rows != nil {
		t.Errorf("%+v; want reply %d, code %s", a, reply, code)
	}
}

// closedPort is an address at which nobody listens.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return "http://" + l.Addr().String()
}

func TestWhatNeverLeftThisMachine(t *testing.T) {
	t.Run("nobody listens", func(t *testing.T) {
		s := New(options(t, closedPort(t), issuer(t).URL))
		for range 2 { // the first request has its token fetched on the way, the second has it already
			isAnswer(t, send(t, s), engine.Unsent, "not_reached")
		}
	})
	t.Run("the service's certificate is not known", func(t *testing.T) {
		service := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the request got through") }))
		service.Config.ErrorLog = log.New(io.Discard, "", 0)
		service.StartTLS()
		t.Cleanup(service.Close)
		s := New(options(t, service.URL, issuer(t).URL))
		for range 2 {
			isAnswer(t, send(t, s), engine.Unsent, "not_reached")
		}
	})
	t.Run("the service does not speak TLS", func(t *testing.T) {
		service := listen(t, func(http.ResponseWriter, *http.Request) { t.Error("the request got through") })
		s := New(options(t, strings.Replace(service.URL, "http:", "https:", 1), issuer(t).URL))
		isAnswer(t, send(t, s), engine.Unsent, "not_reached")
	})
	t.Run("the run was cancelled before", func(t *testing.T) {
		s := sinkTo(t, func(http.ResponseWriter, *http.Request) { t.Error("the request got through") })
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if a := s.Send(ctx, request(s, 1, 1, 3)); a.Reply != engine.Unsent || a.Halt != "" {
			t.Errorf("%+v", a)
		}
		token, err := s.o.Tokens.Token(t.Context()) // the same with a token at hand
		if err != nil || token == "" {
			t.Fatal(err)
		}
		if a := s.Send(ctx, request(s, 1, 1, 3)); a.Reply != engine.Unsent || a.Halt != "" {
			t.Errorf("%+v", a)
		}
	})
	t.Run("there is no token for now", func(t *testing.T) {
		service := listen(t, func(http.ResponseWriter, *http.Request) { t.Error("the request got through") })
		s := New(options(t, service.URL, listen(t, replies(503, nil, "")).URL))
		isAnswer(t, send(t, s), engine.Unsent, "no_token")
	})
	t.Run("there is no token before somebody mends it", func(t *testing.T) {
		service := listen(t, func(http.ResponseWriter, *http.Request) { t.Error("the request got through") })
		s := New(options(t, service.URL, listen(t, replies(401, nil, `{"error_description":"Invalid 'kid' header in client_assertion JWT - no matching public key"}`)).URL))
		if a := send(t, s); a.Reply != engine.Unsent || !strings.Contains(a.Halt, "key_id") {
			t.Errorf("%+v", a)
		}
	})
	t.Run("the address is none", func(t *testing.T) {
		o := options(t, "", "")
		o.BaseURL = "http://[::1"
		if a := send(t, New(o)); a.Reply != engine.Unsent || a.Halt == "" {
			t.Errorf("%+v", a)
		}
	})
}

func TestWhatMayHaveArrived(t *testing.T) {
	hijack := func(t *testing.T, w http.ResponseWriter) *net.TCPConn {
		t.Helper()
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return nil
		}
		return conn.(*net.TCPConn)
	}
	for _, test := range []struct {
		sentence string
		handler  func(t *testing.T, w http.ResponseWriter, r *http.Request)
	}{
		{"reset after the request", func(t *testing.T, w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			conn := hijack(t, w)
			_ = conn.SetLinger(0)
			_ = conn.Close()
		}},
		{"reset within the request", func(t *testing.T, w http.ResponseWriter, _ *http.Request) {
			conn := hijack(t, w)
			_ = conn.SetLinger(0)
			_ = conn.Close()
		}},
		{"closed without an answer", func(t *testing.T, w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			_ = hijack(t, w).Close()
		}},
		{"closed within the answer's headers", func(t *testing.T, w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			conn := hijack(t, w)
			_, _ = io.WriteString(conn, "HTTP/1.1 201 Created\r\nContent-Le")
			_ = conn.Close()
		}},
		{"an answer that is not HTTP", func(t *testing.T, w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			conn := hijack(t, w)
			_, _ = io.WriteString(conn, "220 mail.example ESMTP\r\n")
			_ = conn.Close()
		}},
	} {
		t.Run(test.sentence, func(t *testing.T) {
			var requests atomic.Int32
			s := sinkTo(t, func(w http.ResponseWriter, r *http.Request) { requests.Add(1); test.handler(t, w, r) })
			isAnswer(t, send(t, s), engine.Unknown, "no_answer")
			if n := requests.Load(); n != 1 {
				t.Errorf("the request was sent %d times", n)
			}
		})
	}
	t.Run("the time is up", func(t *testing.T) {
		service := listen(t, func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body); <-r.Context().Done() })
		o := options(t, service.URL, issuer(t).URL)
		o.Timeout = 300 * time.Millisecond
		s := New(o)
		isAnswer(t, send(t, s), engine.Unknown, "timeout")
	})
	t.Run("the run's grace is over", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		s := sinkTo(t, func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			cancel()
			<-r.Context().Done()
		})
		isAnswer(t, s.Send(ctx, request(s, 1, 1, 3)), engine.Unknown, "cut_off")
	})
	for _, status := range []int{400, 422} {
		t.Run("a refusal that breaks off before it says what it means", func(t *testing.T) {
			s := sinkTo(t, func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				w.Header().Set("Content-Length", "5000")
				w.WriteHeader(status)
				_, _ = io.WriteString(w, `{"errors":[{"code":"CM_DUPLICATE_`)
			})
			if a := send(t, s); a.Reply != engine.Refused || a.Status != status || a.Halt != "" {
				t.Errorf("%+v", a)
			}
		})
	}
}

// keeper speaks HTTP by hand: it answers the first request of a connection, and closes
// it when the second begins, which is how a server looks that closes idle connections.
type keeper struct {
	mu       sync.Mutex
	requests int
}

func (k *keeper) serve(l net.Listener, answer string) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer func() { _ = conn.Close() }()
			in := bufio.NewReader(conn)
			for n := 0; ; n++ {
				req, err := http.ReadRequest(in)
				if err != nil {
					return
				}
				_, _ = io.Copy(io.Discard, req.Body)
				k.mu.Lock()
				k.requests++
				k.mu.Unlock()
				if n == 1 {
					return
				}
				_, _ = io.WriteString(conn, answer)
			}
		}()
	}
}

func TestTheLibraryDoesNotRepeatARequestOnItsOwn(t *testing.T) {
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	k := &keeper{}
	go k.serve(l, "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 2\r\n\r\n{}")
	s := New(options(t, "http://"+l.Addr().String(), issuer(t).URL))
	const sendings = 10
	for i := range sendings {
		a := s.Send(context.Background(), request(s, uint32(i), 1, 3))
		if a.Reply != engine.Unknown {
			t.Errorf("sending %d: %+v", i, a)
		}
		if answered := a.Status == 500; answered != (i%2 == 0) {
			t.Errorf("sending %d: %+v", i, a)
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.requests != sendings {
		t.Errorf("%d sendings were %d requests", sendings, k.requests)
	}
}

// spy sees each request as the transport gets it.
type spy struct {
	base http.RoundTripper
	see  func(*http.Request)
}

func (s spy) RoundTrip(req *http.Request) (*http.Response, error) {
	s.see(req)
	return s.base.RoundTrip(req)
}

func TestWhatTheServiceGets(t *testing.T) {
	var got []http.Header
	var bodies [][]byte
	service := listen(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.URL.String() != "/comms/v1/message-batches" || r.ContentLength <= 0 || r.TransferEncoding != nil {
			t.Errorf("%s %s, %d bytes", r.Method, r.URL, r.ContentLength)
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		got, bodies = append(got, r.Header), append(bodies, body)
		w.WriteHeader(500)
	})
	o := options(t, service.URL, issuer(t).URL)
	client := *o.Client
	client.Transport = spy{o.Client.Transport, func(req *http.Request) {
		if req.GetBody != nil || req.Header.Get("Idempotency-Key") != "" || req.Header.Get("X-Idempotency-Key") != "" {
			t.Error("the library is given the means to send the request again")
		}
	}}
	o.Client = &client
	s := New(o)
	r := request(s, 1, 1, 1000)
	first := bytes.Clone(r.Body)
	for range 3 {
		r.Correlation = uuid.New()
		s.Send(context.Background(), r)
		h := got[len(got)-1]
		if h.Get("X-Correlation-Id") != uuid.UUID(r.Correlation).String() {
			t.Errorf("X-Correlation-Id is %q", h.Get("X-Correlation-Id"))
		}
		if h.Get("Authorization") != "Bearer token-1" || h.Get("Content-Type") != "application/json" || h.Get("Accept") != "application/json" || h.Get("Accept-Encoding") != "" || h.Get("Content-Encoding") != "" {
			t.Errorf("%v", h)
		}
	}
	if !bytes.Equal(r.Body, first) {
		t.Error("the request's body was changed")
	}
	for _, body := range bodies {
		if !bytes.Equal(body, first) {
			t.Error("the service got other bytes")
		}
	}
}

func TestWhatKindOfServiceItIs(t *testing.T) {
	o := options(t, "http://service.example", "")
	s := New(o)
	if s.Kind() != engine.Deduplicates || s.Limits() != o.Limits || s.o.Timeout <= 29*time.Second {
		t.Errorf("kind %d, limits %v, timeout %v: the service itself takes up to 29 s", s.Kind(), s.Limits(), s.o.Timeout)
	}
}
