package apim

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/url"
	"os"
	"syscall"
)

// Part names a thing that must be right before an application can send.
type Part string

// The parts, in the order of their use.
const (
	PrivateKey Part = "private key"
	APIKey     Part = "API key"
	TokenURL   Part = "token_url"
	TheClock   Part = "clock"
	KeyID      Part = "key id"
	Token      Part = "token" // no other part, or an unknown one
	BaseURL    Part = "base_url"
	Permission Part = "permission"
)

// Mistake is a problem that keeps an application from sending, and what to do about it. It
// holds no secret.
type Mistake struct {
	Part    Part
	Found   string
	Fix     string
	Passing bool  // another try may succeed
	Err     error // the cause, or nil
}

// Error is one line: the problem and what to do.
func (m *Mistake) Error() string {
	if m.Fix == "" {
		return m.Problem()
	}
	return m.Problem() + "; " + m.Fix
}

// Problem is Found with its cause, and without Fix.
func (m *Mistake) Problem() string {
	if m.Err != nil {
		return m.Found + ": " + m.Err.Error()
	}
	return m.Found
}

func (m *Mistake) Unwrap() error { return m.Err }

// Permanent reports that a person must change something before another try can succeed.
func (m *Mistake) Permanent() bool { return !m.Passing }

// Unreachable explains a request without an answer. service names the service in words. Its
// address stands in the campaign file, under the key that part is named after.
func Unreachable(part Part, service string, err error) *Mistake {
	if u := (*url.Error)(nil); errors.As(err, &u) { // without the method and the address
		err = u.Err
	}
	found, fix := whyUnreachable(string(part), service, err)
	return &Mistake{Part: part, Found: found, Fix: fix, Err: err, Passing: true}
}

func whyUnreachable(key, service string, err error) (found, fix string) {
	silent := service + " does not answer"
	if e := (*net.OpError)(nil); errors.As(err, &e) && e.Op == "proxyconnect" {
		return silent, "the proxy cannot be used; check https_proxy and no_proxy"
	}
	if e := (*net.DNSError)(nil); errors.As(err, &e) {
		if e.IsNotFound {
			return silent, "there is no host with that name; check the host in " + key + ", and this machine's DNS"
		}
		return silent, "the name of its host cannot be looked up; check this machine's DNS"
	}
	if e := (x509.HostnameError{}); errors.As(err, &e) {
		return service + " has the certificate of another host", "check the host in " + key
	}
	if e := (x509.CertificateInvalidError{}); errors.As(err, &e) && e.Reason == x509.Expired {
		return service + " has a certificate that is not valid today", "check this machine's clock; if it is right, the service must renew its certificate"
	}
	if e := (x509.UnknownAuthorityError{}); errors.As(err, &e) {
		return service + " has a certificate from an authority that this machine does not know", "check " + key + "; if it is right, name the authority's certificate in ca_file"
	}
	if e := (*tls.CertificateVerificationError)(nil); errors.As(err, &e) {
		return service + " has a certificate that cannot be trusted", "check " + key + " and ca_file"
	}
	if e := (tls.RecordHeaderError{}); errors.As(err, &e) || errors.Is(err, http.ErrSchemeMismatch) {
		return service + " does not speak TLS", "check the port in " + key
	}
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return silent, "nothing listens at that port; check host and port in " + key
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, syscall.ETIMEDOUT):
		return silent, "check " + key + ", and that the firewall lets this machine connect to it"
	}
	return silent, "check " + key + " and the network"
}
