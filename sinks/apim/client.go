package apim

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"maps"
	"net/http"
	"os"
	"time"
)

// Client makes an HTTP client for the platform: TLS 1.2 or newer, no redirects, no
// compression, proxy from the environment (https_proxy, no_proxy). caFile adds
// certificates to the system's; it may be empty.
//
// It speaks HTTP/1.1 only: under HTTP/2 the library may send a request a second time
// by itself, and every sending must be ours.
func Client(caFile string, connections int) (*http.Client, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if caFile != "" {
		text, err := os.ReadFile(caFile)
		if err != nil {
			return nil, fmt.Errorf("ca_file cannot be read: %w", err)
		}
		config.RootCAs, err = x509.SystemCertPool()
		if err != nil {
			config.RootCAs = x509.NewCertPool()
		}
		if !config.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("ca_file: %s holds no certificate in PEM form", caFile)
		}
	}
	return &http.Client{
		Transport: &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			TLSClientConfig:     config,
			TLSNextProto:        map[string]func(string, *tls.Conn) http.RoundTripper{}, // HTTP/1.1
			TLSHandshakeTimeout: 10 * time.Second,
			MaxIdleConnsPerHost: connections,
			IdleConnTimeout:     30 * time.Second,
			DisableCompression:  true,
			ReadBufferSize:      64 << 10,
			WriteBufferSize:     64 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// Transport adds the shared token to every request and learns from the answers
// whether the service takes it. It sends each request once. An error of type *UnsentError
// means that there was no token, and holds a *TokenError where the service refused one.
type Transport struct {
	Tokens *Tokens
	Base   http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	text, err := t.Tokens.Token(req.Context())
	if err != nil {
		if req.Body != nil {
			_ = req.Body.Close()
		}
		return nil, &UnsentError{err}
	}
	req = req.WithContext(req.Context()) // a copy, of which only the header becomes another
	header := make(http.Header, len(req.Header)+1)
	maps.Copy(header, req.Header)
	header["Authorization"] = []string{"Bearer " + text}
	req.Header = header
	resp, err := t.Base.RoundTrip(req)
	if err == nil {
		t.Tokens.Heard(resp)
	}
	switch {
	case err != nil:
	case resp.StatusCode == http.StatusUnauthorized:
		t.Tokens.refuse(text)
	case resp.StatusCode < 500:
		t.Tokens.taken(text)
	}
	return resp, err
}
