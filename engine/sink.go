package engine

import (
	"context"
	"time"

	"cohort/ingest/person"
)

// Kind says what a service does with a reference that it has seen before, and so what
// may be done about a request that was never answered.
type Kind uint8

// The kinds of service.
const (
	// Deduplicates takes a batch reference once. An unanswered request is settled by
	// replaying the same bytes under the same reference.
	Deduplicates Kind = iota + 1
	// CanBeAsked takes a message twice but can say later which it has. An unanswered
	// request stays in doubt until it is asked.
	CanBeAsked
	// Neither leaves an unanswered request in doubt until a person decides.
	Neither
)

// Limits is what one request may hold.
type Limits struct {
	Messages int
	Bytes    int // of the encoded body
}

// Sink delivers batches to one service. It is safe for concurrent use.
type Sink interface {
	// Kind declares the rule for requests that were never answered.
	Kind() Kind

	// AppendHead, AppendMessage and AppendTail append the parts of a request's body:
	// the head, the messages with a comma between them (see Separated), the tail. They are pure: the
	// same arguments give the same bytes for as long as the campaign's frozen keys are
	// the same. The length of head and tail does not depend on the reference. route is that
	// of all recipients of the batch.
	AppendHead(dst []byte, batch Reference, route uint8) []byte
	AppendMessage(dst []byte, message Reference, p *person.Recipient) []byte
	AppendTail(dst []byte) []byte

	// Send puts one request on the wire, once: it never repeats a request by itself.
	// The engine calls it only when the attempt is in the progress log. It returns when
	// there is an answer or certainty that there will be none; what it cannot classify
	// is Unknown. ctx is cancelled only when the run's grace period is over.
	Send(ctx context.Context, r *Request) Answer
}

// Examiner is a Sink whose service has limits for a message beside the size of its
// request.
type Examiner interface {
	// Asks is what the service asks of every record; always the same. See Asked.
	Asks() []person.Limit
}

// Separated is a Sink whose messages have something else than a comma between them.
type Separated interface {
	Separator() string // always the same
}

func SeparatorOf(s Sink) string {
	if s, ok := s.(Separated); ok {
		return s.Separator()
	}
	return ","
}

// Request is one attempt to deliver one form of a batch.
type Request struct {
	Reference   Reference
	Correlation [16]byte    // fresh for each attempt, recorded with it
	Body        []byte      // not to be kept or changed
	Messages    []Reference // of the messages in the body, in its order
}

// Reply classifies what came back for a request. It says what is known of this
// attempt and nothing of earlier ones: that is the protocol's business.
type Reply uint8

// The replies.
const (
	Unknown     Reply = iota // no answer, or none that says what became of it: in doubt
	Accepted                 // accepted, with the ids of its messages
	Known                    // the service has had this reference before
	RowsRefused              // the service's validator refused the rows named; nothing was accepted
	TooLarge                 // more than the service takes in one request; nothing was accepted
	Refused                  // certainly not accepted, for a reason that is not in the rows
	Unsent                   // not one byte of it left this machine
)

// Answer is what a sink says of one request.
type Answer struct {
	Reply  Reply
	Status int    // HTTP status, 0 when there was none
	Code   string // the service's code, or a word of our own for what happened; never personal data
	Why    string // the same in words where there was no answer, such as "connection refused"; may be empty

	IDs   []string   // Accepted: the service's ids, in the order of Request.Messages
	NoIDs bool       // Accepted: what takes the messages gives them no ids; IDs is empty
	Rows  []RowError // RowsRefused: at least one, in the order of the body
	// RowsCut says that the service names no more rows than it did, and did not look
	// further than the last of them.
	RowsCut bool

	RetryAfter time.Duration // not before; 0: the service did not say
	HoldAll    bool          // RetryAfter, or a backoff, is meant for every request and not only this one
	Halt       string        // non-empty: nothing more may be sent until a person has mended this
}

// RowError is the service's refusal of one message of a request.
type RowError struct {
	Index  int    // into Request.Messages
	Code   string // the service's code
	Reason string // in words, without personal data
}
