package exchange

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"syscall"
	"testing"
	"time"

	"cohort/sinks/apim"
	"cohort/sinks/wire"
)

func TestRetryAfterIsSecondsOrADate(t *testing.T) {
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"":                               0,
		"0":                              0,
		"1":                              time.Second,
		" 60 ":                           time.Minute,
		"86400":                          24 * time.Hour,
		"-1":                             0,
		"1.5":                            0,
		"90000":                          24 * time.Hour,
		"soon":                           0,
		"99999999999999999999":           0,
		"Mon, 02 Mar 2026 09:01:30 GMT":  90 * time.Second,
		"Monday, 02-Mar-26 09:00:05 GMT": 5 * time.Second,
		"Mon Mar  2 09:00:07 2026":       7 * time.Second,
		"Mon, 02 Mar 2026 09:00:00 GMT":  0,
		"Mon, 02 Mar 2026 08:59:00 GMT":  0,
		"Mon, 02 Mar 2026":               0,
	} {
		if got := RetryAfter(http.Header{"Retry-After": {text}}, now); got != want || got < 0 {
			t.Errorf("%q: %v, not %v", text, got, want)
		}
	}
}

// The explanation has no address and no name in it.
func TestWhyThereIsNoAnswer(t *testing.T) {
	dial := func(err error) error {
		return &url.Error{Op: "Post", URL: "http://10.1.2.3/x", Err: &net.OpError{Op: "dial", Err: err}}
	}
	unsent := func(err error) error { return &wire.NotSentError{Err: err} }
	done, cancel := context.WithCancel(t.Context())
	cancel()
	for _, row := range []struct {
		ctx  context.Context
		err  error
		code string
		why  string
	}{
		{t.Context(), unsent(dial(os.NewSyscallError("connect", syscall.ECONNREFUSED))), CodeNotReached, "connection refused"},
		{t.Context(), unsent(dial(os.NewSyscallError("connect", syscall.EHOSTUNREACH))), CodeNotReached, "no route to its host"},
		{t.Context(), unsent(dial(&net.DNSError{Name: "secret.example", IsNotFound: true})), CodeNotReached, "the name of its host cannot be looked up"},
		{t.Context(), unsent(&net.OpError{Op: "proxyconnect", Err: syscall.ECONNREFUSED}), CodeNotReached, "the proxy cannot be used"},
		{t.Context(), unsent(&tls.CertificateVerificationError{Err: errors.New("10.1.2.3")}), CodeNotReached, "its certificate cannot be trusted"},
		{t.Context(), unsent(errors.New("10.1.2.3")), CodeNotReached, ""},
		{t.Context(), os.ErrDeadlineExceeded, CodeTimeout, "no answer in time"},
		{t.Context(), os.NewSyscallError("read", syscall.ECONNRESET), CodeNoAnswer, "connection reset"},
		{t.Context(), io.ErrUnexpectedEOF, CodeNoAnswer, "the connection broke"},
		{done, os.ErrDeadlineExceeded, CodeCutOff, ""},
		{done, apim.ErrNotOurs, CodeNotOurs, "the answer has the X-Correlation-Id of another request"},
		{t.Context(), unsent(&apim.TokenError{Mistake: apim.Mistake{Found: "the token endpoint answered 500", Passing: true}}), CodeNoToken, "no access token: the token endpoint answered 500"},
		{t.Context(), unsent(&apim.TokenError{Mistake: apim.Mistake{Found: "it does not answer", Err: syscall.ECONNREFUSED, Passing: true}}), CodeNoToken, "no access token: connection refused"},
	} {
		if a := NoAnswer(row.ctx, row.err); a.Code != row.code || a.Why != row.why || a.Status != 0 {
			t.Errorf("%v: %+v", row.err, a)
		}
	}
}
