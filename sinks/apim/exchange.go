package apim

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// TokenError explains a missing token. The request that needed it was not sent.
type TokenError struct {
	Mistake
	Status int    // of the token endpoint's answer; 0 when there was none
	Clock  *Clock // from the answer; nil: it has none

	Worked   bool // there was a token before, so a renewed key may help
	Replaced bool // the API key is refused, and the one in its place is accepted: see Tokens.TakeUp
}

// Error is one line: the problem and what to do.
func (e *TokenError) Error() string { return "no access token: " + e.Mistake.Error() }

func (e *TokenError) Unwrap() error { return &e.Mistake }

// exchange asks for a token with the API key in use. When that is refused in mid-run, it tries the key that is in its
// place by now, and keeps nothing of it: whether another key may be used is not for Tokens to decide.
func (t *Tokens) exchange(ctx context.Context) (token, error) {
	key, err := t.apiKey()
	if err != nil {
		return token{}, localMistake(err)
	}
	fresh, err := t.askWith(ctx, key)
	refused := (*TokenError)(nil)
	if err == nil {
		t.worked.Store(true)
	}
	if !t.worked.Load() || !errors.As(err, &refused) || !refused.Permanent() {
		return fresh, err
	}
	who := t.o.Credentials
	if other, e := who.APIKey(); e == nil && other != key && refused.Status > 0 {
		if _, e = t.askWith(ctx, other); e == nil {
			return token{}, &TokenError{Replaced: true, Mistake: Mistake{Part: APIKey, Found: "the API key is refused now, and " + who.WhereAPIKey() + " has another one"}}
		}
		_ = errors.As(e, &refused) // this is the key that counts
	}
	refused.Worked = true
	switch refused.Part {
	case APIKey:
		refused.Fix = "waiting for another API key from " + who.WhereAPIKey()
	case PrivateKey, KeyID:
		refused.Fix = "waiting for another private key from " + who.WherePrivateKey() + ", or for its public half at the platform"
	}
	return token{}, refused
}

// askWith asks the token endpoint for a token, once.
func (t *Tokens) askWith(ctx context.Context, apiKey string) (token, error) {
	now := t.o.Now()
	assertion, err := t.o.Credentials.assertion(apiKey, t.o.TokenURL, now)
	if err != nil {
		return token{}, localMistake(err)
	}
	form := url.Values{
		"grant_type":            {"client_credentials"},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
		"client_assertion":      {assertion},
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.o.TokenURL, strings.NewReader(form.Encode()))
	if err != nil {
		return token{}, &TokenError{Mistake: Mistake{Part: TokenURL, Found: "token_url cannot be used", Err: err, Fix: "correct it in the campaign file"}}
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	asked := t.o.Now()
	resp, err := t.o.Client.Do(req)
	if err != nil {
		return token{}, &TokenError{Mistake: *Unreachable(TokenURL, "the token endpoint", err)}
	}
	defer func() { _ = resp.Body.Close() }()
	t.Heard(resp.StatusCode, resp.Header)
	clock := ReadClock(resp.Header, asked, t.o.Now())
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return token{}, &TokenError{Mistake: Mistake{Part: Token, Found: "the token endpoint's answer is incomplete", Err: err, Fix: "try again", Passing: true}, Clock: clock}
	}
	if resp.StatusCode != http.StatusOK {
		return token{}, refusal(resp, body, clock, assertion, apiKey)
	}
	fresh, err := parseToken(body, now)
	if err != nil {
		return token{}, &TokenError{Mistake: Mistake{Part: TokenURL, Found: err.Error(), Fix: "check that token_url is the address of the platform", Passing: true}, Status: resp.StatusCode, Clock: clock}
	}
	fresh.clock = clock
	return fresh, nil
}

// localMistake turns an error from making an assertion into a TokenError.
func localMistake(err error) *TokenError {
	if m := (*Mistake)(nil); errors.As(err, &m) {
		return &TokenError{Mistake: *m}
	}
	return &TokenError{Mistake: Mistake{Part: PrivateKey, Found: err.Error(), Fix: "check private_key_file in the campaign file"}}
}

// parseToken reads a token. The platform writes expires_in as a string; RFC 6749 says number.
func parseToken(body []byte, now time.Time) (token, error) {
	var answer struct {
		AccessToken string          `json:"access_token"`
		ExpiresIn   json.RawMessage `json:"expires_in"`
	}
	err := json.Unmarshal(body, &answer)
	seconds, e := strconv.ParseFloat(strings.Trim(string(answer.ExpiresIn), `"`), 64)
	if err != nil || e != nil || !isWord(answer.AccessToken) || !(seconds > 0) {
		return token{}, errors.New("the token endpoint's answer holds no token")
	}
	life := time.Duration(seconds * float64(time.Second))
	return token{text: answer.AccessToken, expires: now.Add(life), renew: now.Add(life * 8 / 10)}, nil
}

// isWord reports whether a text is one word of printable ASCII. Tokens are (RFC 6750).
func isWord(text string) bool {
	return text != "" && !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' })
}
