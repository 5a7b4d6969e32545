package nhsapp

import (
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

// bodyParts are the constant parts of a request. The head ends before the request-id. The content
// is between beforeContent and afterContent.
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

// AppendHead implements engine.Sink. A request holds one message and its reference, and no batch
// reference.
func (s *Sink) AppendHead(dst []byte, _ engine.Reference, route uint8) []byte {
	return append(dst, s.parts[route].head...)
}

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

func (s *Sink) AppendTail(dst []byte) []byte { return append(dst, s.parts[0].tail...) }
