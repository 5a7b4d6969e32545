package sinktest

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"cohort/engine"
)

// answers: every answer is classified as the contract says, after one request.
func (s Subject) answers(t *testing.T) {
	t.Logf("%d rows: %d of the contract, %d more", len(s.Answers), s.Lines, len(s.Answers)-s.Lines)
	if len(s.Answers) != s.Rows {
		t.Errorf("there are %d rows, and %d are expected", len(s.Answers), s.Rows)
	}
	seen := map[string]bool{}
	for i, row := range s.Answers {
		if i < s.Lines && (seen[row.Sentence] || !strings.HasPrefix(row.Sentence, fmt.Sprint(row.Status))) {
			t.Errorf("row %d is not a line of its own", i)
		}
		seen[row.Sentence] = true
		t.Run(row.Sentence, func(t *testing.T) {
			var requests atomic.Int32
			answer := Replies(row.Status, row.Headers, row.Body)
			sink := s.Make(s.wire(t, Listen(t, func(w http.ResponseWriter, r *http.Request) { requests.Add(1); answer(w, r) }).URL))
			a := sink.Send(context.Background(), s.request(sink, 1))
			if a.Reply != row.Reply || a.Status != row.Status || a.Code != row.Code {
				t.Errorf("reply %d, status %d, code %q; want reply %d, code %q", a.Reply, a.Status, a.Code, row.Reply, row.Code)
			}
			if a.RetryAfter != row.After || a.HoldAll != row.All {
				t.Errorf("retry after %v (for all: %v); want %v (%v)", a.RetryAfter, a.HoldAll, row.After, row.All)
			}
			if (a.Halt == "") != (row.Halt == "") || !strings.Contains(a.Halt, row.Halt) {
				t.Errorf("halt %q; want %q", a.Halt, row.Halt)
			}
			if (a.Reply == engine.RowsRefused) != (len(a.Rows) > 0) || a.IDs != nil {
				t.Errorf("rows %v, ids %v", a.Rows, a.IDs)
			}
			if strings.ContainsAny(a.Halt, "\r\n") {
				t.Errorf("%q is not one line", a.Halt)
			}
			if n := requests.Load(); n != 1 {
				t.Errorf("the request was sent %d times", n)
			}
		})
	}
	t.Run("201", func(t *testing.T) {
		var sink engine.Sink
		var r *engine.Request
		var ids []string
		service := Listen(t, func(w http.ResponseWriter, req *http.Request) {
			var body string
			body, ids = s.Created(r)
			Replies(http.StatusCreated, nil, body)(w, req)
		})
		sink = s.Make(s.wire(t, service.URL))
		r = s.request(sink, 1)
		if a := sink.Send(context.Background(), r); a.Reply != engine.Accepted || a.Status != http.StatusCreated || !slices.Equal(a.IDs, ids) || len(ids) != s.Messages || a.Halt != "" {
			t.Errorf("%+v; want %v", a, ids)
		}
		another := s.request(sink, 2)
		if a := sink.Send(context.Background(), another); a.Reply != engine.Unknown || a.Halt != "" {
			t.Errorf("a 201 about other messages: %+v", a)
		}
	})
}
