package apim

import (
	"fmt"
	"os"
	"strings"
	"time"
	"unicode"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
)

// Credentials identify an application. The private key is read for each token, so that a
// replaced file takes effect. The API key is read once: the service remembers references for
// each application, and the application must not change during a run.
type Credentials struct {
	APIKeyFile     string // or APIKeyEnv
	APIKeyEnv      string // the name of an environment variable
	KeyID          string // the name under which the public key is registered
	PrivateKeyFile string // PEM: PKCS#1 or PKCS#8, RSA
}

// APIKey reads the application's API key. An error is a *Mistake.
func (c Credentials) APIKey() (string, error) {
	where, fix := c.APIKeyFile, "put the API key there, one word on one line"
	var text []byte
	if c.APIKeyEnv != "" {
		where, fix = "the environment variable "+c.APIKeyEnv, "put the API key there (api_key_env names it)"
		text = []byte(os.Getenv(c.APIKeyEnv))
	} else {
		var err error
		if text, err = os.ReadFile(c.APIKeyFile); err != nil {
			return "", &Mistake{Part: APIKey, Found: "the API key cannot be read", Err: err, Fix: "put it in a file and name the file in api_key_file"}
		}
	}
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
		return "", fmt.Errorf("the assertion cannot be signed with %s: %w", c.PrivateKeyFile, err)
	}
	return signed, nil
}
