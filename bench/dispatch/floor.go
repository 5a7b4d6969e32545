package dispatch

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// stock is ready-made bodies, which are posted over and over.
type stock struct {
	bodies   [][]byte
	messages []int64 // in each
	next     atomic.Int64
	left     atomic.Int64 // messages that may still be posted
	sent     atomic.Int64
	requests atomic.Int64
}

// readStock reads a file of one body a line.
func readStock(path string, messages int64) (*stock, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	s := &stock{}
	for line := range bytes.Lines(text) {
		body := bytes.TrimSuffix(line, []byte("\n"))
		s.bodies = append(s.bodies, body)
		s.messages = append(s.messages, int64(bytes.Count(body, messageKey)))
	}
	if len(s.bodies) == 0 {
		return nil, fmt.Errorf("%s has no bodies", path)
	}
	s.left.Store(messages)
	return s, nil
}

// drain has so many senders post bodies until the messages or the time are spent. open
// makes a sender's way to post, and what ends it.
func (s *stock) drain(ctx context.Context, senders int, bound time.Duration, open func() (post func([]byte) error, end func(), err error)) error {
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	group, ctx := errgroup.WithContext(ctx)
	for range senders {
		group.Go(func() error {
			post, end, err := open()
			if err != nil {
				return err
			}
			defer end()
			for ctx.Err() == nil {
				i := (s.next.Add(1) - 1) % int64(len(s.bodies))
				if s.left.Add(-s.messages[i]) < -s.messages[i]+1 {
					return nil
				}
				if err := post(s.bodies[i]); err != nil {
					return err
				}
				s.sent.Add(s.messages[i])
				s.requests.Add(1)
			}
			return nil
		})
	}
	return group.Wait()
}

// throughLibrary posts with net/http.
func (s *stock) throughLibrary(ctx context.Context, t Task) error {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: t.InFlight, ReadBufferSize: 64 << 10, WriteBufferSize: 64 << 10, DisableCompression: true}}
	defer client.CloseIdleConnections()
	url := "http://" + t.Address + submitPath
	return s.drain(ctx, t.InFlight, t.Bound, func() (func([]byte) error, func(), error) {
		scrap := make([]byte, 64<<10)
		return func(body []byte) error {
			req, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(body))
			if err != nil {
				return err
			}
			req.Header.Set("Content-Type", "application/json")
			req.Header.Set("Accept", "application/json")
			resp, err := client.Do(req)
			if err != nil {
				return err
			}
			_, err = io.CopyBuffer(onlyWriter{io.Discard}, resp.Body, scrap)
			_ = resp.Body.Close()
			if err == nil && resp.StatusCode != http.StatusCreated {
				err = fmt.Errorf("the service answered %s", resp.Status)
			}
			return err
		}, func() {}, nil
	})
}

// onlyWriter hides what else a writer can do.
type onlyWriter struct{ io.Writer }

// throughSockets posts with as little as HTTP needs: the head and the body in one write,
// the answer's length read and the rest thrown away.
func (s *stock) throughSockets(ctx context.Context, t Task) error {
	return s.drain(ctx, t.InFlight, t.Bound, func() (func([]byte) error, func(), error) {
		c, err := net.Dial("tcp", t.Address)
		if err != nil {
			return nil, nil, err
		}
		in := bufio.NewReaderSize(c, 64<<10)
		var head []byte
		return func(body []byte) error {
			head = append(head[:0], "POST "+submitPath+" HTTP/1.1\r\nHost: "+t.Address+"\r\nContent-Type: application/json\r\nAccept: application/json\r\nContent-Length: "...)
			head = append(strconv.AppendInt(head, int64(len(body)), 10), "\r\n\r\n"...)
			whole := net.Buffers{head, body}
			if _, err := whole.WriteTo(c); err != nil {
				return err
			}
			return skipAnswer(in)
		}, func() { _ = c.Close() }, nil
	})
}

// skipAnswer reads a 201 to its end.
func skipAnswer(in *bufio.Reader) error {
	line, err := in.ReadSlice('\n')
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(line, []byte("HTTP/1.1 201 ")) {
		return fmt.Errorf("the service answered %s", bytes.TrimSpace(line))
	}
	length := 0
	for {
		if line, err = in.ReadSlice('\n'); err != nil {
			return err
		}
		name, value, _ := bytes.Cut(bytes.TrimSpace(line), []byte(":"))
		if len(name) == 0 {
			break
		}
		if bytes.EqualFold(name, []byte("content-length")) {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return err
			}
		}
	}
	_, err = in.Discard(length)
	return err
}
