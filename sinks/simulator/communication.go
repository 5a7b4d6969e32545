package simulator

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
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

const (
	mostContent    = 5000
	mostDisplay    = 200
	mostReference  = 1000
	mostIdentifier = 128
)

var (
	tags    = regexp.MustCompile(`<(.|\n)*?>`)
	odsCode = regexp.MustCompile(`^[0-9A-Z]+$`)
)

// communication is a CommunicationRequest that passed the validator.
type communication struct {
	campaign, request, behalf     string // "" when there was none
	nhsNumber                     string
	payload, recipient, requester raw
	contained, extension          raw // the form of a reply; nil when there was none
}

// get is a property of an object; of a repeated name the last counts.
func (v raw) get(name string) (found raw) {
	v.members(func(n []byte, value raw) {
		if string(n) == name {
			found = value
		}
	})
	return found
}

// reading is one reading of a CommunicationRequest: its issues so far.
type reading struct {
	channel      string
	intermediary bool
	poisoned     func(nhsNumber string) bool
	issues       []refusal
}

func (p *reading) add(f refusal, expression string) {
	if expression != "" {
		f = f.at(expression)
	}
	p.issues = append(p.issues, f)
}

// read reads a body. What it does not know it ignores.
func (p *reading) read(body []byte) (c communication) {
	if !json.Valid(body) || !utf8.Valid(body) {
		p.add(notJSON, "")
		return c
	}
	all := raw(bytes.TrimSpace(body))
	switch kind, ok := all.get("resourceType").text(); {
	case !ok || kind == "":
		p.add(noType, "")
		return c
	case kind != "CommunicationRequest":
		p.add(unknownType(kind), "")
		return c
	}
	switch status, _ := all.get("status").text(); status {
	case "active":
	case "":
		p.add(notSpecified, "status")
	default:
		p.add(wrongFormat, "status")
	}
	p.identifiers(all.get("identifier"), &c)
	c.payload = all.get("payload")
	p.payload(c.payload)
	c.recipient = all.get("recipient")
	c.nhsNumber = p.recipient(c.recipient)
	c.requester = all.get("requester")
	if c.requester != nil || p.channel == inApp {
		p.requester(c.requester)
	}
	if p.channel == inApp {
		c.contained, c.extension = all.get("contained"), all.get("extension")
		p.replyForm(c.contained, c.extension)
	}
	return c
}

func (p *reading) identifiers(list raw, c *communication) {
	seen := map[string]bool{}
	for i, item := range list.elements() {
		system, _ := item.get("system").text()
		value, _ := item.get("value").text()
		var into *string
		var twice refusal
		switch system {
		case campaignSystem:
			into, twice = &c.campaign, twoCampaigns
		case requestSystem:
			into, twice = &c.request, twoRequests
		case behalfSystem:
			into, twice = &c.behalf, twoBehalves
			if !p.intermediary {
				p.add(noIntermediary, "")
			}
		default:
			continue // ignored, and not recorded
		}
		if seen[system] {
			p.add(twice, "")
		}
		seen[system], *into = true, value
		expression := "identifier[" + strconv.Itoa(i) + "].value"
		p.measured(value, mostIdentifier, expression)
		p.untagged(value, expression)
	}
}

func (p *reading) payload(list raw) {
	items := list.elements()
	if len(items) == 0 {
		p.add(notSpecified, "payload")
		return
	}
	if len(items) > 1 {
		p.add(tooLong, "payload")
		return
	}
	if p.channel == inApp {
		p.required(items[0].get("contentString"), mostContent, true, "payload[0].contentString")
		return
	}
	content := items[0].get("contentReference")
	p.required(content.get("reference"), mostReference, false, "payload[0].contentReference.reference")
	p.required(content.get("display"), mostDisplay, true, "payload[0].contentReference.display")
}

func (p *reading) recipient(list raw) string {
	items := list.elements()
	if len(items) == 0 {
		p.add(notSpecified, "recipient")
		return ""
	}
	if len(items) > 1 {
		p.add(tooLong, "recipient")
		return ""
	}
	identifier := items[0].get("identifier")
	if system, _ := identifier.get("system").text(); system != numberSystem {
		p.add(wrongSystem, "recipient[0].identifier.system")
	}
	number, _ := identifier.get("value").text()
	if !validNHSNumber(number) || p.poisoned != nil && p.poisoned(number) {
		p.add(invalidNumber, "recipient[0].identifier.value")
	}
	return number
}

func (p *reading) requester(v raw) {
	if !v.object() {
		p.add(notSpecified, "requester")
		return
	}
	identifier := v.get("identifier")
	if system, _ := identifier.get("system").text(); system != odsSystem {
		p.add(wrongSystem, "requester.identifier.system")
	}
	if code, _ := identifier.get("value").text(); !odsCode.MatchString(code) {
		p.add(wrongFormat, "requester.identifier.value")
	}
}

// required checks a text that must be there.
func (p *reading) required(v raw, most int, plain bool, expression string) {
	text, ok := v.text()
	if !ok || text == "" {
		p.add(notSpecified, expression)
		return
	}
	p.measured(text, most, expression)
	if plain {
		p.untagged(text, expression)
	}
}

// measured counts in UTF-16 units, the largest of the numbers that "characters" may mean.
func (p *reading) measured(text string, most int, expression string) {
	if len(text) > most && len(utf16.Encode([]rune(text))) > most {
		p.add(tooLong, expression)
	}
}

func (p *reading) untagged(text, expression string) {
	if tags.MatchString(text) {
		p.add(wrongFormat, expression)
	}
}
