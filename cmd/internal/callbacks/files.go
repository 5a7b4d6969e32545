package callbacks

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"cohort/engine/campaign"
	"cohort/engine/refusal"
	"cohort/sinks/apim"
	receive "cohort/sinks/callbacks"
)

// renewable is a set of files that belong together and may be renewed while the receiver works.
type renewable struct {
	what  string
	paths []string
	also  func() (string, error) // something else that may be renewed; may be nil
	use   func() error           // reads the files and puts them into use, or changes nothing; an error is a refusal. nil: it is only watched
	seen  [sha256.Size]byte
}

// renew uses the files if their contents have changed since it last looked.
func (r *renewable) renew() (changed bool, err error) {
	all := sha256.New()
	for _, path := range r.paths {
		text, err := os.ReadFile(path)
		fmt.Fprintln(all, len(text), err)
		all.Write(text)
	}
	if r.also != nil {
		text, err := r.also()
		fmt.Fprintln(all, len(text), text, err)
	}
	if seen := [sha256.Size]byte(all.Sum(nil)); seen != r.seen {
		if r.seen = seen; r.use == nil {
			return true, nil
		}
		return true, r.use()
	}
	return false, nil
}

// The command for an API key runs again after commandAgain.
const commandAgain = 5 * time.Minute

// theKeys are the API keys. Another key begins another time of grace.
func theKeys(b *campaign.Callbacks, receiver *receive.Receiver) *renewable {
	current := apim.Credentials{APIKeyFile: b.APIKeyFile, APIKeyEnv: b.APIKeyEnv, APIKeyCommand: b.APIKeyCommand}.APIKey
	r := &renewable{what: "API key", paths: []string{b.APIKeyFile}}
	if b.APIKeyCommand != nil {
		current = keep(current, commandAgain, time.Now)
		r.also = current
	}
	if b.PreviousAPIKeyFile != "" {
		r.paths = append(r.paths, b.PreviousAPIKeyFile)
	}
	r.use = func() error {
		key, err := current()
		all := []string{key}
		if err == nil && b.PreviousAPIKeyFile != "" {
			key, err = apim.Credentials{APIKeyFile: b.PreviousAPIKeyFile}.APIKey()
			all = append(all, key)
			if m := (*apim.Mistake)(nil); errors.As(err, &m) {
				m.Fix = "previous_api_key_file of callbacks names it: put the previous key there, or remove that name"
			}
		}
		if err != nil {
			return refusal.New("api_key_unusable", "cause", err)
		}
		receiver.TrustKeys(b.ApplicationID, all...)
		return nil
	}
	return r
}

// keep makes the result of ask last for a time.
func keep(ask func() (string, error), lasts time.Duration, now func() time.Time) func() (string, error) {
	var text string
	var err error
	var at time.Time
	return func() (string, error) {
		if at.IsZero() || now().Sub(at) >= lasts {
			at = now()
			text, err = ask()
		}
		return text, err
	}
}

// theAuthority is the file of the authority of client certificates.
func theAuthority(path string, receiver *receive.Receiver) *renewable {
	return &renewable{what: "client_ca_file", paths: []string{path}, use: func() error {
		text, err := os.ReadFile(path)
		roots := x509.NewCertPool()
		if err == nil && !roots.AppendCertsFromPEM(text) {
			err = errors.New(path + " has no certificate in PEM")
		}
		if err != nil {
			return refusal.New("client_ca_unusable", "cause", err)
		}
		receiver.TrustClients(roots)
		return nil
	}}
}

const certificateFiles = "certificate"

// certificate is the server's certificate, as of the latest renewal.
type certificate struct {
	current atomic.Pointer[tls.Certificate]
}

func (c *certificate) files(cert, key string) *renewable {
	return &renewable{what: certificateFiles, paths: []string{cert, key}, use: func() error {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return refusal.New("certificate_unusable", "cause", err)
		}
		c.current.Store(&pair)
		return nil
	}}
}

// config is the TLS of the server. Client certificates are checked later, by path: a callback with a
// signature may come with any certificate, or none.
func (c *certificate) config(withClients bool) *tls.Config {
	config := &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.current.Load(), nil },
	}
	if withClients {
		config.ClientAuth = tls.RequestClientCert
	}
	return config
}

// facts are for the log: the end of the certificate, and the SHA-256 hash of its public key, written as the service does
// when it pins it. There are none without a certificate.
func (c *certificate) facts() []any {
	pair := c.current.Load()
	if pair == nil {
		return nil
	}
	sum := sha256.Sum256(pair.Leaf.RawSubjectPublicKeyInfo)
	return []any{"public_key_sha256", base64.StdEncoding.EncodeToString(sum[:]), "certificate_ends", pair.Leaf.NotAfter.UTC()}
}
