package exchange

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"cohort/engine"
	"cohort/sinks/apim"
	"cohort/sinks/wire"
)

// Poster posts requests that hold messages, each once. It is safe for concurrent use.
type Poster struct {
	Key       string      // the key of the service's address in the campaign file
	URL       *url.URL    // where requests are posted; nil: the address cannot be used
	Header    http.Header // of every request
	MaxAnswer int64       // bytes of an answer
	tokens    *apim.Tokens
	transport *wire.Transport
	latest    atomic.Pointer[signed]
}

// signed is the head of the requests with a token.
type signed struct {
	token string
	head  []byte
}

// NewPoster makes a Poster to a path of the service at base. It uses the certificates and the
// proxy of client, which apim.Client made. A request may take timeout.
func NewPoster(client *http.Client, tokens *apim.Tokens, base, path string, timeout time.Duration) *Poster {
	settings, ok := client.Transport.(*http.Transport)
	if !ok { // the sink only renders messages
		settings = &http.Transport{}
	}
	p := &Poster{Header: http.Header{"Content-Type": {"application/json"}}, tokens: tokens}
	var err error
	if p.transport, err = wire.New(base, settings, timeout); err == nil {
		p.URL, _ = url.Parse(base + path)
	}
	return p
}

// Post posts a request once and has judge classify its answer. judge must not keep it.
func (p *Poster) Post(ctx context.Context, r *engine.Request, judge func(*wire.Answer) engine.Answer) (a engine.Answer) {
	if p.URL == nil {
		return engine.Answer{Reply: engine.Unsent, Code: "bad_address", Halt: p.Key + " cannot be used; correct it in the campaign file"}
	}
	token, err := p.tokens.Token(ctx)
	if err != nil {
		return NoAnswer(ctx, &wire.NotSentError{Err: err})
	}
	id := uuid.UUID(r.Correlation).String()
	request := wire.Request{Head: p.head(token), Correlation: id, Body: r.Body, MaxAnswer: p.MaxAnswer, Before: r.Before}
	err = p.transport.Post(ctx, request, func(answer *wire.Answer) error {
		if err := p.tokens.Learn(token, id, answer.Status, answer); err != nil {
			return err
		}
		a = judge(answer)
		return nil
	})
	if err != nil {
		return NoAnswer(ctx, err)
	}
	return a
}

// head returns the head of the requests with a token. Few tokens follow each other.
func (p *Poster) head(token string) []byte {
	s := p.latest.Load()
	if s == nil || s.token != token {
		header := maps.Clone(p.Header)
		apim.Sign(header, token)
		s = &signed{token, wire.Head(p.URL, header)}
		p.latest.Store(s)
	}
	return s.head
}
