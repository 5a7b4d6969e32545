package nhsapp

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/google/uuid"

	"cohort/engine"
	"cohort/ingest/person"
	"cohort/sinks/apim"
	"cohort/sinks/exchange"
)

// Options configure a Sink.
type Options struct {
	BaseURL    string          // such as https://int.api.service.nhs.uk/nhs-app
	ODSCode    string          // of the sending organisation
	OnBehalfOf string          // only for an application registered as an intermediary
	CampaignID string          // the campaign-id of every message
	Content    engine.Template // of an in-app message, in the service's Markdown
	Reply      *Reply          // the possible answers to it; nil: none
	Push       *Push           // a push notification, instead of an in-app message
	Routes     []Route         // in place of Content and Push; none: there is one route
	Client     *http.Client    // made by apim.Client; its transport is wrapped with Tokens
	Tokens     *apim.Tokens
	Timeout    time.Duration // of one request; 60 s when zero
}

// Push is a notification on the lock screen of a phone, the same for everybody.
type Push struct {
	Display   string // without personal data
	Reference string // the address in the NHS App that it opens
}

// Route is the content of one route of a campaign. Either all routes are in-app messages, or all are
// push notifications.
type Route struct {
	Content engine.Template
	Push    *Push
}

// Sink sends messages to the NHS App. It is safe for concurrent use.
type Sink struct {
	o      Options
	routes []Route
	parts  []bodyParts       // by route
	asks   []person.Limit    // of every record
	to     *url.URL          // of requests; nil when base_url is invalid
	signed http.RoundTripper // signs in
	ids    exchange.IDs
}

var (
	_ engine.Sink     = (*Sink)(nil)
	_ engine.Examiner = (*Sink)(nil)
)

// mostReply is the most bytes of an answer that are read. A 201 repeats the message, of at most about
// 30 kB.
const mostReply = 1 << 20

// mostBody is larger than any request within the limits.
const mostBody = 64 << 10

// replyBuffers are buffers for answers. Nothing keeps a part of one.
var replyBuffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// texts are buffers for the texts that check renders.
var texts = sync.Pool{New: func() any { return new([]byte) }}

// New makes a sink. It sends nothing yet.
func New(o Options) *Sink {
	if o.Timeout == 0 {
		o.Timeout = 60 * time.Second
	}
	s := &Sink{o: o, routes: o.Routes}
	if s.routes == nil {
		s.routes = []Route{{o.Content, o.Push}}
	}
	for _, r := range s.routes {
		s.parts = append(s.parts, newBodyParts(&o, r))
	}
	s.asks = asksOf(s.routes)
	carrier, err := apim.Carrier(o.Client, o.BaseURL, o.Timeout)
	s.signed = &apim.Transport{Tokens: o.Tokens, Base: carrier}
	channel := "in-app"
	if s.routes[0].Push != nil {
		channel = "notification"
	}
	if err == nil {
		s.to, _ = url.Parse(o.BaseURL + "/communication/" + channel + "/FHIR/R4/CommunicationRequest")
	}
	return s
}

// Kind implements engine.Sink. The service accepts a message twice, and its receipts tell later which
// messages it has.
func (s *Sink) Kind() engine.Kind { return engine.CanBeAsked }

// Routes implements engine.Routed.
func (s *Sink) Routes() int { return len(s.routes) }

// Limits returns the limits of one request: one message.
func (s *Sink) Limits() engine.Limits { return engine.Limits{Messages: 1, Bytes: mostBody} }

// Check makes sure that the token endpoint gives a token, and that something answers at the service's
// address. It sends no message.
func (s *Sink) Check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if _, err := s.o.Tokens.Token(ctx); err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.o.BaseURL+"/_ping", nil)
	if err != nil {
		return fmt.Errorf("sink.nhsapp.base_url cannot be used: %w", err)
	}
	resp, err := s.o.Client.Do(req)
	if err != nil {
		return fmt.Errorf("nothing answers at sink.nhsapp.base_url (%s): %w; check the address and the network", s.o.BaseURL, err)
	}
	s.o.Tokens.Heard(resp)
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20))
	return resp.Body.Close()
}

// jsonType is the media type of requests. It never changes. The contract names no Accept.
var jsonType = []string{"application/json"}

// Send implements engine.Sink.
func (s *Sink) Send(ctx context.Context, r *engine.Request) engine.Answer {
	if s.to == nil {
		return engine.Answer{Reply: engine.Unsent, Code: "bad_address", Halt: "sink.nhsapp.base_url cannot be used; correct it in the campaign file"}
	}
	// Without GetBody, the library cannot send it a second time.
	req := (&http.Request{
		Method: http.MethodPost, URL: s.to, Host: s.to.Host, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": jsonType, "X-Correlation-Id": {uuid.UUID(r.Correlation).String()}},
		Body:   apim.NewBody(r.Body), ContentLength: int64(len(r.Body)),
	}).WithContext(ctx)
	resp, err := s.signed.RoundTrip(req)
	if err != nil {
		return exchange.NoAnswer(ctx, err)
	}
	defer func() { _ = resp.Body.Close() }()
	buffer := replyBuffers.Get().(*bytes.Buffer)
	defer replyBuffers.Put(buffer)
	buffer.Reset()
	_, err = buffer.ReadFrom(io.LimitReader(resp.Body, mostReply+1))
	broken := err != nil || buffer.Len() > mostReply
	switch {
	case resp.StatusCode == http.StatusCreated:
		return s.accepted(r, resp.Header, buffer.Bytes(), broken)
	case resp.StatusCode == http.StatusBadRequest && broken:
		// Certainly not accepted, but the reason is lost. A replay gives it again.
		return engine.Answer{Reply: engine.Refused, Status: resp.StatusCode, Code: codeBroken}
	}
	// For every other answer the status alone is enough, even when the body is broken.
	return s.classify(resp, buffer.Bytes())
}

// Codes of answers without a code of the service.
const (
	codeUnreadable = "unreadable_201"
	codeBroken     = "broken_answer"
)
