// Package ledger records what the simulated services accepted, and in what order. It never
// asks the sender.
package ledger

import (
	"encoding/binary"
	"encoding/json"
	"hash/crc32"
	"hash/maphash"
	"iter"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/segmentio/ksuid"
)

// Accepted is one message that a service accepted. It carries a person's number: never print
// it outside a test.
type Accepted struct {
	Application      string          `json:"application"`
	BatchReference   string          `json:"batchReference"` // empty for a single message
	BatchID          string          `json:"batchId"`        // empty for a single message
	MessageReference string          `json:"messageReference"`
	MessageID        string          `json:"messageId"`
	Channel          string          `json:"channel,omitempty"`    // in-app or notification; empty: NHS Notify
	CampaignID       string          `json:"campaignId,omitempty"` // of the NHS App
	NHSNumber        string          `json:"nhsNumber"`
	Personalisation  json.RawMessage `json:"personalisation,omitempty"`
	RoutingPlanID    string          `json:"routingPlanId,omitempty"`
	AcceptedAt       time.Time       `json:"acceptedAt"`
	Times            Times           `json:"times"`

	// The outcome so far, only in a listing with statuses. For the NHS App the status is the
	// codes of the receipts, with commas between.
	Status            string     `json:"status,omitempty"`
	FailureReasonCode string     `json:"failureReasonCode,omitempty"`
	DeliveredChannel  string     `json:"deliveredChannel,omitempty"` // nhsapp, email, sms or letter
	DeliveredAt       *time.Time `json:"deliveredAt,omitempty"`
	ReadAt            *time.Time `json:"readAt,omitempty"` // in the NHS App
}

// Times counts acceptances over all applications up to the moment of reading. No sender
// should cause more than one.
type Times struct {
	Person    int `json:"person"`    // of this NHS number; 0 without one
	Reference int `json:"reference"` // of this message reference; 0 without one
}

// Twice reports whether the person or the reference was accepted more than once.
func (a Accepted) Twice() bool { return a.Times.Person > 1 || a.Times.Reference > 1 }

// Request is one accepted request, and one line of a State.
type Request struct {
	Application   string    `json:"application"`
	Reference     string    `json:"reference"` // of the batch, or of the single message
	Single        bool      `json:"single,omitempty"`
	RoutingPlanID string    `json:"routingPlanId,omitempty"`
	Channel       string    `json:"channel,omitempty"`         // of the NHS App; empty: NHS Notify
	CampaignID    string    `json:"campaignId,omitempty"`      // of the NHS App
	ID            string    `json:"communicationId,omitempty"` // of the NHS App; IDs makes those of NHS Notify
	AcceptedAt    time.Time `json:"acceptedAt"`
	BodyCRC32C    uint32    `json:"bodyCrc32c"`
	Messages      []Message `json:"messages"`
}

// Checksum is the BodyCRC32C of a request's body.
func Checksum(body []byte) uint32 { return crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)) }

// Message is one message of a request.
type Message struct {
	Reference       string          `json:"messageReference"`
	NHSNumber       string          `json:"nhsNumber,omitempty"`
	Personalisation json.RawMessage `json:"personalisation,omitempty"`
}

// record is an accepted request with its messages packed. Each message is its reference, NHS
// number and personalisation. Before each of the three stands its length + 1, or 0 when there
// is none.
type record struct {
	request Request // without Messages
	count   int
	packed  []byte
}

// Ledger is the truth about accepted requests. It is safe for concurrent use.
type Ledger struct {
	hashSeed maphash.Seed
	o        Options

	mu             sync.Mutex // guards what follows
	claims         map[string]*Claim
	records        []*record
	communications []*Request       // the NHS App's
	named          int              // communication ids given out, including those in a State
	people         map[uint64]int32 // by NHS number
	references     map[uint64]int32 // by hash of the message reference
	totals         Totals
	seconds        map[int64]int        // messages accepted in each second
	born           map[uint32][]*record // NHS Notify's, by the timestamp of their ids
}

// Options configure a Ledger.
type Options struct {
	Seed                  uint64
	State                 *State // keeps the ledger on disk; nil: in memory only
	ForgetPersonalisation bool   // leave it out, for size
}

// Totals are the counters of a Ledger.
type Totals struct {
	BatchesAccepted         int `json:"batchesAccepted"`
	SinglesAccepted         int `json:"singlesAccepted"`
	Communications          int `json:"communicationsAccepted"` // by the NHS App
	MessagesAccepted        int `json:"messagesAccepted"`
	People                  int `json:"people"`          // distinct NHS numbers accepted
	PeopleTwice             int `json:"peopleTwice"`     // people accepted more than once
	ReferencesTwice         int `json:"referencesTwice"` // message references accepted more than once
	MostMessagesInOneSecond int `json:"mostMessagesInOneSecond"`

	Duplicates            int `json:"duplicates"`            // decided 422
	TooEarly              int `json:"tooEarly"`              // decided 425, without the fault plan
	RequestsAfterAnswer   int `json:"requestsAfterAnswer"`   // replays of a reference after its whole 201
	RequestsAfter422      int `json:"requestsAfter422"`      // replays of a reference after its whole 422
	ReplaysWithOtherBody  int `json:"replaysWithOtherBody"`  // replays with other bytes than the first request
	ReplaysBeforeTheirDue int `json:"replaysBeforeTheirDue"` // replays within the Retry-After of a 425
}

// New makes a ledger. It takes over what its State holds.
func New(o Options) *Ledger {
	l := &Ledger{
		hashSeed:   maphash.MakeSeed(),
		o:          o,
		claims:     map[string]*Claim{},
		people:     map[uint64]int32{},
		references: map[uint64]int32{},
		seconds:    map[int64]int{},
		born:       map[uint32][]*record{},
	}
	if o.State != nil {
		l.remember(o.State.found)
		o.State.found = nil
	}
	return l
}

// remember adds the requests of a State, before anything is served.
func (l *Ledger) remember(found []Request) {
	for i := range found {
		r := &found[i]
		if r.Channel != "" {
			l.named++
		} else {
			l.claims[r.key()] = &Claim{body: r.BodyCRC32C}
		}
		l.forget(r)
		l.add(r)
	}
}

func (l *Ledger) forget(r *Request) {
	for i := range r.Messages {
		if l.o.ForgetPersonalisation {
			r.Messages[i].Personalisation = nil
		}
	}
}

// Accept adds a whole request to the ledger, first to its State. c is the claim of its
// reference, nil for the NHS App. slow, when not nil, makes replays too early. After an error
// nothing is accepted, and the claim stays in flight.
func (l *Ledger) Accept(c *Claim, r *Request, slow *Delay) error {
	l.forget(r)
	if l.o.State != nil {
		if err := l.o.State.keep(r); err != nil {
			return err
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if c != nil {
		c.inFlight = false
		if slow != nil {
			c.until, c.retryAfter, c.drawn = r.AcceptedAt.Add(slow.Processing), slow.RetryAfter, true
		}
	}
	l.add(r)
	return nil
}

// NextCommunication numbers the communications, over the end of a Server too.
func (l *Ledger) NextCommunication() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.named++
	return l.named
}

// Communications returns the NHS App's requests, in the order of acceptance, without their
// messages.
func (l *Ledger) Communications() []*Request {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.communications
}

func (l *Ledger) Totals() Totals {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := l.totals
	out.People = len(l.people)
	return out
}

func pack(from *Request) *record {
	r := &record{request: *from, count: len(from.Messages)}
	r.request.Messages = nil
	size := 0
	for _, m := range from.Messages {
		size += 6 + len(m.Reference) + len(m.NHSNumber) + len(m.Personalisation)
	}
	r.packed = make([]byte, 0, size)
	for _, m := range from.Messages {
		r.packed = packField(r.packed, m.Reference)
		r.packed = packField(r.packed, m.NHSNumber)
		if m.Personalisation == nil {
			r.packed = append(r.packed, 0)
		} else {
			r.packed = packField(r.packed, m.Personalisation)
		}
	}
	return r
}

func packField[T ~string | ~[]byte](out []byte, s T) []byte {
	return append(binary.AppendUvarint(out, uint64(len(s))+1), s...)
}

// add enters an accepted request. The caller holds l.mu.
func (l *Ledger) add(from *Request) {
	r := pack(from)
	l.records = append(l.records, r)
	l.totals.MessagesAccepted += r.count
	switch {
	case from.Channel != "":
		l.totals.Communications++
		l.communications = append(l.communications, &r.request)
	case from.Single:
		l.totals.SinglesAccepted++
	default:
		l.totals.BatchesAccepted++
	}
	for _, m := range from.Messages {
		if key, ok := personKey(m.NHSNumber); ok {
			l.people[key]++
			if l.people[key] == 2 {
				l.totals.PeopleTwice++
			}
		}
		if m.Reference == "" {
			continue
		}
		key := l.referenceKey(m.Reference)
		l.references[key]++
		if l.references[key] == 2 {
			l.totals.ReferencesTwice++
		}
	}
	if from.Channel == "" {
		at := second(from.AcceptedAt)
		l.born[at] = append(l.born[at], r)
	}
	at := from.AcceptedAt.Unix()
	l.seconds[at] += r.count
	l.totals.MostMessagesInOneSecond = max(l.totals.MostMessagesInOneSecond, l.seconds[at])
}

func personKey(nhsNumber string) (uint64, bool) {
	n, err := strconv.ParseUint(nhsNumber, 10, 64)
	return n, err == nil
}

func (l *Ledger) referenceKey(reference string) uint64 {
	return maphash.String(l.hashSeed, reference)
}

// All yields every message that was accepted before the call, request by request in the
// order of acceptance, and within a request in the order sent.
func (l *Ledger) All() iter.Seq[Accepted] {
	return func(yield func(Accepted) bool) {
		l.mu.Lock()
		records := l.records
		l.mu.Unlock()
		for _, r := range records {
			for _, a := range l.unpack(r, 0, r.count) {
				if !yield(a) {
					return
				}
			}
		}
	}
}

// Nth returns the messages of the nth accepted request, from 0. ok is false when there is no
// such request yet.
func (l *Ledger) Nth(n int) (list []Accepted, ok bool) {
	l.mu.Lock()
	records := l.records
	l.mu.Unlock()
	if n >= len(records) {
		return nil, false
	}
	return l.unpack(records[n], 0, records[n].count), true
}

// Find looks up a message of an application by its id.
func (l *Ledger) Find(application, text string) (Accepted, bool) {
	id, err := ksuid.Parse(text)
	if err != nil || id.String() != text { // Parse passes some characters that are not base 62
		return Accepted{}, false
	}
	l.mu.Lock()
	records := l.born[id.Timestamp()]
	l.mu.Unlock()
	for _, r := range records {
		if r.request.Application != application {
			continue
		}
		ids := l.IDs(&r.request)
		if !r.request.Single {
			ids.next() // the batch's own
		}
		if i, there := ids.index(id, r.count); there {
			return l.unpack(r, i, i+1)[0], true
		}
	}
	return Accepted{}, false
}

// unpack returns the messages of a record from one index up to, and without, another.
func (l *Ledger) unpack(r *record, from, to int) []Accepted {
	of := &r.request
	ids := l.IDs(of)
	common := Accepted{
		Application: of.Application, RoutingPlanID: of.RoutingPlanID, Channel: of.Channel, CampaignID: of.CampaignID,
		AcceptedAt: of.AcceptedAt,
	}
	if !of.Single {
		common.BatchReference, common.BatchID = of.Reference, ids.Next()
	}
	list := slices.Repeat([]Accepted{common}, to-from)
	rest := r.packed
	for range from {
		ids.next()
		for range 3 {
			_, rest = unpackField(rest)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range list {
		a := &list[i]
		if a.MessageID = of.ID; of.Channel == "" {
			a.MessageID = ids.Next()
		}
		var reference, number []byte
		reference, rest = unpackField(rest)
		number, rest = unpackField(rest)
		a.Personalisation, rest = unpackField(rest)
		a.MessageReference, a.NHSNumber = string(reference), string(number)
		if key, ok := personKey(a.NHSNumber); ok {
			a.Times.Person = int(l.people[key])
		}
		if a.MessageReference != "" {
			a.Times.Reference = int(l.references[l.referenceKey(a.MessageReference)])
		}
	}
	return list
}

func unpackField(packed []byte) (field, rest []byte) {
	n, width := binary.Uvarint(packed)
	if n == 0 {
		return nil, packed[width:]
	}
	end := width + int(n) - 1
	return packed[width:end:end], packed[end:]
}
