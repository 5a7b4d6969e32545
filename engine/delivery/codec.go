package delivery

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// The form of an event, version 1. Every integer is an unsigned varint, except version and order.
//
//	version   1 byte
//	texts     in the order of texts: size<<2 | form, then the bytes
//	order     a signed varint
//	at        seconds since the start of year 1, then nanoseconds; 0 0 is no time
//	received  the same
//	raw       size, then the bytes
//
// The forms of a text:
//
//	0  size bytes of plain text
//	1  size bytes, written as twice as many small hexadecimal digits
//	2  16 bytes, written as a UUID in small letters; size is 16
//	3  a word: size is its index in words, and no bytes follow
const eventVersion = 1

const (
	plainForm = iota
	hexForm
	uuidForm
	wordForm
)

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

const hexDigits = "0123456789abcdef"

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
	b = append(b, eventVersion)
	for _, text := range e.texts() {
		b = appendText(b, *text)
	}
	b = binary.AppendVarint(b, int64(e.Order))
	b = appendTime(b, e.At)
	b = appendTime(b, e.Received)
	b = binary.AppendUvarint(b, uint64(len(e.Raw)))
	return append(b, e.Raw...)
}

func appendText(b []byte, text string) []byte {
	if i, ok := wordIndex[text]; ok {
		return binary.AppendUvarint(b, i<<2|wordForm)
	}
	var digits [32]byte
	packed, form := packHex(digits[:0], text)
	if form == plainForm {
		return append(binary.AppendUvarint(b, uint64(len(text))<<2|plainForm), text...)
	}
	return append(binary.AppendUvarint(b, uint64(len(packed))<<2|form), packed...)
}

// packHex packs a UUID, or up to 64 hexadecimal digits. Any other text is in plainForm.
func packHex(b []byte, text string) ([]byte, uint64) {
	form, dash := uint64(hexForm), len(text) == 36 && text[8] == '-'
	if dash {
		form = uuidForm
	} else if len(text)%2 != 0 || len(text) == 0 || len(text) > 2*cap(b) {
		return b, plainForm
	}
	high, half := byte(0), false
	for i := range len(text) {
		c := text[i]
		switch {
		case dash && (i == 8 || i == 13 || i == 18 || i == 23):
			if c != '-' {
				return b, plainForm
			}
			continue
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		default:
			return b, plainForm
		}
		if half {
			b = append(b, high<<4|c)
		}
		high, half = c, !half
	}
	return b, form
}

func appendTime(b []byte, t time.Time) []byte {
	b = binary.AppendUvarint(b, uint64(t.Unix()-time.Time{}.Unix()))
	return binary.AppendUvarint(b, uint64(t.Nanosecond()))
}

// Parse reads the form of an event. The event shares no memory with b. An event of a newer version
// is ErrNewer. Errors never show what the event holds.
func Parse(b []byte) (Event, error) {
	if len(b) > 0 && b[0] > eventVersion {
		return Event{}, fmt.Errorf("%w: it has version %d, and this program reads version %d", ErrNewer, b[0], eventVersion)
	}
	if len(b) == 0 || b[0] == 0 {
		return Event{}, errEvent
	}
	var e Event
	var space [512]byte
	r, text := reader{b: b[1:]}, space[:0]
	texts := e.texts()
	var ends [len(texts)]int
	for i := range texts {
		*texts[i], text = r.word(text)
		ends[i] = len(text)
	}
	// One allocation holds all texts that are no words.
	all, from := string(text), 0
	for i, end := range ends {
		if end > from {
			*texts[i] = all[from:end]
		}
		from = end
	}
	order := r.uvarint()
	e.Order = int(int64(order>>1) ^ -int64(order&1)) // as binary.Varint
	e.At, e.Received = r.time(), r.time()
	if raw := r.bytes(r.uvarint()); len(raw) > 0 {
		e.Raw = append([]byte(nil), raw...)
	}
	if r.bad || len(r.b) > 0 {
		return Event{}, errEvent
	}
	return e, nil
}

// reader takes values from the front of b. After a wrong value it is bad, and its values mean nothing.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) bytes(n uint64) []byte {
	if n > uint64(len(r.b)) {
		r.bad, r.b = true, nil
		return nil
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

// word returns a word, or appends another text to text.
func (r *reader) word(text []byte) (string, []byte) {
	head := r.uvarint()
	size, form := head>>2, head&3
	if form == wordForm {
		if size < uint64(len(words)) {
			return words[size], text
		}
		r.bad = true
		return "", text
	}
	b := r.bytes(size)
	switch {
	case form == plainForm:
		text = append(text, b...)
	case form == uuidForm && len(b) != 16:
		r.bad = true
	default:
		for i, c := range b {
			if form == uuidForm && (i == 4 || i == 6 || i == 8 || i == 10) {
				text = append(text, '-')
			}
			text = append(text, hexDigits[c>>4], hexDigits[c&0xF])
		}
	}
	return "", text
}

func (r *reader) time() time.Time {
	seconds, nanoseconds := r.uvarint(), r.uvarint()
	if seconds == 0 && nanoseconds == 0 {
		return time.Time{}
	}
	if nanoseconds > 999_999_999 {
		r.bad = true
	}
	return time.Unix(int64(seconds)+time.Time{}.Unix(), int64(nanoseconds)).UTC()
}
