package sinktest

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cohort/engine"
)

// redirects: a request goes to the address of the campaign, and to no other.
func (s Subject) redirects(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			elsewhere := Listen(t, func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed") })
			var requests atomic.Int32
			sink := s.Make(s.wire(t, Listen(t, func(w http.ResponseWriter, r *http.Request) {
				requests.Add(1)
				_, _ = io.Copy(io.Discard, r.Body)
				http.Redirect(w, r, elsewhere.URL+r.URL.Path, status)
			}).URL))
			a := sink.Send(context.Background(), s.request(sink, 1))
			if a.Reply != engine.Unknown || a.Halt == "" || requests.Load() != 1 {
				t.Errorf("%+v after %d requests", a, requests.Load())
			}
		})
	}
}

// oldTLS: nothing is sent to a service that speaks only TLS 1.1.
func (s Subject) oldTLS(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS11, tls.VersionTLS12} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			var requests atomic.Int32
			config := &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: version}
			_, w := s.startTLS(t, config, func(w http.ResponseWriter, r *http.Request) {
				requests.Add(1)
				Replies(500, nil, "")(w, r)
			})
			sink := s.Make(w)
			a := sink.Send(context.Background(), s.request(sink, 1))
			if version < tls.VersionTLS12 {
				isAnswer(t, a, engine.Unsent, "not_reached")
			} else if a.Status != 500 {
				t.Errorf("%+v", a)
			}
			if heard := requests.Load() > 0; heard != (version >= tls.VersionTLS12) {
				t.Errorf("the service got %d requests", requests.Load())
			}
		})
	}
}

// withoutEnd: a sink stops reading an endless answer, and never accepts it.
func (s Subject) withoutEnd(t *testing.T) {
	const most = 64 << 20 // bytes in kernels and buffers
	spaces := []byte(strings.Repeat(" ", 1<<20))
	for _, status := range []int{201, 400, 500} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			var sent atomic.Int64
			done := make(chan struct{})
			var r *engine.Request
			sink := s.Make(s.wire(t, Listen(t, func(w http.ResponseWriter, req *http.Request) {
				defer close(done)
				_, _ = io.Copy(io.Discard, req.Body)
				w.WriteHeader(status)
				for sent.Load() <= most {
					n, err := w.Write(spaces)
					sent.Add(int64(n))
					if err != nil {
						return
					}
				}
			}).URL))
			r = s.request(sink, 1)
			a := sink.Send(context.Background(), r)
			if status == 201 && a.Reply != engine.Unknown || a.Reply == engine.Accepted || a.IDs != nil || a.Status != status {
				t.Errorf("%+v", a)
			}
			<-done // the sink has closed the connection, or has read everything
			if sent.Load() > most {
				t.Errorf("%d bytes were taken", sent.Load())
			}
		})
	}
}

// slowAnswers: a sink waits for a slow answer until the time of the request is over. Then the
// request is in doubt.
func (s Subject) slowAnswers(t *testing.T) {
	trickle := func(body func() string, pause time.Duration) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			text := body()
			w.WriteHeader(http.StatusCreated)
			out := http.NewResponseController(w)
			for i := 0; i < len(text); i += len(text)/8 + 1 {
				_, _ = io.WriteString(w, text[i:min(len(text), i+len(text)/8+1)])
				_ = out.Flush()
				select {
				case <-time.After(pause):
				case <-r.Context().Done():
					return
				}
			}
		}
	}
	for _, test := range []struct {
		sentence string
		pause    time.Duration
		timeout  time.Duration
		reply    engine.Reply
	}{
		{"slow", 10 * time.Millisecond, 0, engine.Accepted},
		{"too slow", time.Minute, 300 * time.Millisecond, engine.Unknown},
	} {
		t.Run(test.sentence, func(t *testing.T) {
			var r *engine.Request
			w := s.wire(t, Listen(t, trickle(func() string { body, _ := s.Created(r); return body }, test.pause)).URL)
			if _, err := w.Tokens.Token(t.Context()); err != nil {
				t.Fatal(err)
			}
			w.Timeout = test.timeout
			sink := s.Make(w)
			r = s.request(sink, 1)
			if a := sink.Send(context.Background(), r); a.Reply != test.reply || a.Status != http.StatusCreated {
				t.Errorf("%+v", a)
			}
		})
	}
}

// people: a sink repeats nothing that a service says about a person.
func (s Subject) people(t *testing.T) {
	p := Person(s.Messages, s.Fields)
	words := "Zoë " + p.Number.Digits()
	for _, status := range []int{400, 401, 403, 404, 405, 406, 408, 413, 415, 422, 425, 429, 500, 502, 503, 504} {
		for _, body := range []string{s.Problem(status, words), words, `{"fault":{"faultstring":"` + words + `"}}`} {
			sink := s.Make(s.wire(t, Listen(t, Replies(status, map[string]string{"Retry-After": words, "Location": "/" + words}, body)).URL))
			a := fmt.Sprintf("%+v", sink.Send(context.Background(), s.request(sink, 1)))
			for _, secret := range []string{p.Number.Digits(), p.Number.Digits()[3:], "Zo"} {
				if strings.Contains(a, secret) {
					t.Errorf("status %d: the answer tells who it is about: %s", status, a)
				}
			}
		}
	}
}
