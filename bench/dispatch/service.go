package dispatch

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// service is a quick NHS Notify. It speaks as much of HTTP/1.1 as its senders do:
// requests with a Content-Length, over connections that stay open. It remembers nothing,
// so it takes a reference as often as it is sent.
type service struct {
	latency                   time.Duration // between a request and its answer
	requests, messages, bytes atomic.Int64
	ids                       atomic.Uint64
}

// The paths that it knows.
const (
	submitPath = "/comms/v1/message-batches"
	pingPath   = "/comms/_ping"
	tokenPath  = "/oauth2/token"
	countPath  = "/counted"
)

// serve answers until ctx ends.
func (s *service) serve(ctx context.Context, listener net.Listener) error {
	stop := context.AfterFunc(ctx, func() { _ = listener.Close() })
	defer stop()
	for {
		c, err := listener.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		go func() {
			defer func() { _ = c.Close() }()
			_ = s.converse(ctx, c) // a sender that breaks off is no business of the service
		}()
	}
}

// converse answers the requests of one connection.
func (s *service) converse(ctx context.Context, c net.Conn) error {
	in := bufio.NewReaderSize(c, 64<<10)
	var body, out []byte
	var places []int
	for {
		h, err := readHead(in)
		if err != nil {
			return err
		}
		if cap(body) < h.length {
			body = make([]byte, h.length)
		}
		body = body[:h.length]
		if _, err := io.ReadFull(in, body); err != nil {
			return err
		}
		status, submitted := "200 OK", h.path == submitPath && h.method == "POST"
		out = append(out[:0], room...)
		switch {
		case submitted:
			status = "201 Created"
			out, places = s.accept(out, body, places)
		case h.path == tokenPath:
			out = append(out, `{"access_token":"bench","expires_in":"599","token_type":"Bearer"}`...)
		case h.path == countPath:
			text, _ := json.Marshal(s.counted())
			out = append(out, text...)
		case h.path == pingPath:
			out = append(out, `{}`...)
		default: // also where a sender asks whether it is let in
			status = "404 Not Found"
			out = append(out, `{"errors":[{"code":"CM_NOT_FOUND","status":"404"}]}`...)
		}
		if submitted && s.latency > 0 {
			timer := time.NewTimer(s.latency)
			select {
			case <-timer.C:
			case <-ctx.Done():
				timer.Stop()
				return ctx.Err()
			}
		}
		if _, err := c.Write(withHead(out, status)); err != nil || h.last {
			return err
		}
	}
}

func (s *service) counted() Counted {
	return Counted{s.requests.Load(), s.messages.Load(), s.bytes.Load()}
}

// accept appends the 201 of a body. places is used again.
func (s *service) accept(out, body []byte, places []int) ([]byte, []int) {
	places = places[:0]
	for at := 0; ; {
		i := bytes.Index(body[at:], messageKey)
		if i < 0 {
			break
		}
		at = textAfter(body, at+i+len(messageKey))
		places = append(places, at)
	}
	s.requests.Add(1)
	s.messages.Add(int64(len(places)))
	s.bytes.Add(int64(len(body)))
	id := s.ids.Add(uint64(len(places))+1) - uint64(len(places))
	out = appendID(append(out, `{"data":{"type":"MessageBatch","id":"`...), id)
	out = append(out, `","attributes":{"messageBatchReference":"`...)
	out = append(out, reference(body, textAfter(body, bytes.Index(body, batchKey)+len(batchKey)))...)
	out = append(out, `","routingPlan":{"id":"b838b13c-f98c-4def-93f0-515d4e4f4ee1","version":"ztoe2qRAM8M8vS0bqajhyEBcvXacrGPp","name":"plan","createdDate":"2023-11-17T14:27:51.413Z"},"messages":[`...)
	for i := len(places) - 1; i >= 0; i-- { // the order is not promised, so it is another one
		id++
		out = append(out, `{"messageReference":"`...)
		out = append(out, reference(body, places[i])...)
		out = appendID(append(out, `","id":"`...), id)
		out = append(out, `"},`...)
	}
	if len(places) > 0 {
		out = out[:len(out)-1]
	}
	return append(out, `]}}}`...), places
}

var (
	messageKey = []byte(`"messageReference"`)
	batchKey   = []byte(`"messageBatchReference"`)
)

// textAfter is where the text begins that is the value of a key, which ends at at.
func textAfter(body []byte, at int) int {
	for at < len(body) && (body[at] == ':' || body[at] == ' ') {
		at++
	}
	return min(at+1, len(body)) // behind the quotation mark
}

// reference is the text from a place in a body to the next quotation mark.
func reference(body []byte, at int) []byte {
	end := bytes.IndexByte(body[at:], '"')
	if end < 0 {
		return nil
	}
	return body[at : at+end]
}

// appendID appends an id of 27 digits and letters, as the service's are, that no other
// message has.
func appendID(out []byte, n uint64) []byte {
	const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	out = append(out, "2WL3qFTEFM0qMY8xjRbt1000000"...)
	for i := len(out) - 1; n > 0; i-- {
		out[i] = digits[n%62]
		n /= 62
	}
	return out
}

// head is what matters of a request's head.
type head struct {
	method, path string
	length       int
	last         bool // the connection ends behind it
}

var errNotUnderstood = errors.New("a request that this service does not understand: it takes HTTP/1.1 with a Content-Length")

// mostBody is how many bytes a body may have.
const mostBody = 64 << 20

func readHead(in *bufio.Reader) (h head, err error) {
	line, err := in.ReadSlice('\n')
	if err != nil {
		return h, err
	}
	words := strings.Fields(string(line))
	if len(words) != 3 || words[2] != "HTTP/1.1" {
		return h, errNotUnderstood
	}
	h.method, h.path = words[0], words[1]
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return h, err
		}
		name, value, _ := bytes.Cut(bytes.TrimSpace(line), []byte(":"))
		value = bytes.TrimSpace(value)
		switch {
		case len(name) == 0:
			return h, nil
		case len(name) == len("content-length") && bytes.EqualFold(name, []byte("content-length")):
			if h.length, err = strconv.Atoi(string(value)); err != nil || h.length < 0 || h.length > mostBody {
				return h, errNotUnderstood
			}
		case bytes.EqualFold(name, []byte("transfer-encoding")), bytes.EqualFold(name, []byte("expect")):
			return h, errNotUnderstood
		case bytes.EqualFold(name, []byte("connection")):
			h.last = bytes.EqualFold(value, []byte("close"))
		}
	}
}

// room is kept in front of an answer for its head, so that both go in one piece.
var room = make([]byte, 160)

// withHead writes the head into the room in front of an answer and returns both.
func withHead(out []byte, status string) []byte {
	text := fmt.Appendf(make([]byte, 0, len(room)), "HTTP/1.1 %s\r\nContent-Type: application/vnd.api+json\r\nContent-Length: %d\r\n\r\n", status, len(out)-len(room))
	out = out[len(room)-len(text):]
	copy(out, text)
	return out
}
