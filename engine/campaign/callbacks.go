package campaign

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// Callbacks names the senders that the receiver of callbacks trusts. Empty fields switch paths off:
// without ApplicationID those of a signature, without ClientCAFile those of a client certificate.
type Callbacks struct {
	ApplicationID      string   `yaml:"application_id"`        // a signature's key is <ApplicationID>.<API key>
	APIKeyFile         string   `yaml:"api_key_file"`          // as Access.APIKeyFile
	APIKeyCommand      []string `yaml:"api_key_command"`       // it prints the key
	PreviousAPIKeyFile string   `yaml:"previous_api_key_file"` // as APIKeyFile; trusted too, during a rotation
	APIKeyHeader       string   `yaml:"api_key_header"`        // the name of the header with the API key

	ClientCAFile string   `yaml:"client_ca_file"` // absolute
	ClientNames  []string `yaml:"client_names"`   // a client certificate must carry one of them

	APIKeyEnv string // the sink's, in place of the others; it has no key
}

// defaultAPIKeyHeader is the service's own default.
const defaultAPIKeyHeader = "x-api-key"

var headerForm = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$") // a token of RFC 9110

// callbacks follows sink: the API key may be the sink's.
func (l *loader) callbacks(c *Campaign, s *Callbacks) {
	const at = "callbacks"
	if s == nil && !l.has(at) {
		return
	}
	if s == nil || s.ApplicationID == "" && s.ClientCAFile == "" {
		l.wrong(at, "needs application_id to check signatures, client_ca_file to check client certificates, or both")
		return
	}
	if strings.ContainsFunc(s.ApplicationID, unicode.IsSpace) {
		l.wrong(at+".application_id", "has white space: every signature would be wrong")
	}
	if s.ApplicationID == "" {
		for _, key := range []string{"api_key_file", "api_key_command", "previous_api_key_file", "api_key_header"} {
			if l.has(at + "." + key) {
				l.wrong(at+"."+key, "needs application_id beside it: the key of a signature is <application_id>.<api key>")
			}
		}
	}
	if (s.ClientCAFile == "") != (len(s.ClientNames) == 0) {
		l.wrong(at, "needs client_ca_file and client_names together: the authority and the names of the service's certificates")
	}
	if slices.Contains(s.ClientNames, "") {
		l.wrong(at+".client_names", "has an empty name")
	}
	b := *s
	b.APIKeyHeader = cmp.Or(b.APIKeyHeader, defaultAPIKeyHeader)
	for _, path := range []*string{&b.APIKeyFile, &b.PreviousAPIKeyFile, &b.ClientCAFile} {
		*path = l.secretFile(*path)
	}
	if b.APIKeyFile != "" && b.APIKeyCommand != nil {
		l.wrong(at+".api_key_command", "and api_key_file name two places of one secret; keep one of them")
	}
	b.APIKeyCommand = l.command(at+".api_key_command", b.APIKeyCommand)
	if !headerForm.MatchString(b.APIKeyHeader) {
		l.wrong(at+".api_key_header", "must be the name of an HTTP header, such as %s, not %q", defaultAPIKeyHeader, b.APIKeyHeader)
	}
	if b.APIKeyFile == "" && b.APIKeyCommand == nil && b.ApplicationID != "" {
		b.APIKeyFile, b.APIKeyEnv, b.APIKeyCommand = c.Access().APIKeyFile, c.Access().APIKeyEnv, c.Access().APIKeyCommand
		if c.File != nil {
			l.wrong(at, "needs api_key_file or api_key_command: the campaign's sink has no API key")
		}
	}
	c.Callbacks = &b
}
