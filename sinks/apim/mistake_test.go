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
	"time"

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
		{"there is no such host", dial(&net.DNSError{Err: "no such host", Name: "service.example", IsNotFound: true}), "it does not answer", "there is no host with that name; check the host in token_url, and this machine's DNS"},
		{"names cannot be looked up", dial(&net.DNSError{Err: "server misbehaving", Name: "service.example"}), "it does not answer", "cannot be looked up; check this machine's DNS"},
		{"the port is closed", dial(syscall.ECONNREFUSED), "it does not answer", "nothing listens at that port; check host and port in token_url"},
		{"a firewall swallows everything", dial(context.DeadlineExceeded), "it does not answer", "the firewall"},
		{"the system has waited long enough", dial(syscall.ETIMEDOUT), "it does not answer", "the firewall"},
		{"the proxy is closed", &url.Error{Op: "Get", Err: &net.OpError{Op: "proxyconnect", Net: "tcp", Err: syscall.ECONNREFUSED}}, "it does not answer", "check https_proxy and no_proxy"},
		{"nobody knows who signed", x509.UnknownAuthorityError{}, "an authority that this machine does not know", "name the authority's certificate in ca_file"},
		{"it is another's certificate", x509.HostnameError{Certificate: &x509.Certificate{}, Host: "service.example"}, "the certificate of another host", "check the host in token_url"},
		{"the certificate is past", x509.CertificateInvalidError{Reason: x509.Expired}, "is not valid today", "check this machine's clock"},
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

// A caller finds a token error as a TokenError and as a Mistake.
func TestATokenErrorIsAMistake(t *testing.T) {
	err := fmt.Errorf("around: %w", &apim.TokenError{Mistake: apim.Mistake{Part: apim.KeyID, Found: "found", Fix: "mend", Err: context.Canceled}})
	m, ok := errors.AsType[*apim.Mistake](err)
	if !ok || m.Part != apim.KeyID || m.Error() != "found: context canceled; mend" || !errors.Is(err, context.Canceled) || err.Error() != "around: no access token: found: context canceled; mend" {
		t.Errorf("%v, %v", m, err)
	}
}

// The status of the token endpoint tells the part at fault, and whether another try may
// succeed.
func TestWhatAnAnswerWithoutATokenMeans(t *testing.T) {
	for _, row := range []struct {
		sentence string
		status   int
		body     string
		part     apim.Part
		passing  bool
		fix      string
	}{
		{"it leads elsewhere", 302, "", apim.TokenURL, false, "there is no token endpoint at that address"},
		{"there is no such path", 404, "404 page not found", apim.TokenURL, false, "there is no token endpoint at that address"},
		{"the path takes no POST", 405, "", apim.TokenURL, false, "there is no token endpoint at that address"},
		{"a page of something else", 200, "<html>sign in to the hospital's guest network</html>", apim.TokenURL, true, "is the address of the platform"},
		{"it is asked too often", 429, "", apim.Token, true, "wait 17 s and try again"},
		{"it is broken", 503, "", apim.Token, true, "the fault is in the platform"},
		{"it cannot fetch the keys", 403, `{"error":"public_key error","error_description":"The JWKS endpoint can't be reached"}`, apim.KeyID, true, "the JWKS address"},
		{"it is forbidden for another reason", 403, `{"error":"access_denied"}`, apim.Token, false, "check token_url, the API key, key_id and private_key_file"},
	} {
		t.Run(row.sentence, func(t *testing.T) {
			e := newEndpoint(t)
			e.says(func(_ int, w http.ResponseWriter, _ *http.Request) bool {
				w.Header().Set("Retry-After", "17")
				w.WriteHeader(row.status)
				_, _ = w.Write([]byte(row.body))
				return true
			})
			_, _, err := e.tokens(t, nil).Try(t.Context())
			refused, ok := errors.AsType[*apim.TokenError](err)
			if !ok || refused.Status != row.status || refused.Part != row.part || refused.Passing != row.passing || !strings.Contains(refused.Fix, row.fix) {
				t.Errorf("%v (%+v)", err, refused)
			}
		})
	}
}

// Try asks although there is a token. The new token is the shared one from then on.
func TestTryAlwaysGetsANewToken(t *testing.T) {
	e := newEndpoint(t)
	tokens := e.tokens(t, nil)
	token(t, tokens)
	life, clock, err := tokens.Try(t.Context())
	if err != nil || life.Round(time.Second) != 10*time.Minute || clock == nil || e.asked() != 2 {
		t.Errorf("%v, %v, %v after %d exchanges", life, clock, err, e.asked())
	}
	if got := token(t, tokens); got != "token-2" || e.asked() != 2 {
		t.Errorf("then %s after %d exchanges", got, e.asked())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := tokens.Try(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
