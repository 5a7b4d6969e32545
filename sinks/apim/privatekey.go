package apim

import (
	"bytes"
	"crypto/rsa"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"github.com/golang-jwt/jwt/v5"
)

// minBits is the length of the shortest key for RS512 (RFC 7518, section 3.3).
const minBits = 2048

const makeOne = "make a key pair with: cohort auth keygen"

// PublicKey is the public half of the signing key, which is registered. An error is a
// *Mistake.
func (c Credentials) PublicKey() (*rsa.PublicKey, error) {
	key, err := c.privateKey()
	if err != nil {
		return nil, err
	}
	return &key.PublicKey, nil
}

// privateKey reads the signing key, which is RSA. An error is a *Mistake.
func (c Credentials) privateKey() (*rsa.PrivateKey, error) {
	from := c.privateKeySource()
	text, err := from.read()
	if err != nil {
		return nil, &Mistake{Part: PrivateKey, Found: "the private key cannot be read (" + from.setting() + ")", Err: err, Fix: "correct " + from.setting() + " in the campaign file, or what it names; or " + makeOne}
	}
	key, err := jwt.ParseRSAPrivateKeyFromPEM(text)
	if err != nil {
		found, fix := notAKey(text, err)
		return nil, &Mistake{Part: PrivateKey, Found: from.String() + " " + found, Fix: fix}
	}
	if bits := key.N.BitLen(); bits < minBits {
		return nil, &Mistake{Part: PrivateKey, Found: fmt.Sprintf("%s is an RSA key of %d bits, and RS512 needs at least %d", from, bits, minBits), Fix: makeOne}
	}
	return key, nil
}

// notAKey explains a file without a private RSA key, and says what to do. Of its content it
// tells only the type of the PEM block.
func notAKey(text []byte, err error) (found, fix string) {
	block, _ := pem.Decode(text)
	switch {
	case len(bytes.TrimSpace(text)) == 0:
		return "is empty", "private_key_file must hold the private key in PEM form; " + makeOne
	case block == nil:
		return "is not a private key in PEM form", "it must begin with -----BEGIN PRIVATE KEY----- or -----BEGIN RSA PRIVATE KEY-----"
	case block.Type == "ENCRYPTED PRIVATE KEY", strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED"):
		return "is encrypted, and cohort cannot ask for its pass phrase", "decrypt it: openssl pkey -in KEY -out DECRYPTED, and make it readable for you alone: chmod 600 DECRYPTED"
	case strings.HasSuffix(block.Type, "PUBLIC KEY"):
		return "is a public key", "name the private key's file in private_key_file; the public key is only for registration"
	case block.Type == "CERTIFICATE":
		return "is a certificate and not a private key", "name the private key's file in private_key_file"
	case block.Type == "EC PRIVATE KEY", errors.Is(err, jwt.ErrNotRSAPrivateKey):
		return "is not an RSA key, and the platform accepts no other kind", makeOne
	}
	return "is not a private RSA key that can be read (is it damaged, or shorter than 1024 bits?)", makeOne
}
