// Package engine is the contract between runs, sources of recipients, and sinks.
package engine

import (
	"context"
	"math"
	"net/http"
	"time"

	"cohort/ingest/person"
)

// Kind is the behaviour of a service when it gets a reference again.
type Kind uint8

const (
	// Deduplicates accepts a batch reference once. A replay of the same bytes under the same reference settles a
	// request that got no answer.
	Deduplicates Kind = iota + 1
	// CanBeAsked accepts a message twice, and can say later which messages it has. A request without an answer stays
	// in doubt until the service says so, or a person decides.
	CanBeAsked
)

// Limits are the limits of one request.
type Limits struct {
	Messages int
	Bytes    int // of the encoded body
}

// Smooth lowers the number of messages to what a rate (messages a second; 0: no limit) sends in span. So a slow pace
// sends a trickle of small batches.
func (l Limits) Smooth(rate float64, span time.Duration) Limits {
	if rate > 0 {
		l.Messages = min(l.Messages, max(1, int(math.Floor(rate*span.Seconds()))))
	}
	return l
}

// Sink delivers batches to one service. It is safe for concurrent use.
type Sink interface {
	// Kind returns the rule for requests that got no answer.
	Kind() Kind

	// AppendHead, AppendMessage and AppendTail append the parts of a request's body: the head, the messages with a
	// comma between them (see Separated), the tail. They are pure: the same arguments give the same bytes while the
	// campaign's frozen keys stay the same. The length of head and tail does not depend on the reference. All
	// recipients of the batch have the same route.
	AppendHead(dst []byte, batch Reference, route uint8) []byte
	AppendMessage(dst []byte, message Reference, p *person.Recipient) []byte
	AppendTail(dst []byte) []byte

	// Send puts one request on the wire, once: it never repeats a request by itself. The engine calls it only when the
	// attempt is in the progress log. It returns with an answer, or when there will be none. An answer that it cannot
	// classify is Unknown. The engine cancels ctx only when the run's grace period is over.
	Send(ctx context.Context, r *Request) Answer
}

// Examiner is a Sink with limits for a message, beside the size of a request.
type Examiner interface {
	Asks() []person.Limit // always the same; see Asked
}

// Separated is a Sink with another separator between messages than a comma.
type Separated interface {
	Separator() string // always the same
}

// SeparatorOf returns the text between the messages of a request.
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
	Before      time.Time   // no byte may leave from then on, and the answer is CodeLate; zero: any time
}

// CodeLate is the code of an answer to a request that was not sent, because its permit was over.
const CodeLate = "permit_over"

// Reply classifies the answer to a request. It is about this attempt alone; ledger.Decide knows the earlier ones.
type Reply uint8

const (
	Unknown     Reply = iota // no answer, or an unclear one: the request is in doubt
	Accepted                 // accepted, with the ids of its messages
	Known                    // the service has had this reference before
	RowsRefused              // the service's validator refused some rows; nothing was accepted
	TooLarge                 // too large for one request; nothing was accepted
	Refused                  // certainly not accepted, and the rows are not the reason
	Unsent                   // no byte of it left this machine
)

// Answer is a sink's answer to one request.
type Answer struct {
	Reply  Reply
	Status int    // HTTP status, 0 when there was none
	Code   string // the service's code, or one of ours; never personal data
	Why    string // the reason in words when there was no answer, such as "connection refused"; may be empty

	IDs   []string   // Accepted: the service's ids, in the order of Request.Messages
	NoIDs bool       // Accepted: messages get no ids; IDs is empty
	Rows  []RowError // RowsRefused: at least one, in the order of the body

	RowsCut    bool          // the service looked at no row behind the last of Rows
	RetryAfter time.Duration // the wait that the service asks for; 0: none
	HoldAll    bool          // RetryAfter, or a backoff, is for every request, not only for this one
	Halt       string        // non-empty: nothing more may be sent until a person has mended this
}

// RowError is the service's refusal of one message of a request.
type RowError struct {
	Index  int    // into Request.Messages
	Code   string // the service's code
	Reason string // in words, without personal data
}

// Codes of a sink that runs know.
const (
	CodeNoToken     = "no_token"     // there is no access token
	CodeKeyReplaced = "key_replaced" // the credential is refused and another is in its place, which only a new start may use
)

// Settles reports whether an answer accepts or refuses a form for good.
func (a Answer) Settles() bool {
	switch a.Reply {
	case Accepted, Known, RowsRefused, TooLarge:
		return true
	}
	return false
}

// IsEarly reports whether the service is processing a request with this reference (425).
func (a Answer) IsEarly() bool { return a.Reply == Unknown && a.Status == http.StatusTooEarly }
