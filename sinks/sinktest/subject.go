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
	Make     func(Wire) engine.Sink // always the same but for the Wire
	Base     string                 // the first part of the path, such as /comms
	Path     string                 // the rest of the path for requests
	Accept   string                 // the type that is asked for; empty: none
	Messages int                    // in a request
	Fields   int                    // of a person

	// Created makes the body of a 201 that accepts a request, and the ids in it.
	Created func(r *engine.Request) (body string, ids []string)

	Rows    int      // the length of Answers, so that a lost row is noticed
	Lines   int      // the rows of the contract's table, which come first in Answers
	Answers []Answer // all answers of the contract, and some others
	Broken  []int    // statuses that are Refused when their body is incomplete

	// Problem is an error in the service's form. words stand in each of its texts.
	Problem func(status int, words string) string
}

// Answer is one answer of a service and its classification.
type Answer struct {
	Sentence string
	Status   int
	Headers  map[string]string
	Body     string

	Reply engine.Reply
	Code  string
	After time.Duration
	All   bool   // every request waits
	Halt  string // a part of the advice; empty: the run goes on
}

// Run runs the whole suite. Nothing of it runs on afterwards.
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
	// No goroutine runs on. The connections of net/http have goroutines.
	goleak.VerifyNone(t, before)
}

// wire makes a Wire to a service at address, with a token endpoint of its own.
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
