package simulator

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"cohort/sinks/simulator/faults"
	"cohort/sinks/simulator/gateway"
)

func jwkOf(key *rsa.PublicKey, id string) string {
	return fmt.Sprintf(`{"kty":"RSA","use":"sig","alg":"RS512","kid":%q,"e":"AQAB","n":%q}`, id, base64.RawURLEncoding.EncodeToString(key.N.Bytes()))
}

func jwksOf(keys ...string) []byte { return []byte(`{"keys":[` + strings.Join(keys, ",") + `]}`) }

// With two keys registered, as while one is replaced by the next, each signs under its
// own id and no other.
func TestKeysOfAJWKS(t *testing.T) {
	next, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := gateway.ReadJWKS(jwksOf(jwkOf(&signingKey().PublicKey, "key-1"), jwkOf(&next.PublicKey, "key-2")))
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, Options{Keys: keys})
	for _, row := range []struct {
		sentence string
		key      *rsa.PrivateKey
		id       string
		status   int
	}{
		{"the first key under its id", signingKey(), "key-1", 200},
		{"the second key under its id", next, "key-2", 200},
		{"the first key under the second's id", signingKey(), "key-2", 401},
		{"an id that is not there", signingKey(), "key-3", 401},
	} {
		got := s.askToken(tokenForm(sign(row.key, "api-key", s.url+"/oauth2/token", time.Now(), func(h, _ map[string]any) { h["kid"] = row.id })))
		if got.status != row.status {
			t.Errorf("%s: %d %s", row.sentence, got.status, got.body)
		}
	}
}

func TestOtherJSONIsNotAJWKS(t *testing.T) {
	good := jwkOf(&signingKey().PublicKey, "key-1")
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	for sentence, row := range map[string]struct {
		text []byte
		says string
	}{
		"not JSON":              {[]byte("-----BEGIN PUBLIC KEY-----"), "not a JSON Web Key Set"},
		"no keys":               {jwksOf(), "has no keys"},
		"a private key":         {jwksOf(strings.Replace(good, "{", `{"d":"AQAB",`, 1)), "is a private key"},
		"an elliptic curve key": {jwksOf(strings.Replace(good, "RSA", "EC", 1)), "is not an RSA key"},
		"another algorithm":     {jwksOf(strings.Replace(good, "RS512", "RS256", 1)), "not for signatures with RS512"},
		"another use":           {jwksOf(strings.Replace(good, `"sig"`, `"enc"`, 1)), "not for signatures with RS512"},
		"no key id":             {jwksOf(jwkOf(&signingKey().PublicKey, "")), "has no key id of its own"},
		"one key id twice":      {jwksOf(good, good), "key 2 of the JSON Web Key Set has no key id of its own"},
		"a short key":           {jwksOf(jwkOf(&small.PublicKey, "key-1")), "at least 2048 bits"},
		"a key that is none":    {jwksOf(strings.Replace(good, `"n":"`, `"n":"!`, 1)), "at least 2048 bits"},
	} {
		if keys, err := gateway.ReadJWKS(row.text); err == nil || !strings.Contains(err.Error(), row.says) {
			t.Errorf("%s: %v, %d keys", sentence, err, len(keys))
		}
	}
}

// What the faults of signing in do, each by itself.
func TestFaultsOfSigningIn(t *testing.T) {
	const path = "/comms/v1/messages/000000000000000000000000000"
	for _, row := range []struct {
		faults string
		status int
		code   string
	}{
		{"", 404, "CM_NOT_FOUND"},
		{"not_onboarded: 1", 403, "CM_FORBIDDEN"},
		{"token_refused: {limit: 9}", 401, "CM_DENIED"},
	} {
		faults, err := faults.Parse([]byte(row.faults), faults.Kinds())
		if err != nil {
			t.Fatal(err)
		}
		s := serve(t, Options{Faults: faults})
		if got := s.do("GET", path, ""); got.status != row.status || got.code(t) != row.code {
			t.Errorf("%s: %d %s", row.faults, got.status, got.body)
		}
	}
	c := newClock()
	for text, by := range map[string]time.Duration{"clock_ahead: {fixed: 10m}": 10 * time.Minute, "clock_behind: {fixed: 90s}": -90 * time.Second} {
		faults, err := faults.Parse([]byte(text), faults.Kinds())
		if err != nil {
			t.Fatal(err)
		}
		s := serve(t, Options{Faults: faults, Now: c.Now})
		if want, got := c.Now().Add(by).Format(http.TimeFormat), s.do("GET", "/comms/_ping", "").header.Get("Date"); got != want {
			t.Errorf("%s: the date is %s, not %s", text, got, want)
		}
	}
	for _, text := range []string{"clock_ahead: 0.5", "clock_ahead: {share: 0.5}", "clock_behind: {limit: 1}"} {
		if _, err := faults.Parse([]byte(text), faults.Kinds()); err == nil {
			t.Errorf("%s is taken", text)
		}
	}
}
