package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// service is a quick NHS Notify. It finds the references in a request and answers with an id
// for each. It does not parse JSON: a service that does is slower than its senders. It
// remembers no references, so it accepts each as often as it comes.
type service struct {
	latency time.Duration // between a request and its answer
	ids     atomic.Uint64

	mu       sync.Mutex
	arrivals []arrival // in their order
}

// arrival is a request that carried messages.
type arrival struct {
	at       int64 // Unix nanoseconds
	messages int64
}

// counted sums up the requests that a service has received.
type counted struct {
	Requests int     `json:"requests"`
	Messages int64   `json:"messages"`
	First    int64   `json:"first"`    // the moment of the first request, in Unix nanoseconds
	Last     int64   `json:"last"`     // the moment of the last request
	Wire     float64 `json:"wire"`     // messages a second from the first request to the last
	Achieved float64 `json:"achieved"` // the same without the first tenth of the requests
	Worst    int64   `json:"worst"`    // the most messages in any sliding second
}

// The paths that the service knows.
const (
	submitPath = "/comms/v1/message-batches"
	pingPath   = "/comms/_ping"
	tokenPath  = "/oauth2/token"
	countPath  = "/counted"
	resetPath  = "/reset" // the same, and then everything is forgotten
)

// serveChild serves until ctx ends. It prints its address.
func serveChild(ctx context.Context, args []string) error {
	var s service
	flags := flag.NewFlagSet("service", flag.ContinueOnError)
	flags.DurationVar(&s.latency, "latency", 0, "how long an answer takes")
	if err := flags.Parse(args); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = listener.Close() })
	defer stop()
	fmt.Println(listener.Addr())
	for {
		conn, err := listener.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		go func() {
			_ = s.converse(conn) // a sender may close its connection at any time
			_ = conn.Close()
		}()
	}
}

// converse answers the requests of one connection. A server of net/http would take half of
// the machine from the sender that is measured.
func (s *service) converse(conn net.Conn) error {
	in := bufio.NewReaderSize(conn, 64<<10)
	var body, out, head []byte
	for {
		request, err := http.ReadRequest(in)
		if err != nil {
			return err
		}
		if request.ContentLength < 0 || request.ContentLength > 64<<20 {
			return errors.New("a request needs a Content-Length of at most 64 MiB")
		}
		body = slices.Grow(body[:0], int(request.ContentLength))[:request.ContentLength]
		if _, err := io.ReadFull(request.Body, body); err != nil {
			return err
		}
		status := "200 OK"
		switch path := request.URL.Path; {
		case path == submitPath && request.Method == http.MethodPost:
			status = "201 Created"
			out = s.accept(out[:0], body)
			time.Sleep(s.latency)
		case path == tokenPath:
			out = append(out[:0], `{"access_token":"bench","expires_in":"599","token_type":"Bearer"}`...)
		case path == pingPath:
			out = append(out[:0], `{}`...)
		case path == countPath, path == resetPath:
			if out, err = json.Marshal(s.count(path == resetPath)); err != nil {
				return err
			}
		default: // a sender that asks for a message that does not exist, to see whether it is let in
			status = "404 Not Found"
			out = append(out[:0], `{"errors":[{"code":"CM_NOT_FOUND","status":"404"}]}`...)
		}
		head = fmt.Appendf(head[:0], "HTTP/1.1 %s\r\nContent-Type: application/vnd.api+json\r\nContent-Length: %d\r\n\r\n",
			status, len(out))
		answer := net.Buffers{head, out}
		if _, err := answer.WriteTo(conn); err != nil || request.Close {
			return err
		}
	}
}

// The keys of a batch and of a message, up to their values.
var (
	batchKey   = []byte(`"messageBatchReference":"`)
	messageKey = []byte(`"messageReference":"`)
)

// accept notes a request and appends its answer.
func (s *service) accept(out, body []byte) []byte {
	messages := int64(bytes.Count(body, messageKey))
	s.mu.Lock()
	s.arrivals = append(s.arrivals, arrival{time.Now().UnixNano(), messages})
	s.mu.Unlock()
	id := s.ids.Add(uint64(messages)+1) - uint64(messages)
	out = appendID(append(out, `{"data":{"type":"MessageBatch","id":"`...), id)
	_, rest, _ := bytes.Cut(body, batchKey)
	batch, _, _ := bytes.Cut(rest, []byte{'"'})
	out = append(append(append(out, `","attributes":{"messageBatchReference":"`...), batch...), `","messages":[`...)
	rest = body
	for i := range messages {
		if i > 0 {
			out = append(out, ',')
		}
		_, rest, _ = bytes.Cut(rest, messageKey)
		end := max(0, bytes.IndexByte(rest, '"'))
		out = append(append(out, `{"messageReference":"`...), rest[:end]...)
		id++
		out = append(appendID(append(out, `","id":"`...), id), `"}`...)
	}
	return append(out, `]}}}`...)
}

// appendID appends the id of a message: 27 letters and digits, as the service's are.
func appendID(out []byte, n uint64) []byte {
	const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	out = append(out, "2WL3qFTEFM0qMY8xjRbt1000000"...)
	for i := len(out) - 1; n > 0; i-- {
		out[i] = digits[n%62]
		n /= 62
	}
	return out
}

// count adds up the arrivals.
func (s *service) count(reset bool) counted {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := countArrivals(s.arrivals)
	if reset {
		s.arrivals = nil
	}
	return c
}

// countArrivals adds up arrivals, which are in their order. A rate needs two of them.
func countArrivals(all []arrival) (c counted) {
	c.Requests = len(all)
	if len(all) == 0 {
		return c
	}
	c.First, c.Last = all[0].at, all[len(all)-1].at
	from, window, settled := 0, int64(0), int64(0)
	tenth := len(all) / 10
	for i, a := range all {
		c.Messages += a.messages
		if i > tenth {
			settled += a.messages
		}
		window += a.messages
		for all[from].at <= a.at-int64(time.Second) { // a second holds one of its ends
			window -= all[from].messages
			from++
		}
		c.Worst = max(c.Worst, window)
	}
	perSecond := func(messages, since int64) float64 {
		if c.Last == since {
			return 0
		}
		return float64(messages) / time.Duration(c.Last-since).Seconds()
	}
	c.Wire = perSecond(c.Messages-all[0].messages, c.First)
	c.Achieved = perSecond(settled, all[tenth].at)
	return c
}
