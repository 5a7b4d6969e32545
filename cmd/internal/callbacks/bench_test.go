package callbacks

import (
	"bufio"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"cohort/engine/facts"
	receive "cohort/sinks/callbacks"
)

// aCallback is as NHS Notify's sender makes it.
func aCallback(n int, reference string, at time.Time) string {
	return fmt.Sprintf(`{"data":[{"type":"ChannelStatus","attributes":{"messageId":"2WL3qFTEFM0qMY8xjRbt%07d","messageReference":"%s","cascadeType":"primary","cascadeOrder":1,"channel":"nhsapp","channelStatus":"delivered","supplierStatus":"read","timestamp":"%s","retryCount":0},"links":{"message":"/v1/message-batches/messages/2WL3qFTEFM0qMY8xjRbt%07d"},"meta":{"idempotencyKey":"%064x"}}]}`,
		n, reference, at.UTC().Format("2006-01-02T15:04:05.000Z"), n, n)
}

// smallest is the least that verifies a callback and syncs it before it answers.
type smallest struct {
	mu   sync.Mutex
	file *os.File
}

func (s *smallest) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	mac := hmac.New(sha256.New, []byte("app-1.key"))
	mac.Write(body)
	given, _ := hex.DecodeString(r.Header.Get("x-hmac-sha256-signature"))
	if err != nil || !hmac.Equal(mac.Sum(nil), given) {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err = s.file.Write(append(body, '\n'))
	if err == nil {
		err = s.file.Sync()
	}
	if err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	w.WriteHeader(http.StatusAccepted)
}

// clientVariable makes the test's program the client of a benchmark: ADDRESS NUMBER KEPT.
const clientVariable = "COHORT_TEST_CALLBACKS"

func TestMain(m *testing.M) {
	var address string
	var number int
	var kept bool
	if n, _ := fmt.Sscan(os.Getenv(clientVariable), &address, &number, &kept); n < 3 {
		os.Exit(m.Run())
	}
	// The client knows the certificate, and offers the key exchanges of Node 22, as the service's sender does.
	config := &tls.Config{InsecureSkipVerify: true, CurvePreferences: []tls.CurveID{tls.X25519, tls.CurveP256}}
	var all sync.WaitGroup
	var next atomic.Int64
	for range 64 {
		all.Go(func() {
			if err := callAll(address, config, kept, func() int { return int(next.Add(1)) - 1 }, number); err != nil {
				fmt.Println(err)
				os.Exit(1)
			}
		})
	}
	all.Wait()
}

// BenchmarkCallbacks measures verified and synced callbacks: over TLS connections that are kept, and over a
// new one each (ECDSA, full handshakes). Their client is a process of its own on the same cores, and has no
// part in cpu-µs. Of these, 400 are 5,000 callbacks a second on two cores, and 1,333 are 1,500. x-smallest
// is the rate of the receiver to that of the smallest handler in the same run.
func BenchmarkCallbacks(b *testing.B) {
	file, err := os.Create(filepath.Join(b.TempDir(), "smallest"))
	must(b, err)
	defer func() { _ = file.Close() }()
	shared, err := openInbox(filepath.Join(b.TempDir(), facts.SharedFolder), slog.Default())
	must(b, err)
	defer func() { _ = shared.Close() }()
	receiver := receive.New(receive.Options{Store: shared, Log: slog.New(slog.DiscardHandler), APIKeyHeader: "x-api-key"})
	receiver.TrustKeys("app-1", "key")
	for _, kept := range []bool{true, false} {
		name, least := map[bool]string{true: "kept", false: "new"}[kept], 0.0
		b.Run(name+"/smallest", func(b *testing.B) { least = measure(b, &smallest{file: file}, kept) })
		b.Run(name+"/receiver", func(b *testing.B) { b.ReportMetric(measure(b, receiver, kept)/least, "x-smallest") })
	}
}

// measure returns the callbacks a second.
func measure(b *testing.B, handler http.Handler, kept bool) (rate float64) {
	var s service
	pair := newPair(b, "server", 90).tls(b)
	s.cert.current.Store(&pair)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(b, err)
	server := &http.Server{Handler: handler, ErrorLog: log.New(io.Discard, "", 0)}
	go func() { _ = server.Serve(tls.NewListener(listener, s.cert.config(false))) }()
	defer func() { _ = server.Shutdown(context.Background()) }()
	client := exec.Command(os.Args[0])
	client.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d %t", clientVariable, listener.Addr(), b.N, kept))
	b.ResetTimer()
	before := spent(b)
	if out, err := client.CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	rate = float64(b.N) / b.Elapsed().Seconds()
	b.ReportMetric(rate, "callbacks/s")
	b.ReportMetric((spent(b)-before).Seconds()*1e6/float64(b.N), "cpu-µs/callback")
	b.ReportMetric(0, "ns/op") // it is not shown
	return rate
}

// spent is the processor time of this process. On a machine that others use, it tells more than the rate.
func spent(b *testing.B) time.Duration {
	var u syscall.Rusage
	must(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// callAll sends callbacks one after the other, until next has come to the end.
func callAll(address string, config *tls.Config, kept bool, next func() int, end int) error {
	var conn *tls.Conn
	var in *bufio.Reader
	for n := next(); n < end; n = next() {
		var err error
		if conn == nil {
			if conn, err = tls.Dial("tcp", address, config); err != nil {
				return err
			}
			in = bufio.NewReader(conn)
		}
		body := aCallback(n, fmt.Sprintf("%08x-0000-8000-8000-000000000001", n), time.Now())
		_, err = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nx-api-key: key\r\nx-hmac-sha256-signature: %s\r\nContent-Length: %d\r\n\r\n%s",
			receive.ChannelsPath, signature("key", body), len(body), body)
		resp, errRead := http.ReadResponse(in, nil)
		if err != nil || errRead != nil || resp.StatusCode != http.StatusAccepted {
			return fmt.Errorf("%v, %v, %v", err, errRead, resp)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		if !kept {
			_ = conn.Close()
			conn = nil
		}
	}
	return nil
}
