package gateway

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

const jtiNotUnique = "Non-unique 'jti' claim in client_assertion JWT"

// assertion is a client_assertion JWT. Its signature and claims are not checked yet.
type assertion struct {
	header, claims map[string]any
	signed         string // header.claims, as signed
	signature      []byte
}

func readAssertion(jwt string) (*assertion, bool) {
	parts := strings.Split(jwt, ".")
	if len(parts) != 3 {
		return nil, false
	}
	a := &assertion{signed: parts[0] + "." + parts[1]}
	for i, into := range []*map[string]any{&a.header, &a.claims} {
		text, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil {
			return nil, false
		}
		d := json.NewDecoder(bytes.NewReader(text))
		d.UseNumber()
		if err := d.Decode(into); err != nil || *into == nil {
			return nil, false
		}
	}
	var err error
	a.signature, err = base64.RawURLEncoding.DecodeString(parts[2])
	return a, err == nil
}

func (a *assertion) issuer() string { s, _ := a.claims["iss"].(string); return s }

func (a *assertion) jti() string { s, _ := a.claims["jti"].(string); return s }

// check applies the rules on headers and claims in the live service's order.
func (a *assertion) check(now time.Time, audience string, used func(jti string) bool) *oauthError {
	const in = " in client_assertion JWT"
	alg, _ := a.header["alg"].(string)
	kid, _ := a.header["kid"].(string)
	exp, jti := a.claims["exp"], a.claims["jti"]
	number, isNumber := exp.(json.Number)
	seconds, err := strconv.ParseInt(number.String(), 10, 64)
	isInteger := isNumber && err == nil
	expires := time.Unix(seconds, 0)
	switch {
	case alg == "":
		return badRequest("Missing 'alg' header" + in)
	case alg != "RS512":
		return badRequest("Invalid 'alg' header" + in + " - unsupported JWT algorithm - must be 'RS512'")
	case isInteger && now.After(expires):
		return badRequest("Invalid 'exp' claim" + in + " - JWT has expired")
	case kid == "":
		return badRequest("Missing 'kid' header" + in)
	case a.header["typ"] != "JWT":
		return badRequest("Invalid 'typ' header" + in + " - must be 'JWT'")
	case exp == nil || exp == "":
		return badRequest("Missing 'exp' claim" + in)
	case !isInteger:
		return badRequest("Invalid 'exp' claim" + in + " - must be an integer")
	case a.issuer() == "" || a.claims["iss"] != a.claims["sub"]:
		return badRequest("Missing or non-matching 'iss'/'sub' claims" + in)
	case jti == nil || jti == "":
		return badRequest("Missing 'jti' claim" + in)
	case a.jti() == "":
		return badRequest("Invalid 'jti' claim" + in + " - must be a unique string value such as a GUID")
	case used(a.jti()):
		return badRequest(jtiNotUnique)
	case expires.Sub(now) > 5*time.Minute:
		return badRequest("Invalid 'exp' claim" + in + " - more than 5 minutes in future")
	case a.claims["aud"] != any(audience):
		return unauthorised("Missing or invalid 'aud' claim" + in)
	}
	return nil
}

// checkCredentials checks the key id, the issuer and the signature.
func (g *Gateway) checkCredentials(a *assertion) *oauthError {
	kid, _ := a.header["kid"].(string)
	knows := g.knows.Load()
	key, known := knows.PublicKey, knows.KeyID == "" || kid == knows.KeyID
	if knows.Keys != nil {
		key, known = knows.Keys[kid], knows.Keys[kid] != nil
	} else if key == nil {
		return nil
	}
	if !known {
		return unauthorised("Invalid 'kid' header in client_assertion JWT - no matching public key")
	}
	if knows.APIKey != "" && a.issuer() != knows.APIKey {
		return unauthorised("Invalid 'iss'/'sub' claims in client_assertion JWT")
	}
	digest := sha512.Sum512([]byte(a.signed))
	if rsa.VerifyPKCS1v15(key, crypto.SHA512, digest[:], a.signature) != nil {
		return &oauthError{401, "public_key error", "JWT signature verification failed"}
	}
	return nil
}
