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

// Options say where tokens come from.
type Options struct {
	TokenURL    string
	Credentials Credentials
	Client      *http.Client // for the token endpoint
	Now         func() time.Time
}

// Tokens holds the one token that all requests share. It is safe for concurrent use.
type Tokens struct {
	o    Options
	busy chan struct{} // holds one token while somebody asks for a new one

	real, simulated atomic.Bool // an answer came from the service, or from a simulator

	mu      sync.Mutex
	key     string // the API key, once read
	current token
	refused int // tokens in a row that the service refused before it had taken them once
}

// token is a bearer token. Its zero value is none.
type token struct {
	text    string
	expires time.Time
	renew   time.Time // from then on a new one is asked for, while this one still serves
	proved  bool      // the service has taken it
	clock   *Clock    // as the answer that brought it tells; nil when it does not
}

// NewTokens makes a holder of tokens. Nothing is asked for yet.
func NewTokens(o Options) *Tokens {
	return &Tokens{o: o, busy: make(chan struct{}, 1)}
}

// apiKey reads the API key the first time it is asked for, and then keeps to it.
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

// Fingerprint names the API key without telling it. The service remembers references
// for each application, so a change of key matters while anything is in doubt.
func (t *Tokens) Fingerprint() (string, error) {
	key, err := t.apiKey()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:8]), nil
}

// Try asks for a token whether or not there is one, and holds it. It says how long the
// token lives and what its answer tells of the clock (nil: nothing). An error is a
// *TokenError or the context's.
func (t *Tokens) Try(ctx context.Context) (life time.Duration, clock *Clock, err error) {
	select {
	case t.busy <- struct{}{}:
		defer func() { <-t.busy }()
	case <-ctx.Done():
		return 0, nil, ctx.Err()
	}
	asked := t.now()
	fresh, err := t.exchange(ctx)
	if err != nil {
		return 0, nil, err
	}
	t.hold(fresh)
	return fresh.expires.Sub(asked), fresh.clock, nil
}

func (t *Tokens) now() time.Time {
	if t.o.Now != nil {
		return t.o.Now()
	}
	return time.Now()
}

// Token returns the shared token, asking for one when there is none that will do. Of
// many callers one asks and the others wait for it, or go on with the old one while
// that is good. An error is a *TokenError or the context's.
func (t *Tokens) Token(ctx context.Context) (string, error) {
	current := t.held()
	if now := t.now(); now.Before(current.renew) {
		return current.text, nil
	} else if now.Before(current.expires.Add(-10 * time.Second)) {
		select {
		case t.busy <- struct{}{}:
			defer func() { <-t.busy }()
			return t.renew(ctx, current)
		default: // somebody is at it
			return current.text, nil
		}
	}
	select {
	case t.busy <- struct{}{}:
		defer func() { <-t.busy }()
	case <-ctx.Done():
		return "", ctx.Err()
	}
	if current = t.held(); t.now().Before(current.renew) {
		return current.text, nil // asked for while we waited
	}
	fresh, err := t.exchange(ctx)
	if err != nil {
		return "", err
	}
	t.hold(fresh)
	return fresh.text, nil
}

// renew replaces a token that is still good. When that fails the old one serves, if it
// is still good and nobody has refused it meanwhile, and the next try comes a little later.
func (t *Tokens) renew(ctx context.Context, old token) (string, error) {
	if current := t.held(); current.text != "" && current.text != old.text {
		return current.text, nil
	}
	fresh, err := t.exchange(ctx)
	if err == nil {
		t.hold(fresh)
		return fresh.text, nil
	}
	now := t.now()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.current.text != old.text || !now.Before(t.current.expires.Add(-10*time.Second)) {
		return "", err
	}
	t.current.renew = now.Add(10 * time.Second)
	return old.text, nil
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

// taken notes that the service took a token.
func (t *Tokens) taken(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.refused = 0
	if t.current.text == text {
		t.current.proved = true
	}
}

// refuse notes that the service refused a token, which is not used again.
func (t *Tokens) refuse(text string) {
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

// Hopeless reports whether the service refused a fresh token, and then another, without
// ever taking one in between: asking for more would not help.
func (t *Tokens) Hopeless() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.refused > 1
}
