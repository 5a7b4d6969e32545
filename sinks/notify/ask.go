package notify

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"time"

	"cohort/engine"
	"cohort/sinks/apim"
	"cohort/sinks/exchange"
)

// AskKind tells the caller what to do after a question without an answer.
type AskKind uint8

const (
	AskLater  AskKind = iota + 1 // ask again, not before RetryAfter
	AskNoSuch                    // the service does not know the message as one of this application
	AskStop                      // stop asking until a person has corrected the problem in Why
)

// AskError is the error of a question about a message. It holds nothing about a person.
type AskError struct {
	Kind       AskKind
	Status     int    // HTTP status; 0: no answer
	Code       string // the service's code, or one of cohort's own
	RetryAfter time.Duration
	HoldAll    bool   // it concerns every request
	Why        string // of AskStop: what is wrong, a semicolon, what to do
}

func (e *AskError) Error() string {
	switch {
	case e.Kind == AskStop:
		return e.Why
	case e.Kind == AskNoSuch:
		return fmt.Sprintf("the service knows no such message (%d %s)", e.Status, e.Code)
	case e.Status == 0:
		return fmt.Sprintf("the service did not answer (%s)", e.Code)
	}
	return fmt.Sprintf("the service cannot tell now (%d %s)", e.Status, e.Code)
}

// Message asks the service once for the status of a message, by the service's id. An error is an
// *AskError, or the context's. It is safe for concurrent use.
func (s *Sink) Message(ctx context.Context, id string) (Status, error) {
	resp, err := get(ctx, s.o.Timeout, s.signed.RoundTrip, s.o.BaseURL+"/v1/messages/"+url.PathEscape(id))
	if err != nil {
		return Status{}, s.notAsked(ctx, err)
	}
	if resp.StatusCode == http.StatusOK {
		status, ok := readStatus(id, resp.body)
		if !ok && ctx.Err() != nil {
			return Status{}, ctx.Err()
		}
		if !ok {
			return Status{}, &AskError{Kind: AskLater, Status: resp.StatusCode, Code: codeUnreadable200}
		}
		return status, nil
	}
	return Status{}, s.classifyAsked(resp)
}

const codeUnreadable200 = "unreadable_200"

// classifyAsked classifies every answer but a 200, by the table of requests. A question is never
// in doubt.
func (s *Sink) classifyAsked(resp answered) *AskError {
	a := s.classify(&engine.Request{}, resp.StatusCode, resp.Header, resp.body)
	e := &AskError{Kind: AskStop, Status: a.Status, Code: a.Code, RetryAfter: a.RetryAfter, HoldAll: a.HoldAll, Why: a.Halt}
	switch {
	case a.Status == http.StatusNotFound && a.Code == "CM_NOT_FOUND":
		e.Kind, e.Why = AskNoSuch, ""
	case a.Halt != "" && a.Status != http.StatusBadRequest: // the Halt of a 400 is about a sent message
	case a.Status >= 500, slices.Contains(passing, a.Status):
		e.Kind = AskLater
	default:
		e.Why = fmt.Sprintf("the service gave an answer outside its contract (%d %s); check base_url, and whether this version of cohort is still current", a.Status, a.Code)
	}
	return e
}

// passing are the statuses below 500 that pass with time. A fresh token replaces a refused one.
var passing = []int{http.StatusUnauthorized, http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests}

// notAsked is the error of a question without an answer.
func (s *Sink) notAsked(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if s.poster.URL == nil {
		return &AskError{Kind: AskStop, Code: "bad_address", Why: badAddress}
	}
	if t := (*apim.TokenError)(nil); errors.As(err, &t) && t.Permanent() {
		return &AskError{Kind: AskStop, Code: exchange.CodeNoToken, Why: t.Error()}
	}
	code := exchange.NoAnswer(ctx, err).Code
	if op := (*net.OpError)(nil); errors.As(err, &op) && (op.Op == "dial" || op.Op == "proxyconnect") {
		code = exchange.CodeNotReached
	}
	return &AskError{Kind: AskLater, Code: code}
}
