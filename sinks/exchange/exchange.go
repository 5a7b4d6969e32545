// Package exchange is the part that the sinks of NHS Notify and the NHS App share. It posts a
// request, reads JSON in place, and classifies a missing answer. It reads Retry-After, and
// decides which codes of a service may be logged. It also reads the services' reports.
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

// Codes for a request without an answer. No service uses them.
const (
	CodeTimeout    = "timeout"
	CodeCutOff     = "cut_off"
	CodeNoAnswer   = "no_answer"
	CodeNoToken    = engine.CodeNoToken
	CodeNotReached = "not_reached"
	CodeNotOurs    = "not_our_answer"
)

// NoAnswer classifies a request without an answer: certainly not sent, or in doubt. ctx is the
// request's context, and err the error of its RoundTrip.
func NoAnswer(ctx context.Context, err error) engine.Answer {
	if t := (*apim.TokenError)(nil); errors.As(err, &t) {
		a := engine.Answer{Reply: engine.Unsent, Code: CodeNoToken, Why: "no access token: " + cmp.Or(why(err), t.Found)}
		switch {
		case t.Replaced:
			a.Code, a.Halt = engine.CodeKeyReplaced, t.Mistake.Error()
		case t.Worked:
			a.Why = t.Error()
		case t.Permanent():
			a.Halt = t.Error()
		}
		return a
	}
	if errors.Is(err, wire.ErrLate) {
		return engine.Answer{Reply: engine.Unsent, Code: engine.CodeLate}
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

// why explains an error in words, without an address or a name. It returns "" for an unknown
// error.
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

// Plain returns a service's code if it has the form of one, and "" otherwise. Codes go into
// the log and the report, and an NHS number must never get there. A code is not shortened,
// since a part of it may be another code.
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

// maxRetryAfter limits a Retry-After.
const maxRetryAfter = 24 * time.Hour

// RetryAfter reads a Retry-After header: seconds, or a date. It returns 0 for a missing or
// unreadable one.
func RetryAfter(h apim.Header, now time.Time) time.Duration {
	text := h.Get("Retry-After")
	if seconds, err := strconv.ParseUint(strings.TrimSpace(text), 10, 31); err == nil {
		return min(time.Duration(seconds)*time.Second, maxRetryAfter)
	}
	if at, err := http.ParseTime(text); err == nil && at.After(now) {
		return min(at.Sub(now), maxRetryAfter)
	}
	return 0
}
