package nhsapp

import (
	"strings"
	"unicode/utf16"

	"cohort/engine"
	"cohort/ingest/person"
)

// The systems of identifiers. Their case counts.
const (
	campaignSystem      = "https://fhir.nhs.uk/NHSApp/campaign-id"
	requestSystem       = "https://fhir.nhs.uk/NHSApp/request-id"
	behalfSystem        = "https://fhir.nhs.uk/NHSApp/on-behalf-of"
	numberSystem        = "https://fhir.nhs.uk/Id/nhs-number"
	odsSystem           = "https://fhir.nhs.uk/Id/ods-organization-code"
	communicationSystem = "https://fhir.nhs.uk/Id/nhs-app-communication-id"
)

// The service's limits, in characters as Characters counts them.
const (
	MostContent    = 5000 // of an in-app message
	MostDisplay    = 200  // of a push notification
	MostReference  = 1000 // of the address that a push notification opens
	MostIdentifier = 128
)

// The codes with which Examine refuses a message.
const (
	CodeTooLong = "message_too_long"
	CodeMarkup  = "message_has_markup"
	CodeEmpty   = "message_empty"
)

// bodyParts are the constant parts of a request, made once. The head goes up to the
// request-id; content stands between beforeContent and afterContent.
type bodyParts struct {
	head, beforeContent, afterContent, tail []byte
}

func newBodyParts(o *Options, r Route) (p bodyParts) {
	text := func(dst []byte, before, text string) []byte {
		return engine.AppendJSONString(append(dst, before...), text)
	}
	p.head = text(nil, `{"resourceType":"CommunicationRequest","status":"active","identifier":[{"system":"`+campaignSystem+`","value":`, o.CampaignID)
	if o.OnBehalfOf != "" {
		p.head = text(p.head, `},{"system":"`+behalfSystem+`","value":`, o.OnBehalfOf)
	}
	p.head = append(p.head, `},{"system":"`+requestSystem+`","value":"`...)
	p.beforeContent = append(p.beforeContent, `"}],"payload":[{`...)
	if r.Push == nil {
		p.beforeContent = append(p.beforeContent, `"contentString":`...)
	} else {
		p.beforeContent = text(p.beforeContent, `"contentReference":{"reference":`, r.Push.Reference)
		p.beforeContent = append(text(p.beforeContent, `,"display":`, r.Push.Display), '}')
	}
	p.afterContent = append(p.afterContent, `}],"recipient":[{"type":"Patient","identifier":{"system":"`+numberSystem+`","value":"`...)
	p.tail = append(p.tail, `"}}]`...)
	p.tail = append(text(p.tail, `,"requester":{"type":"Organization","identifier":{"system":"`+odsSystem+`","value":`, o.ODSCode), `}}`...)
	if r.Push == nil {
		p.tail = o.Reply.append(p.tail)
	}
	p.tail = append(p.tail, '}')
	return p
}

// AppendHead implements engine.Sink. The batch's reference is in no request: each holds
// one message, and the service is told that one's.
func (s *Sink) AppendHead(dst []byte, _ engine.Reference, route uint8) []byte {
	return append(dst, s.parts[route].head...)
}

// AppendMessage implements engine.Sink.
func (s *Sink) AppendMessage(dst []byte, message engine.Reference, p *person.Recipient) []byte {
	parts, route := &s.parts[p.Route], &s.routes[p.Route]
	dst = append(dst, message[:]...)
	dst = append(dst, parts.beforeContent...)
	if route.Push == nil {
		dst = route.Content.AppendJSON(dst, p.Fields)
	}
	dst = append(dst, parts.afterContent...)
	return p.Number.AppendDigits(dst)
}

// AppendTail implements engine.Sink.
func (s *Sink) AppendTail(dst []byte) []byte { return append(dst, s.parts[0].tail...) }

// Examine implements engine.Examiner: it renders an in-app message and measures it. A
// push notification is the same for everybody, and was measured with the campaign.
func (s *Sink) Examine(p *person.Recipient) (code, reason string) {
	route := &s.routes[p.Route]
	if route.Push != nil {
		return "", ""
	}
	scratch := texts.Get().(*[]byte)
	defer texts.Put(scratch)
	*scratch = route.Content.AppendText((*scratch)[:0], p.Fields)
	text := string(*scratch)
	switch {
	case strings.TrimSpace(text) == "":
		return CodeEmpty, "its text is empty"
	case Characters(text) > MostContent:
		return CodeTooLong, "its text is longer than 5,000 characters"
	case HasMarkup(text):
		return CodeMarkup, "its text has a < and somewhere behind it a >, which the service takes for HTML"
	}
	return "", ""
}

// Characters counts a text as the service may: in UTF-16 units, which are never fewer than
// its Unicode characters. The contract does not say what it counts. Entities such as &amp;
// count as they are written.
func Characters(text string) (n int) {
	for _, r := range text {
		n += max(1, utf16.RuneLen(r))
	}
	return n
}

// HasMarkup reports whether a text matches <(.|\n)*?>, of which the service takes none.
func HasMarkup(text string) bool {
	open := strings.IndexByte(text, '<')
	return open >= 0 && strings.IndexByte(text[open:], '>') > 0
}
