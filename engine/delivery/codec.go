package delivery

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// Version is the form of an event. Integers are unsigned varints, but version and order.
//
//	version   1 byte
//	texts     in the order of texts. For a word: its index in words<<1 | 1. For any other
//	          text: its size<<1, and its bytes
//	order     a signed varint
//	at        seconds since the start of year 1, then nanoseconds; 0 0 is no time
//	received  the same
//	raw       size and bytes
const Version = 1

// words are common texts. They have an index in logs, so words are only ever added at the end.
// Any other text is kept as it is.
var words = []string{
	"callback", "status", "receipt", "daily report", "message", "channel", "response", "unknown",
	"created", "pending_enrichment", "enriched", "sending", "delivered", "failed", "skipped", "retry", "stale_pds", "assigning_batch",
	"read", "notification_attempted", "unnotified", "rejected", "notified", "received", "permanent_failure", "temporary_failure",
	"technical_failure", "accepted", "cancelled", "pending_virus_check", "validation_failed", "dispatched", "enclosed", "forwarded",
	"pending", "printed", "returned", "sent", "virus_scan_failed", "open", "no_such_message",
	"nhsapp", "email", "sms", "letter", "primary", "secondary",
}

var wordIndex = func() map[string]uint64 {
	index := make(map[string]uint64, len(words))
	for i, word := range words {
		index[word] = uint64(i)
	}
	return index
}()

// ErrNewer means that a newer program wrote the event.
var ErrNewer = errors.New("a newer version of cohort wrote this event; read it with that version")

var errEvent = errors.New("the bytes are not an event")

// texts are the fields with a text, in the order of the form.
func (e *Event) texts() [13]*string {
	return [...]*string{
		(*string)(&e.Source), (*string)(&e.Kind), &e.Reference, &e.MessageID, &e.Status, &e.Channel, &e.Cascade,
		&e.Supplier, &e.Code, &e.Reason, &e.Answer, &e.RoutingVersion, &e.Key,
	}
}

// Append appends the form of an event to b.
func Append(b []byte, e *Event) []byte {
	b = append(b, Version)
	for _, text := range e.texts() {
		if *text == "" {
			b = append(b, 0)
		} else if i, ok := wordIndex[*text]; ok {
			b = binary.AppendUvarint(b, i<<1|1)
		} else {
			b = append(binary.AppendUvarint(b, uint64(len(*text))<<1), *text...)
		}
	}
	b = binary.AppendVarint(b, int64(e.Order))
	for _, t := range [...]time.Time{e.At, e.Received} {
		b = binary.AppendUvarint(b, uint64(t.Unix()-time.Time{}.Unix()))
		b = binary.AppendUvarint(b, uint64(t.Nanosecond()))
	}
	b = binary.AppendUvarint(b, uint64(len(e.Raw)))
	return append(b, e.Raw...)
}

// Parse reads the form of an event. The event shares no memory with b. An event of a newer version
// is ErrNewer. Errors never show what the event holds.
func Parse(b []byte) (e Event, err error) {
	if len(b) > 0 && b[0] > Version {
		return e, fmt.Errorf("%w: it has version %d, and this program reads version %d", ErrNewer, b[0], Version)
	}
	if len(b) == 0 || b[0] == 0 {
		return e, errEvent
	}
	r := reader{b: b, all: string(b), at: 1} // one allocation for all texts
	for _, text := range e.texts() {
		switch n := r.uvarint(); {
		case n&1 == 0:
			*text = r.text(n >> 1)
		case n>>1 < uint64(len(words)):
			*text = words[n>>1]
		default:
			r.bad = true
		}
	}
	order := r.uvarint()
	e.Order = int(int64(order>>1) ^ -int64(order&1)) // as binary.Varint
	for _, t := range [...]*time.Time{&e.At, &e.Received} {
		seconds, nanoseconds := r.uvarint(), r.uvarint()
		r.bad = r.bad || nanoseconds > 999_999_999
		if seconds != 0 || nanoseconds != 0 {
			*t = time.Unix(int64(seconds)+time.Time{}.Unix(), int64(nanoseconds)).UTC()
		}
	}
	if raw := r.text(r.uvarint()); raw != "" {
		e.Raw = []byte(raw)
	}
	if r.bad || r.at != len(b) {
		return Event{}, errEvent
	}
	return e, nil
}

// ReferenceOf returns the reference in the form of most events, without parsing it. It shares memory with b. It is nil
// if the form must be parsed: the source or the kind is no word, or the reference has not the length of cohort's own.
func ReferenceOf(b []byte) []byte {
	const size = 36
	isUsual := len(b) >= 4+size && b[0] == Version && b[1]&b[2]&1 == 1 && (b[1]|b[2])&0x80 == 0 && b[3] == size<<1
	if !isUsual {
		return nil
	}
	return b[4 : 4+size]
}

// reader takes values from b, which is also in all. After a wrong value it is bad, and its values
// mean nothing.
type reader struct {
	b   []byte
	all string
	at  int
	bad bool
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b[r.at:])
	r.bad = r.bad || n <= 0
	r.at += max(n, 0)
	return v
}

func (r *reader) text(size uint64) string {
	if size > uint64(len(r.b)-r.at) {
		r.bad = true
		return ""
	}
	r.at += int(size)
	return r.all[r.at-int(size) : r.at]
}
