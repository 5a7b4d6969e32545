package sinktest

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"sync"
	"testing"

	"github.com/google/uuid"

	"cohort/engine"
)

// bytes: the same messages become the same bytes, at any time and in any process.
func (s Subject) bytes(t *testing.T) {
	sink, other := s.Make(s.wire(t, "http://127.0.0.1:1")), s.Make(s.wire(t, "http://127.0.0.1:2"))
	want := s.request(sink, 3).Body
	if !json.Valid(want) {
		t.Fatalf("no JSON: %s", want)
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for _, sink := range []engine.Sink{sink, other} {
				if got := s.request(sink, 3).Body; !bytes.Equal(got, want) {
					t.Errorf("the same messages are\n%s\nand\n%s", want, got)
				}
			}
		})
	}
	all.Wait()
	if bytes.Equal(s.request(sink, 4).Body, want) {
		t.Error("other messages are the same bytes")
	}
	a, b := TheRun.References().Batch(0, 1, 0, 0), TheRun.References().Batch(7, 2, 3, 4)
	if len(sink.AppendHead(nil, a, 0)) != len(sink.AppendHead(nil, b, 0)) || !bytes.Equal(sink.AppendTail(nil), sink.AppendTail(nil)) {
		t.Error("the length of the head or the tail depends on the reference")
	}
	p := Person(5, s.Fields)
	prefix := []byte("before")
	if got := sink.AppendMessage(prefix, a, &p); !bytes.Equal(got[len(prefix):], sink.AppendMessage(nil, a, &p)) {
		t.Error("what stands before a message changes it")
	}
	s.whatTheServiceGets(t)
}

func (s Subject) whatTheServiceGets(t *testing.T) {
	var got []http.Header
	var bodies [][]byte
	service := Listen(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.URL.String() != s.Base+s.Path || r.ContentLength <= 0 || r.TransferEncoding != nil {
			t.Errorf("%s %s, %d bytes", r.Method, r.URL, r.ContentLength)
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		got, bodies = append(got, r.Header), append(bodies, body)
		w.WriteHeader(500)
	})
	w := s.wire(t, service.URL)
	sink := s.Make(w)
	r := s.request(sink, 1)
	first := bytes.Clone(r.Body)
	for range 3 {
		r.Correlation = uuid.New()
		sink.Send(context.Background(), r)
		h := got[len(got)-1]
		if h.Get("X-Correlation-Id") != uuid.UUID(r.Correlation).String() {
			t.Errorf("X-Correlation-Id is %q", h.Get("X-Correlation-Id"))
		}
		if h.Get("Authorization") != "Bearer token-1" || h.Get("Content-Type") != "application/json" || h.Get("Accept") != s.Accept || h.Get("User-Agent") != "cohort" || h.Get("Idempotency-Key") != "" || h.Get("Accept-Encoding") != "" || h.Get("Content-Encoding") != "" {
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
