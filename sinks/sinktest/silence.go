package sinktest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cohort/engine"
)

// neverLeft: without a connection no byte left, and the answer says so.
func (s Subject) neverLeft(t *testing.T) {
	send := func(sink engine.Sink) engine.Answer { return sink.Send(context.Background(), s.request(sink, 1)) }
	through := func(http.ResponseWriter, *http.Request) { t.Error("the request got through") }
	t.Run("nobody listens", func(t *testing.T) {
		sink := s.Make(s.wire(t, ClosedPort(t)))
		for range 2 { // the first request fetches the token, the second has it
			isAnswer(t, send(sink), engine.Unsent, "not_reached")
		}
	})
	t.Run("the service's certificate is unknown", func(t *testing.T) {
		service, _ := s.startTLS(t, nil, through)
		sink := s.Make(s.wire(t, service.URL))
		for range 2 {
			isAnswer(t, send(sink), engine.Unsent, "not_reached")
		}
	})
	t.Run("the service does not speak TLS", func(t *testing.T) {
		sink := s.Make(s.wire(t, strings.Replace(Listen(t, through).URL, "http:", "https:", 1)))
		isAnswer(t, send(sink), engine.Unsent, "not_reached")
	})
	t.Run("the run was cancelled before", func(t *testing.T) {
		w := s.wire(t, Listen(t, through).URL)
		sink := s.Make(w)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if a := sink.Send(ctx, s.request(sink, 1)); a.Reply != engine.Unsent || a.Halt != "" {
			t.Errorf("%+v", a)
		}
		token, err := w.Tokens.Token(t.Context()) // the same with a token
		if err != nil || token == "" {
			t.Fatal(err)
		}
		if a := sink.Send(ctx, s.request(sink, 1)); a.Reply != engine.Unsent || a.Halt != "" {
			t.Errorf("%+v", a)
		}
	})
	t.Run("there is no token at the moment", func(t *testing.T) {
		sink := s.Make(NewWire(t, Listen(t, through).URL+s.Base, Listen(t, Replies(503, nil, "")).URL))
		isAnswer(t, send(sink), engine.Unsent, "no_token")
	})
	t.Run("there is no token until a person acts", func(t *testing.T) {
		issuer := Listen(t, Replies(401, nil, `{"error_description":"Invalid 'kid' header in client_assertion JWT - no matching public key"}`))
		if a := send(s.Make(NewWire(t, Listen(t, through).URL+s.Base, issuer.URL))); a.Reply != engine.Unsent || !strings.Contains(a.Halt, "key_id") {
			t.Errorf("%+v", a)
		}
	})
	t.Run("the address cannot be used", func(t *testing.T) {
		if a := send(s.Make(NewWire(t, "http://[::1", ""))); a.Reply != engine.Unsent || a.Halt == "" {
			t.Errorf("%+v", a)
		}
	})
}

// mayHaveArrived: a request that left and got no answer is in doubt. It is not sent again.
func (s Subject) mayHaveArrived(t *testing.T) {
	for sentence, written := range map[string]string{
		"closed without an answer":            "",
		"closed in the headers of the answer": "HTTP/1.1 201 Created\r\nContent-Le",
		"an answer that is not HTTP":          "220 mail.example ESMTP\r\n",
	} {
		t.Run(sentence, func(t *testing.T) {
			var requests atomic.Int32
			sink := s.Make(s.wire(t, byHand(t, func(conn *net.TCPConn) {
				if readRequest(bufio.NewReader(conn)) {
					requests.Add(1)
					_, _ = io.WriteString(conn, written)
				}
			})))
			isAnswer(t, sink.Send(context.Background(), s.request(sink, 1)), engine.Unknown, "no_answer")
			if n := requests.Load(); n != 1 {
				t.Errorf("the request was sent %d times", n)
			}
		})
	}
	t.Run("the time is up", func(t *testing.T) {
		w := s.wire(t, Listen(t, func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body); <-r.Context().Done() }).URL)
		if _, err := w.Tokens.Token(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.Timeout = 300 * time.Millisecond
		sink := s.Make(w)
		isAnswer(t, sink.Send(context.Background(), s.request(sink, 1)), engine.Unknown, "timeout")
	})
	t.Run("the run's grace is over", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		sink := s.Make(s.wire(t, Listen(t, func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			cancel()
			<-r.Context().Done()
		}).URL))
		isAnswer(t, sink.Send(ctx, s.request(sink, 1)), engine.Unknown, "cut_off")
	})
	for _, status := range s.Broken {
		t.Run(fmt.Sprintf("an incomplete %d", status), func(t *testing.T) {
			sink := s.Make(s.wire(t, Listen(t, func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				w.Header().Set("Content-Length", "5000")
				w.WriteHeader(status)
				_, _ = io.WriteString(w, s.Problem(status, "words")[:20])
			}).URL))
			if a := sink.Send(context.Background(), s.request(sink, 1)); a.Reply != engine.Refused || a.Status != status || a.Halt != "" {
				t.Errorf("%+v", a)
			}
		})
	}
	t.Run("an incomplete 201", func(t *testing.T) {
		var r *engine.Request
		sink := s.Make(s.wire(t, Listen(t, func(w http.ResponseWriter, req *http.Request) {
			_, _ = io.Copy(io.Discard, req.Body)
			body, _ := s.Created(r)
			w.Header().Set("Content-Length", fmt.Sprint(len(body)))
			w.WriteHeader(http.StatusCreated)
			_, _ = io.WriteString(w, body[:len(body)-1])
		}).URL))
		r = s.request(sink, 1)
		if a := sink.Send(context.Background(), r); a.Reply != engine.Unknown || a.Status != http.StatusCreated || a.IDs != nil {
			t.Errorf("%+v", a)
		}
	})
}
