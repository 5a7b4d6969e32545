package gateway

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"cohort/sinks/simulator/faults"
)

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

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
	lifetime := g.Options.TokenLifetime
	access := g.accessToken()
	g.tokens.Store(access, &token{application: application, expires: x.Now.Add(lifetime)})
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
	used := func(jti string) bool { _, used := g.jtis.Load(jti); return used }
	if wrong := a.check(x.Now, g.audience(x.R), used); wrong != nil {
		return "", wrong
	}
	if wrong := g.checkCredentials(a); wrong != nil {
		return "", wrong
	}
	if _, used := g.jtis.LoadOrStore(a.jti(), true); used {
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

// token is one bearer token. It is safe for concurrent use.
type token struct {
	application string
	expires     time.Time
	revoked     atomic.Bool
	served      atomic.Int64 // answered requests
}

// findToken looks up the token of an Authorization header; nil when there is none.
func (g *Gateway) findToken(authorization string, now time.Time) (t *token, valid bool) {
	access, bearer := strings.CutPrefix(authorization, "Bearer ")
	if found, ok := g.tokens.Load(access); ok {
		t = found.(*token)
		valid = bearer && !t.revoked.Load() && now.Before(t.expires)
	}
	return t, valid
}

// ApplicationID is the id of the application of an API key.
func ApplicationID(apiKey string) string {
	return uuid.NewSHA1(uuid.NameSpaceOID, []byte("application:"+apiKey)).String()
}
