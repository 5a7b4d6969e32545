package apim

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
)

// Credentials identify an application. The private key is read for each token, so that a
// replaced one takes effect. The API key is read once: the service remembers references for
// each application, and the application must not change while anything is in doubt.
type Credentials struct {
	APIKeyFile        string // or APIKeyEnv, or APIKeyCommand
	APIKeyEnv         string // the name of an environment variable
	APIKeyCommand     []string
	KeyID             string // the name under which the public key is registered
	PrivateKeyFile    string // PEM: PKCS#1 or PKCS#8, RSA; or PrivateKeyCommand
	PrivateKeyCommand []string
}

// APIKey reads the application's API key. An error is a *Mistake.
func (c Credentials) APIKey() (string, error) {
	from := c.apiKeySource()
	text, err := from.read()
	if err != nil {
		return "", &Mistake{Part: APIKey, Found: "the API key cannot be read (" + from.setting() + ")", Err: err, Fix: "correct " + from.setting() + " in the campaign file, or what it names"}
	}
	where, fix := from.String(), "put the API key there, one word on one line ("+from.setting()+" names it)"
	key := strings.TrimSpace(string(text))
	switch {
	case key == "":
		return "", &Mistake{Part: APIKey, Found: where + " is empty", Fix: fix}
	case strings.ContainsFunc(key, unicode.IsSpace):
		return "", &Mistake{Part: APIKey, Found: where + " does not hold an API key: it has white space", Fix: fix}
	case strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }):
		return "", &Mistake{Part: APIKey, Found: where + " does not hold an API key: it has characters that no key has (a byte order mark?)", Fix: fix + ", as plain text"}
	}
	return key, nil
}

// assertionLife is the lifetime of an assertion. The platform refuses more than five minutes;
// the rest is for clocks that differ.
const assertionLife = 4 * time.Minute

// assertion makes the signed JWT that gets one token at tokenURL (RFC 7523).
func (c Credentials) assertion(apiKey, tokenURL string, now time.Time) (string, error) {
	key, err := c.privateKey()
	if err != nil {
		return "", err
	}
	token := jwt.NewWithClaims(jwt.SigningMethodRS512, jwt.MapClaims{
		"iss": apiKey, "sub": apiKey, "aud": tokenURL,
		"jti": uuid.NewString(), "exp": now.Add(assertionLife).Unix(),
	})
	token.Header["kid"] = c.KeyID
	signed, err := token.SignedString(key)
	if err != nil {
		return "", fmt.Errorf("the assertion cannot be signed with %s: %w", c.WherePrivateKey(), err)
	}
	return signed, nil
}
