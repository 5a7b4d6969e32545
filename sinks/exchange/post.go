package exchange

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/google/uuid"

	"cohort/engine"
	"cohort/sinks/apim"
	"cohort/sinks/wire"
)

// Poster posts requests that hold messages, each once. It is safe for concurrent use.
type Poster struct {
	Key       string   // the key of the service's address in the campaign file
	URL       *url.URL // where requests are posted; nil: the address cannot be used
	Accept    []string // the type that is asked for; nil: none
	MaxAnswer int64    // bytes of an answer
	carrier   *apim.Transport
}

// NewPoster makes a Poster to a path of the service at base. It uses the certificates and the
// proxy of client, which apim.Client made. A request may take timeout.
func NewPoster(client *http.Client, tokens *apim.Tokens, base, path string, timeout time.Duration) *Poster {
	settings, ok := client.Transport.(*http.Transport)
	if !ok { // the sink only renders messages
		settings = &http.Transport{}
	}
	p := &Poster{}
	transport, err := wire.New(base, settings, timeout)
	if err == nil {
		p.URL, _ = url.Parse(base + path)
	}
	p.carrier = &apim.Transport{Tokens: tokens, Base: transport}
	return p
}

// answerBuffers hold answers while they are read.
var answerBuffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

var jsonType = []string{"application/json"}

// Post posts a request once and has judge classify its answer. broken means that the body
// is not whole: it broke off, or it is longer than MaxAnswer. judge must not keep the body.
func (p *Poster) Post(ctx context.Context, r *engine.Request, judge func(resp *http.Response, body []byte, broken bool) engine.Answer) engine.Answer {
	if p.URL == nil {
		return engine.Answer{Reply: engine.Unsent, Code: "bad_address", Halt: p.Key + " cannot be used; correct it in the campaign file"}
	}
	header := http.Header{"Content-Type": jsonType, "X-Correlation-Id": {uuid.UUID(r.Correlation).String()}}
	if p.Accept != nil {
		header["Accept"] = p.Accept
	}
	resp, err := p.carrier.RoundTrip((&http.Request{
		Method: http.MethodPost, URL: p.URL, Header: header,
		Body: io.NopCloser(bytes.NewReader(r.Body)), ContentLength: int64(len(r.Body)),
	}).WithContext(ctx))
	if err != nil {
		return NoAnswer(ctx, err)
	}
	defer func() { _ = resp.Body.Close() }()
	buffer := answerBuffers.Get().(*bytes.Buffer)
	defer answerBuffers.Put(buffer)
	buffer.Reset()
	if resp.ContentLength > 0 && resp.ContentLength <= p.MaxAnswer {
		buffer.Grow(int(resp.ContentLength) + bytes.MinRead) // so that it need not grow while it is read
	}
	_, err = buffer.ReadFrom(io.LimitReader(resp.Body, p.MaxAnswer+1))
	return judge(resp, buffer.Bytes(), err != nil || int64(buffer.Len()) > p.MaxAnswer)
}
