package wire_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"syscall"
	"testing"
	"time"

	"cohort/sinks/wire"
)

// BenchmarkRoundTrip compares Transport with net/http's. Each request and its answer, a 201,
// have one size. The server runs in the same process, so its processor time counts too.
func BenchmarkRoundTrip(b *testing.B) {
	for _, size := range []int{500, 40 << 10, 4 << 20} {
		body := bytes.Repeat([]byte("x"), size)
		for _, secured := range []bool{false, true} {
			s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				w.Header().Set("Content-Length", strconv.Itoa(len(body)))
				w.WriteHeader(http.StatusCreated)
				_, _ = w.Write(body)
			}))
			start := s.Start
			if secured {
				start = s.StartTLS
			}
			start()
			b.Cleanup(s.Close)
			library := &http.Transport{DisableCompression: true, ReadBufferSize: 64 << 10, WriteBufferSize: 64 << 10}
			if secured {
				library.TLSClientConfig = s.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
				library.TLSClientConfig.NextProtos = nil
			}
			ours, err := wire.New(s.URL, library, time.Minute)
			if err != nil {
				b.Fatal(err)
			}
			for name, post := range map[string]func(*bytes.Buffer) error{"wire": viaWire(ours, s.URL, body), "nethttp": viaLibrary(library, s.URL, body)} {
				b.Run(fmt.Sprintf("%d/tls=%v/%s", size, secured, name), func(b *testing.B) {
					roundTrips(b, post, len(body))
				})
			}
		}
	}
}

// viaWire returns a function that posts a body and reads the answer's.
func viaWire(c *wire.Transport, base string, body []byte) func(*bytes.Buffer) error {
	r := request(base, "application/json", body)
	return func(answer *bytes.Buffer) error {
		return c.Post(context.Background(), r, func(a *wire.Answer) error {
			_, err := answer.Write(a.Body)
			return err
		})
	}
}

// viaLibrary does the same with net/http.
func viaLibrary(c *http.Transport, base string, body []byte) func(*bytes.Buffer) error {
	return func(answer *bytes.Buffer) error {
		req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, base+"/v1/messages?a=b", bytes.NewReader(body))
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("X-Correlation-Id", correlation)
		resp, err := c.RoundTrip(req)
		if err != nil {
			return err
		}
		_, _ = answer.ReadFrom(resp.Body)
		return resp.Body.Close()
	}
}

func roundTrips(b *testing.B, post func(*bytes.Buffer) error, size int) {
	answer := bytes.NewBuffer(make([]byte, 0, size+bytes.MinRead))
	before := processorTime()
	b.ReportAllocs()
	for b.Loop() {
		answer.Reset()
		if err := post(answer); err != nil || answer.Len() != size {
			b.Fatalf("%d bytes came back, %v", answer.Len(), err)
		}
	}
	b.ReportMetric(float64(processorTime()-before)/float64(b.N)/1e3, "cpu-µs/op")
}

func processorTime() int64 {
	var used syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &used)
	return used.Utime.Nano() + used.Stime.Nano()
}
