package nhsapp

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"cohort/engine"
	"cohort/ingest/person"
	"cohort/sinks/apim"
	"cohort/sinks/exchange"
	"cohort/sinks/wire"
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
	Client     *http.Client    // made by apim.Client; messages use its certificates and proxy
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
	parts  []bodyParts    // by route
	asks   []person.Limit // of every record
	poster *exchange.Poster
	signed http.RoundTripper // signs in, for questions
	ids    exchange.IDs
}

var _ engine.Examiner = (*Sink)(nil)

// mostReply is the most bytes of an answer that are read. A 201 repeats the message, of at most about
// 30 kB.
const mostReply = 1 << 20

// mostBody is larger than any request within the limits.
const mostBody = 64 << 10

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
	channel := "in-app"
	if s.routes[0].Push != nil {
		channel = "notification"
	}
	s.poster = exchange.NewPoster(o.Client, o.Tokens, o.BaseURL, "/communication/"+channel+"/FHIR/R4/CommunicationRequest", o.Timeout)
	s.poster.Key, s.poster.MaxAnswer = "sink.nhsapp.base_url", mostReply
	s.signed = &apim.Transport{Tokens: o.Tokens, Base: o.Client.Transport}
	return s
}

// Kind implements engine.Sink. The service accepts a message twice, and its receipts tell later which
// messages it has.
func (s *Sink) Kind() engine.Kind { return engine.CanBeAsked }

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
	s.o.Tokens.Heard(resp.StatusCode, resp.Header)
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20))
	return resp.Body.Close()
}

// Send implements engine.Sink. No type is asked for: the contract names none.
func (s *Sink) Send(ctx context.Context, r *engine.Request) engine.Answer {
	return s.poster.Post(ctx, r, func(a *wire.Answer) engine.Answer {
		switch status := a.Status; {
		case status == http.StatusCreated:
			return s.accepted(r, a)
		case status == http.StatusBadRequest && a.Broken:
			// Certainly not accepted, but what for is lost. Sent again it says so again.
			return engine.Answer{Reply: engine.Refused, Status: status, Code: codeBroken}
		}
		// Everywhere else the status alone decides enough, so a broken body does not matter much.
		return s.classify(a)
	})
}

// Codes of answers without a code of the service.
const (
	codeUnreadable = "unreadable_201"
	codeBroken     = "broken_answer"
)
