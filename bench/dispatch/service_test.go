package dispatch

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// serving starts a service for the length of a test.
func serving(t *testing.T, s *service) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.serve(ctx, listener) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return listener.Addr().String()
}

// bodyOf makes a request's body of some messages.
func bodyOf(references ...string) []byte {
	var list []string
	for _, r := range references {
		list = append(list, `{"messageReference":"`+r+`","recipient":{"nhsNumber":"9990000018"}}`)
	}
	return []byte(`{"data":{"type":"MessageBatch","attributes":{"messageBatchReference":"b-1","messages":[` + strings.Join(list, ",") + `]}}}`)
}

func TestTheServiceAnswersEveryMessageWithAnIDOfItsOwn(t *testing.T) {
	address := serving(t, &service{})
	seen := map[string]bool{}
	tight := bodyOf("m-1", "m-2", "m-3")
	loose := bytes.ReplaceAll(tight, []byte(":"), []byte(" : "))
	for _, body := range [][]byte{tight, loose, tight} {
		resp, err := http.Post("http://"+address+submitPath, "application/json", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		var reply struct {
			Data struct {
				Attributes struct {
					MessageBatchReference string
					Messages              []struct{ MessageReference, ID string }
				}
			}
		}
		if err := json.NewDecoder(resp.Body).Decode(&reply); err != nil || resp.StatusCode != http.StatusCreated {
			t.Fatal(resp.Status, err)
		}
		_ = resp.Body.Close()
		a := reply.Data.Attributes
		if a.MessageBatchReference != "b-1" || len(a.Messages) != 3 || a.Messages[0].MessageReference == "m-1" {
			t.Errorf("%+v", a)
		}
		for _, m := range a.Messages {
			if len(m.ID) != 27 || seen[m.ID] {
				t.Errorf("the id of %s is %q", m.MessageReference, m.ID)
			}
			seen[m.ID] = true
		}
	}
	c, err := ask(t.Context(), address, false)
	if err != nil || c != (Counted{3, 9, int64(2*len(tight) + len(loose))}) {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestTheServiceTakesItsTime(t *testing.T) {
	address := serving(t, &service{latency: 30 * time.Millisecond})
	start := time.Now()
	resp, err := http.Post("http://"+address+submitPath, "application/json", bytes.NewReader(bodyOf("m-1")))
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if took := time.Since(start); took < 30*time.Millisecond { // the least, and no more is said
		t.Errorf("it took %s", took)
	}
}

func TestTheServiceEndsAConversationThatItDoesNotUnderstand(t *testing.T) {
	for sentence, text := range map[string]string{
		"no length, but chunks":     "POST " + submitPath + " HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"an older protocol":         "POST " + submitPath + " HTTP/1.0\r\nContent-Length: 0\r\n\r\n",
		"a length that is none":     "POST " + submitPath + " HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
		"a length that is too much": "POST " + submitPath + " HTTP/1.1\r\nContent-Length: 999999999999\r\n\r\n",
	} {
		s := &service{}
		c, err := net.Dial("tcp", serving(t, s))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(c, text)
		if answer, err := io.ReadAll(c); len(answer) > 0 || err != nil {
			t.Errorf("%s: %q, %v", sentence, answer, err)
		}
		_ = c.Close()
		if s.counted() != (Counted{}) {
			t.Errorf("%s was counted", sentence)
		}
	}
}

func TestFloorsPostWhatTheySayTheyHavePosted(t *testing.T) {
	stocked := filepath.Join(t.TempDir(), "bodies")
	lines := append(append(bodyOf("m-1", "m-2"), '\n'), append(bodyOf("m-3"), '\n')...)
	if err := os.WriteFile(stocked, lines, 0o600); err != nil {
		t.Fatal(err)
	}
	for sentence, post := range map[string]func(*stock, context.Context, Task) error{
		"through net/http": (*stock).throughLibrary, "through sockets": (*stock).throughSockets,
	} {
		s := &service{}
		task := Task{Address: serving(t, s), InFlight: 3, Bound: time.Minute}
		ready, err := readStock(stocked, 300)
		if err != nil {
			t.Fatal(err)
		}
		if err := post(ready, t.Context(), task); err != nil {
			t.Fatal(err)
		}
		if c := s.counted(); c.Messages != ready.sent.Load() || c.Messages < 300 || c.Messages > 302 {
			t.Errorf("%s: %+v of %d", sentence, c, ready.sent.Load())
		}
	}
}

func TestFloorsStopAtTheirBoundAndAtARefusal(t *testing.T) {
	stocked := filepath.Join(t.TempDir(), "bodies")
	if err := os.WriteFile(stocked, append(bodyOf("m-1"), '\n'), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &service{}
	ready, err := readStock(stocked, 1<<40)
	if err != nil {
		t.Fatal(err)
	}
	if err := ready.throughSockets(t.Context(), Task{Address: serving(t, s), InFlight: 2, Bound: 50 * time.Millisecond}); err != nil || s.counted().Messages != ready.sent.Load() {
		t.Errorf("%v, %+v of %d", err, s.counted(), ready.sent.Load())
	}
	var requests atomic.Int64
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		w.WriteHeader(http.StatusTooManyRequests)
	})}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	for sentence, post := range map[string]func(*stock, context.Context, Task) error{
		"through net/http": (*stock).throughLibrary, "through sockets": (*stock).throughSockets,
	} {
		ready, err := readStock(stocked, 1000)
		if err != nil {
			t.Fatal(err)
		}
		err = post(ready, t.Context(), Task{Address: listener.Addr().String(), InFlight: 1, Bound: time.Minute})
		if err == nil || !strings.Contains(err.Error(), "429") || ready.sent.Load() != 0 {
			t.Errorf("%s: %v", sentence, err)
		}
	}
}

func TestIDsDifferAndAreOfOneLength(t *testing.T) {
	seen := map[string]bool{}
	for _, n := range []uint64{0, 1, 61, 62, 3843, 3844, 3_400_000, 1 << 35} {
		id := string(appendID(nil, n))
		if len(id) != 27 || seen[id] {
			t.Errorf("%d gives %q", n, id)
		}
		seen[id] = true
	}
}

func TestAHeadIsReadWhateverTheCaseOfItsNames(t *testing.T) {
	h, err := readHead(bufio.NewReader(strings.NewReader("POST /x HTTP/1.1\r\nhost: y\r\nCONTENT-length:  12 \r\nConnection: Close\r\n\r\n")))
	if want := (head{"POST", "/x", 12, true}); err != nil || h != want {
		t.Error(fmt.Sprint(h), err)
	}
}
