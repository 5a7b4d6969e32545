package notify

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/tidwall/gjson"

	"cohort/sinks/simulator/gateway"
	"cohort/sinks/simulator/ledger"
)

const (
	maxErrors   = 100
	maxMessages = 45_000
)

type message struct {
	kept    ledger.Message // without an NHS number when the request has none
	contact gjson.Result
	odsCode string
}

// submission is a request body that passed the validator.
type submission struct {
	empty     bool // null, 0, "" or false: it passes the validator and nothing else
	plan      string
	reference string
	messages  []message
}

// validator reads one body. It collects errors in document order.
type validator struct {
	errors   []gateway.Refusal
	poisoned func(nhsNumber string) bool
}

func (p *validator) full() bool { return len(p.errors) >= maxErrors }

// add notes an error at a pointer, given in pieces.
func (p *validator) add(f gateway.Refusal, pointer ...string) {
	if !p.full() {
		p.errors = append(p.errors, f.At(strings.Join(pointer, "")))
	}
}

// validate reads a body as the gateway's script reads it: a batch, or a single message.
func validate(body []byte, single bool, poisoned func(string) bool) (submission, []gateway.Refusal) {
	p := &validator{poisoned: poisoned}
	if !json.Valid(body) {
		p.add(invalidValue, "/")
		return submission{}, p.errors
	}
	if !utf8.Valid(body) {
		body = bytes.ToValidUTF8(body, []byte("\uFFFD"))
	}
	all := gjson.ParseBytes(body)
	if falsy(all) {
		return submission{empty: true}, nil
	}
	s := p.data(gateway.Member(all, "data"), single)
	return s, p.errors
}

func (p *validator) data(data gjson.Result, single bool) (s submission) {
	if !p.object(data, "/data") {
		return s
	}
	want := "MessageBatch"
	if single {
		want = "Message"
	}
	p.text(gateway.Member(data, "type"), func(s string) bool { return s == want }, "/data/type")
	attributes := gateway.Member(data, "attributes")
	if !p.object(attributes, "/data/attributes") {
		return s
	}
	s.plan, _ = p.text(gateway.Member(attributes, "routingPlanId"), isUUID, pointerPlan)
	if single {
		m := p.message(attributes, "/data/attributes", nil)
		s.reference, s.messages = m.kept.Reference, []message{m}
		return s
	}
	s.reference, _ = p.text(gateway.Member(attributes, "messageBatchReference"), notBlank, "/data/attributes/messageBatchReference")
	s.messages = p.messages(gateway.Member(attributes, "messages"))
	return s
}

func (p *validator) messages(list gjson.Result) []message {
	if p.missing(list, pointerMessages) {
		return nil
	}
	if !list.IsArray() {
		p.add(invalidValue, pointerMessages)
		return nil
	}
	items := list.Array()
	switch {
	case len(items) < 1:
		p.add(tooFewItems, pointerMessages)
		return nil
	case len(items) > maxMessages:
		p.add(tooManyItems, pointerMessages)
		return nil
	}
	out := make([]message, 0, len(items))
	seen := make(map[string]struct{}, len(items))
	for i, item := range items {
		if p.full() {
			break
		}
		pointer := pointerMessages + "/" + strconv.Itoa(i)
		if p.object(item, pointer) {
			out = append(out, p.message(item, pointer, seen))
		}
	}
	return out
}

// message checks the members that a batch's item and a single message share. seen holds the
// references of the batch, and is nil for a single message.
func (p *validator) message(item gjson.Result, pointer string, seen map[string]struct{}) (m message) {
	var named, recipient, originator, fields gjson.Result
	item.ForEach(func(key, value gjson.Result) bool { // of a repeated name the last one counts
		switch key.Str {
		case "messageReference":
			named = value
		case "recipient":
			recipient = value
		case "originator":
			originator = value
		case "personalisation":
			fields = value
		}
		return true
	})
	reference, ok := p.text(named, notBlank, pointer, "/messageReference")
	if m.kept.Reference = reference; ok && seen != nil {
		if _, twice := seen[reference]; twice || inherited(reference) {
			p.add(duplicateValue, pointer, "/messageReference")
		}
		seen[reference] = struct{}{}
	}
	if p.object(recipient, pointer, "/recipient") {
		m.contact = gateway.Member(recipient, "contactDetails")
		m.kept.NHSNumber = p.nhsNumber(gateway.Member(recipient, "nhsNumber"), pointer, "/recipient/nhsNumber")
	}
	if originator.Exists() && p.object(originator, pointer, "/originator") {
		code := gateway.Member(originator, "odsCode")
		if m.odsCode = code.Str; code.Exists() && code.Type != gjson.String { // null is an invalid value here
			p.add(invalidValue, pointer, "/originator/odsCode")
		}
	}
	if fields.Exists() {
		p.object(fields, pointer, "/personalisation")
		m.kept.Personalisation = json.RawMessage(fields.Raw)
	}
	return m
}

// missing notes a value that is absent or null.
func (p *validator) missing(v gjson.Result, pointer ...string) bool {
	if v.Type != gjson.Null {
		return false
	}
	if v.Exists() {
		p.add(nullValue, pointer...)
	} else {
		p.add(missingValue, pointer...)
	}
	return true
}

func (p *validator) object(v gjson.Result, pointer ...string) bool {
	if p.missing(v, pointer...) {
		return false
	}
	if !v.IsObject() {
		p.add(invalidValue, pointer...)
	}
	return v.IsObject()
}

func (p *validator) text(v gjson.Result, good func(string) bool, pointer ...string) (string, bool) {
	if p.missing(v, pointer...) {
		return "", false
	}
	if v.Type != gjson.String || !good(v.Str) {
		p.add(invalidValue, pointer...)
		return "", false
	}
	return v.Str, true
}

// nhsNumber checks an optional number.
func (p *validator) nhsNumber(v gjson.Result, pointer ...string) string {
	if !v.Exists() || p.missing(v, pointer...) {
		return ""
	}
	if v.Type != gjson.String || !gateway.ValidNHSNumber(v.Str) || p.poisoned != nil && p.poisoned(v.Str) {
		p.add(invalidNHSNumber, pointer...)
		return ""
	}
	return v.Str
}

// falsy reports whether JavaScript's `if` skips the value.
func falsy(v gjson.Result) bool {
	switch v.Type {
	case gjson.Null, gjson.False: // absent too
		return true
	case gjson.String:
		return v.Str == ""
	case gjson.Number:
		return v.Num == 0
	}
	return false
}

func isUUID(s string) bool { return len(s) == 36 && uuid.Validate(s) == nil }

// notBlank trims as JavaScript does. There U+FEFF is a space and U+0085 is none.
func notBlank(s string) bool {
	return strings.TrimFunc(s, func(r rune) bool {
		return r == '\uFEFF' || r != '\u0085' && unicode.IsSpace(r)
	}) != ""
}

// inherited lists the properties of every JavaScript object. The gateway keeps the references
// of a batch in a plain object, so it takes these for repeated at their first use.
func inherited(reference string) bool {
	switch reference {
	case "constructor", "toString", "__proto__", "toLocaleString", "valueOf", "hasOwnProperty",
		"isPrototypeOf", "propertyIsEnumerable", "__defineGetter__", "__defineSetter__",
		"__lookupGetter__", "__lookupSetter__":
		return true
	}
	return false
}
