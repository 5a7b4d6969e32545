package nhsapp

import (
	"fmt"
	"net/http"

	"cohort/sinks/simulator/gateway"
)

// The errors of the NHS App: the code and the diagnostics of an issue in an OperationOutcome.
var (
	tokenExpired = gateway.Refusal{Status: 401, Code: "expired", Detail: "Access Token expired"}
	tokenInvalid = gateway.Refusal{Status: 401, Code: "forbidden", Detail: "Invalid Access Token"}
	noReport     = gateway.Refusal{Status: 404, Code: "not-found", Detail: "Report not found"}
	throttled    = gateway.Refusal{Status: 429, Code: "throttled", Detail: "This API is currently receiving a high volume of requests and is being rate limited."}

	invalidNumber  = invalid("NHS Number is invalid")
	tooLong        = invalid("Exceeds maximum length")
	notSpecified   = invalid("Not specified")
	wrongSystem    = invalid("Identifier system is invalid")
	wrongFormat    = invalid("Invalid format")
	severalValues  = invalid("A single value is expected")
	twoCampaigns   = invalid("Multiple Campaign IDs specified").At("identifier")
	twoRequests    = invalid("Multiple Request IDs specified").At("identifier")
	twoBehalves    = invalid("Multiple On Behalf Of identifiers specified").At("identifier")
	noIntermediary = invalid("On Behalf Of is not permitted for this supplier").At("identifier")
	noQuestions    = invalid("contained should contain one resource of type Questionnaire").At("contained[0].type")
	noSuchItem     = invalid("[0].item.type should be choice").At("contained")
	notJSON        = invalid("Invalid Json encountered. Details: unexpected token")
	noType         = invalid("type (at Root object has no type indication (resourceType) and therefore cannot be used to construct a FhirJsonNode)")
)

func invalid(diagnostics string) gateway.Refusal {
	return gateway.Refusal{Status: 400, Code: "invalid", Detail: diagnostics}
}

func unknownType(name string) gateway.Refusal {
	return invalid(fmt.Sprintf("type (at Cannot locate type information for type '%s')", name))
}

func mayNot(application, channel string) gateway.Refusal {
	if channel == "" {
		channel = "App Message"
	}
	return gateway.Refusal{Status: 403, Code: "security", Detail: fmt.Sprintf("Supplier with ID %s does not have channel %s permission", application, channel)}
}

type object = map[string]any

// outcome answers with an OperationOutcome. The proxy replaces an error that is not the
// service's own by one of the code unknown, with the message id.
func outcome(messageID string, list ...gateway.Refusal) gateway.Reply {
	issues := make([]object, len(list))
	for n, f := range list {
		issues[n] = object{"severity": "error", "code": f.Code, "diagnostics": f.Detail}
		if f.Pointer != "" {
			issues[n]["expression"] = []string{f.Pointer}
		}
		if f.Status >= 500 || f.Status == http.StatusRequestTimeout {
			issues[n] = object{"severity": "error", "code": "unknown", "diagnostics": "An error occurred: " + messageID}
		}
	}
	return gateway.Reply{
		Status: list[0].Status, RetryAfter: list[0].RetryAfter,
		Body: gateway.EncodeJSON(object{"resourceType": "OperationOutcome", "issue": issues}),
	}
}

// gatewayFault is the gateway's own answer to a request that belongs to no proxy. It is not
// FHIR.
func gatewayFault(status int, code string) gateway.Reply {
	return gateway.Reply{Status: status, ContentType: gateway.JSON, Body: gateway.EncodeJSON(object{
		"fault": object{"faultstring": "the gateway takes no such request", "detail": object{"errorcode": code}},
	})}
}
