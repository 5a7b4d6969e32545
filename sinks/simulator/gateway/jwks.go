package gateway

import (
	"bytes"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
)

// ReadJWKS reads the public keys of a JSON Web Key Set (RFC 7517), by their key ids. As the
// platform does, it takes RSA keys for RS512 signatures, each with its own key id, and
// refuses everything else.
func ReadJWKS(text []byte) (map[string]*rsa.PublicKey, error) {
	var set struct {
		Keys []struct {
			Type     string          `json:"kty"`
			Use      string          `json:"use"`
			Alg      string          `json:"alg"`
			ID       string          `json:"kid"`
			Modulus  string          `json:"n"`
			Exponent string          `json:"e"`
			Private  json.RawMessage `json:"d"`
		} `json:"keys"`
	}
	if err := json.NewDecoder(bytes.NewReader(text)).Decode(&set); err != nil {
		return nil, fmt.Errorf("not a JSON Web Key Set: %w", err)
	}
	keys := map[string]*rsa.PublicKey{}
	for i, k := range set.Keys {
		bad := func(problem string) error { return fmt.Errorf("key %d of the JSON Web Key Set %s", i+1, problem) }
		switch {
		case k.Private != nil:
			return nil, bad("is a private key; keep it secret, and give only public keys")
		case k.Type != "RSA":
			return nil, bad(`is not an RSA key ("kty")`)
		case k.Use != "sig" || k.Alg != "RS512":
			return nil, bad(`is not for signatures with RS512 ("use" and "alg")`)
		case k.ID == "" || keys[k.ID] != nil:
			return nil, bad(`has no key id of its own ("kid")`)
		}
		n, err := base64.RawURLEncoding.DecodeString(k.Modulus)
		e, err2 := base64.RawURLEncoding.DecodeString(k.Exponent)
		if err != nil || err2 != nil || len(n) < 256 || len(e) == 0 || len(e) > 4 {
			return nil, bad(`has no key of at least 2048 bits in it ("n" and "e")`)
		}
		keys[k.ID] = &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("the JSON Web Key Set has no keys")
	}
	return keys, nil
}
