package callbacks

import (
	"encoding/json"
	"regexp"
	"strings"

	"cohort/engine/delivery"
)

const appChannel = "nhsapp"

// readReceipt reads a receipt of the NHS App, a FHIR Task. Its code says more than its status, and
// authoredOn is when the message was sent.
func readReceipt(body []byte) []delivery.Event {
	d := parse(body).only("resourceType id intent identifier status statusReason code authoredOn lastModified")
	e := delivery.Event{Source: delivery.Receipt, Kind: delivery.OfUnknown, Channel: appChannel, Key: d.text("id"), At: d.time("lastModified")}
	identify(&e, d, "identifier")
	if reason := d.get("statusReason"); reason.IsObject() {
		e.Reason = masked(reason.only("text").text("text"))
	} else {
		e.Reason = masked(d.text("statusReason"))
	}
	code := d.get("code").only("coding").get("coding.0").only("system code").text("code")
	if d.text("resourceType") == "Task" && code != "" {
		e.Kind, e.Status = delivery.OfMessage, delivery.StatusOf(code)
	}
	return known(e, d, body)
}

// readReply reads a person's reply to a message of the NHS App, a FHIR CommunicationRequest. The
// requester is the person. Of the answer only a code is kept, and no free text.
func readReply(body []byte) []delivery.Event {
	d := parse(body).only("resourceType contained status basedOn identifier payload recipient requester authoredOn")
	e := delivery.Event{Source: delivery.Callback, Kind: delivery.OfUnknown, Channel: appChannel, At: d.time("contained.0.authored")}
	if e.At.IsZero() {
		e.At = d.time("authoredOn")
	}
	identify(&e, d, "identifier")
	identify(&e, d, "basedOn.#.identifier")
	answer := d.get("contained.0").only("resourceType id status authored item").get("item.0").only("linkId answer")
	e.Answer = masked(answer.text("answer.0.valueCoding.code"))
	if d.text("resourceType") == "CommunicationRequest" && answer.Exists() {
		e.Kind = delivery.OfResponse
	}
	*d.whole = *d.whole && !d.Get("contained.1").Exists() && !d.Get("contained.0.item.1").Exists() && !answer.Get("answer.1").Exists()
	return known(e, d, body)
}

// known returns the event of a document. One that the event does not hold is in its Raw, without what
// it says about a person.
func known(e delivery.Event, d document, body []byte) []delivery.Event {
	if !*d.whole || e.Kind == delivery.OfUnknown || e.Reference+e.MessageID == "" {
		e.Raw = withoutPerson(body)
	}
	return []delivery.Event{e}
}

// identify takes the ids of a message from a list of identifiers. In examples of the service one system
// begins with http, and one value has a blank before it.
func identify(e *delivery.Event, d document, path string) {
	for _, each := range d.Get(path).Array() {
		i := document{each, d.whole}.only("system value")
		switch _, system, _ := strings.Cut(i.text("system"), "://fhir.nhs.uk/"); system {
		case "NHSApp/request-id":
			e.Reference = i.text("value")
		case "Id/nhs-app-communication-id":
			e.MessageID = i.word("value")
		case "NHSApp/campaign-id": // the run knows it
		default:
			*d.whole = false
		}
	}
}

// personal are the members of a FHIR document that may name a person, or hold what the person wrote.
var personal = map[string]bool{
	"requester": true, "subject": true, "patient": true, "for": true, "owner": true, "source": true, "author": true, "sender": true,
	"recipient": true, "valueString": true, "text": true, "contentString": true, "display": true,
}

// withoutPerson removes from a document what may be about a person, as far as the document can be read.
func withoutPerson(body []byte) []byte {
	var document any
	if json.Unmarshal(body, &document) == nil {
		strip(document)
		body, _ = json.Marshal(document) // what was read can be written
	}
	return []byte(masked(string(body)))
}

func strip(value any) {
	switch v := value.(type) {
	case map[string]any:
		for name, member := range v {
			_, isText := member.(string)
			if personal[name] || name == "answer" && isText {
				delete(v, name)
			}
			strip(member)
		}
	case []any:
		for _, member := range v {
			strip(member)
		}
	}
}

var nhsNumber = regexp.MustCompile(`\b\d{3}[ -]?\d{3}[ -]?\d{4}\b`)

// masked hides what may be an NHS number.
func masked(text string) string { return nhsNumber.ReplaceAllString(text, "##########") }
