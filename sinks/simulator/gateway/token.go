package gateway

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"cohort/sinks/simulator/faults"
)

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

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

func (e *oauthError) reply(messageID string) Reply {
	return Reply{Status: e.status, ContentType: JSON, Body: EncodeJSON(map[string]string{
		"error": e.code, "error_description": e.description, "message_id": messageID,
	})}
}

// answerToken is POST /oauth2/token.
func (g *Gateway) answerToken(x *Exchange) Reply {
	application, wrong := g.exchangeAssertion(x)
	if wrong != nil {
		return wrong.reply(x.ID)
	}
	lifetime := g.o.TokenLifetime
	access := g.accessToken()
	g.tokens.issue(access, &token{application: application, expires: x.Now.Add(lifetime)})
	return Reply{Status: 200, ContentType: JSON, Body: EncodeJSON(map[string]string{
		"access_token": access, "token_type": "Bearer", "expires_in": strconv.Itoa(int(lifetime / time.Second)),
		"issued_at": strconv.FormatInt(x.Now.UnixMilli(), 10),
	})}
}

// exchangeAssertion reads the form and returns the application that signed it.
func (g *Gateway) exchangeAssertion(x *Exchange) (string, *oauthError) {
	if x.R.Method != http.MethodPost {
		return "", &oauthError{405, "invalid_request", "The method at the requested URI was not allowed"}
	}
	form := url.Values{}
	media, _, _ := strings.Cut(x.R.Header.Get("Content-Type"), ";")
	if strings.TrimSpace(media) == "application/x-www-form-urlencoded" && !x.Large {
		form, _ = url.ParseQuery(string(x.Body)) // an unreadable field is missing
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
	if wrong := a.check(x.Now, g.audience(x.R), g.tokens.jtiUsed); wrong != nil {
		return "", wrong
	}
	if wrong := g.checkCredentials(a); wrong != nil {
		return "", wrong
	}
	if !g.tokens.useJTI(a.jti(), a.expires, x.Now) {
		return "", badRequest(jtiNotUnique)
	}
	if g.Dice.Hit(faults.TokenJWKS403) {
		return "", &oauthError{403, "public_key error", "The JWKS endpoint, for your client_assertion can't be reached"}
	}
	if g.Dice.Hit(faults.TokenEndpoint500) {
		return "", &oauthError{500, "server_error", "Internal Server Error"}
	}
	return ApplicationID(a.issuer()), nil
}

// audience is the token URL as the client addressed it. A fault replaces it by another.
func (g *Gateway) audience(r *http.Request) string {
	if g.Dice.Hit(faults.TokenAudience401) {
		return "https://another.example" + r.URL.Path
	}
	return address(r) + r.URL.Path
}

// token is one bearer token. tokens.mu guards revoked and served.
type token struct {
	application string
	expires     time.Time
	revoked     bool
	served      int // answered requests
}

// tokens are the tokens given out and the jtis seen. They are safe for concurrent use.
type tokens struct {
	mu    sync.Mutex
	given map[string]*token
	jtis  map[string]time.Time // each is remembered until this time
}

func newTokens() *tokens {
	return &tokens{given: map[string]*token{}, jtis: map[string]time.Time{}}
}

func (t *tokens) issue(access string, v *token) {
	t.mu.Lock()
	t.given[access] = v
	t.mu.Unlock()
}

// find looks up the token of an Authorization header. v is nil when there is none. served is
// the number of requests that were answered with it.
func (t *tokens) find(authorization string, now time.Time) (v *token, served int, valid bool) {
	access, bearer := strings.CutPrefix(authorization, "Bearer ")
	t.mu.Lock()
	defer t.mu.Unlock()
	if v = t.given[access]; v == nil {
		return nil, 0, false
	}
	return v, v.served, bearer && !v.revoked && now.Before(v.expires)
}

func (t *tokens) served(v *token) {
	t.mu.Lock()
	v.served++
	t.mu.Unlock()
}

func (t *tokens) revoke(v *token) {
	t.mu.Lock()
	v.revoked = true
	t.mu.Unlock()
}

func (t *tokens) jtiUsed(jti string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, used := t.jtis[jti]
	return used
}

// useJTI uses up a jti until its assertion expires. It returns false when the jti was used
// up before.
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

// ApplicationID is the id of the application of an API key.
func ApplicationID(apiKey string) string {
	return uuid.NewSHA1(uuid.NameSpaceOID, []byte("application:"+apiKey)).String()
}
