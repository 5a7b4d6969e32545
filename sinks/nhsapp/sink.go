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

// Options say what is sent and where.
type Options struct {
	BaseURL    string          // such as https://int.api.service.nhs.uk/nhs-app
	ODSCode    string          // of the organisation that people see as the sender
	OnBehalfOf string          // only for an application registered as intermediary; else empty
	CampaignID string          // the campaign-id of every message
	Content    engine.Template // of an in-app message, in the service's Markdown
	Reply      *Reply          // what may be answered to it; nil: nothing
	Push       *Push           // a push notification, instead of an in-app message
	Routes     []Route         // what is sent in place of the two above; none: there is one
	Client     *http.Client    // made by apim.Client; its transport is wrapped with Tokens
	Tokens     *apim.Tokens
	Timeout    time.Duration // of one request; 60 s when zero
}

// Push is a notification on the lock screen of a phone, the same for everybody.
type Push struct {
	Display   string // without anything personal
	Reference string // the address in the NHS App that it opens
}

// Route is one of the ways by which a campaign's messages go: what is sent. Either all are
// in-app messages or all are push notifications.
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
	to     *url.URL          // where messages are posted; nil when the address is none
	signed http.RoundTripper // signs in
	ids    exchange.IDs
}

var (
	_ engine.Sink     = (*Sink)(nil)
	_ engine.Examiner = (*Sink)(nil)
)

// mostReply is how much of an answer is read. A 201 repeats the message, which has some
// 30 kB at the most.
const mostReply = 1 << 20

// mostBody is more than any message that keeps to what is asked can make of a request.
const mostBody = 64 << 10

// replyBuffers are buffers for answers, which nobody keeps.
var replyBuffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// texts are for messages that are measured.
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

// Kind implements engine.Sink: the service takes a message twice, and its receipts tell
// later which it has.
func (s *Sink) Kind() engine.Kind { return engine.CanBeAsked }

// Routes implements engine.Routed.
func (s *Sink) Routes() int { return len(s.routes) }

// Limits is what one request may hold: one message.
func (s *Sink) Limits() engine.Limits { return engine.Limits{Messages: 1, Bytes: mostBody} }

// Check makes sure, before anything is sent, that a token is to be had and that
// something answers at the service's address. It sends no message.
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

// jsonType is what is sent. Nobody changes it. No type is asked for: the contract names
// none.
var jsonType = []string{"application/json"}

// Send implements engine.Sink.
func (s *Sink) Send(ctx context.Context, r *engine.Request) engine.Answer {
	if s.to == nil {
		return engine.Answer{Reply: engine.Unsent, Code: "bad_address", Halt: "sink.nhsapp.base_url cannot be used; put it right in the campaign file"}
	}
	// Without GetBody, so that the library cannot send it a second time.
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
		// Certainly not accepted, but what for is lost. Sent again it says so again.
		return engine.Answer{Reply: engine.Refused, Status: resp.StatusCode, Code: codeBroken}
	}
	// Everywhere else the status alone decides enough, so a broken body does not matter much.
	return s.classify(resp, buffer.Bytes())
}

// Words of our own for what happened when the service gave no code.
const (
	codeUnreadable = "unreadable_201"
	codeBroken     = "broken_answer"
)
