// Package exchange holds what the sinks of services behind the NHS API platform know
// alike of one request and its answer: what it means that there is none, for how long a
// service wants to be left alone, and which of its words may go into a log; and the report
// of app users, which both give.
package exchange

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"cohort/engine"
	"cohort/sinks/apim"
	"cohort/sinks/wire"
)

// Words of our own for what happened when there was no answer.
const (
	CodeTimeout    = "timeout"
	CodeCutOff     = "cut_off"
	CodeNoAnswer   = "no_answer"
	CodeNoToken    = "no_token"
	CodeNotReached = "not_reached"
	CodeNotOurs    = "not_our_answer"
)

// NoAnswer classifies a request without an answer: certainly not sent, or in doubt. ctx is
// the request's, err what apim.Carrier's RoundTrip ended with.
func NoAnswer(ctx context.Context, err error) engine.Answer {
	if t := (*apim.TokenError)(nil); errors.As(err, &t) {
		a := engine.Answer{Reply: engine.Unsent, Code: CodeNoToken, Why: "no access token: " + cmp.Or(why(err), t.Found)}
		if t.Permanent() {
			a.Halt = t.Error()
		}
		return a
	}
	if u := (*wire.NotSentError)(nil); errors.As(err, &u) {
		return engine.Answer{Reply: engine.Unsent, Code: CodeNotReached, Why: why(err)}
	}
	a := engine.Answer{Reply: engine.Unknown, Code: CodeNoAnswer, Why: cmp.Or(why(err), "the connection broke")}
	switch {
	case errors.Is(err, apim.ErrNotOurs):
		a.Code, a.Why = CodeNotOurs, apim.ErrNotOurs.Error()
	case ctx.Err() != nil:
		a.Code, a.Why = CodeCutOff, ""
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		a.Code = CodeTimeout
	}
	return a
}

// why says in words why a service was not reached or did not answer; nothing when there are
// none for it. It names no address and nobody.
func why(err error) string {
	op, dns, tls := (*net.OpError)(nil), (*net.DNSError)(nil), (*tls.CertificateVerificationError)(nil)
	switch {
	case errors.As(err, &op) && op.Op == "proxyconnect":
		return "the proxy cannot be used"
	case errors.As(err, &dns):
		return "the name of its host cannot be looked up"
	case errors.As(err, &tls):
		return "its certificate cannot be trusted"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, syscall.ECONNRESET):
		return "connection reset"
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return "no route to its host"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, syscall.ETIMEDOUT):
		return "no answer in time"
	}
	return ""
}

// Plain is a code of the service, or nothing when it is not plainly one: it goes into
// the log and the report, where no number of a person may turn up, and half a code may
// be another code.
func Plain(code string) string {
	digits := 0
	for _, r := range code {
		switch {
		case '0' <= r && r <= '9':
			digits++
		case r != '_' && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z'):
			return ""
		}
	}
	if digits > 4 || len(code) > 60 {
		return ""
	}
	return code
}

// mostPatience is the longest Retry-After that is taken at its word.
const mostPatience = 24 * time.Hour

// RetryAfter reads a Retry-After header: seconds, or a date. 0 when there is none that
// can be read.
func RetryAfter(h http.Header, now time.Time) time.Duration {
	text := h.Get("Retry-After")
	if seconds, err := strconv.ParseUint(strings.TrimSpace(text), 10, 31); err == nil {
		return min(time.Duration(seconds)*time.Second, mostPatience)
	}
	if at, err := http.ParseTime(text); err == nil && at.After(now) {
		return min(at.Sub(now), mostPatience)
	}
	return 0
}
