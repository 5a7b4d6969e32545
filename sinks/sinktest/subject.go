package sinktest

import (
	"fmt"
	"testing"
	"time"

	"go.uber.org/goleak"

	"cohort/engine"
)

// Subject is a sink under test.
type Subject struct {
	Make     func(Wire) engine.Sink // over this wire, and otherwise always the same
	Base     string                 // of the service, behind its host: /comms
	Path     string                 // behind Base: where requests are posted
	Accept   string                 // the type that is asked for; empty: none
	Messages int                    // in a request
	Fields   int                    // that its messages are rendered from

	// Created is a 201 that accepts a request, without headers of its own; IDs are the ids
	// that it gives.
	Created func(r *engine.Request) (body string, ids []string)

	Rows    int      // how many Answers there are, so that none is lost unseen
	Lines   int      // of the contract's table, which Answers begins with
	Answers []Answer // every answer of the contract, and some that it does not have
	Broken  []int    // statuses that say what they mean in a body, and mean nothing when it breaks off: Refused

	// Problem is an error as the service writes it, with every text of it made of words.
	Problem func(status int, words string) string
}

// Answer is one answer of a service and what must be made of it.
type Answer struct {
	Sentence string
	Status   int
	Headers  map[string]string
	Body     string

	Reply engine.Reply
	Code  string
	After time.Duration
	All   bool   // every request waits
	Halt  string // a part of what must be mended; empty: the run goes on
}

// Run runs the whole suite. When it is done nothing of it is at work any more.
func Run(t *testing.T, s Subject) {
	before := goleak.IgnoreCurrent()
	t.Run("bytes", s.bytes)
	t.Run("answers", s.answers)
	t.Run("whatNeverLeft", s.neverLeft)
	t.Run("whatMayHaveArrived", s.mayHaveArrived)
	t.Run("nothingIsRepeated", s.noRepetition)
	t.Run("resets", s.resets)
	t.Run("doubledAnswers", s.doubledAnswers)
	t.Run("ownAnswers", s.ownAnswers)
	t.Run("HTTP2", s.http2)
	t.Run("redirects", s.redirects)
	t.Run("oldTLS", s.oldTLS)
	t.Run("answersWithoutEnd", s.withoutEnd)
	t.Run("slowAnswers", s.slowAnswers)
	t.Run("people", s.people)
	// No goroutine, and so no connection: each has one that reads it.
	goleak.VerifyNone(t, before)
}

// wire is a wire to a service at address, with an issuer of its own.
func (s Subject) wire(t *testing.T, address string) Wire {
	t.Helper()
	return NewWire(t, address+s.Base, Issuer(t).URL)
}

func (s Subject) request(sink engine.Sink, batch uint32) *engine.Request {
	return NewRequest(sink, batch, int(batch)*s.Messages, s.Messages, s.Fields)
}

func isAnswer(t *testing.T, a engine.Answer, reply engine.Reply, code string) {
	t.Helper()
	if a.Reply != reply || a.Code != code || a.Status != 0 || a.Halt != "" || a.IDs != nil || a.Rows != nil {
		t.Errorf("%s; want reply %d, code %s", fmt.Sprintf("%+v", a), reply, code)
	}
}
