package simulator

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"net/url"
	"regexp"
	"testing"
	"time"

	"cohort/sinks/simulator/faults"
)

func strictCredentials(c *clock) Options {
	return Options{APIKey: "api-key", KeyID: "key-1", PublicKey: &signingKey().PublicKey, Now: c.Now}
}

// Every row of the token endpoint's error table, and the form before it. 28 rows.
func TestTokenErrors(t *testing.T) {
	c := newClock()
	s := serve(t, strictCredentials(c))
	header := func(key string, value any) func(h, c map[string]any) {
		return func(h, _ map[string]any) { h[key] = value }
	}
	claim := func(key string, value any) func(h, c map[string]any) {
		return func(_, c map[string]any) { c[key] = value }
	}
	const in = " in client_assertion JWT"
	now := c.Now().Unix()
	rows := []struct {
		when        string
		change      func(header, claims map[string]any)
		status      int
		description string
	}{
		{"kid is missing", func(h, _ map[string]any) { delete(h, "kid") }, 400, "Missing 'kid' header" + in},
		{"kid is unknown", header("kid", "other"), 401, "Invalid 'kid' header" + in + " - no matching public key"},
		{"typ is missing", func(h, _ map[string]any) { delete(h, "typ") }, 400, "Invalid 'typ' header" + in + " - must be 'JWT'"},
		{"typ is another", header("typ", "JWE"), 400, "Invalid 'typ' header" + in + " - must be 'JWT'"},
		{"alg is missing", func(h, _ map[string]any) { delete(h, "alg") }, 400, "Missing 'alg' header" + in},
		{"alg is another", header("alg", "RS256"), 400, "Invalid 'alg' header" + in + " - unsupported JWT algorithm - must be 'RS512'"},
		{"iss and sub are unknown", func(_, c map[string]any) { c["iss"], c["sub"] = "who", "who" }, 401, "Invalid 'iss'/'sub' claims" + in},
		{"iss is missing", func(_, c map[string]any) { delete(c, "iss") }, 400, "Missing or non-matching 'iss'/'sub' claims" + in},
		{"sub is missing", func(_, c map[string]any) { delete(c, "sub") }, 400, "Missing or non-matching 'iss'/'sub' claims" + in},
		{"sub is not iss", claim("sub", "other"), 400, "Missing or non-matching 'iss'/'sub' claims" + in},
		{"jti is missing", func(_, c map[string]any) { delete(c, "jti") }, 400, "Missing 'jti' claim" + in},
		{"jti is a number", claim("jti", 7), 400, "Invalid 'jti' claim" + in + " - must be a unique string value such as a GUID"},
		{"aud is missing", func(_, c map[string]any) { delete(c, "aud") }, 401, "Missing or invalid 'aud' claim" + in},
		{"aud is the API's root", claim("aud", s.url), 401, "Missing or invalid 'aud' claim" + in},
		{"aud is a list", claim("aud", []string{s.url + "/oauth2/token"}), 401, "Missing or invalid 'aud' claim" + in},
		{"exp is missing", func(_, c map[string]any) { delete(c, "exp") }, 400, "Missing 'exp' claim" + in},
		{"exp is past", claim("exp", now-1), 400, "Invalid 'exp' claim" + in + " - JWT has expired"},
		{"exp is 301 s ahead", claim("exp", now+301), 400, "Invalid 'exp' claim" + in + " - more than 5 minutes in future"},
		{"exp is a string", claim("exp", "soon"), 400, "Invalid 'exp' claim" + in + " - must be an integer"},
		{"exp is a fraction", claim("exp", float64(now)+10.5), 400, "Invalid 'exp' claim" + in + " - must be an integer"},
	}
	check := func(when string, got answer, status int, code, description string) {
		t.Helper()
		var v struct {
			Error       string `json:"error"`
			Description string `json:"error_description"`
			MessageID   string `json:"message_id"`
		}
		if err := json.Unmarshal(got.body, &v); err != nil {
			t.Fatalf("%s: %v: %s", when, err, got.body)
		}
		if got.status != status || v.Error != code || v.Description != description || v.MessageID != got.header.Get("X-Correlation-Id") {
			t.Errorf("%s: %d %+v, want %d %s: %s", when, got.status, v, status, code, description)
		}
	}
	good := func() string { return sign(signingKey(), "api-key", s.url+"/oauth2/token", c.Now(), nil) }
	if len(rows)+8 != 28 {
		t.Errorf("%d rows", len(rows)+8)
	}
	for _, row := range rows {
		assertion := sign(signingKey(), "api-key", s.url+"/oauth2/token", c.Now(), row.change)
		check(row.when, s.askToken(tokenForm(assertion)), row.status, "invalid_request", row.description)
	}

	once := good()
	if got := s.askToken(tokenForm(once)); got.status != 200 {
		t.Fatalf("good assertion: %d %s", got.status, got.body)
	}
	check("jti comes again", s.askToken(tokenForm(once)), 400, "invalid_request", "Non-unique 'jti' claim"+in)
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	check("signed with another key", s.askToken(tokenForm(sign(other, "api-key", s.url+"/oauth2/token", c.Now(), nil))), 401, "public_key error", "JWT signature verification failed")
	check("not a JWT", s.askToken(tokenForm("nonsense")), 400, "invalid_request", "Malformed JWT in client_assertion")
	check("no assertion", s.askToken(tokenForm("")), 400, "invalid_request", "Missing client_assertion")
	check("no grant type", s.askToken(url.Values{}), 400, "invalid_request", "grant_type is missing")
	check("another grant type", s.askToken(url.Values{"grant_type": {"password"}}), 400, "unsupported_grant_type", "grant_type is invalid")
	check("no assertion type", s.askToken(url.Values{"grant_type": {"client_credentials"}}), 400, "invalid_request", "Missing or invalid client_assertion_type - must be 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'")
	loose := serve(t, Options{Faults: faults.Set{faults.TokenJWKS403: {Share: 1, After: 1}}})
	check("the public keys cannot be reached", loose.askToken(tokenForm(sign(other, "x", loose.url+"/oauth2/token", time.Now(), nil))), 403, "public_key error", "The JWKS endpoint, for your client_assertion can't be reached")
}

func TestTokenReply(t *testing.T) {
	c := newClock()
	s := serve(t, strictCredentials(c))
	got := s.askToken(tokenForm(sign(signingKey(), "api-key", s.url+"/oauth2/token", c.Now(), func(_, claims map[string]any) { claims["exp"] = c.Now().Unix() + 300 })))
	var v map[string]string // every value is a string, as live
	if err := json.Unmarshal(got.body, &v); err != nil {
		t.Fatal(err)
	}
	if v["expires_in"] != "599" || v["token_type"] != "Bearer" || !regexp.MustCompile(`^\d{13}$`).MatchString(v["issued_at"]) || v["access_token"] == "" {
		t.Errorf("%v", v)
	}
}

func TestTokenExpires(t *testing.T) {
	c := newClock()
	s := serve(t, Options{Now: c.Now, TokenLifetime: time.Minute})
	if got := s.post(batch("b1", 0, 1)); got.status != 201 {
		t.Fatalf("fresh token: %d", got.status)
	}
	c.pass(time.Minute)
	if got := s.post(batch("b2", 0, 1)); got.status != 401 || got.code(t) != "CM_DENIED" {
		t.Errorf("expired token: %d", got.status)
	}
	s.token = s.fetchToken("api-key")
	if got := s.post(batch("b2", 0, 1)); got.status != 201 {
		t.Errorf("new token: %d", got.status)
	}
}

func TestWithoutAPublicKeyAnySignerIsTakenButClaimsAreChecked(t *testing.T) {
	s := serve(t, Options{APIKey: "mine", KeyID: "key-9"})
	if s.fetchToken("anybody") == "" {
		t.Error("no token")
	}
	bad := sign(signingKey(), "anybody", "https://elsewhere/oauth2/token", time.Now(), nil)
	if got := s.askToken(tokenForm(bad)); got.status != 401 {
		t.Errorf("wrong audience: %d", got.status)
	}
}
