package simulator

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cohort/sinks/simulator/faults"
	"cohort/sinks/simulator/notify"
)

func TestSecondTimeIs422WithNoIDs(t *testing.T) {
	s := serve(t, Options{})
	if got := s.post(batch("b1", 0, 3)); got.status != 201 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	for range 2 {
		got := s.post(batch("b1", 0, 3))
		if got.status != 422 || got.code(t) != "CM_DUPLICATE_REQUEST" || strings.Contains(string(got.body), "data\":") {
			t.Errorf("%d %s", got.status, got.body)
		}
	}
	if n := s.accepted(); n != 3 {
		t.Errorf("%d messages accepted", n)
	}
	stats := s.Stats()
	if stats.Duplicates != 2 || stats.RequestsAfterAnswer != 2 || stats.RequestsAfter422 != 1 || stats.ReplaysWithOtherBody != 0 {
		t.Errorf("%+v", stats)
	}
}

func TestBodyIsNotPartOfTheKey(t *testing.T) {
	s := serve(t, Options{})
	s.post(batch("b1", 0, 3))
	if got := s.post(batch("b1", 5, 9)); got.status != 422 {
		t.Errorf("other contents: %d", got.status)
	}
	if n := s.accepted(); n != 3 {
		t.Errorf("%d messages accepted", n)
	}
	if n := s.Stats().ReplaysWithOtherBody; n != 1 {
		t.Errorf("%d replays with another body counted", n)
	}
}

func TestScopes(t *testing.T) {
	s := serve(t, Options{})
	s.post(batch("same", 0, 1))
	if got := s.do("POST", "/comms/v1/messages", single("same", 1)); got.status != 201 {
		t.Errorf("a single under a batch's reference: %d", got.status)
	}
	s.token = s.fetchToken("other-key")
	if got := s.post(batch("same", 0, 1)); got.status != 201 {
		t.Errorf("another application: %d", got.status)
	}
	if stats := s.Stats(); stats.MessagesAccepted != 3 || stats.PeopleTwice != 1 || stats.ReferencesTwice != 1 {
		t.Errorf("%+v", stats)
	}
}

func TestRefusedReferenceStaysFree(t *testing.T) {
	s := serve(t, Options{Notify: notify.Options{MaxBytes: 1000}})
	if got := s.post(batch("b1", 0, 50)); got.status != 413 {
		t.Fatalf("%d", got.status)
	}
	if got := s.post(batch("b1", 0, 2)); got.status != 201 {
		t.Errorf("%d", got.status)
	}
}

func TestConcurrentSameReferenceIsAcceptedOnce(t *testing.T) {
	s := serve(t, Options{Faults: faults.Set{faults.Latency: {Fixed: 30 * time.Millisecond}}})
	body := batch("b1", 0, 50)
	var mu sync.Mutex
	var got []int
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			a := s.post(body)
			mu.Lock()
			defer mu.Unlock()
			got = append(got, a.status)
		})
	}
	all.Wait()
	created := 0
	for _, status := range got {
		switch status {
		case 201:
			created++
		case 422, 425:
		default:
			t.Errorf("status %d", status)
		}
	}
	if created != 1 || s.accepted() != 50 {
		t.Errorf("created %d times, %d messages: %v", created, s.accepted(), got)
	}
	if !slices.Contains(got, 425) {
		t.Errorf("nobody was told 425: %v", got)
	}
}

func TestClientThatHangsUpWhileTheBackendThinksIsAccepted(t *testing.T) {
	s := serve(t, Options{Faults: faults.Set{faults.Latency: {Fixed: time.Minute}}})
	conn := s.raw(len(batch("b1", 0, 2)))
	_, _ = io.WriteString(conn, batch("b1", 0, 2))
	s.eventually("the first is in flight", func() bool { return s.Stats().Faults["latency"] == 1 })
	if got := s.post(batch("b1", 0, 2)); got.status != 425 {
		t.Errorf("a replay meanwhile: %d", got.status)
	}
	_ = conn.Close()
	s.eventually("accepted after the hang-up", func() bool { return s.accepted() == 2 })
}

func TestBodyThatStopsHalfWayAcceptsNothing(t *testing.T) {
	s := serve(t, Options{})
	body := batch("b1", 0, 50)
	conn := s.raw(len(body))
	_, _ = io.WriteString(conn, body[:len(body)/2])
	_ = conn.(*net.TCPConn).CloseWrite()
	reply, _ := io.ReadAll(conn)
	if !strings.HasPrefix(string(reply), "HTTP/1.1 408") || !strings.Contains(string(reply), "The service was unable to receive your request within the timeout period.") {
		t.Errorf("reply %.200q", reply)
	}
	if s.accepted() != 0 {
		t.Error("accepted")
	}
	if got := s.post(body); got.status != 201 {
		t.Errorf("the whole of it: %d", got.status)
	}
}

func TestBatch201(t *testing.T) {
	for _, order := range [][]int{{1, 2, 3, 4}, {4, 3, 2, 1}, {2, 4, 1, 3}} {
		s := serve(t, Options{Seed: 7})
		var items, sent []string
		for _, n := range order {
			items = append(items, item(n))
			sent = append(sent, fmt.Sprintf("r%06d", n))
		}
		got := s.post(wrap(somePlan, "run:1.a_b-c", items...))
		var v struct {
			Data struct {
				Type, ID   string
				Attributes struct {
					MessageBatchReference string
					RoutingPlan           struct{ ID, Version, Name, CreatedDate string }
					Messages              []struct{ MessageReference, ID string }
				}
			}
		}
		if err := json.Unmarshal(got.body, &v); err != nil {
			t.Fatal(err)
		}
		ksuid := regexp.MustCompile(`^[A-Za-z0-9]{27}$`)
		if got.status != 201 || v.Data.Type != "MessageBatch" || v.Data.Attributes.MessageBatchReference != "run:1.a_b-c" || v.Data.Attributes.RoutingPlan.ID != somePlan || !ksuid.MatchString(v.Data.ID) {
			t.Errorf("%+v", v)
		}
		ledger := map[string]string{}
		for a := range s.Ledger() {
			ledger[a.MessageReference] = a.MessageID
			if a.BatchID != v.Data.ID {
				t.Errorf("batch id %s in the ledger, %s in the 201", a.BatchID, v.Data.ID)
			}
		}
		var answered []string
		for _, m := range v.Data.Attributes.Messages {
			answered = append(answered, m.MessageReference)
			if !ksuid.MatchString(m.ID) || ledger[m.MessageReference] != m.ID {
				t.Errorf("id %q, in the ledger %q", m.ID, ledger[m.MessageReference])
			}
		}
		if slices.Equal(answered, sent) {
			t.Errorf("answered in the request's order: %v", answered)
		}
		slices.Sort(answered)
		slices.Sort(sent)
		if !slices.Equal(answered, sent) {
			t.Errorf("answered %v, sent %v", answered, sent)
		}
	}
}

func TestQuoteInABatchReferenceSpoilsThe201(t *testing.T) {
	s := serve(t, Options{})
	got := s.post(wrap(somePlan, `a\"b`, item(1)))
	if got.status != 201 || json.Valid(got.body) {
		t.Errorf("%d %s", got.status, got.body)
	}
}

// raw opens a connection and sends the head of a batch of size bytes.
func (s *service) raw(size int) net.Conn {
	s.t.Helper()
	host := strings.TrimPrefix(s.url, "http://")
	conn, err := net.Dial("tcp", host)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = conn.Close() })
	_, _ = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", batchPath, host, s.token, size)
	return conn
}

func (s *service) eventually(what string, f func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(5 * time.Second); !f(); {
		if time.Now().After(deadline) {
			s.t.Fatalf("never: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
