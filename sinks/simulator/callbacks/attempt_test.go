package callbacks

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// What each answer makes of a callback, as callbacks of the service (the table of answers).
func TestJudge(t *testing.T) {
	unverified := &url.Error{Op: "Post", Err: &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}}
	for _, row := range []struct {
		status     int
		retryAfter string
		err        error
		fate       string
		wait       time.Duration
	}{
		{status: 200, fate: Acknowledged}, {status: 202, fate: Acknowledged}, {status: 204, fate: Acknowledged},
		{status: 500, fate: again}, {status: 502, fate: again}, {status: 503, retryAfter: "7", fate: again}, {status: 504, fate: again},
		{err: io.EOF, fate: again}, {err: os.ErrDeadlineExceeded, fate: again}, {err: errors.New("reset"), fate: again},
		{status: 429, fate: again}, {status: 429, retryAfter: "soon", fate: again},
		{status: 429, retryAfter: "7", fate: again, wait: 7 * time.Second}, {status: 429, retryAfter: "43200", fate: again, wait: 12 * time.Hour},
		{status: 429, retryAfter: "43201", fate: Lost}, {status: 429, retryAfter: "-1", fate: Lost},
		{status: 301, fate: Lost}, {status: 400, fate: Lost}, {status: 401, fate: Lost}, {status: 403, fate: Lost}, {status: 404, fate: Lost},
		{status: 405, fate: Lost}, {status: 408, fate: Lost}, {status: 413, fate: Lost}, {status: 415, fate: Lost}, {status: 422, fate: Lost},
		{err: unverified, fate: Lost},
	} {
		if fate, wait := judge(row.status, row.retryAfter, row.err); fate != row.fate || wait != row.wait {
			t.Errorf("%d %q %v: %s after %s, want %s after %s", row.status, row.retryAfter, row.err, fate, wait, row.fate, row.wait)
		}
	}
}

// The example of RFC 4231, section 4.3.
func TestSign(t *testing.T) {
	if got := sign("Jefe", []byte("what do ya want for nothing?")); got != "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843" {
		t.Error(got)
	}
}

func TestLoadTarget(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "target.yaml")
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("key", " a-key\n")
	write("target.yaml", "application_id: app\napi_key_file: key\nrate: 2.5\ntimeout: 3s\nretry: {for: 90m}\n")
	got, err := LoadTarget(path)
	if err != nil {
		t.Fatal(err)
	}
	got = got.withDefaults(10)
	shown := fmt.Sprint(got.ApplicationID, got.APIKey, got.APIKeyHeader, got.Rate, got.Burst, got.Timeout, got.Retry)
	if want := "appa-keyx-api-key2.5 2250 3s {500ms 30s 1h30m0s}"; strings.ReplaceAll(shown, " ", "") != strings.ReplaceAll(want, " ", "") {
		t.Errorf("%s, want %s", shown, want)
	}
	for _, text := range []string{"application: app\n", "rate: fast\n", "api_key_file: none\n", "client_cert_file: key\n", "ca_file: key\n", "timeout: 30\n  x"} {
		write("target.yaml", text)
		if _, err := LoadTarget(path); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}
