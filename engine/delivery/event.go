package delivery

import (
	"time"

	"github.com/zeebo/xxh3"
)

// Event is one thing that a service said about one message, after it accepted it. A field that
// the service did not give is zero. Reason and Raw may hold personal data: no error and no log
// may show them.
type Event struct {
	Source    Source
	Kind      Kind
	Reference string // the message reference, as the service gave it
	MessageID string // the service's id

	Status   string // messageStatus, channelStatus or the receipt's code; lower case, words joined by _
	Channel  string // nhsapp, email, sms or letter; of a message: the one that delivered it
	Cascade  string // cascadeType: primary or secondary
	Order    int    // cascadeOrder, within the cascade, from 1
	Supplier string // supplierStatus

	Code           string // failure code
	Reason         string // description of the failure, in the service's words
	Answer         string // code of a reply
	RoutingVersion string // routingPlan.version

	At       time.Time // when it happened, by the service
	Received time.Time // when this program received it
	Key      string    // idempotencyKey, or the id of a reply
	Raw      []byte    // the item as received, if it has anything that the fields above do not hold; never printed
}

// Source names who told this program of an event. A newer program may know others.
type Source string

// The sources. A receipt of the NHS App is a Receipt, whether the NHS App sent it or was asked.
const (
	Callback    Source = "callback"     // NHS Notify or the NHS App sent it
	Status      Source = "status"       // NHS Notify was asked about the message
	Receipt     Source = "receipt"      // what the NHS App did with the message
	DailyReport Source = "daily report" // NHS Notify's daily report of uploads
)

// Kind names the subject of an event. A newer program may know others.
type Kind string

// The kinds. Status is the message's in an event OfMessage, and the channel's in one OfChannel.
// An event of another kind has neither.
const (
	OfMessage  Kind = "message"
	OfChannel  Kind = "channel"
	OfResponse Kind = "response" // a reply of the person
	OfUnknown  Kind = "unknown"  // this program does not understand it; Raw has it
)

// Identity is the same for two events only if they say the same thing about the same message.
type Identity [16]byte

// Identity hashes everything that the event says. It leaves out Received, which differs when an
// event comes again, and Raw if the event is understood.
//
// The key alone identifies nothing: two events share it if they differ only in their time. It
// counts where the other fields may be alike for two events: in replies, in events without a
// time, and in those that are not understood.
func (e *Event) Identity() Identity {
	var space [512]byte
	said := *e
	said.Received = time.Time{}
	if known := e.Kind == OfMessage || e.Kind == OfChannel; known {
		said.Raw = nil
		if !e.At.IsZero() {
			said.Key = ""
		}
	}
	return xxh3.Hash128(Append(space[:0], &said)).Bytes()
}
