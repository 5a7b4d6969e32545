package callbacks

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"cohort/engine/delivery"
	"cohort/engine/facts"
	"cohort/engine/inbox"
	"cohort/engine/refusal"
	receive "cohort/sinks/callbacks"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// pair is a self-signed certificate for localhost, in PEM.
type pair struct{ cert, key []byte }

func newPair(t testing.TB, name string, days int) pair {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	must(t, err)
	form := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, DNSNames: []string{"localhost"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(0, 0, days),
	}
	der, err := x509.CreateCertificate(rand.Reader, form, form, &key.PublicKey, key)
	must(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	return pair{pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})}
}

func (p pair) tls(t testing.TB) tls.Certificate {
	c, err := tls.X509KeyPair(p.cert, p.key)
	must(t, err)
	return c
}

// lines is a log that a test reads while it is written.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// await waits for a line of the log, and returns it.
func (l *lines) await(t testing.TB, words string) string {
	t.Helper()
	for range 1000 {
		for line := range strings.Lines(l.String()) {
			if strings.Contains(line, words) {
				return line
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("the log never says %q: %s", words, l.String())
	return ""
}

// site is a folder with a campaign and its files, and a receiver at work.
type site struct {
	t       testing.TB
	dir     string
	log     lines
	command Command
	address string
	stop    func() error
}

const campaignFile = `campaign: a-campaign
callbacks: {application_id: app-1, api_key_file: key, previous_api_key_file: old-key, client_ca_file: ca.pem, client_names: [notify]}
sink: {file: {mesh: {routing_plan_id: b838b13c-f98c-4def-93f0-515d4e4f4ee1}}}
`

func newSite(t testing.TB) *site {
	s := &site{t: t, dir: t.TempDir()}
	server := newPair(t, "server", 90)
	s.write("campaign.yaml", []byte(campaignFile))
	s.write("key", []byte("key-one\n"))
	s.write("old-key", []byte("key-zero\n"))
	s.write("cert.pem", server.cert)
	s.write("key.pem", server.key)
	s.write("ca.pem", newPair(t, "notify", 90).cert)
	s.command = Command{
		Campaign: s.path("campaign.yaml"), Runs: s.path("runs"), Listen: "127.0.0.1:0", Cert: s.path("cert.pem"), Key: s.path("key.pem"),
		Log: slog.New(slog.NewTextHandler(&s.log, nil)), every: 10 * time.Millisecond,
	}
	return s
}

func (s *site) path(name string) string { return filepath.Join(s.dir, name) }

func (s *site) write(name string, text []byte) {
	s.t.Helper()
	must(s.t, os.WriteFile(s.path(name)+".new", text, 0o600))
	must(s.t, os.Rename(s.path(name)+".new", s.path(name)))
}

// start lets the receiver work until stop, or the end of the test.
func (s *site) start() {
	s.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.command.Run(ctx) }()
	s.stop = sync.OnceValue(func() error { cancel(); return <-ended })
	s.t.Cleanup(func() { _ = s.stop() })
	_, after, _ := strings.Cut(s.log.await(s.t, "receiving callbacks"), "address=")
	s.address, _, _ = strings.Cut(after, " ")
}

func signature(key, body string) string {
	mac := hmac.New(sha256.New, []byte("app-1."+key))
	mac.Write([]byte(body))
	return hex.EncodeToString(mac.Sum(nil))
}

// post sends a callback over a new connection, and returns the answer and the server's certificate. It
// is signed where there is a key.
func (s *site) post(path, key string, client ...tls.Certificate) (int, *x509.Certificate) {
	s.t.Helper()
	const body = `{"data":[{"type":"MessageStatus"}]}`
	scheme := "http://"
	if s.command.Cert != "" {
		scheme = "https://"
	}
	req, err := http.NewRequest(http.MethodPost, scheme+s.address+path, strings.NewReader(body))
	must(s.t, err)
	if key != "" {
		req.Header.Set("x-api-key", key)
		req.Header.Set("x-hmac-sha256-signature", signature(key, body))
	}
	// Any certificate will do: the test looks at it.
	transport := &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true, Certificates: client}}
	resp, err := (&http.Client{Transport: transport}).Do(req)
	must(s.t, err)
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, resp.Body)
	if resp.TLS == nil {
		return resp.StatusCode, nil
	}
	if resp.TLS.Version < tls.VersionTLS12 {
		s.t.Errorf("TLS version %x", resp.TLS.Version)
	}
	return resp.StatusCode, resp.TLS.PeerCertificates[0]
}

// answers checks what a callback gets.
func (s *site) answers(want int, path, key string, client ...tls.Certificate) {
	s.t.Helper()
	if got, _ := s.post(path, key, client...); got != want {
		s.t.Errorf("%s with the key %q gets %d, not %d", path, key, got, want)
	}
}

func TestFilesAreRenewedWithoutARestart(t *testing.T) {
	s := newSite(t)
	service := newPair(t, "Notify", 90)
	s.write("ca.pem", service.cert)
	s.start()
	s.answers(202, receive.MessagesPath, "key-one")
	s.answers(202, receive.MessagesPath, "key-zero")
	s.answers(401, receive.MessagesPath, "key-two")
	s.answers(202, receive.ResponsesPath, "", service.tls(t))
	s.answers(403, receive.ResponsesPath, "")
	s.answers(202, receive.ChannelsPath, "key-one", newPair(t, "somebody", 90).tls(t)) // any certificate will do here

	// the API key is replaced
	s.write("old-key", []byte("key-one"))
	s.write("key", []byte("key-two"))
	s.log.await(t, `"API key"`)
	for got := 0; got != 202; got, _ = s.post(receive.MessagesPath, "key-two") {
		time.Sleep(10 * time.Millisecond)
	}
	s.answers(202, receive.MessagesPath, "key-one")
	s.answers(401, receive.MessagesPath, "key-zero")
	s.write("key", []byte("two words"))
	if line := s.log.await(t, "level=WARN msg=\"a renewed"); !strings.Contains(line, "what was loaded before stays in use") || strings.Contains(line, "two words") {
		t.Error(line)
	}
	must(t, os.Remove(s.path("key")))
	s.log.await(t, "no such file")
	s.answers(202, receive.MessagesPath, "key-two")

	// the certificate is renewed
	renewed := newPair(t, "server", 10)
	s.write("cert.pem", renewed.cert)
	s.log.await(t, "private key does not match public key") // half of it: the old one stays
	s.write("key.pem", renewed.key)
	told := s.log.await(t, "file=certificate public_key_sha256=")
	end := s.log.await(t, "ALARM")
	_, got := s.post(receive.MessagesPath, "key-two")
	if want := renewed.tls(t).Leaf; !got.Equal(want) || !strings.Contains(end, "ends soon") || !strings.Contains(end, "days=9") ||
		!strings.Contains(told, got.NotAfter.UTC().Format("certificate_ends=2006-01-02")) {
		t.Errorf("the certificate is %v, and the log says %s", got.SerialNumber, end)
	}

	// so is the authority of the service's certificates
	other := newPair(t, "notify", 90)
	s.write("ca.pem", []byte("no PEM"))
	s.log.await(t, "has no certificate in PEM")
	s.answers(202, receive.ResponsesPath, "", service.tls(t))
	s.write("ca.pem", other.cert)
	s.log.await(t, "file=client_ca_file")
	for got := 0; got != 202; got, _ = s.post(receive.RepliesPath, "", other.tls(t)) {
		time.Sleep(10 * time.Millisecond)
	}
	s.answers(403, receive.ResponsesPath, "", service.tls(t))
	s.write("campaign.yaml", []byte(campaignFile+"# changed\n"))
	s.log.await(t, "the campaign file has changed: restart this receiver")
	s.write("key", []byte("key-two"))
	must(t, os.Remove(s.path("old-key")))
	s.log.await(t, "previous_api_key_file of callbacks names it")
	must(t, s.stop())
	for _, canary := range []string{"key-zero", "key-one", "key-two", "app-1"} {
		if strings.Contains(s.log.String(), canary) {
			t.Errorf("the log has %s", canary)
		}
	}
	s.log.await(t, "received: ") // the counts of the end
}

// The line at the start has the hash that the service may pin, as openssl makes it.
func TestTheStartTellsThePin(t *testing.T) {
	s := newSite(t)
	s.start()
	_, got := s.post(receive.MessagesPath, "key-one")
	sum := sha256.Sum256(got.RawSubjectPublicKeyInfo)
	line := s.log.await(t, "receiving callbacks")
	if !strings.Contains(line, "runs=0") {
		t.Error(line)
	}
	if pin := base64.StdEncoding.EncodeToString(sum[:]); !strings.Contains(line, pin) || !strings.Contains(line, "certificate_ends="+got.NotAfter.UTC().Format("2006-01-02")) {
		t.Errorf("%s has no %s", line, pin)
	}
	if strings.Contains(s.log.String(), "ALARM") {
		t.Error(s.log.String())
	}
}

// What is likely to be wrong is said at the start.
func TestTheStartWarns(t *testing.T) {
	s := newSite(t)
	ended := newPair(t, "server", -1)
	s.write("cert.pem", ended.cert)
	s.write("key.pem", ended.key)
	s.start()
	s.log.await(t, "ALARM: the certificate has ended")
	s.log.await(t, "the certificate is self-signed")
	s.log.await(t, "has no run yet")
	s = newSite(t)
	must(t, os.MkdirAll(s.path("runs/a-run"), 0o700))
	s.write("runs/a-run/run.json", nil)
	s.start()
	must(t, s.stop())
	if strings.Contains(s.log.String(), "has no run yet") {
		t.Error(s.log.String())
	}
	var log lines
	slow := &service{log: slog.New(slog.NewTextHandler(&log, nil))}
	slow.cert.current.Store(&tls.Certificate{Leaf: &x509.Certificate{
		NotAfter: time.Now().AddDate(1, 0, 0), PublicKeyAlgorithm: x509.RSA, RawIssuer: []byte("an authority"),
	}})
	if slow.warnOfCertificate(); !strings.Contains(log.String(), "RSA") || strings.Count(log.String(), "\n") != 1 {
		t.Error(log.String())
	}
}

func TestAnInboxThatFailedIsOpenedAgain(t *testing.T) {
	var log lines
	opened, err := openInbox(filepath.Join(t.TempDir(), "runs", facts.SharedFolder), slog.Default())
	must(t, err)
	s := &service{log: slog.New(slog.NewTextHandler(&log, nil)), inbox: opened}
	s.receiver = receive.New(receive.Options{Store: opened, Log: s.log, APIKeyHeader: "x-api-key"})
	must(t, opened.Close()) // it takes nothing any more
	s.receiver.TrustKeys("app-1", "key")
	ask := func(want int, path string) {
		t.Helper()
		req := httptest.NewRequest(http.MethodPost, path, nil)
		req.Header.Set("x-api-key", "key")
		req.Header.Set("x-hmac-sha256-signature", signature("key", ""))
		w := httptest.NewRecorder()
		if s.receiver.ServeHTTP(w, req); w.Code != want {
			t.Errorf("%s: %d, not %d", path, w.Code, want)
		}
	}
	ask(200, receive.ReadyPath)
	ask(503, receive.MessagesPath)
	ask(503, receive.ReadyPath)
	s.look()
	ask(200, receive.ReadyPath)
	ask(202, receive.MessagesPath)
	must(t, opened.Close())
	if n := strings.Count(log.String(), "ALARM"); n != 1 || !strings.Contains(log.String(), "can be stored again") {
		t.Errorf("%d alarms: %s", n, log.String())
	}
}

// A full disk refuses callbacks, and loses none that it took. Once there is room, they are taken again.
func TestAFullDisk(t *testing.T) {
	s := newSite(t)
	must(t, os.Mkdir(s.command.Runs, 0o700))
	if err := syscall.Mount("tmpfs", s.command.Runs, "tmpfs", 0, "size=1m"); err != nil {
		t.Skip("this user may not mount a small filesystem")
	}
	t.Cleanup(func() { _ = syscall.Unmount(s.command.Runs, syscall.MNT_DETACH) })
	s.start()
	filler := filepath.Join(s.command.Runs, "filler")
	must(t, os.WriteFile(filler, make([]byte, 1000<<10), 0o600))
	stored, code := 0, 0
	for code = 202; code == 202 && stored < 100_000; stored++ {
		code, _ = s.post(receive.MessagesPath, "key-one")
	}
	if stored--; code != 503 || stored == 0 {
		t.Fatalf("%d are stored, and then comes %d", stored, code)
	}
	s.answers(503, receive.MessagesPath, "key-one")
	must(t, os.Remove(filler))
	s.log.await(t, "can be stored again")
	s.answers(202, receive.MessagesPath, "key-one")
	must(t, s.stop())
	found := 0
	_, err := inbox.Read(filepath.Join(s.command.Runs, facts.SharedFolder), inbox.Position{}, func(inbox.Position, delivery.Event) error {
		found++
		return nil
	})
	if err != nil || found < stored+1 || found > stored+3 { // one that was refused may be stored
		t.Errorf("%d were taken, and %d are there: %v", stored+1, found, err)
	}
	if n := strings.Count(s.log.String(), "ALARM"); n != 1 {
		t.Errorf("%d alarms: %s", n, s.log.String())
	}
}

// A proxy in front ends TLS, so no client certificate reaches the receiver. The same holds without TLS.
func TestWithoutTLSTheClientPathsAreOff(t *testing.T) {
	for _, proxy := range []bool{false, true} {
		s := newSite(t)
		s.command.BehindProxy = proxy
		if !proxy {
			s.command.Cert, s.command.Key = "", ""
		}
		s.start()
		s.answers(202, receive.MessagesPath, "key-one")
		for _, path := range []string{receive.ResponsesPath, receive.ReceiptsPath, receive.RepliesPath} {
			s.answers(404, path, "key-one", newPair(t, "notify", 90).tls(t))
		}
	}
}

func TestFailedHandshakesAreCounted(t *testing.T) {
	s := newSite(t)
	s.start()
	if conn, err := tls.Dial("tcp", s.address, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}); err == nil {
		_ = conn.Close()
		t.Error("TLS 1.1 is spoken")
	}
	for range 2 {
		if resp, err := http.Get("https://" + s.address + "/healthz"); err == nil { // it does not trust the certificate
			_ = resp.Body.Close()
			t.Fatal("an unknown certificate is trusted")
		}
	}
	must(t, s.stop())
	if line := s.log.await(t, "handshakes"); !strings.Contains(line, "count=3") || !strings.Contains(line, "bad certificate") {
		t.Error(line)
	}
	if line := s.log.await(t, "senders refuse the certificate"); !strings.Contains(line, "times=2") {
		t.Error(line)
	}
	if n := strings.Count(s.log.String(), "bad certificate"); n != 1 {
		t.Errorf("the log has %d lines of it", n)
	}
}

func TestStartsThatAreRefused(t *testing.T) {
	busy := newSite(t)
	busy.start()
	for code, change := range map[string]func(*site){
		"campaign_unreadable":     func(s *site) { s.command.Campaign = s.path("missing.yaml") },
		"campaign_invalid":        func(s *site) { s.write("campaign.yaml", []byte("campaign: a\ncallbacks:\n")) },
		"callbacks_missing":       func(s *site) { s.write("campaign.yaml", []byte(strings.Replace(campaignFile, "callbacks:", "#", 1))) },
		"tls_half":                func(s *site) { s.command.Key = "" },
		"certificate_unusable":    func(s *site) { s.command.Key = s.command.Cert },
		"api_key_unusable":        func(s *site) { s.write("old-key", nil) },
		"client_ca_unusable":      func(s *site) { must(s.t, os.Remove(s.path("ca.pem"))) },
		"listen_not_host_port":    func(s *site) { s.command.Listen = "8443" },
		"callbacks_cannot_listen": func(s *site) { s.command.Listen = busy.address },
		"callbacks_in_the_clear":  func(s *site) { s.command.Listen, s.command.Cert, s.command.Key = "0.0.0.0:0", "", "" },
		"inbox_busy":              func(s *site) { s.command.Runs = busy.command.Runs },
		"runs_misplaced":          func(s *site) { s.command.Runs = s.path("missing/runs") },
		"inbox_unusable":          func(s *site) { s.command.Runs = s.path("key") },
		"callbacks_nothing_served": func(s *site) {
			s.write("campaign.yaml", []byte(strings.Replace(campaignFile, "application_id: app-1, api_key_file: key, previous_api_key_file: old-key, ", "", 1)))
			s.command.BehindProxy = true
		},
	} {
		s := newSite(t)
		change(s)
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // so that one which is not refused ends
		if err := s.command.Run(ctx); refusal.Code(err) != code {
			t.Errorf("%s: %v", code, err)
		}
	}
	busy.answers(202, receive.MessagesPath, "key-one")
	s := newSite(t) // the proxy makes it right
	s.command.Listen, s.command.Cert, s.command.Key, s.command.BehindProxy = "0.0.0.0:0", "", "", true
	s.start()
	must(t, s.stop())
}

// A callback is never acknowledged into an inbox that nobody finds.
func TestAnInboxThatIsDeletedMeanwhile(t *testing.T) {
	s := newSite(t)
	s.start()
	s.answers(202, receive.MessagesPath, "key-one")
	folder := filepath.Join(s.command.Runs, facts.SharedFolder)
	must(t, os.Rename(folder, folder+".away"))
	code, refused := 0, 0
	for ; code != 202; refused++ { // until the receiver has looked
		code, _ = s.post(receive.MessagesPath, "key-one")
	}
	if line := s.log.await(t, "ALARM"); !strings.Contains(line, "deleted, moved or replaced") || !strings.Contains(line, folder) {
		t.Error(line)
	}
	s.log.await(t, "can be stored again")
	must(t, s.stop())
	taken := 0
	_, err := inbox.Read(folder, inbox.Position{}, func(inbox.Position, delivery.Event) error {
		taken++
		return nil
	})
	if err != nil || taken == 0 {
		t.Errorf("%d callbacks are in the new inbox, after %d refusals: %v", taken, refused-1, err)
	}
}

// A damaged inbox costs what is in it, and nothing that comes later.
func TestADamagedInbox(t *testing.T) {
	s := newSite(t)
	s.start()
	s.answers(202, receive.MessagesPath, "key-one")
	s.answers(202, receive.MessagesPath, "key-one")
	must(t, s.stop())
	files, err := filepath.Glob(filepath.Join(s.command.Runs, facts.SharedFolder, "*", "*.log"))
	must(t, err)
	raw, err := os.ReadFile(files[0])
	must(t, err)
	raw[100] ^= 1
	must(t, os.WriteFile(files[0], raw, 0o600))
	next := newSite(t)
	next.command.Runs = s.command.Runs
	next.start()
	if line := next.log.await(t, "ALARM"); !strings.Contains(line, files[0]+" is damaged at byte 92") || !strings.Contains(line, "docs/callbacks.md") {
		t.Error(line)
	}
	next.answers(202, receive.MessagesPath, "key-one")
	must(t, next.stop())
}
