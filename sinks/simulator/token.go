package simulator

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// wornAfter is how many answers a token gives before it can be revoked: never
// its first uses, so a client that fetches a new one always gets on.
const wornAfter = 5

// oauthError is one row of the token endpoint's error table.
type oauthError struct {
	status            int
	code, description string
}

func badRequest(description string) *oauthError {
	return &oauthError{400, "invalid_request", description}
}

func unauthorised(description string) *oauthError {
	return &oauthError{401, "invalid_request", description}
}

func (e *oauthError) reply(messageID string) reply {
	return reply{status: e.status, contentType: plainJSON, body: encodeJSON(struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
		MessageID   string `json:"message_id"`
	}{e.code, e.description, messageID})}
}

// answerToken is POST /oauth2/token.
func (s *Server) answerToken(x *exchange) reply {
	application, wrong := s.exchangeAssertion(x)
	if wrong != nil {
		return wrong.reply(x.id)
	}
	lifetime := s.o.TokenLifetime
	access := s.dice.accessToken()
	s.tokens.issue(access, application, x.now, lifetime)
	return reply{status: 200, contentType: plainJSON, body: encodeJSON(struct {
		AccessToken string `json:"access_token"`
		ExpiresIn   string `json:"expires_in"`
		TokenType   string `json:"token_type"`
		IssuedAt    string `json:"issued_at"`
	}{access, strconv.Itoa(int(lifetime / time.Second)), "Bearer", strconv.FormatInt(x.now.UnixMilli(), 10)})}
}

// exchangeAssertion reads the form and returns the application it proves.
func (s *Server) exchangeAssertion(x *exchange) (string, *oauthError) {
	if x.r.Method != http.MethodPost {
		return "", &oauthError{405, "invalid_request", "The method at the requested URI was not allowed"}
	}
	form := url.Values{}
	if media, _, _ := strings.Cut(x.r.Header.Get("Content-Type"), ";"); strings.TrimSpace(media) == "application/x-www-form-urlencoded" && !x.large {
		form, _ = url.ParseQuery(string(x.body)) // what cannot be read is missing
	}
	switch {
	case form.Get("grant_type") == "":
		return "", badRequest("grant_type is missing")
	case form.Get("grant_type") != "client_credentials":
		return "", &oauthError{400, "unsupported_grant_type", "grant_type is invalid"}
	case form.Get("client_assertion_type") != assertionType:
		return "", badRequest(fmt.Sprintf("Missing or invalid client_assertion_type - must be '%s'", assertionType))
	case form.Get("client_assertion") == "":
		return "", badRequest("Missing client_assertion")
	}
	a, ok := readAssertion(form.Get("client_assertion"))
	if !ok {
		return "", badRequest("Malformed JWT in client_assertion")
	}
	if wrong := a.check(x.now, s.audience(x.r), s.tokens.jtiUsed); wrong != nil {
		return "", wrong
	}
	if wrong := s.checkCredentials(a); wrong != nil {
		return "", wrong
	}
	if !s.tokens.useJTI(a.jti(), a.expires, x.now) {
		return "", badRequest(jtiNotUnique)
	}
	if _, hit := s.dice.strike(TokenJWKS403); hit {
		return "", &oauthError{403, "public_key error", "The JWKS endpoint, for your client_assertion can't be reached"}
	}
	if _, hit := s.dice.strike(TokenEndpoint500); hit {
		return "", &oauthError{500, "server_error", "Internal Server Error"}
	}
	return applicationID(a.issuer()), nil
}

// audience is the token URL as the client addressed it, or by a fault another.
func (s *Server) audience(r *http.Request) string {
	if _, hit := s.dice.strike(TokenAudience401); hit {
		return "https://another.example" + r.URL.Path
	}
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + r.Host + r.URL.Path
}

// token is one bearer token; its fields but served never change.
type token struct {
	access      string
	application string
	expires     time.Time
	served      int // answered requests, guarded by tokens.mu
}

// tokens are the tokens given out and the jtis seen. Safe for concurrent use.
type tokens struct {
	mu   sync.Mutex
	live map[string]*token
	past map[string]bool      // good once: expired or revoked
	jtis map[string]time.Time // until when each is remembered
}

func newTokens() *tokens {
	return &tokens{live: map[string]*token{}, past: map[string]bool{}, jtis: map[string]time.Time{}}
}

func (t *tokens) issue(access, application string, now time.Time, lifetime time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for old, v := range t.live {
		if !now.Before(v.expires) {
			delete(t.live, old)
			t.past[old] = true
		}
	}
	t.live[access] = &token{access: access, application: application, expires: now.Add(lifetime)}
}

// find is the token of an Authorization header, nil when it does not hold.
func (t *tokens) find(authorization string, now time.Time) *token {
	access, bearer := strings.CutPrefix(authorization, "Bearer ")
	if !bearer {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	v := t.live[access]
	if v == nil || !now.Before(v.expires) {
		return nil
	}
	return v
}

func (t *tokens) wellUsed(v *token) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return v.served >= wornAfter
}

func (t *tokens) served(v *token) {
	t.mu.Lock()
	v.served++
	t.mu.Unlock()
}

func (t *tokens) revoke(v *token) {
	t.mu.Lock()
	delete(t.live, v.access)
	t.past[v.access] = true
	t.mu.Unlock()
}

// stale says whether an Authorization header that does not hold did once.
func (t *tokens) stale(authorization string) bool {
	access, _ := strings.CutPrefix(authorization, "Bearer ")
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.past[access] || t.live[access] != nil
}

func (t *tokens) jtiUsed(jti string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, used := t.jtis[jti]
	return used
}

// useJTI uses up a jti for as long as its assertion lives; false if it was.
func (t *tokens) useJTI(jti string, until, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for old, end := range t.jtis {
		if now.After(end) {
			delete(t.jtis, old)
		}
	}
	if _, used := t.jtis[jti]; used {
		return false
	}
	t.jtis[jti] = until
	return true
}
