package simulator

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	maxErrors   = 100
	maxMessages = 45_000
)

// message is what the backend keeps of one message that passed the validator.
type message struct {
	reference       string
	nhsNumber       string // "" when there was none
	personalisation raw
	contact         raw
	odsCode         string
}

// submission is a request body that passed the validator.
type submission struct {
	empty     bool // null, 0, "" or false: passes the validator, and nothing else
	plan      string
	reference string
	messages  []message
}

// inspection is one reading of a body: the errors so far, in document order.
type inspection struct {
	errors   []refusal
	poisoned func(nhsNumber string) bool
}

func (p *inspection) full() bool { return len(p.errors) >= maxErrors }

// add notes an error at a pointer, given in pieces that are joined only now.
func (p *inspection) add(f refusal, pointer ...string) {
	if !p.full() {
		p.errors = append(p.errors, f.at(strings.Join(pointer, "")))
	}
}

// inspectBody reads a body as the gateway's script reads it. single says which
// of the two shapes it must have.
func inspectBody(body []byte, single bool, poisoned func(string) bool) (submission, []refusal) {
	p := &inspection{poisoned: poisoned}
	if !json.Valid(body) {
		p.add(invalidValue, "/")
		return submission{}, p.errors
	}
	if !utf8.Valid(body) {
		body = bytes.ToValidUTF8(body, []byte("\uFFFD"))
	}
	all := raw(bytes.TrimSpace(body))
	if all.falsy() {
		return submission{empty: true}, nil
	}
	var data raw
	all.members(func(name []byte, value raw) {
		if string(name) == "data" {
			data = value
		}
	})
	s := p.data(data, single)
	return s, p.errors
}

func (p *inspection) data(data raw, single bool) (s submission) {
	if !p.object(data, "/data") {
		return s
	}
	var kind, attributes raw
	data.members(func(name []byte, value raw) {
		switch string(name) {
		case "type":
			kind = value
		case "attributes":
			attributes = value
		}
	})
	want := "MessageBatch"
	if single {
		want = "Message"
	}
	p.text(kind, func(s string) bool { return s == want }, "/data/type")
	if !p.object(attributes, "/data/attributes") {
		return s
	}
	var plan, reference, messages raw
	attributes.members(func(name []byte, value raw) {
		switch string(name) {
		case "routingPlanId":
			plan = value
		case "messageBatchReference":
			reference = value
		case "messages":
			messages = value
		}
	})
	s.plan, _ = p.text(plan, isUUID, pointerPlan)
	if single {
		m := p.message(attributes, "/data/attributes", nil)
		s.reference, s.messages = m.reference, []message{m}
		return s
	}
	s.reference, _ = p.text(reference, notBlank, "/data/attributes/messageBatchReference")
	s.messages = p.messages(messages)
	return s
}

func (p *inspection) messages(list raw) []message {
	switch {
	case list.undefined():
		p.add(missingValue, pointerMessages)
		return nil
	case list.null():
		p.add(nullValue, pointerMessages)
		return nil
	case !list.array():
		p.add(invalidValue, pointerMessages)
		return nil
	}
	items := list.elements()
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

// message checks what a batch's item and a single message have in common. seen
// is nil for a single.
func (p *inspection) message(item raw, pointer string, seen map[string]struct{}) (m message) {
	var reference, recipient, originator raw
	item.members(func(name []byte, value raw) {
		switch string(name) {
		case "messageReference":
			reference = value
		case "recipient":
			recipient = value
		case "originator":
			originator = value
		case "personalisation":
			m.personalisation = value
		}
	})
	var ok bool
	if m.reference, ok = p.text(reference, notBlank, pointer, "/messageReference"); ok && seen != nil {
		if _, twice := seen[m.reference]; twice || inherited(m.reference) {
			p.add(duplicateValue, pointer, "/messageReference")
		}
		seen[m.reference] = struct{}{}
	}
	if p.object(recipient, pointer, "/recipient") {
		var nhsNumber raw
		recipient.members(func(name []byte, value raw) {
			switch string(name) {
			case "nhsNumber":
				nhsNumber = value
			case "contactDetails":
				m.contact = value
			}
		})
		m.nhsNumber = p.nhsNumber(nhsNumber, pointer, "/recipient/nhsNumber")
	}
	if !originator.undefined() && p.object(originator, pointer, "/originator") {
		var code raw
		originator.members(func(name []byte, value raw) {
			if string(name) == "odsCode" {
				code = value
			}
		})
		// A null code is an invalid value here, not a null one.
		if m.odsCode, ok = code.text(); !ok && !code.undefined() {
			p.add(invalidValue, pointer, "/originator/odsCode")
		}
	}
	if !m.personalisation.undefined() {
		p.object(m.personalisation, pointer, "/personalisation")
	}
	return m
}

func (p *inspection) object(v raw, pointer ...string) bool {
	switch {
	case v.undefined():
		p.add(missingValue, pointer...)
	case v.null():
		p.add(nullValue, pointer...)
	case !v.object():
		p.add(invalidValue, pointer...)
	default:
		return true
	}
	return false
}

func (p *inspection) text(v raw, good func(string) bool, pointer ...string) (string, bool) {
	switch {
	case v.undefined():
		p.add(missingValue, pointer...)
		return "", false
	case v.null():
		p.add(nullValue, pointer...)
		return "", false
	}
	s, ok := v.text()
	if !ok || !good(s) {
		p.add(invalidValue, pointer...)
		return "", false
	}
	return s, true
}

// nhsNumber checks a number that need not be there.
func (p *inspection) nhsNumber(v raw, pointer ...string) string {
	if v.undefined() {
		return ""
	}
	if v.null() {
		p.add(nullValue, pointer...)
		return ""
	}
	s, ok := v.text()
	if !ok || !validNHSNumber(s) || p.poisoned != nil && p.poisoned(s) {
		p.add(invalidNHSNumber, pointer...)
		return ""
	}
	return s
}
