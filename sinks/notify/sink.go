package notify

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
	"cohort/sinks/exchange"
)

// Options configure a Sink.
type Options struct {
	BaseURL       string // such as https://int.api.service.nhs.uk/comms
	RoutingPlanID string
	ODSCode       string // empty: the account's default
	Fields        []Field
	Routes        []Route // in place of RoutingPlanID and Fields; none: there is one route
	Details       Details
	Single        bool // one message a request, as Limits must allow
	Limits        engine.Limits
	Client        *http.Client // made by apim.Client; its transport is wrapped with Tokens
	Tokens        *apim.Tokens
	Timeout       time.Duration // of one request; 60 s when zero. The service itself takes up to 29 s.
}

// Route is one route of a campaign: the routing plan, and the personalisation of its templates.
type Route struct {
	RoutingPlanID string
	Fields        []Field
}

// Sink sends batches, or single messages, to NHS Notify. It is safe for concurrent use.
type Sink struct {
	o       Options
	parts   []bodyParts       // by route
	address *url.URL          // of requests; nil when base_url is invalid
	signed  http.RoundTripper // signs in
	ids     exchange.IDs
}

var _ engine.Sink = (*Sink)(nil)

// mostReply is the most bytes of an answer that are read. A full batch's answer has about 4.3 MB.
const mostReply = 16 << 20

// replyBuffers are buffers for answers. Nothing keeps a part of one.
var replyBuffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// New makes a sink. It sends nothing yet.
func New(o Options) *Sink {
	if o.Timeout == 0 {
		o.Timeout = 60 * time.Second
	}
	s := &Sink{o: o}
	if o.Routes == nil {
		o.Routes = []Route{{o.RoutingPlanID, o.Fields}}
	}
	for _, r := range o.Routes {
		s.parts = append(s.parts, newBodyParts(&o, r))
	}
	path := "/v1/message-batches"
	if o.Single {
		path = "/v1/messages"
	}
	carrier, err := apim.Carrier(o.Client, o.BaseURL, o.Timeout)
	if err == nil {
		s.address, _ = url.Parse(o.BaseURL + path)
	}
	s.signed = &apim.Transport{Tokens: o.Tokens, Base: carrier}
	return s
}

// Kind implements engine.Sink. The service takes each reference once, and remembers it for nine
// months.
func (s *Sink) Kind() engine.Kind { return engine.Deduplicates }

// Routes implements engine.Routed.
func (s *Sink) Routes() int { return len(s.parts) }

// Limits returns the limits of one request.
func (s *Sink) Limits() engine.Limits { return s.o.Limits }

const badAddress = "sink.notify.base_url cannot be used; correct it in the campaign file"

// jsonType is the media type of requests and answers. It never changes.
var jsonType = []string{"application/json"}

// Send implements engine.Sink.
func (s *Sink) Send(ctx context.Context, r *engine.Request) engine.Answer {
	if s.address == nil {
		return engine.Answer{Reply: engine.Unsent, Code: "bad_address", Halt: badAddress}
	}
	// Without GetBody, the library cannot send it a second time.
	req := (&http.Request{
		Method: http.MethodPost, URL: s.address, Host: s.address.Host, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": jsonType, "Accept": jsonType, "X-Correlation-Id": {uuid.UUID(r.Correlation).String()}},
		Body:   apim.NewBody(r.Body), ContentLength: int64(len(r.Body)),
	}).WithContext(ctx)
	// One request is one round trip, without redirects and cookies.
	resp, err := s.signed.RoundTrip(req)
	if err != nil {
		return exchange.NoAnswer(ctx, err)
	}
	defer func() { _ = resp.Body.Close() }()
	buffer := replyBuffers.Get().(*bytes.Buffer)
	defer replyBuffers.Put(buffer)
	buffer.Reset()
	if resp.ContentLength > 0 && resp.ContentLength <= mostReply {
		buffer.Grow(int(resp.ContentLength) + bytes.MinRead) // so it does not grow while it is read
	}
	_, err = buffer.ReadFrom(&io.LimitedReader{R: resp.Body, N: mostReply + 1})
	body := buffer.Bytes()
	if resp.StatusCode == http.StatusCreated {
		if err != nil || len(body) > mostReply {
			return engine.Answer{Reply: engine.Unknown, Status: resp.StatusCode, Code: codeUnreadable}
		}
		read := accepted
		if s.o.Single {
			read = acceptedMessage
		}
		a := read(r, body)
		if a.Reply == engine.Accepted && s.ids.Repeats(a.IDs[0], r.Messages[0]) {
			return engine.Answer{Reply: engine.Unknown, Status: resp.StatusCode, Code: codeUnreadable}
		}
		return a
	}
	if err != nil && (resp.StatusCode == http.StatusBadRequest || resp.StatusCode == http.StatusUnprocessableEntity) {
		// Certainly not accepted, but the reason is lost. A replay gives it again. As a doubt, this
		// answer could let another sender's batch pass for ours.
		return engine.Answer{Reply: engine.Refused, Status: resp.StatusCode, Code: codeBroken}
	}
	// For every other answer the status alone is enough, even when the body is broken.
	return s.classify(r, resp, body)
}

// Codes of answers without a code of the service.
const (
	codeUnreadable = "unreadable_201"
	codeBroken     = "broken_answer"
)
