package simulator

import (
	"encoding/binary"
	"encoding/json"
	"hash/maphash"
	"iter"
	"strconv"
	"sync"
	"time"
)

// Accepted is one message that the service accepted. It carries a person's
// number: never print it outside a test.
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

	// What has become of it by now, where that is asked for: its status, and of the NHS App
	// the codes of its receipts with commas between.
	Status            string `json:"status,omitempty"`
	FailureReasonCode string `json:"failureReasonCode,omitempty"`
}

// Times counts acceptances over all applications up to the moment of reading.
// More than one is what no sender should cause.
type Times struct {
	Person    int `json:"person"`    // of this NHS number; 0 without one
	Reference int `json:"reference"` // of this message reference; 0 without one
}

// Twice says whether the person or the reference was accepted more than once.
func (a Accepted) Twice() bool { return a.Times.Person > 1 || a.Times.Reference > 1 }

// record is one accepted request. Its messages are packed: for each, the
// reference, the NHS number and the personalisation, each with its length + 1
// before it (0: there was none).
type record struct {
	application string
	reference   string // of the batch, or of the single message
	single      bool
	plan        string
	channel     string // of the NHS App; empty: NHS Notify
	campaign    string // of the NHS App
	id          string // of the NHS App's communication; NHS Notify's are made again when asked for
	at          time.Time
	count       int
	packed      []byte
}

// ledger is the truth about what was accepted. Safe for concurrent use.
type ledger struct {
	seed     uint64
	hashSeed maphash.Seed

	mu             sync.Mutex // guards what follows
	claims         map[string]*claim
	records        []*record
	communications []*record        // of those: the NHS App's
	named          int              // communication ids given out, those in a State among them
	people         map[uint64]int32 // by NHS number
	references     map[uint64]int32 // by hash of the message reference
	totals         ledgerTotals
	seconds        map[int64]int        // messages accepted in each second
	born           map[uint32][]*record // NHS Notify's, by the second that their ids begin with
}

// ledgerTotals are the ledger's share of Stats.
type ledgerTotals struct {
	batches, singles, messages               int
	communications                           int
	peopleTwice, referencesTwice, mostSecond int
	duplicates, inFlight                     int
	afterDuplicate, afterAnswer              int
	otherBody, beforeRetryAfter              int
}

func newLedger(seed uint64) *ledger {
	return &ledger{
		seed:       seed,
		hashSeed:   maphash.MakeSeed(),
		claims:     map[string]*claim{},
		people:     map[uint64]int32{},
		references: map[uint64]int32{},
		seconds:    map[int64]int{},
		born:       map[uint32][]*record{},
	}
}

func (r *record) key() string { return claimKey(r.application, r.single, r.reference) }

func (r *record) pack(messages []message, personalisation bool) {
	size := 0
	for _, m := range messages {
		size += 6 + len(m.reference) + len(m.nhsNumber)
		if personalisation {
			size += len(m.personalisation)
		}
	}
	out := make([]byte, 0, size)
	for _, m := range messages {
		out = packField(out, m.reference)
		out = packField(out, m.nhsNumber)
		if personalisation && m.personalisation != nil {
			out = packField(out, m.personalisation)
		} else {
			out = append(out, 0)
		}
	}
	r.count, r.packed = len(messages), out
}

func packField[T ~string | ~[]byte](out []byte, s T) []byte {
	return append(binary.AppendUvarint(out, uint64(len(s))+1), s...)
}

// add enters a request that has just been accepted. The caller holds l.mu.
func (l *ledger) add(r *record, messages []message) {
	l.records = append(l.records, r)
	l.totals.messages += r.count
	switch {
	case r.channel != "":
		l.totals.communications++
		l.communications = append(l.communications, r)
	case r.single:
		l.totals.singles++
	default:
		l.totals.batches++
	}
	for _, m := range messages {
		if key, ok := personKey(m.nhsNumber); ok {
			l.people[key]++
			if l.people[key] == 2 {
				l.totals.peopleTwice++
			}
		}
		if m.reference == "" {
			continue
		}
		key := l.referenceKey(m.reference)
		l.references[key]++
		if l.references[key] == 2 {
			l.totals.referencesTwice++
		}
	}
	if r.channel == "" {
		l.born[ksuidSecond(r.at)] = append(l.born[ksuidSecond(r.at)], r)
	}
	second := r.at.Unix()
	l.seconds[second] += r.count
	l.totals.mostSecond = max(l.totals.mostSecond, l.seconds[second])
}

func personKey(nhsNumber string) (uint64, bool) {
	n, err := strconv.ParseUint(nhsNumber, 10, 64)
	return n, err == nil
}

func (l *ledger) referenceKey(reference string) uint64 {
	return maphash.String(l.hashSeed, reference)
}

// all yields every accepted message, request by request in the order of
// acceptance and within a request in the order sent.
func (l *ledger) all() iter.Seq[Accepted] {
	return func(yield func(Accepted) bool) {
		l.mu.Lock()
		records := l.records
		l.mu.Unlock()
		for _, r := range records {
			for _, a := range l.open(r) {
				if !yield(a) {
					return
				}
			}
		}
	}
}

// find looks up a message by its id among those of an application.
func (l *ledger) find(application, id string) (Accepted, bool) {
	words, ok := wordsOf(id)
	if !ok {
		return Accepted{}, false
	}
	l.mu.Lock()
	records := l.born[words[0]]
	l.mu.Unlock()
	for _, r := range records {
		if r.application != application {
			continue
		}
		ids := newKSUIDs(l.seed, r.key(), r.at)
		if !r.single {
			ids.skip() // the batch's own
		}
		if i, there := ids.index(words, r.count); there {
			return l.openSome(r, i, i+1)[0], true
		}
	}
	return Accepted{}, false
}

// open unpacks one record.
func (l *ledger) open(r *record) []Accepted { return l.openSome(r, 0, r.count) }

// openSome unpacks the messages of a record from one up to, and without, another.
func (l *ledger) openSome(r *record, from, to int) []Accepted {
	ids := newKSUIDs(l.seed, r.key(), r.at)
	batch := Accepted{Application: r.application, RoutingPlanID: r.plan, Channel: r.channel, CampaignID: r.campaign, AcceptedAt: r.at}
	if !r.single {
		batch.BatchReference, batch.BatchID = r.reference, ids.next()
	}
	list := make([]Accepted, to-from)
	rest := r.packed
	for range from {
		ids.skip()
		for range 3 {
			_, rest = unpackField(rest)
		}
	}
	for i := range list {
		a := batch
		if a.MessageID = r.id; r.channel == "" {
			a.MessageID = ids.next()
		}
		var field []byte
		field, rest = unpackField(rest)
		a.MessageReference = string(field)
		field, rest = unpackField(rest)
		a.NHSNumber = string(field)
		field, rest = unpackField(rest)
		a.Personalisation = field
		list[i] = a
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range list {
		if key, ok := personKey(list[i].NHSNumber); ok {
			list[i].Times.Person = int(l.people[key])
		}
		if list[i].MessageReference == "" {
			continue
		}
		list[i].Times.Reference = int(l.references[l.referenceKey(list[i].MessageReference)])
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

// Ledger yields every message that was accepted before the call, in the order
// of acceptance. It may be read while the server serves.
func (s *Server) Ledger() iter.Seq[Accepted] { return s.ledger.all() }
