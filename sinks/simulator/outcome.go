package simulator

import "fmt"

// The NHS App's errors: code and diagnostics of an issue in an OperationOutcome.
var (
	tokenExpired = refusal{status: 401, code: "expired", detail: "Access Token expired"}
	tokenInvalid = refusal{status: 401, code: "forbidden", detail: "Invalid Access Token"}
	noReport     = refusal{status: 404, code: "not-found", detail: "Report not found"}
	throttled    = refusal{status: 429, code: "throttled", detail: "This API is currently receiving a high volume of requests and is being rate limited."}

	invalidNumber  = invalid("NHS Number is invalid")
	tooLong        = invalid("Exceeds maximum length")
	notSpecified   = invalid("Not specified")
	wrongSystem    = invalid("Identifier system is invalid")
	wrongFormat    = invalid("Invalid format")
	severalValues  = invalid("A single value is expected")
	twoCampaigns   = invalid("Multiple Campaign IDs specified").at("identifier")
	twoRequests    = invalid("Multiple Request IDs specified").at("identifier")
	twoBehalves    = invalid("Multiple On Behalf Of identifiers specified").at("identifier")
	noIntermediary = invalid("On Behalf Of is not permitted for this supplier").at("identifier")
	noQuestions    = invalid("contained should contain one resource of type Questionnaire").at("contained[0].type")
	noSuchItem     = invalid("[0].item.type should be choice").at("contained")
	notJSON        = invalid("Invalid Json encountered. Details: unexpected token")
	noType         = invalid("type (at Root object has no type indication (resourceType) and therefore cannot be used to construct a FhirJsonNode)")
)

func invalid(diagnostics string) refusal {
	return refusal{status: 400, code: "invalid", detail: diagnostics}
}

func unknownType(name string) refusal {
	return invalid(fmt.Sprintf("type (at Cannot locate type information for type '%s')", name))
}

func mayNot(application, channel string) refusal {
	if channel == "" {
		channel = "App Message"
	}
	return refusal{status: 403, code: "security", detail: fmt.Sprintf("Supplier with ID %s does not have channel %s permission", application, channel)}
}

// outcomeIssue is one issue of an OperationOutcome.
type outcomeIssue struct {
	Severity    string   `json:"severity"`
	Code        string   `json:"code"`
	Diagnostics string   `json:"diagnostics,omitempty"`
	Expression  []string `json:"expression,omitempty"`
}

// outcome answers with an OperationOutcome. What is not the service's own the proxy
// replaces by one of the code unknown, with the message id in it.
func outcome(messageID string, list ...refusal) reply {
	issues := make([]outcomeIssue, len(list))
	for n, f := range list {
		issues[n] = outcomeIssue{Severity: "error", Code: f.code, Diagnostics: f.detail}
		if f.pointer != "" {
			issues[n].Expression = []string{f.pointer}
		}
		if f.status >= 500 || f.status == notReceived.status {
			issues[n] = outcomeIssue{Severity: "error", Code: "unknown", Diagnostics: "An error occurred: " + messageID}
		}
	}
	return reply{status: list[0].status, retryAfter: list[0].retryAfter, body: encodeJSON(struct {
		ResourceType string         `json:"resourceType"`
		Issue        []outcomeIssue `json:"issue"`
	}{"OperationOutcome", issues})}
}

// gatewayFault is what the gateway itself answers where no proxy is asked: no FHIR.
func gatewayFault(status int, code string) reply {
	return reply{status: status, contentType: plainJSON, body: encodeJSON(map[string]any{
		"fault": map[string]any{"faultstring": "the gateway takes no such request", "detail": map[string]string{"errorcode": code}},
	})}
}
