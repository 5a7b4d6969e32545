package apim

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
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

// Sign adds the token to the headers of a request, and this program's name: gateways may refuse
// a client without one.
func Sign(h http.Header, token string) {
	h["Authorization"] = []string{"Bearer " + token}
	h["User-Agent"] = []string{"cohort"}
}

// Transport adds the shared token to every question, and learns from the answers. Base asks.
// Without a token the error is a *wire.NotSentError that holds a *TokenError.
type Transport struct {
	Tokens *Tokens
	Base   http.RoundTripper
}

const correlation = "X-Correlation-Id"

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
	Sign(header, text)
	req.Header = header
	resp, err := t.Base.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if err := t.Tokens.Learn(text, header.Get(correlation), resp.StatusCode, resp.Header); err != nil {
		_ = resp.Body.Close()
		return nil, err
	}
	return resp, nil
}

// Header holds the headers of an answer: an http.Header or a *wire.Answer.
type Header interface {
	Get(name string) string
	Values(name string) []string
}

// Learn learns from the answer to a request with a token whether the service accepts it. The
// error is ErrNotOurs when the answer is another request's; then nothing is learnt. The services
// repeat the request's X-Correlation-Id in every answer; a gateway before them may answer
// without one. own is empty when the request has none.
func (t *Tokens) Learn(token, own string, status int, h Header) error {
	for _, id := range h.Values(correlation) {
		if own != "" && id != "" && !strings.EqualFold(id, own) {
			return ErrNotOurs
		}
	}
	t.Heard(status, h)
	switch {
	case status == http.StatusUnauthorized:
		t.reject(token)
	case status < 500:
		t.accepted(token)
	}
	return nil
}

// ErrNotOurs says that an answer was given to another request. What became of this one is
// not known.
var ErrNotOurs = errors.New("the answer has the X-Correlation-Id of another request")
