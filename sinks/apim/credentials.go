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

// Credentials say who an application is. The private key is read at every exchange, so
// one that is replaced on disk is used from then on. The API key is read once: it says
// which application this is, and the service remembers references for each.
type Credentials struct {
	APIKeyFile     string // or
	APIKeyEnv      string // the name of an environment variable
	KeyID          string // under which the public key is registered
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
		return "", &Mistake{Part: APIKey, Found: where + " does not hold an API key: there is white space in it", Fix: fix}
	case strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }):
		return "", &Mistake{Part: APIKey, Found: where + " does not hold an API key: there are characters in it that no key has (a byte order mark?)", Fix: fix + ", as plain text"}
	}
	return key, nil
}

// assertionLife is how far ahead an assertion expires. The platform refuses more than
// five minutes, and clocks differ.
const assertionLife = 4 * time.Minute

// assertion signs a statement of who the application is, good for one exchange at
// tokenURL.
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
