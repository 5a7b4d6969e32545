package wire_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"syscall"
	"testing"
	"time"

	"cohort/sinks/wire"
)

// BenchmarkRoundTrip compares Transport with net/http's. Each request and its answer have one
// size. The server runs in the same process, so its processor time counts too.
func BenchmarkRoundTrip(b *testing.B) {
	for _, size := range []int{1 << 10, 40 << 10, 4 << 20} {
		body := bytes.Repeat([]byte("x"), size)
		for _, secured := range []bool{false, true} {
			s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
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
			for name, via := range map[string]http.RoundTripper{"wire": ours, "nethttp": library} {
				b.Run(fmt.Sprintf("%d/tls=%v/%s", size, secured, name), func(b *testing.B) {
					roundTrips(b, via, s.URL, body)
				})
			}
		}
	}
}

func roundTrips(b *testing.B, via http.RoundTripper, url string, body []byte) {
	answer := bytes.NewBuffer(make([]byte, 0, len(body)+bytes.MinRead))
	before := processorTime()
	for b.Loop() {
		req, err := http.NewRequest(http.MethodPost, url+"/v1/messages", bytes.NewReader(body))
		if err != nil {
			b.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		resp, err := via.RoundTrip(req)
		if err != nil {
			b.Fatal(err)
		}
		answer.Reset()
		_, _ = answer.ReadFrom(resp.Body)
		_ = resp.Body.Close()
		if answer.Len() != len(body) {
			b.Fatalf("%d bytes came back", answer.Len())
		}
	}
	b.ReportMetric(float64(processorTime()-before)/float64(b.N)/1e3, "cpu-µs/op")
}

func processorTime() int64 {
	var used syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &used)
	return used.Utime.Nano() + used.Stime.Nano()
}
