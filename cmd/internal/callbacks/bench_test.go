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
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"cohort/engine/facts"
	receive "cohort/sinks/callbacks"
)

// aCallback is as NHS Notify's sender makes it, with a reference of its own.
func aCallback(n int) string {
	return fmt.Sprintf(`{"data":[{"type":"ChannelStatus","attributes":{"messageId":"2WL3qFTEFM0qMY8xjRbt%07d","messageReference":"%08x-0000-8000-8000-000000000001","cascadeType":"primary","cascadeOrder":1,"channel":"nhsapp","channelStatus":"delivered","supplierStatus":"read","timestamp":"2026-11-21T08:00:00.123Z","retryCount":0},"links":{"message":"/v1/message-batches/messages/2WL3qFTEFM0qMY8xjRbt%07d"},"meta":{"idempotencyKey":"%064x"}}]}`, n, n, n, n)
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

// BenchmarkCallbacks measures verified and synced callbacks, with their client in the same process: over
// TLS connections that are kept, and over a new one each (ECDSA, full handshakes).
func BenchmarkCallbacks(b *testing.B) {
	file, err := os.Create(filepath.Join(b.TempDir(), "smallest"))
	must(b, err)
	defer func() { _ = file.Close() }()
	shared := &store{dir: filepath.Join(b.TempDir(), facts.SharedFolder)}
	must(b, shared.open())
	defer func() { _ = shared.close() }()
	receiver := receive.New(receive.Options{Store: shared, Log: slog.New(slog.DiscardHandler), APIKeyHeader: "x-api-key"})
	receiver.TrustKeys("app-1", "key")
	for _, kept := range []bool{true, false} {
		for name, handler := range map[string]http.Handler{"receiver": receiver, "smallest": &smallest{file: file}} {
			b.Run(fmt.Sprintf("kept=%t/%s", kept, name), func(b *testing.B) { measure(b, handler, kept) })
		}
	}
}

func measure(b *testing.B, handler http.Handler, kept bool) {
	var s service
	pair := newPair(b, "server", 90).tls(b)
	s.cert.current.Store(&pair)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(b, err)
	server := &http.Server{Handler: handler, ErrorLog: log.New(io.Discard, "", 0)}
	go func() { _ = server.Serve(tls.NewListener(listener, s.cert.config(false))) }()
	defer func() { _ = server.Shutdown(context.Background()) }()

	// The client knows the certificate: what it spends on checks is not measured.
	config := &tls.Config{InsecureSkipVerify: true}
	const clients = 64
	work := make(chan string, clients)
	var all sync.WaitGroup
	for range clients {
		all.Go(func() { call(b, listener.Addr().String(), config, work, kept) })
	}
	b.ResetTimer()
	before := spent(b)
	for n := range b.N {
		work <- aCallback(n)
	}
	close(work)
	all.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "callbacks/s")
	b.ReportMetric((spent(b)-before).Seconds()*1e6/float64(b.N), "cpu-µs/callback")
}

// spent is the processor time of this process. On a machine that others use, it tells more than the rate:
// 400 µs a callback are 5,000 a second on two cores.
func spent(b *testing.B) time.Duration {
	var u syscall.Rusage
	must(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// call sends callbacks one after the other.
func call(b *testing.B, address string, config *tls.Config, work <-chan string, kept bool) {
	var conn *tls.Conn
	var in *bufio.Reader
	for body := range work {
		var err error
		if conn == nil {
			if conn, err = tls.Dial("tcp", address, config); err != nil {
				b.Error(err)
				return
			}
			in = bufio.NewReader(conn)
		}
		var request strings.Builder
		fmt.Fprintf(&request, "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nx-api-key: key\r\nx-hmac-sha256-signature: %s\r\nContent-Length: %d\r\n\r\n%s",
			receive.ChannelsPath, signature("key", body), len(body), body)
		_, err = io.WriteString(conn, request.String())
		resp, errRead := http.ReadResponse(in, nil)
		if err != nil || errRead != nil || resp.StatusCode != http.StatusAccepted {
			b.Errorf("%v, %v, %v", err, errRead, resp)
			return
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		if !kept {
			_ = conn.Close()
			conn = nil
		}
	}
	if conn != nil {
		_ = conn.Close()
	}
}
