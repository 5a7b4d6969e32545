package apim_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"testing"

	"cohort/sinks/apim"
)

func TestWhyNothingAnswers(t *testing.T) {
	dial := func(cause error) error {
		return &url.Error{Op: "Get", URL: "https://service.example/?secret=token-1", Err: &net.OpError{Op: "dial", Net: "tcp", Err: cause}}
	}
	for _, row := range []struct {
		sentence string
		err      error
		found    string
		fix      string
	}{
		{"there is no such host", dial(&net.DNSError{Err: "no such host", Name: "service.example", IsNotFound: true}), "it does not answer", "there is no host of that name; check the host in token_url, and this machine's DNS"},
		{"names cannot be looked up", dial(&net.DNSError{Err: "server misbehaving", Name: "service.example"}), "it does not answer", "cannot be looked up; check this machine's DNS"},
		{"the port is closed", dial(syscall.ECONNREFUSED), "it does not answer", "nothing listens there; check host and port in token_url"},
		{"a firewall swallows everything", dial(context.DeadlineExceeded), "it does not answer", "a firewall"},
		{"the system has waited long enough", dial(syscall.ETIMEDOUT), "it does not answer", "a firewall"},
		{"the proxy is closed", &url.Error{Op: "Get", Err: &net.OpError{Op: "proxyconnect", Net: "tcp", Err: syscall.ECONNREFUSED}}, "it does not answer", "check https_proxy and no_proxy"},
		{"nobody knows who signed", x509.UnknownAuthorityError{}, "an authority that this machine does not know", "name the authority's certificate in ca_file"},
		{"it is another's certificate", x509.HostnameError{Certificate: &x509.Certificate{}, Host: "service.example"}, "the certificate of another host", "check the host in token_url"},
		{"the certificate is past", x509.CertificateInvalidError{Reason: x509.Expired}, "does not hold today", "check this machine's clock"},
		{"it speaks plain HTTP", http.ErrSchemeMismatch, "it does not speak TLS", "check the port in token_url"},
		{"anything else", errors.New("EOF"), "it does not answer", "check token_url and the network"},
	} {
		t.Run(row.sentence, func(t *testing.T) {
			m := apim.Unreachable(apim.TokenURL, "it", fmt.Errorf("wrapped: %w", row.err))
			if m.Part != apim.TokenURL || m.Permanent() || !strings.Contains(m.Found, row.found) || !strings.Contains(m.Fix, row.fix) || strings.Contains(m.Error(), "token-1") {
				t.Errorf("%v", m)
			}
		})
	}
}

// A token error is a mistake, so that whoever asks for one or the other finds it.
func TestATokenErrorIsAMistake(t *testing.T) {
	err := fmt.Errorf("around: %w", &apim.TokenError{Mistake: apim.Mistake{Part: apim.KeyID, Found: "found", Fix: "mend", Err: context.Canceled}})
	m, ok := errors.AsType[*apim.Mistake](err)
	if !ok || m.Part != apim.KeyID || m.Error() != "found: context canceled; mend" || !errors.Is(err, context.Canceled) || err.Error() != "around: no access token: found: context canceled; mend" {
		t.Errorf("%v, %v", m, err)
	}
}
