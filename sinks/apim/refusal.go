package apim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode"
)

// refusal reads the token endpoint's error. It quotes the platform's description, unless that
// is long, has control characters or repeats a secret. No personal data is in it.
func refusal(resp *http.Response, body []byte, clock *Clock, secrets ...string) *TokenError {
	var answer struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	_ = json.Unmarshal(body, &answer)
	e := &TokenError{Status: resp.StatusCode, Clock: clock}
	e.Part, e.Found = Token, fmt.Sprintf("the token endpoint answered %d", resp.StatusCode)
	if quotable(answer.Description, secrets) {
		e.Found += ": " + answer.Description
	}
	switch status := resp.StatusCode; {
	case status == http.StatusTooManyRequests:
		e.Passing, e.Fix = true, "the platform asks for fewer requests; wait "+retryAfter(resp.Header)+" and try again"
	case status >= 500:
		e.Passing, e.Fix = true, "the fault is in the platform; try again in a few minutes"
	case status == http.StatusForbidden && answer.Error == "public_key error":
		e.Passing, e.Part, e.Fix = true, KeyID, "the platform cannot fetch the public keys of this application; try again in a few minutes; if it fails again, correct the JWKS address that is registered for it"
	case status < 400, answer.Error == "" && (status == http.StatusNotFound || status == http.StatusMethodNotAllowed):
		e.Part, e.Fix = TokenURL, "there is no token endpoint at that address; correct token_url, such as https://int.api.service.nhs.uk/oauth2/token"
	default:
		e.Part, e.Fix = advice(answer.Description)
		// Descriptions may change. A clock that differs too much is the reason, whatever they say.
		if off := clock != nil && clock.Refused(); e.Part == TheClock || off && e.Fix == checkAll {
			e.Part, e.Fix = TheClock, setClock(clock)
		} else if off {
			e.Fix += "; also " + setClock(clock)
		}
	}
	return e
}

func quotable(text string, secrets []string) bool {
	odd := func(r rune) bool { return !unicode.IsPrint(r) }
	holds := func(secret string) bool { return secret != "" && strings.Contains(text, secret) }
	return text != "" && len(text) <= 300 && !strings.ContainsFunc(text, odd) && !slices.ContainsFunc(secrets, holds)
}

// checkAll is the advice when the cause is unknown.
const checkAll = "check token_url, the API key, key_id and private_key_file in the campaign file"

// advice turns the description into the part at fault and what to do.
func advice(description string) (Part, string) {
	for _, a := range []struct {
		words string
		part  Part
		fix   string
	}{
		{"no matching public key", KeyID, "register the public half of private_key_file under key_id for this environment, or correct key_id"},
		{"'kid'", KeyID, "set key_id in the campaign file"},
		{"'iss'/'sub'", APIKey, "check that the API key is the one of this environment"},
		{"'aud'", TokenURL, "check that token_url is the one of this environment, letter for letter: the endpoint compares it with its own address"},
		{"'exp'", TheClock, ""},
		{"exp claim", TheClock, ""},
		{"'jti'", Token, "every request has a new one, so a proxy may send requests twice; start again"},
		{"ignature", PrivateKey, "private_key_file does not belong to the public key registered under key_id"},
	} {
		if strings.Contains(description, a.words) {
			return a.part, a.fix
		}
	}
	return Token, checkAll
}

// setClock is the advice for a clock that differs too much.
func setClock(c *Clock) string {
	if c == nil {
		return "set this machine's clock"
	}
	return "set this machine's clock: " + c.String()
}

// retryAfter is the time that an answer asks to wait, in words.
func retryAfter(h http.Header) string {
	if wait := h.Get("Retry-After"); wait != "" && len(wait) < 8 && strings.Trim(wait, "0123456789") == "" {
		return wait + " s"
	}
	return "a minute"
}
