package apim

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"regexp"
)

// KeyPair is an application's RSA key pair, encoded.
type KeyPair struct {
	Private []byte // PEM, PKCS#8, not encrypted: for private_key_file
	JWKS    []byte // JSON Web Key Set (RFC 7517) of the public key: for registration
	Public  *rsa.PublicKey
}

var keyIDForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// IsKeyID reports whether a name may be a key id. It is part of file names, of the JWKS and of
// every assertion.
func IsKeyID(name string) bool { return keyIDForm.MatchString(name) }

// NewKeyPair makes an RSA key of 4096 bits, as the platform requires.
func NewKeyPair(keyID string) (*KeyPair, error) {
	key, err := rsa.GenerateKey(rand.Reader, 4096)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	type jwk struct {
		Type     string `json:"kty"`
		Use      string `json:"use"`
		Alg      string `json:"alg"`
		ID       string `json:"kid"`
		Modulus  string `json:"n"`
		Exponent string `json:"e"`
	}
	n, e := numbers(&key.PublicKey)
	set, err := json.MarshalIndent(map[string][]jwk{"keys": {{"RSA", "sig", "RS512", keyID, n, e}}}, "", "  ")
	if err != nil {
		return nil, err
	}
	return &KeyPair{
		Private: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}),
		JWKS:    append(set, '\n'), Public: &key.PublicKey,
	}, nil
}

// Thumbprint is the name of a public key (RFC 7638). It does not depend on the encoding.
func Thumbprint(key *rsa.PublicKey) string {
	n, e := numbers(key)
	sum := sha256.Sum256([]byte(`{"e":"` + e + `","kty":"RSA","n":"` + n + `"}`))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// numbers encodes modulus and exponent of a public key for a JWK (RFC 7518, section 6.3.1).
func numbers(key *rsa.PublicKey) (n, e string) {
	encode := base64.RawURLEncoding.EncodeToString
	return encode(key.N.Bytes()), encode(big.NewInt(int64(key.E)).Bytes())
}
