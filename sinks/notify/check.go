package notify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"cohort/engine"
	"cohort/sinks/apim"
)

const checkPatience = 30 * time.Second

// nobodysMessage is a well-formed message id that no message has: the KSUID of all zeros.
const nobodysMessage = "000000000000000000000000000"

// Check makes sure that the token endpoint gives a token, that base_url is the service's, and that
// the service admits this application. It sends no message. A busy or broken service does not
// keep a run from starting. An error wraps an *apim.Mistake, or is the context's.
func (s *Sink) Check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, checkPatience)
	defer cancel()
	if _, err := s.o.Tokens.Token(ctx); err != nil {
		return err
	}
	if _, err := s.Ping(ctx); err != nil && (err.Permanent() || err.Err != nil) {
		return err
	}
	if err := s.Allowed(ctx); err != nil && err.Permanent() {
		return err
	}
	return nil
}

// Ping makes sure that base_url is the service's: /_ping answers 200 to everybody. It also returns
// the service's clock; nil when the answer has none.
func (s *Sink) Ping(ctx context.Context) (*apim.Clock, *apim.Mistake) {
	ctx, cancel := context.WithTimeout(ctx, checkPatience)
	defer cancel()
	asked := time.Now()
	resp, err := get(ctx, checkPatience, s.o.Client.Do, s.o.BaseURL+"/_ping")
	if err != nil {
		return nil, s.noReply(err)
	}
	clock := apim.ReadClock(resp.Header, asked, time.Now())
	switch status := resp.StatusCode; {
	case status == http.StatusOK:
		return clock, nil
	case status == http.StatusTooManyRequests, status >= 500:
		return clock, &apim.Mistake{Part: apim.BaseURL, Found: fmt.Sprintf("%s/_ping answered %d", s.o.BaseURL, status), Fix: troubled, Passing: true}
	default:
		return nil, &apim.Mistake{Part: apim.BaseURL, Found: fmt.Sprintf("base_url is not NHS Notify's: %s/_ping answered %d", s.o.BaseURL, status), Fix: "correct it, such as https://int.api.service.nhs.uk/comms"}
	}
}

const troubled = "the problem is at the service; try again in a few minutes"

// Allowed makes sure that the service takes the token and admits the application. It asks for a
// message that does not exist. Token and permission are the first gates of every request, so
// only an admitted application gets the 404. The question changes nothing.
func (s *Sink) Allowed(ctx context.Context) *apim.Mistake {
	ctx, cancel := context.WithTimeout(ctx, checkPatience)
	defer cancel()
	var a engine.Answer
	for range 2 { // a token may be stale; two fresh ones are not
		resp, err := get(ctx, checkPatience, s.signed.RoundTrip, s.o.BaseURL+"/v1/messages/"+nobodysMessage)
		if t := (*apim.TokenError)(nil); errors.As(err, &t) {
			return &t.Mistake
		}
		if err != nil {
			return s.noReply(err)
		}
		a = s.classify(&engine.Request{}, resp.StatusCode, resp.Header, resp.body)
		switch {
		case resp.StatusCode == http.StatusOK, resp.StatusCode == http.StatusNotFound && a.Code == "CM_NOT_FOUND", resp.StatusCode == http.StatusBadRequest && strings.HasPrefix(a.Code, "CM_"):
			return nil
		case resp.StatusCode == http.StatusTooManyRequests:
			wait := "a minute"
			if a.RetryAfter > 0 {
				wait = a.RetryAfter.String()
			}
			return &apim.Mistake{Part: apim.Permission, Found: fmt.Sprintf("the service asks this application for fewer requests (429 %s)", a.Code), Fix: "wait " + wait + " and try again", Passing: true}
		case resp.StatusCode == http.StatusRequestTimeout, resp.StatusCode >= 500 && a.Halt == "":
			return &apim.Mistake{Part: apim.Permission, Found: fmt.Sprintf("the service answered %d (%s)", a.Status, a.Code), Fix: troubled, Passing: true}
		case resp.StatusCode != http.StatusUnauthorized:
			return halted(a)
		}
	}
	if a.Halt == "" { // an older token was refused, and now a fresh one
		a.Halt = refusesTokens
	}
	return halted(a)
}

// halted turns a halt (the problem, a semicolon, the remedy) into a mistake.
func halted(a engine.Answer) *apim.Mistake {
	found, fix, _ := strings.Cut(a.Halt, "; ")
	return &apim.Mistake{Part: apim.Permission, Found: found, Fix: fix}
}

func (s *Sink) noReply(err error) *apim.Mistake {
	if s.poster.URL == nil {
		return &apim.Mistake{Part: apim.BaseURL, Found: "base_url cannot be used", Err: err, Fix: "correct it in the campaign file"}
	}
	return apim.Unreachable(apim.BaseURL, "NHS Notify, at "+s.o.BaseURL+",", err)
}

// answered is an answer with the part of its body that arrived.
type answered struct {
	*http.Response
	body []byte
}

func get(ctx context.Context, timeout time.Duration, do func(*http.Request) (*http.Response, error), address string) (answered, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return answered{}, err
	}
	req.Header["Accept"] = jsonType
	req.Header.Set("X-Correlation-Id", uuid.NewString())
	resp, err := do(req)
	if err != nil {
		return answered{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<20)) // the status alone is enough
	return answered{resp, body}, nil
}
