package apim

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Options configure Tokens.
type Options struct {
	TokenURL    string
	Credentials Credentials
	Client      *http.Client // for the token endpoint
	Now         func() time.Time
}

// Tokens holds the token that all requests share. It is safe for concurrent use.
type Tokens struct {
	o    Options
	busy chan struct{} // holds a value while a caller asks for a new token

	real, simulated atomic.Bool // an answer came from there

	mu      sync.Mutex
	key     string // the API key; empty: not yet read
	current token
	refused int       // tokens in a row that the service refused and never accepted
	failing time.Time // when the first of the latest exchanges in a row failed; zero: the latest did not
}

// token is a bearer token. The zero value stands for no token.
type token struct {
	text    string
	expires time.Time
	renew   time.Time // from then on a new one is fetched; this one is still good
	proved  bool      // the service has accepted it
	clock   *Clock    // from the answer that brought it; nil: it had none
}

// NewTokens makes Tokens. It asks for none yet.
func NewTokens(o Options) *Tokens {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Tokens{o: o, busy: make(chan struct{}, 1)}
}

// apiKey reads the API key, once.
func (t *Tokens) apiKey() (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.key == "" {
		key, err := t.o.Credentials.APIKey()
		if err != nil {
			return "", err
		}
		t.key = key
	}
	return t.key, nil
}

// Fingerprint identifies the API key without revealing it. The service remembers references
// for each application, so a change of key matters while anything is in doubt.
func (t *Tokens) Fingerprint() (string, error) {
	key, err := t.apiKey()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:8]), nil
}

// Try gets a new token even if there is one, and keeps it. It returns the token's lifetime, and
// the clock from its answer (nil: none). An error is a *TokenError or the context's.
func (t *Tokens) Try(ctx context.Context) (life time.Duration, clock *Clock, err error) {
	select {
	case t.busy <- struct{}{}:
		defer func() { <-t.busy }()
	case <-ctx.Done():
		return 0, nil, ctx.Err()
	}
	asked := t.o.Now()
	fresh, err := t.ask(ctx)
	if err != nil {
		return 0, nil, err
	}
	t.hold(fresh)
	return fresh.expires.Sub(asked), fresh.clock, nil
}

// Token returns the shared token. If it is missing or soon expires, one caller asks for a new
// one. The others wait, or use the old one while that is good. An error is a *TokenError or
// the context's.
func (t *Tokens) Token(ctx context.Context) (string, error) {
	current := t.held()
	if now := t.o.Now(); now.Before(current.renew) {
		return current.text, nil
	} else if now.Before(current.expires.Add(-10 * time.Second)) {
		select {
		case t.busy <- struct{}{}:
			defer func() { <-t.busy }()
			return t.renew(ctx, current)
		default: // another caller is asking
			return current.text, nil
		}
	}
	select {
	case t.busy <- struct{}{}:
		defer func() { <-t.busy }()
	case <-ctx.Done():
		return "", ctx.Err()
	}
	if current = t.held(); t.o.Now().Before(current.renew) {
		return current.text, nil // it came while this caller waited
	}
	fresh, err := t.ask(ctx)
	if err != nil {
		return "", err
	}
	t.hold(fresh)
	return fresh.text, nil
}

// Standing returns the end of the present token, zero without one, and since when no new one comes; zero: it does.
func (t *Tokens) Standing() (expires, failing time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.current.expires, t.failing
}

// renew replaces a token that is still good. If that fails, it returns the old one, unless
// that has expired or was refused meanwhile. The next try comes ten seconds later.
func (t *Tokens) renew(ctx context.Context, old token) (string, error) {
	if current := t.held(); current.text != "" && current.text != old.text {
		return current.text, nil
	}
	fresh, err := t.ask(ctx)
	if err == nil {
		t.hold(fresh)
		return fresh.text, nil
	}
	now := t.o.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.current.text != old.text || !now.Before(t.current.expires.Add(-10*time.Second)) {
		return "", err
	}
	t.current.renew = now.Add(10 * time.Second)
	return old.text, nil
}

// ask is exchange, and notes if it fails. An end of ctx is no failure.
func (t *Tokens) ask(ctx context.Context) (token, error) {
	fresh, err := t.exchange(ctx)
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case err == nil:
		t.failing = time.Time{}
	case t.failing.IsZero() && ctx.Err() == nil:
		t.failing = t.o.Now()
	}
	return fresh, err
}

func (t *Tokens) held() token {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.current
}

func (t *Tokens) hold(fresh token) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.current = fresh
}

// accepted notes that the service accepted a token.
func (t *Tokens) accepted(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.refused = 0
	if t.current.text == text {
		t.current.proved = true
	}
}

// reject notes that the service refused a token. It is not used again.
func (t *Tokens) reject(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.current.text != text {
		return // replaced already
	}
	if !t.current.proved {
		t.refused++
	}
	t.current = token{}
}

// Hopeless reports whether the service refused two new tokens in a row. More tokens would not
// help.
func (t *Tokens) Hopeless() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.refused > 1
}
