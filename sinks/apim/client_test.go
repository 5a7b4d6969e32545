package apim_test

import (
	"crypto/tls"
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"cohort/sinks/apim"
)

// secure starts a TLS server and returns it with a file that holds its certificate.
func secure(t *testing.T, config *tls.Config, handler http.HandlerFunc) (*httptest.Server, string) {
	t.Helper()
	s := httptest.NewUnstartedServer(handler)
	s.TLS = config
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	return s, file(t, "ca.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
}

func get(t *testing.T, c *http.Client, url string) (*http.Response, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Do(req)
	if err == nil {
		_ = resp.Body.Close()
	}
	return resp, err
}

func TestTLSMustBe12OrNewer(t *testing.T) {
	for _, row := range []struct {
		name    string
		version uint16
		works   bool
	}{
		{"TLS 1.0", tls.VersionTLS10, false}, {"TLS 1.1", tls.VersionTLS11, false}, {"TLS 1.2", tls.VersionTLS12, true}, {"TLS 1.3", tls.VersionTLS13, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			s, ca := secure(t, &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: row.version}, func(http.ResponseWriter, *http.Request) {})
			if _, err := get(t, client(t, ca), s.URL); (err == nil) != row.works || err != nil && !strings.Contains(err.Error(), "version") {
				t.Errorf("%v", err)
			}
		})
	}
	if c := client(t, ""); c.Transport.(*http.Transport).TLSClientConfig.MinVersion != tls.VersionTLS12 {
		t.Error("the least version is left to the library, whose default can be changed from outside")
	}
}

func TestOnlyHTTP1IsSpoken(t *testing.T) {
	s, ca := secure(t, nil, func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Spoken", r.Proto) })
	resp, err := get(t, client(t, ca), s.URL)
	if err != nil || resp.Header.Get("Spoken") != "HTTP/1.1" {
		t.Errorf("%v %v", resp, err)
	}
}

func TestAFileOfCertificates(t *testing.T) {
	s, ca := secure(t, nil, func(http.ResponseWriter, *http.Request) {})
	if _, err := get(t, client(t, ""), s.URL); err == nil {
		t.Error("a certificate that nobody vouches for is taken")
	}
	if _, err := get(t, client(t, ca), s.URL); err != nil {
		t.Errorf("with its certificate in ca_file: %v", err)
	}
	missing := filepath.Join(t.TempDir(), "missing.pem")
	for path, text := range map[string]string{
		missing:                                    "",
		file(t, "empty.pem", nil):                  "PEM",
		file(t, "junk.pem", []byte("so")):          "PEM",
		file(t, "key.pem", pkcs8(t, signingKey())): "PEM",
	} {
		_, err := apim.Client(path, 1)
		if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "ca_file") || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if _, err := apim.Client(missing, 1); !os.IsNotExist(unwrapped(err)) {
		t.Errorf("%v", err)
	}
}

func unwrapped(err error) error {
	if u, ok := err.(interface{ Unwrap() error }); ok {
		return u.Unwrap()
	}
	return err
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		var requests atomic.Int32
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			requests.Add(1)
			http.Redirect(w, r, "/elsewhere", status)
		}))
		resp, err := get(t, client(t, ""), s.URL)
		if err != nil || resp.StatusCode != status || requests.Load() != 1 {
			t.Errorf("%d: %v %v after %d requests", status, resp, err, requests.Load())
		}
		s.Close()
	}
}

func TestNothingIsCompressed(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Asked", r.Header.Get("Accept-Encoding"))
	}))
	t.Cleanup(s.Close)
	resp, err := get(t, client(t, ""), s.URL)
	if err != nil || resp.Header.Get("Asked") != "" {
		t.Errorf("%v %v", resp, err)
	}
}
