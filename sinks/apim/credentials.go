package apim

import (
	"crypto/rsa"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

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

// APIKey reads the application's API key.
func (c Credentials) APIKey() (string, error) {
	if c.APIKeyEnv != "" {
		key := strings.TrimSpace(os.Getenv(c.APIKeyEnv))
		if key == "" {
			return "", fmt.Errorf("the environment variable %s is empty; put the API key there (api_key_env)", c.APIKeyEnv)
		}
		return key, nil
	}
	text, err := os.ReadFile(c.APIKeyFile)
	if err != nil {
		return "", fmt.Errorf("the API key cannot be read: %w; put it in a file and name the file in api_key_file", err)
	}
	key := strings.TrimSpace(string(text))
	if key == "" || strings.ContainsAny(key, " \t\r\n") {
		return "", fmt.Errorf("%s does not hold an API key; it must be one word on one line", c.APIKeyFile)
	}
	return key, nil
}

// PublicKey is the public half of the key that signs, as it is to be registered.
func (c Credentials) PublicKey() (*rsa.PublicKey, error) {
	key, err := c.privateKey()
	if err != nil {
		return nil, err
	}
	return &key.PublicKey, nil
}

// privateKey reads the RSA key that signs.
func (c Credentials) privateKey() (*rsa.PrivateKey, error) {
	text, err := os.ReadFile(c.PrivateKeyFile)
	if err != nil {
		return nil, fmt.Errorf("the private key cannot be read: %w; name its file in private_key_file", err)
	}
	key, err := jwt.ParseRSAPrivateKeyFromPEM(text)
	switch {
	case err == nil:
		return key, nil
	case errors.Is(err, jwt.ErrKeyMustBePEMEncoded):
		return nil, fmt.Errorf("%s is not a private key in PEM form; it must begin with -----BEGIN PRIVATE KEY----- or -----BEGIN RSA PRIVATE KEY-----", c.PrivateKeyFile)
	case errors.Is(err, jwt.ErrNotRSAPrivateKey):
		return nil, fmt.Errorf("%s is not an RSA key, and the platform takes no other; make one with: openssl genrsa -out key.pem 4096", c.PrivateKeyFile)
	}
	return nil, fmt.Errorf("%s is not a private RSA key that can be used (is it a public key, or encrypted?); make one with: openssl genrsa -out key.pem 4096", c.PrivateKeyFile)
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
