package callbacks

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"cohort/sinks/simulator/gateway"
)

// The fates of a callback.
const (
	Acknowledged   = "acknowledged"    // answered 2xx
	Lost           = "lost"            // given up, or refused for good
	Refused        = "refused"         // one that must or may be refused, and has no 2xx
	ForgedAccepted = "forged_accepted" // one that must be refused, answered 2xx
	again          = "again"
)

// longestRetryAfter is the longest Retry-After that a callback survives.
const longestRetryAfter = 43_200

// judge returns the fate of a callback after an attempt: Acknowledged, Lost or again. wait is the
// least wait before the next attempt. A server certificate that cannot be verified is a loss. err is
// the reason for no answer.
func judge(status int, retryAfter string, err error) (fate string, wait time.Duration) {
	switch seconds, _ := strconv.Atoi(retryAfter); { // 0 for a text that is no number
	case errors.As(err, new(*tls.CertificateVerificationError)):
		return Lost, 0
	case err != nil || status >= 500:
		return again, 0
	case status >= 200 && status < 300:
		return Acknowledged, 0
	case status == http.StatusTooManyRequests && seconds >= 0 && seconds <= longestRetryAfter:
		return again, time.Duration(seconds) * time.Second
	}
	return Lost, 0
}

// attempt sends a callback once, and settles it or queues the next attempt.
func (s *Sender) attempt(ctx context.Context, c *call) {
	if c.Attempts++; c.Attempts == 1 {
		c.first = s.now()
	}
	status, retryAfter, err := s.post(ctx, c)
	if ctx.Err() != nil {
		return // nobody knows
	}
	fate, wait := judge(status, retryAfter, err)
	rightNext := c.wrongSecret && !c.untrue && fate != Acknowledged
	retry := s.o.Target.Retry
	most := min(float64(retry.First)*float64(uint64(1)<<min(c.Attempts-1, 30)), float64(retry.Most))
	at := s.now().Add(max(wait, time.Duration(rand.Float64()*most)))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inHand--
	s.counts.ByAnswer[status]++
	if rightNext || fate == again && at.Before(c.first.Add(retry.For)) {
		c.wrongSecret = c.untrue && c.wrongSecret
		s.push(at, c)
		return
	}
	c.Answer, c.Fate = status, Lost
	switch forged := c.untrue || c.wrongSecret; {
	case fate == Acknowledged && forged:
		c.Fate = ForgedAccepted
	case fate == Acknowledged:
		c.Fate = Acknowledged
	case forged || c.refusable:
		c.Fate = Refused
	}
	s.counts.Fates[c.Fate]++
	if s.o.Log != nil {
		_, _ = s.o.Log.Write(append(gateway.EncodeJSON(c.Line), '\n'))
	}
}

// Line is a line of the log: one callback that is decided.
type Line struct {
	Fate             string `json:"fate"`
	Kind             string `json:"kind"`
	Status           string `json:"status"` // of the message's event; an untrue callback has another
	MessageID        string `json:"messageId"`
	MessageReference string `json:"messageReference"`
	IdempotencyKey   string `json:"idempotencyKey"` // of the last item
	Fault            string `json:"fault,omitempty"`
	Attempts         int    `json:"attempts"`
	Answer           int    `json:"answer"` // HTTP status of the last attempt; 0 without an answer
}

// post sends a callback. A TLS connection serves one callback. status is 0 without an answer.
func (s *Sender) post(ctx context.Context, c *call) (status int, retryAfter string, err error) {
	t := s.o.Target
	ctx, cancel := context.WithTimeout(ctx, t.Timeout+c.hold)
	defer cancel()
	var body io.Reader = bytes.NewReader(c.body)
	if half := len(c.body) / 2; c.hold > 0 {
		body = io.MultiReader(bytes.NewReader(c.body[:half]), pauser{ctx, c.hold}, bytes.NewReader(c.body[half:]))
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.o.URL+paths[c.Kind], body)
	if err != nil {
		return 0, "", err
	}
	r.ContentLength, r.Close = int64(len(c.body)), r.URL.Scheme == "https"
	r.Header.Set("Content-Type", "application/fhir+json")
	client := s.trusted
	switch {
	case c.Kind != Task:
		secret, key := t.ApplicationID+"."+t.APIKey, t.APIKey
		if c.wrongSecret {
			secret += "-of-somebody-else"
		}
		if c.wrongKey {
			key += "-of-somebody-else"
		}
		r.Header.Set("Content-Type", [...]string{"application/json", "application/vnd.api+json"}[len(c.body)%2])
		r.Header.Set(t.APIKeyHeader, key)
		r.Header.Set("X-Hmac-Sha256-Signature", sign(secret, c.body))
	case c.wrongSecret:
		client = s.stranger
	}
	answer, err := client.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = answer.Body.Close() }()
	_, _ = io.CopyN(io.Discard, answer.Body, 64<<10) // so that the connection can be kept
	return answer.StatusCode, answer.Header.Get("Retry-After"), nil
}

// pauser is a part of a body without bytes, which takes a while.
type pauser struct {
	ctx context.Context
	d   time.Duration
}

func (p pauser) Read([]byte) (int, error) {
	gateway.Wait(p.ctx, p.d)
	return 0, io.EOF
}
