package nhsapp

import (
	"encoding/json"
	"regexp"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/tidwall/gjson"

	"cohort/sinks/simulator/gateway"
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
	payload, recipient, requester gjson.Result
	contained, extension          gjson.Result // the form of a reply, if there is one
}

// validator reads one CommunicationRequest, and collects its issues.
type validator struct {
	channel      string
	intermediary bool
	poisoned     func(nhsNumber string) bool
	issues       []gateway.Refusal
}

func (p *validator) add(f gateway.Refusal, expression string) {
	if expression != "" {
		f = f.At(expression)
	}
	p.issues = append(p.issues, f)
}

// read reads a body, and ignores unknown members.
func (p *validator) read(body []byte) (c communication) {
	if !json.Valid(body) || !utf8.Valid(body) {
		p.add(notJSON, "")
		return c
	}
	all := gjson.ParseBytes(body)
	switch kind := text(all, "resourceType"); {
	case kind == "":
		p.add(noType, "")
		return c
	case kind != "CommunicationRequest":
		p.add(unknownType(kind), "")
		return c
	}
	switch text(all, "status") {
	case "active":
	case "":
		p.add(notSpecified, "status")
	default:
		p.add(wrongFormat, "status")
	}
	p.identifiers(gateway.Member(all, "identifier"), &c)
	c.payload = gateway.Member(all, "payload")
	p.payload(c.payload)
	c.recipient = gateway.Member(all, "recipient")
	c.nhsNumber = p.recipient(c.recipient)
	c.requester = gateway.Member(all, "requester")
	if c.requester.Exists() || p.channel == inApp {
		p.requester(c.requester)
	}
	if p.channel == inApp {
		c.contained, c.extension = gateway.Member(all, "contained"), gateway.Member(all, "extension")
		p.replyForm(c.contained, c.extension)
	}
	return c
}

func (p *validator) identifiers(list gjson.Result, c *communication) {
	seen := map[string]bool{}
	for i, item := range gateway.Elements(list) {
		system, value := text(item, "system"), text(item, "value")
		var into *string
		var twice gateway.Refusal
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

// only returns the element of a list that must have exactly one.
func (p *validator) only(list gjson.Result, expression string) (item gjson.Result, one bool) {
	switch items := gateway.Elements(list); len(items) {
	case 0:
		p.add(notSpecified, expression)
	case 1:
		return items[0], true
	default:
		p.add(tooLong, expression)
	}
	return item, false
}

func (p *validator) payload(list gjson.Result) {
	item, one := p.only(list, "payload")
	if !one {
		return
	}
	if p.channel == inApp {
		p.required(gateway.Member(item, "contentString"), mostContent, true, "payload[0].contentString")
		return
	}
	content := gateway.Member(item, "contentReference")
	p.required(gateway.Member(content, "reference"), mostReference, false, "payload[0].contentReference.reference")
	p.required(gateway.Member(content, "display"), mostDisplay, true, "payload[0].contentReference.display")
}

func (p *validator) recipient(list gjson.Result) string {
	item, one := p.only(list, "recipient")
	if !one {
		return ""
	}
	identifier := gateway.Member(item, "identifier")
	if text(identifier, "system") != numberSystem {
		p.add(wrongSystem, "recipient[0].identifier.system")
	}
	number := text(identifier, "value")
	if !gateway.ValidNHSNumber(number) || p.poisoned(number) {
		p.add(invalidNumber, "recipient[0].identifier.value")
	}
	return number
}

func (p *validator) requester(v gjson.Result) {
	if !v.IsObject() {
		p.add(notSpecified, "requester")
		return
	}
	identifier := gateway.Member(v, "identifier")
	if text(identifier, "system") != odsSystem {
		p.add(wrongSystem, "requester.identifier.system")
	}
	if !odsCode.MatchString(text(identifier, "value")) {
		p.add(wrongFormat, "requester.identifier.value")
	}
}

// required checks a mandatory text.
func (p *validator) required(v gjson.Result, most int, plain bool, expression string) {
	if v.Type != gjson.String || v.Str == "" {
		p.add(notSpecified, expression)
		return
	}
	p.measured(v.Str, most, expression)
	if plain {
		p.untagged(v.Str, expression)
	}
}

// measured counts in UTF-16 units, the largest possible meaning of "characters".
func (p *validator) measured(text string, most int, expression string) {
	if len(text) > most && len(utf16.Encode([]rune(text))) > most {
		p.add(tooLong, expression)
	}
}

func (p *validator) untagged(text, expression string) {
	if tags.MatchString(text) {
		p.add(wrongFormat, expression)
	}
}

// text is a property that is a string; empty when it is absent or anything else.
func text(v gjson.Result, name string) string { return gateway.Member(v, name).Str }
