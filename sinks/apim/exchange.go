package apim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// TokenError says why there is no token, and so why a request was not sent.
type TokenError struct {
	Status      int    // of the token endpoint's answer; 0 when there was none
	Description string // the endpoint's, or ours
	Fix         string // what to do; empty when trying again is the only thing to do
	Err         error  // the cause, when there was no answer
}

// Error is one line: what happened and what to do.
func (e *TokenError) Error() string {
	text := "no access token: " + e.Description
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	if e.Fix != "" {
		text += "; " + e.Fix
	}
	return text
}

// Unwrap gives the cause.
func (e *TokenError) Unwrap() error { return e.Err }

// Permanent reports whether trying again cannot help before a person has changed
// something.
func (e *TokenError) Permanent() bool { return e.Fix != "" }

// exchange asks the token endpoint for a token. It tries once.
func (t *Tokens) exchange(ctx context.Context) (token, error) {
	now := t.now()
	apiKey, err := t.apiKey()
	var assertion string
	if err == nil {
		assertion, err = t.o.Credentials.assertion(apiKey, t.o.TokenURL, now)
	}
	if err != nil {
		return token{}, &TokenError{Description: err.Error(), Fix: "then start again"}
	}
	form := url.Values{
		"grant_type":            {"client_credentials"},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
		"client_assertion":      {assertion},
	}
	// Only the cancellation of the request that needs the token is ours. A trace that it
	// carries would take this exchange for the request itself, and its connection for one
	// on which the request may have been sent.
	ctx, cancel := context.WithTimeout(cancellation{ctx}, 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.o.TokenURL, strings.NewReader(form.Encode()))
	if err != nil {
		return token{}, &TokenError{Description: "token_url cannot be used", Err: err, Fix: "put it right in the campaign file"}
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := t.o.Client.Do(req)
	if err != nil {
		return token{}, &TokenError{Description: "the token endpoint does not answer", Err: bare(err)}
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return token{}, &TokenError{Description: "the token endpoint's answer broke off", Err: err}
	}
	if resp.StatusCode != http.StatusOK {
		return token{}, refusal(resp.StatusCode, body, assertion, apiKey)
	}
	return parseToken(body, now)
}

// cancellation is a context without its values.
type cancellation struct{ context.Context }

func (cancellation) Value(any) any { return nil }

// bare drops the method and address that package http puts before a cause.
func bare(err error) error {
	if u := (*url.Error)(nil); errors.As(err, &u) {
		return u.Err
	}
	return err
}

// parseToken reads a token. Live endpoints write expires_in as a string; the standard
// (RFC 6749) says number.
func parseToken(body []byte, now time.Time) (token, error) {
	var answer struct {
		AccessToken string          `json:"access_token"`
		ExpiresIn   json.RawMessage `json:"expires_in"`
	}
	err := json.Unmarshal(body, &answer)
	seconds, e := strconv.ParseFloat(strings.Trim(string(answer.ExpiresIn), `"`), 64)
	if err != nil || e != nil || answer.AccessToken == "" || !(seconds > 0) {
		return token{}, &TokenError{Status: http.StatusOK, Description: "the token endpoint's answer holds no token"}
	}
	life := time.Duration(seconds * float64(time.Second))
	return token{text: answer.AccessToken, expires: now.Add(life), renew: now.Add(life * 8 / 10)}, nil
}

// refusal reads the token endpoint's error. Its descriptions are the platform's and
// hold no personal data. One that repeats a secret, or is no short line, is not passed on.
func refusal(status int, body []byte, secrets ...string) *TokenError {
	var answer struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	_ = json.Unmarshal(body, &answer)
	e := &TokenError{Status: status, Description: fmt.Sprintf("the token endpoint answered %d", status)}
	if quotable(answer.Description, secrets) {
		e.Description += ": " + answer.Description
	}
	if status == http.StatusTooManyRequests || status >= 500 || status == http.StatusForbidden && answer.Error == "public_key error" {
		return e
	}
	e.Fix = advice(answer.Description)
	return e
}

func quotable(text string, secrets []string) bool {
	odd := func(r rune) bool { return !unicode.IsPrint(r) }
	holds := func(secret string) bool { return secret != "" && strings.Contains(text, secret) }
	return text != "" && len(text) <= 300 && !strings.ContainsFunc(text, odd) && !slices.ContainsFunc(secrets, holds)
}

// advice turns the endpoint's complaint into what a person should look at.
func advice(description string) string {
	for _, a := range []struct{ part, fix string }{
		{"no matching public key", "register the public half of private_key_file under key_id for this environment, or put key_id right"},
		{"'kid'", "set key_id in the campaign file"},
		{"'iss'/'sub'", "check that the API key is the one of this environment"},
		{"'aud'", "check that token_url is the one of this environment"},
		{"expired", "set this machine's clock"},
		{"more than 5 minutes", "set this machine's clock"},
		{"ignature", "private_key_file is not the other half of the key registered under key_id"},
	} {
		if strings.Contains(description, a.part) {
			return a.fix
		}
	}
	return "check token_url, the API key, key_id and private_key_file in the campaign file"
}
