package notify

import (
	"context"
	"net/http"
	"time"

	"cohort/engine"
	"cohort/sinks/apim"
	"cohort/sinks/exchange"
	"cohort/sinks/wire"
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
	Client        *http.Client // made by apim.Client; messages use its certificates and proxy
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
	o      Options
	parts  []bodyParts // by route
	poster *exchange.Poster
	signed http.RoundTripper // signs in, for questions
	ids    exchange.IDs
}

// mostReply is the most bytes of an answer that are read. A full batch's answer has about 4.3 MB.
const mostReply = 16 << 20

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
	s.poster = exchange.NewPoster(o.Client, o.Tokens, o.BaseURL, path, o.Timeout)
	s.poster.Key, s.poster.MaxAnswer = "sink.notify.base_url", mostReply
	s.poster.Header["Accept"] = jsonType
	s.signed = &apim.Transport{Tokens: o.Tokens, Base: o.Client.Transport}
	return s
}

// Kind implements engine.Sink. The service takes each reference once, and remembers it for nine
// months.
func (s *Sink) Kind() engine.Kind { return engine.Deduplicates }

func (s *Sink) Routes() int { return len(s.parts) }

func (s *Sink) Limits() engine.Limits { return s.o.Limits }

const badAddress = "sink.notify.base_url cannot be used; correct it in the campaign file"

// jsonType is the type that is asked for. Nobody changes it.
var jsonType = []string{"application/json"}

func (s *Sink) Send(ctx context.Context, r *engine.Request) engine.Answer {
	return s.poster.Post(ctx, r, func(a *wire.Answer) engine.Answer {
		switch status := a.Status; {
		case status == http.StatusCreated:
			return s.created(r, a)
		case a.Broken && (status == http.StatusBadRequest || status == http.StatusUnprocessableEntity):
			// Certainly not accepted, but what for is lost. A replay says it again. To call this
			// doubt would let a batch that is somebody else's pass for ours.
			return engine.Answer{Reply: engine.Refused, Status: status, Code: codeBroken}
		}
		// Everywhere else the status alone decides enough, so a broken body does not matter much.
		return s.classify(r, a.Status, a, a.Body)
	})
}

func (s *Sink) created(r *engine.Request, reply *wire.Answer) engine.Answer {
	doubt := engine.Answer{Reply: engine.Unknown, Status: http.StatusCreated, Code: codeUnreadable}
	if reply.Broken {
		return doubt
	}
	read := accepted
	if s.o.Single {
		read = acceptedMessage
	}
	a := read(r, reply.Body)
	if a.Reply == engine.Accepted && s.ids.Repeats(a.IDs[0], r.Messages[0]) {
		return doubt
	}
	return a
}

// Codes of answers without a code of the service.
const (
	codeUnreadable = "unreadable_201"
	codeBroken     = "broken_answer"
)
