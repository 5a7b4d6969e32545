package nhsapp

import (
	"net/http"
	"path"

	"github.com/google/uuid"

	"cohort/engine"
	"cohort/sinks/exchange"
	"cohort/sinks/wire"
)

// accepted reads a 201. The service gives the communication's id twice: among the identifiers in
// the body, and at the end of Location. When the body broke off, Location is enough. An answer
// that contradicts the request or itself, or has no id, is unreadable, and the request in doubt.
func (s *Sink) accepted(r *engine.Request, reply *wire.Answer) engine.Answer {
	doubt := engine.Answer{Reply: engine.Unknown, Status: http.StatusCreated, Code: codeUnreadable}
	location, _ := communicationID(path.Base(reply.Get("Location")))
	id := location
	if !reply.Broken {
		said, request, ok := readCreated(reply.Body)
		if !ok || len(r.Messages) != 1 || request != r.Messages[0].String() || location != "" && said != location {
			return doubt
		}
		id = said
	}
	if id == "" || s.ids.Repeats(id, r.Messages[0]) {
		return doubt
	}
	return engine.Answer{Reply: engine.Accepted, Status: http.StatusCreated, IDs: []string{id}}
}

// readCreated reads the communication's id and the request-id out of a 201.
func readCreated(body []byte) (id, request string, ok bool) {
	c := exchange.NewCursor(body)
	ours, ids := false, 0
	c.Object(func(key []byte) {
		switch string(key) {
		case "resourceType":
			ours = string(c.Text()) == "CommunicationRequest"
		case "identifier":
			c.Array(func() {
				system, value := c.Texts("system", "value")
				switch string(system) {
				case communicationSystem, insecureSystem:
					id, ok = communicationID(string(value))
					ids++
				case requestSystem:
					request = string(value)
				}
			})
		default:
			c.Skip()
		}
	})
	return id, request, ok && ours && ids == 1 && c.Ended()
}

// insecureSystem is communicationSystem as some published examples of the service spell it.
const insecureSystem = "http://fhir.nhs.uk/Id/nhs-app-communication-id"

// communicationID reads a UUID in its usual form, and returns it in lower case.
func communicationID(text string) (string, bool) {
	id, err := uuid.Parse(text)
	if err != nil || len(text) != 36 {
		return "", false
	}
	return id.String(), true
}
