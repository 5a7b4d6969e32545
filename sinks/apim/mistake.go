package apim

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"os"
	"syscall"
)

// Part is one of the things that must be right before an application can send.
type Part string

// The parts, in the order in which they are needed.
const (
	PrivateKey Part = "private key"
	APIKey     Part = "API key"
	TokenURL   Part = "token_url"
	TheClock   Part = "clock"
	KeyID      Part = "key id"
	Token      Part = "token" // none of the others, or nobody can say which
	BaseURL    Part = "base_url"
	Permission Part = "permission"
)

// Mistake is one thing that keeps an application from sending, and what to do about it.
// It tells no secret.
type Mistake struct {
	Part    Part
	Found   string
	Fix     string
	Passing bool  // it may pass by itself, so that trying again is worth while
	Err     error // the cause; may be nil
}

// Error is one line: what was found and what to do.
func (m *Mistake) Error() string {
	if m.Fix == "" {
		return m.Problem()
	}
	return m.Problem() + "; " + m.Fix
}

// Problem is what was found, with its cause and without what to do.
func (m *Mistake) Problem() string {
	if m.Err != nil {
		return m.Found + ": " + m.Err.Error()
	}
	return m.Found
}

// Unwrap gives the cause.
func (m *Mistake) Unwrap() error { return m.Err }

// Permanent reports whether trying again cannot help before a person has changed
// something.
func (m *Mistake) Permanent() bool { return !m.Passing }

// Unreachable says of a request that got no answer what that means. who is who should
// have answered, in words; the address stands under the key of the campaign file that
// part is called after.
func Unreachable(part Part, who string, err error) *Mistake {
	err = bare(err)
	found, fix := whyUnreachable(string(part), who, err)
	return &Mistake{Part: part, Found: found, Fix: fix, Err: err, Passing: true}
}

func whyUnreachable(key, who string, err error) (found, fix string) {
	silent := who + " does not answer"
	if e := (*net.OpError)(nil); errors.As(err, &e) && e.Op == "proxyconnect" {
		return silent, "the proxy on the way to it cannot be used; check https_proxy and no_proxy"
	}
	if e := (*net.DNSError)(nil); errors.As(err, &e) {
		if e.IsNotFound {
			return silent, "there is no host of that name; check the host in " + key + ", and this machine's DNS"
		}
		return silent, "the name of its host cannot be looked up; check this machine's DNS"
	}
	if e := (x509.HostnameError{}); errors.As(err, &e) {
		return who + " has the certificate of another host", "check the host in " + key
	}
	if e := (x509.CertificateInvalidError{}); errors.As(err, &e) && e.Reason == x509.Expired {
		return who + " has a certificate that does not hold today", "check this machine's clock; if it is right, whoever runs the service must renew it"
	}
	if e := (x509.UnknownAuthorityError{}); errors.As(err, &e) {
		return who + " has a certificate from an authority that this machine does not know", "check " + key + "; if it is right, name the authority's certificate in ca_file"
	}
	if e := (*tls.CertificateVerificationError)(nil); errors.As(err, &e) {
		return who + " has a certificate that cannot be trusted", "check " + key + " and ca_file"
	}
	if e := (tls.RecordHeaderError{}); errors.As(err, &e) || errors.Is(err, http.ErrSchemeMismatch) {
		return who + " does not speak TLS", "check the port in " + key
	}
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return silent, "nothing listens there; check host and port in " + key
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, syscall.ETIMEDOUT):
		return silent, "check " + key + ", and that a firewall lets this machine through to it"
	}
	return silent, "check " + key + " and the network"
}
