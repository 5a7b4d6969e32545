package apim

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"cohort/sinks/wire"
)

// Client makes an HTTP client for the platform. It speaks HTTP/1.1 over TLS 1.2 or newer,
// follows no redirects and asks for no compression. The proxy comes from the environment
// (https_proxy, no_proxy). caFile adds certificates to the system's; it may be empty.
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

// userAgent is in every signed request. Gateways may refuse a client without a name.
var userAgent = []string{"cohort"}

// Transport adds the shared token to every request, and learns from the answers whether the
// service accepts it. Base sends the request. Without a token the error is a
// *wire.NotSentError. It holds a *TokenError when the token endpoint gave no token.
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
		return nil, &wire.NotSentError{Err: err}
	}
	req = req.WithContext(req.Context()) // a copy, since the caller's request must not change
	header := make(http.Header, len(req.Header)+2)
	maps.Copy(header, req.Header)
	header["Authorization"] = []string{"Bearer " + text}
	header["User-Agent"] = userAgent
	req.Header = header
	resp, err := t.Base.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if !isOurs(req.Header, resp.Header) {
		_ = resp.Body.Close()
		return nil, ErrNotOurs
	}
	t.Tokens.Heard(resp)
	switch {
	case resp.StatusCode == http.StatusUnauthorized:
		t.Tokens.reject(text)
	case resp.StatusCode < 500:
		t.Tokens.accepted(text)
	}
	return resp, nil
}

// ErrNotOurs says that an answer was given to another request. What became of this one is
// not known.
var ErrNotOurs = errors.New("the answer has the X-Correlation-Id of another request")

// isOurs reports whether an answer may be the request's. The services repeat the request's
// X-Correlation-Id in every answer; a gateway before them may answer without one.
func isOurs(sent, got http.Header) bool {
	const name = "X-Correlation-Id"
	want := sent.Get(name)
	return want == "" || !slices.ContainsFunc(got[name], func(id string) bool {
		return id != "" && !strings.EqualFold(id, want)
	})
}
