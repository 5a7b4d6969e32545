package callbacks

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"cohort/engine/event"
)

// grace begins when secrets are loaded, and ends when a callback verifies. In it, callbacks that do not
// verify get 503. It is as long as the services repeat a callback.
const grace = 2 * time.Hour

// signatureHeader has the HMAC-SHA256 of the body, in hex. The service fixes its name.
const signatureHeader = "X-Hmac-Sha256-Signature"

// trust holds the secrets of one load: API keys, or the authority of client certificates.
type trust struct {
	keys     []secret
	roots    *x509.CertPool
	loaded   time.Time
	verified atomic.Bool // a callback has
	alarmed  atomic.Bool // it was logged that none has
}

type secret struct {
	digest [sha256.Size]byte // of an API key: all have one length, for the comparison
	mac    []byte            // the key of signatures
}

// TrustKeys sets the API keys that count: the current one, and the previous one during a rotation.
// The key of a signature is <application>.<API key>. The two hours of grace begin anew.
func (r *Receiver) TrustKeys(application string, keys ...string) {
	t := &trust{loaded: r.o.Now()}
	for _, key := range keys {
		t.keys = append(t.keys, secret{sha256.Sum256([]byte(key)), []byte(application + "." + key)})
	}
	r.keys.Store(t)
}

// TrustClients sets the authority of client certificates. Its two hours of grace begin anew.
func (r *Receiver) TrustClients(roots *x509.CertPool) {
	r.clients.Store(&trust{roots: roots, loaded: r.o.Now()})
}

// hasKey reports whether the API key of a callback is one of ours, in constant time.
func (t *trust) hasKey(given string) bool {
	digest, found := sha256.Sum256([]byte(given)), 0
	for _, s := range t.keys {
		found |= subtle.ConstantTimeCompare(digest[:], s.digest[:])
	}
	return found == 1
}

// signed reports whether a signature is that of the body under one of our keys, in constant time.
func (t *trust) signed(body []byte, signature string) bool {
	given, err := hex.DecodeString(signature)
	found := false
	for _, s := range t.keys {
		mac := hmac.New(sha256.New, s.mac)
		mac.Write(body)
		found = hmac.Equal(mac.Sum(nil), given) || found
	}
	return found && err == nil
}

// knows reports whether a connection has a client certificate of the authority that carries one of the
// names, as a DNS name or as its common name.
func (t *trust) knows(c *tls.ConnectionState, names []string, now time.Time) bool {
	if c == nil || len(c.PeerCertificates) == 0 {
		return false
	}
	leaf, between := c.PeerCertificates[0], x509.NewCertPool()
	for _, issuer := range c.PeerCertificates[1:] {
		between.AddCert(issuer)
	}
	usages := []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	_, err := leaf.Verify(x509.VerifyOptions{Roots: t.roots, Intermediates: between, CurrentTime: now, KeyUsages: usages})
	return err == nil && slices.ContainsFunc(append(leaf.DNSNames, leaf.Subject.CommonName), func(has string) bool {
		return slices.ContainsFunc(names, func(name string) bool { return strings.EqualFold(has, name) })
	})
}

// unverified is the answer to a callback that did not verify: Unproven in the grace, with one alarm, and
// otherwise the refusal.
func (r *Receiver) unverified(t *trust, refusal Answer) Answer {
	if t.verified.Load() || r.o.Now().Sub(t.loaded) >= grace {
		return refusal
	}
	if !t.alarmed.Swap(true) {
		r.o.Log.Error("ALARM: a callback does not verify, and none has since the secrets were loaded: are the secrets of this receiver right? "+
			"Such callbacks get 503, and the service repeats them, until one verifies or two hours are over; from then on they are lost", event.NothingVerifies,
			"found", refusal.String(), "check", toCheck[refusal], "until", t.loaded.Add(grace).UTC().Format(time.RFC3339))
	}
	return Unproven
}
