package apim

import (
	"bytes"
	"crypto/rsa"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/golang-jwt/jwt/v5"
)

// fewestBits is the shortest key that may sign with RS512 (RFC 7518, section 3.3).
const fewestBits = 2048

const makeOne = "make a key pair with: cohort auth keygen"

// PublicKey is the public half of the key that signs, as it is to be registered. An
// error is a *Mistake.
func (c Credentials) PublicKey() (*rsa.PublicKey, error) {
	key, err := c.privateKey()
	if err != nil {
		return nil, err
	}
	return &key.PublicKey, nil
}

// privateKey reads the RSA key that signs. An error is a *Mistake.
func (c Credentials) privateKey() (*rsa.PrivateKey, error) {
	text, err := os.ReadFile(c.PrivateKeyFile)
	if err != nil {
		return nil, &Mistake{Part: PrivateKey, Found: "the private key cannot be read", Err: err, Fix: "name its file in private_key_file, or " + makeOne}
	}
	key, err := jwt.ParseRSAPrivateKeyFromPEM(text)
	if err != nil {
		found, fix := notAKey(text, err)
		return nil, &Mistake{Part: PrivateKey, Found: c.PrivateKeyFile + " " + found, Fix: fix}
	}
	if bits := key.N.BitLen(); bits < fewestBits {
		return nil, &Mistake{Part: PrivateKey, Found: fmt.Sprintf("%s is an RSA key of %d bits, and RS512 needs at least %d", c.PrivateKeyFile, bits, fewestBits), Fix: makeOne}
	}
	return key, nil
}

// notAKey says what a file is that holds no private RSA key, and what to do. Nothing of
// its content is told but what kind of thing the PEM block says it is.
func notAKey(text []byte, err error) (found, fix string) {
	block, _ := pem.Decode(text)
	switch {
	case len(bytes.TrimSpace(text)) == 0:
		return "is empty", "private_key_file must hold the private key in PEM form; " + makeOne
	case block == nil:
		return "is not a private key in PEM form", "it must begin with -----BEGIN PRIVATE KEY----- or -----BEGIN RSA PRIVATE KEY-----"
	case block.Type == "ENCRYPTED PRIVATE KEY", strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED"):
		return "is encrypted, and nobody is there to type its pass phrase in the night", "store it decrypted, readable by nobody else: openssl pkey -in KEY -out DECRYPTED, and chmod 600"
	case strings.HasSuffix(block.Type, "PUBLIC KEY"):
		return "is a public key, where the private one belongs", "name the private half's file in private_key_file; the public half is what is registered"
	case block.Type == "CERTIFICATE":
		return "is a certificate, where the private key belongs", "name the private key's file in private_key_file"
	case block.Type == "EC PRIVATE KEY", errors.Is(err, jwt.ErrNotRSAPrivateKey):
		return "is not an RSA key, and the platform takes no other", makeOne
	}
	return "is not a private RSA key that can be used (is it damaged, or shorter than 1024 bits?)", makeOne
}
