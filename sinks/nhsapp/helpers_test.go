package nhsapp

import (
	"fmt"
	"net/http/httptest"
	"testing"

	"cohort/engine"
	"cohort/sinks/simulator"
	"cohort/sinks/sinktest"
)

// content is the template of the in-app messages.
const content = "Dear ((given)),\n\n**please** ((note))"

func template(t interface{ Fatal(...any) }, text string) engine.Template {
	compiled, err := engine.CompileTemplate(text, []string{"given", "note"})
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

// over makes the options of a sink for in-app messages over a wire.
func over(t interface{ Fatal(...any) }, w sinktest.Wire) Options {
	return Options{
		BaseURL: w.BaseURL, ODSCode: "X26", CampaignID: "a campaign", Content: template(t, content),
		Client: w.Client, Tokens: w.Tokens, Timeout: w.Timeout,
	}
}

var welcome = &Push{Display: "You have a new message", Reference: "https://www.nhsapp.service.nhs.uk/patient/messages"}

// simulated starts a strict service with faults and a wire to it.
func simulated(t *testing.T, o simulator.Options) (*simulator.Server, sinktest.Wire) {
	t.Helper()
	o.APIKey, o.KeyID, o.PublicKey = sinktest.APIKey, sinktest.KeyID, &sinktest.SigningKey().PublicKey
	service := simulator.New(o)
	web := httptest.NewServer(service)
	t.Cleanup(web.Close)
	return service, sinktest.NewWire(t, web.URL+"/nhs-app", web.URL+"/oauth2/token")
}

// one makes a request of the nth message.
func one(s *Sink, n int) *engine.Request { return sinktest.NewRequest(s, uint32(n), n, 1, 2) }

// outcome is an error as the service writes it, of code and expression in turn.
func outcome(diagnostics string, issues ...string) string {
	text := ""
	for i := 0; i < len(issues); i += 2 {
		expression := ""
		if issues[i+1] != "" {
			expression = fmt.Sprintf(`,"expression":[%q]`, issues[i+1])
		}
		if i > 0 {
			text += ","
		}
		text += fmt.Sprintf(`{"severity":"error","code":%q,"diagnostics":%q%s}`, issues[i], diagnostics, expression)
	}
	return `{"resourceType":"OperationOutcome","issue":[` + text + `]}`
}

const someID = "8f7ec136-66eb-4a9e-97ca-5c7a53d2710c"

// created is a 201 about a request.
func created(request, id string) string {
	return fmt.Sprintf(`{"resourceType":"CommunicationRequest","identifier":[{"system":"https://fhir.nhs.uk/Id/nhs-app-communication-id","value":%q},{"system":"https://fhir.nhs.uk/NHSApp/campaign-id","value":"a campaign"},{"system":"https://fhir.nhs.uk/NHSApp/request-id","value":%q}],"status":"active","payload":[{"contentString":"text"}],"recipient":[{}],"requester":{}}`, id, request)
}
