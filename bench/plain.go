package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"
)

// The body of a request, as NHS Notify takes it.
type (
	plainRequest struct {
		Data plainData `json:"data"`
	}
	plainData struct {
		Type       string          `json:"type"`
		Attributes plainAttributes `json:"attributes"`
	}
	plainAttributes struct {
		Plan      string         `json:"routingPlanId"`
		Reference string         `json:"messageBatchReference"`
		Messages  []plainMessage `json:"messages"`
	}
	plainMessage struct {
		Reference       string            `json:"messageReference"`
		Recipient       plainRecipient    `json:"recipient"`
		Personalisation map[string]string `json:"personalisation"`
	}
	plainRecipient struct {
		NHSNumber string `json:"nhsNumber"`
	}
)

// sender holds the flags of the children that send.
type sender struct {
	url, file       string
	batch, inFlight int
	perSecond       float64
	sockets         bool
}

func newSender(name string, args []string) (s sender, err error) {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.StringVar(&s.url, "url", "", "where to post")
	flags.StringVar(&s.file, "file", "", "the cohort")
	flags.IntVar(&s.batch, "batch", 1000, "messages a request")
	flags.IntVar(&s.inFlight, "in-flight", 32, "requests at once")
	flags.Float64Var(&s.perSecond, "per-second", 0, "messages a second; 0: no limit")
	flags.BoolVar(&s.sockets, "sockets", false, "ready: write to the sockets, without net/http")
	return s, flags.Parse(args)
}

// said counts the messages that a sender believes it has sent.
type said struct {
	Sent    int64   `json:"sent"`
	Seconds float64 `json:"seconds"` // of ready alone, while it sends
	CPU     float64 `json:"cpu"`
}

// plainChild is the sender that a competent engineer writes in an hour: encoding/csv, a map
// of the people seen, encoding/json, errgroup, x/time/rate and net/http. It keeps no log,
// reads no ids from the answers, and forgets everything when it ends.
func plainChild(ctx context.Context, args []string) error {
	s, err := newSender("plain", args)
	if err != nil {
		return err
	}
	limit := rate.Inf
	if s.perSecond > 0 {
		limit = rate.Limit(s.perSecond)
	}
	limiter := rate.NewLimiter(limit, s.batch)
	client := s.client()
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(s.inFlight)
	var sent atomic.Int64
	err = s.batches(func(batch []plainMessage) error {
		group.Go(func() error {
			if err := limiter.WaitN(ctx, len(batch)); err != nil {
				return err
			}
			body, err := encode(batch)
			if err != nil {
				return err
			}
			if err := post(ctx, client, s.url, body); err != nil {
				return err
			}
			sent.Add(int64(len(batch)))
			return nil
		})
		return ctx.Err()
	})
	if err = errors.Join(group.Wait(), err); err != nil {
		return err
	}
	return printResult(said{Sent: sent.Load()})
}

// mostReady limits the bytes of ready-made requests.
const mostReady = 128 << 20

// readyChild posts requests that are made before the first is posted: what net/http can do
// at best. When the bytes of mostReady are not enough for the cohort it posts them again.
func readyChild(ctx context.Context, args []string) error {
	s, err := newSender("ready", args)
	if err != nil {
		return err
	}
	var bodies [][]byte
	var held []int64 // messages in each
	bytes, messages := 0, int64(0)
	err = s.batches(func(batch []plainMessage) error {
		messages += int64(len(batch))
		if bytes > mostReady {
			return nil
		}
		body, err := encode(batch)
		bodies, held, bytes = append(bodies, body), append(held, int64(len(batch))), bytes+len(body)
		return err
	})
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	var next, sent atomic.Int64
	requests := (messages + int64(s.batch) - 1) / int64(s.batch)
	began, spent := time.Now(), cpuTime()
	client := s.client()
	for range s.inFlight {
		group.Go(func() error {
			send := func(body []byte) error { return post(ctx, client, s.url, body) }
			if s.sockets {
				c, err := dialPlain(s.url)
				if err != nil {
					return err
				}
				defer func() { _ = c.Close() }()
				send = c.post
			}
			for {
				n := next.Add(1) - 1
				if n >= requests {
					return nil
				}
				i := n % int64(len(bodies))
				if err := send(bodies[i]); err != nil {
					return err
				}
				sent.Add(held[i])
			}
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return printResult(said{sent.Load(), time.Since(began).Seconds(), (cpuTime() - spent).Seconds()})
}

// cpuTime returns the CPU time of this process.
func cpuTime() time.Duration {
	var r syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// plainConn posts through a socket, and reads no more of an answer than its length.
type plainConn struct {
	net.Conn
	in   *bufio.Reader
	head string
	out  []byte
}

func dialPlain(address string) (*plainConn, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	c, err := net.Dial("tcp", u.Host)
	head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: ", u.Path, u.Host)
	return &plainConn{Conn: c, in: bufio.NewReaderSize(c, 64<<10), head: head}, err
}

func (c *plainConn) post(body []byte) error {
	c.out = strconv.AppendInt(append(c.out[:0], c.head...), int64(len(body)), 10)
	c.out = append(append(c.out, "\r\n\r\n"...), body...)
	if _, err := c.Write(c.out); err != nil {
		return err
	}
	length := 0
	for {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return err
		}
		if number, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(number))); err != nil {
				return err
			}
		}
		if len(line) == 2 {
			_, err = c.in.Discard(length)
			return err
		}
	}
}

func (s sender) client() *http.Client {
	return &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: s.inFlight}}
}

// batches reads the cohort and passes on the messages of each request.
func (s sender) batches(pass func([]plainMessage) error) error {
	f, err := os.Open(s.file)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	rows := csv.NewReader(f)
	rows.ReuseRecord = true
	header, err := rows.Read()
	if err != nil {
		return err
	}
	column := map[string]int{}
	for i, name := range header {
		column[name] = i
	}
	seen := map[string]bool{}
	var batch []plainMessage
	for {
		row, err := rows.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		number := strings.ReplaceAll(row[column["nhs_number"]], " ", "")
		if _, ok := parseNumber(number); !ok || seen[number] {
			continue
		}
		seen[number] = true
		date, hour, clinic := row[column["appointment_date"]], row[column["appointment_time"]], row[column["clinic_name"]]
		batch = append(batch, plainMessage{
			Reference: uuid.NewString(),
			Recipient: plainRecipient{number},
			Personalisation: map[string]string{
				"patient_first_name": row[column["given_name"]],
				"appointment":        fmt.Sprintf("%s at %s, %s", date, hour, clinic),
			},
		})
		if len(batch) == s.batch {
			if err := pass(batch); err != nil {
				return err
			}
			batch = nil
		}
	}
	if len(batch) > 0 {
		return pass(batch)
	}
	return nil
}

func encode(batch []plainMessage) ([]byte, error) {
	return json.Marshal(plainRequest{plainData{"MessageBatch", plainAttributes{routingPlan, uuid.NewString(), batch}}})
}

// post posts a request and reads the answer to its end.
func post(ctx context.Context, client *http.Client, url string, body []byte) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "application/json")
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return err
	}
	if answer.StatusCode != http.StatusCreated {
		return fmt.Errorf("the service answered %s", answer.Status)
	}
	return nil
}

// parseNumber reads an NHS number: ten digits, spaces left out. The last is the check digit
// (modulus 11). One digit ten times is no number.
func parseNumber(text string) (n uint64, ok bool) {
	digits, sum, same := 0, 0, true
	for i := range len(text) {
		c := text[i]
		if c == ' ' {
			continue
		}
		if c < '0' || c > '9' || digits == 10 {
			return 0, false
		}
		digit := int(c - '0')
		same = same && (digits == 0 || uint64(digit) == n%10)
		n = n*10 + uint64(digit)
		sum += digit * (10 - digits)
		digits++
	}
	return n, digits == 10 && sum%11 == 0 && !same
}
