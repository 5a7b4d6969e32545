package callbacks

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
)

// Target is the receiver, as the service knows it. The zero value has the defaults. A file has the
// keys in the tags; paths in it are relative to the file.
type Target struct {
	ApplicationID string        `yaml:"application_id"` // "simulated" when empty
	APIKeyFile    string        `yaml:"api_key_file"`
	APIKeyHeader  string        `yaml:"api_key_header"` // x-api-key when empty
	ClientCert    string        `yaml:"client_cert_file"`
	ClientKey     string        `yaml:"client_key_file"`
	CAFile        string        `yaml:"ca_file"`     // of the receiver's certificate
	Rate          float64       `yaml:"rate"`        // callbacks a second; 0: no limit
	Burst         int           `yaml:"burst"`       // callbacks at once; 2,250 when zero
	Connections   int           `yaml:"connections"` // at a time; 20 when zero
	Timeout       time.Duration `yaml:"timeout"`     // of an attempt; 30 s when zero
	Statuses      []string      `yaml:"statuses"`    // that the sender has subscribed to; all when empty. Receipts all come

	// Second attempts. The wait before attempt n+1 is up to First * 2^(n-1), and Most at most. After
	// For the callback is lost. They are 5 s, 300 s and 2 h, divided by Hasten, when zero.
	Retry struct {
		First time.Duration `yaml:"first"`
		Most  time.Duration `yaml:"most"`
		For   time.Duration `yaml:"for"`
	} `yaml:"retry"`

	APIKey       string            `yaml:"-"` // from APIKeyFile; "simulated" when empty
	Certificates []tls.Certificate `yaml:"-"` // from ClientCert
	Roots        *x509.CertPool    `yaml:"-"` // from CAFile; nil: those of this machine
}

// LoadTarget reads a target from a YAML file, and the files that it names.
func LoadTarget(path string) (t Target, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return t, err
	}
	if err := yaml.UnmarshalWithOptions(text, &t, yaml.Strict()); err != nil {
		return t, fmt.Errorf("%s: %w", path, err)
	}
	for _, name := range []*string{&t.APIKeyFile, &t.ClientCert, &t.ClientKey, &t.CAFile} {
		if *name != "" && !filepath.IsAbs(*name) {
			*name = filepath.Join(filepath.Dir(path), *name)
		}
	}
	if t.APIKeyFile != "" {
		if text, err = os.ReadFile(t.APIKeyFile); err != nil {
			return t, err
		}
		t.APIKey = strings.TrimSpace(string(text))
	}
	if t.ClientCert != "" {
		pair, err := tls.LoadX509KeyPair(t.ClientCert, t.ClientKey)
		if err != nil {
			return t, err
		}
		t.Certificates = []tls.Certificate{pair}
	}
	if t.CAFile != "" {
		if text, err = os.ReadFile(t.CAFile); err != nil {
			return t, err
		}
		if t.Roots = x509.NewCertPool(); !t.Roots.AppendCertsFromPEM(text) {
			return t, fmt.Errorf("%s has no certificate in PEM", t.CAFile)
		}
	}
	return t, nil
}

func (t Target) withDefaults(hasten float64) Target {
	t.ApplicationID, t.APIKey = cmp.Or(t.ApplicationID, "simulated"), cmp.Or(t.APIKey, "simulated")
	t.APIKeyHeader, t.Burst = cmp.Or(t.APIKeyHeader, "x-api-key"), cmp.Or(t.Burst, 2250)
	t.Connections, t.Timeout = cmp.Or(t.Connections, 20), cmp.Or(t.Timeout, 30*time.Second)
	scaled := func(given, usual time.Duration) time.Duration {
		return cmp.Or(given, time.Duration(float64(usual)/hasten))
	}
	t.Retry.First, t.Retry.Most = scaled(t.Retry.First, 5*time.Second), scaled(t.Retry.Most, 300*time.Second)
	t.Retry.For = scaled(t.Retry.For, 2*time.Hour)
	return t
}

// client follows no redirects.
func (t Target) client(certificates []tls.Certificate) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			TLSClientConfig:     &tls.Config{RootCAs: t.Roots, MinVersion: tls.VersionTLS12, Certificates: certificates},
			MaxIdleConnsPerHost: t.Connections,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
