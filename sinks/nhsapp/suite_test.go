package nhsapp

import (
	"testing"
	"time"

	"cohort/engine"
	"cohort/sinks/sinktest"
)

const (
	number = "recipient[0].identifier.value"
	text   = "payload[0].contentString"
)

func retry(text string) map[string]string { return map[string]string{"Retry-After": text} }

// rows has a row for each line of the contract's table of errors (section 5). Then come variants of
// those errors, and answers outside the contract.
var rows = []sinktest.Answer{
	// The lines of the table.
	{Sentence: "400 the NHS number is invalid", Status: 400, Body: outcome("NHS Number is invalid", "invalid", number), Reply: engine.RowsRefused, Code: "invalid " + number},
	{Sentence: "400 the text is too long", Status: 400, Body: outcome("Exceeds maximum length", "invalid", text), Reply: engine.RowsRefused, Code: "invalid " + text},
	{Sentence: "400 the display is too long", Status: 400, Body: outcome("Exceeds maximum length", "invalid", "payload[0].contentReference.display"), Reply: engine.Refused, Code: "invalid payload[0].contentReference.display", Halt: "sink.nhsapp"},
	{Sentence: "400 there are too many recipients", Status: 400, Body: outcome("Exceeds maximum length", "invalid", "recipient"), Reply: engine.Refused, Code: "invalid recipient", Halt: "every message"},
	{Sentence: "400 an identifier is too long", Status: 400, Body: outcome("Exceeds maximum length", "invalid", "identifier[0].value"), Reply: engine.Refused, Code: "invalid identifier[0].value", Halt: "every message"},
	{Sentence: "400 there is no recipient", Status: 400, Body: outcome("Not specified", "invalid", "recipient"), Reply: engine.Refused, Code: "invalid recipient", Halt: "every message"},
	{Sentence: "400 there is no day", Status: 400, Body: outcome("Not specified", "invalid", "day"), Reply: engine.Refused, Code: "invalid day", Halt: "every message"},
	{Sentence: "400 there is no practice", Status: 400, Body: outcome("Not specified", "invalid", "ods-organisation-code"), Reply: engine.Refused, Code: "invalid ods-organisation-code", Halt: "every message"},
	{Sentence: "400 two campaigns are named", Status: 400, Body: outcome("Multiple Campaign IDs specified", "invalid", "identifier"), Reply: engine.Refused, Code: "invalid identifier", Halt: "every message"},
	{Sentence: "400 the requester's system is invalid", Status: 400, Body: outcome("Identifier system is invalid", "invalid", "requester.identifier.system"), Reply: engine.Refused, Code: "invalid requester.identifier.system", Halt: "every message"},
	{Sentence: "400 the body is no JSON", Status: 400, Body: outcome("Invalid Json encountered", "invalid", ""), Reply: engine.Refused, Code: "invalid", Halt: "every message"},
	{Sentence: "400 the type is unknown", Status: 400, Body: outcome("Cannot locate type information for type 'x'", "invalid", ""), Reply: engine.Refused, Code: "invalid", Halt: "every message"},
	{Sentence: "400 there is no type", Status: 400, Body: outcome("Root object has no type indication", "invalid", ""), Reply: engine.Refused, Code: "invalid", Halt: "every message"},
	{Sentence: "400 the page has a wrong format", Status: 400, Body: outcome("Invalid format", "invalid", "page"), Reply: engine.Refused, Code: "invalid page", Halt: "every message"},
	{Sentence: "400 there are two days", Status: 400, Body: outcome("A single value is expected", "invalid", "day"), Reply: engine.Refused, Code: "invalid day", Halt: "every message"},
	{Sentence: "401 the token has expired", Status: 401, Body: outcome("Access Token expired", "expired", ""), Reply: engine.Refused, Code: "expired", After: time.Millisecond},
	{Sentence: "401 the token is invalid", Status: 401, Body: outcome("Invalid Access Token", "forbidden", ""), Reply: engine.Refused, Code: "forbidden", Halt: "token_url"},
	{Sentence: "403 the channel is not permitted", Status: 403, Body: outcome("Supplier with ID x does not have channel App Message permission", "security", ""), Reply: engine.Refused, Code: "security", Halt: "channel"},
	{Sentence: "404 there is no report", Status: 404, Body: outcome("Report not found", "not-found", ""), Reply: engine.Refused, Code: "HTTP_404", Halt: "base_url"},
	{Sentence: "429 the quota is used up", Status: 429, Body: outcome("exceeded its quota", "throttled", ""), Reply: engine.Refused, Code: "throttled", All: true},

	// Variants.
	{Sentence: "400 two issues about the person", Status: 400, Body: outcome("x", "invalid", text, "invalid", number), Reply: engine.RowsRefused, Code: "invalid " + text},
	{Sentence: "400 an issue about the person and one about the campaign", Status: 400, Body: outcome("x", "invalid", number, "invalid", "identifier"), Reply: engine.Refused, Code: "invalid identifier", Halt: "every message"},
	{Sentence: "400 another code about the person", Status: 400, Body: outcome("x", "processing", number), Reply: engine.Refused, Code: "processing " + number, Halt: "every message"},
	{Sentence: "400 an issue with two expressions", Status: 400, Body: `{"issue":[{"code":"invalid","expression":["recipient[0].identifier.value","status"]}]}`, Reply: engine.Refused, Code: "invalid", Halt: "every message"},
	{Sentence: "400 an expression that is none", Status: 400, Body: outcome("x", "invalid", "9990000018 is invalid"), Reply: engine.Refused, Code: "invalid", Halt: "every message"},
	{Sentence: "400 a code that is none", Status: 400, Body: outcome("x", "9990000018", number), Reply: engine.Refused, Code: "HTTP_400 " + number, Halt: "every message"},
	{Sentence: "400 the requester's code has a wrong format", Status: 400, Body: outcome("Invalid format", "invalid", "requester.identifier.value"), Reply: engine.Refused, Code: "invalid requester.identifier.value", Halt: "every message"},
	{Sentence: "429 with a time", Status: 429, Headers: retry("60"), Body: outcome("a spike in traffic", "throttled", ""), Reply: engine.Refused, Code: "throttled", After: time.Minute, All: true},
	{Sentence: "503 with a time", Status: 503, Headers: retry("5"), Body: outcome("An error", "unknown", ""), Reply: engine.Unknown, Code: "unknown", After: 5 * time.Second, All: true},
	{Sentence: "500 by the proxy", Status: 500, Body: outcome("An error", "unknown", ""), Reply: engine.Unknown, Code: "unknown"},
	{Sentence: "504 by the proxy", Status: 504, Body: outcome("An error", "unknown", ""), Reply: engine.Unknown, Code: "unknown"},
	{Sentence: "400 there is no questionnaire", Status: 400, Body: outcome("contained should contain one resource of type Questionnaire", "invalid", "contained[0].type"), Reply: engine.Refused, Code: "invalid contained[0].type", Halt: "every message"},
	{Sentence: "400 the questionnaire is of another type", Status: 400, Body: outcome("[0].item.type should be choice", "invalid", "contained"), Reply: engine.Refused, Code: "invalid contained", Halt: "every message"},
	{Sentence: "400 there are too many answers", Status: 400, Body: outcome("Exceeds maximum length", "invalid", "contained[0].item[0].answerOptions"), Reply: engine.Refused, Code: "invalid contained[0].item[0].answerOptions", Halt: "every message"},

	// Answers in other forms, and answers that the contract does not have.
	{Sentence: "200", Status: 200, Body: created("x", someID), Reply: engine.Unknown, Code: "HTTP_200", Halt: "outside its contract"},
	{Sentence: "202", Status: 202, Reply: engine.Unknown, Code: "HTTP_202", Halt: "outside its contract"},
	{Sentence: "204", Status: 204, Reply: engine.Unknown, Code: "HTTP_204", Halt: "outside its contract"},
	{Sentence: "201 with an empty body", Status: 201, Reply: engine.Unknown, Code: "unreadable_201"},
	{Sentence: "201 with HTML", Status: 201, Body: "<html>created</html>", Reply: engine.Unknown, Code: "unreadable_201"},
	{Sentence: "201 with an error", Status: 201, Body: outcome("An error", "unknown", ""), Reply: engine.Unknown, Code: "unreadable_201"},
	{Sentence: "201 about another request", Status: 201, Body: created("another", someID), Reply: engine.Unknown, Code: "unreadable_201"},
	{Sentence: "304", Status: 304, Reply: engine.Unknown, Code: "HTTP_304", Halt: "outside its contract"},
	{Sentence: "400 with an empty body", Status: 400, Reply: engine.Refused, Code: "HTTP_400", Halt: "without a reason"},
	{Sentence: "400 with HTML", Status: 400, Body: "<html>bad</html>", Reply: engine.Refused, Code: "HTTP_400", Halt: "without a reason"},
	{Sentence: "400 with no issue", Status: 400, Body: `{"issue":[]}`, Reply: engine.Refused, Code: "HTTP_400", Halt: "without a reason"},
	{Sentence: "400 with an issue that says nothing", Status: 400, Body: `{"issue":[{}]}`, Reply: engine.Refused, Code: "HTTP_400", Halt: "every message"},
	{Sentence: "401 by the gateway", Status: 401, Body: `{"fault":{"faultstring":"Invalid ApiKey"}}`, Reply: engine.Refused, Code: "HTTP_401", After: time.Millisecond},
	{Sentence: "402", Status: 402, Reply: engine.Unknown, Code: "HTTP_402", Halt: "outside its contract"},
	{Sentence: "403 with HTML", Status: 403, Body: "<html>no</html>", Reply: engine.Refused, Code: "HTTP_403", Halt: "channel"},
	{Sentence: "404 by the gateway", Status: 404, Body: `{"fault":{}}`, Reply: engine.Refused, Code: "HTTP_404", Halt: "base_url"},
	{Sentence: "405", Status: 405, Reply: engine.Refused, Code: "HTTP_405", Halt: "405"},
	{Sentence: "406", Status: 406, Reply: engine.Refused, Code: "HTTP_406", Halt: "406"},
	{Sentence: "408", Status: 408, Reply: engine.Unknown, Code: "HTTP_408"},
	{Sentence: "409", Status: 409, Reply: engine.Unknown, Code: "HTTP_409", Halt: "outside its contract"},
	{Sentence: "413", Status: 413, Body: "<html>large</html>", Reply: engine.Refused, Code: "HTTP_413", Halt: "413"},
	{Sentence: "415", Status: 415, Reply: engine.Refused, Code: "HTTP_415", Halt: "415"},
	{Sentence: "422", Status: 422, Reply: engine.Unknown, Code: "HTTP_422", Halt: "outside its contract"},
	{Sentence: "425", Status: 425, Reply: engine.Unknown, Code: "HTTP_425", Halt: "outside its contract"},
	{Sentence: "429 with HTML", Status: 429, Body: "<html>slow down</html>", Reply: engine.Refused, Code: "HTTP_429", All: true},
	{Sentence: "500 with HTML", Status: 500, Body: "<html>oops</html>", Reply: engine.Unknown, Code: "HTTP_500"},
	{Sentence: "502 with an empty body", Status: 502, Reply: engine.Unknown, Code: "HTTP_502"},
	{Sentence: "503 with a backend's own body", Status: 503, Body: `{"message":"Forbidden"}`, Reply: engine.Unknown, Code: "HTTP_503", All: true},
	{Sentence: "599", Status: 599, Reply: engine.Unknown, Code: "HTTP_599"},
	{Sentence: "issues that are no list", Status: 500, Body: `{"issue":"none"}`, Reply: engine.Unknown, Code: "HTTP_500"},
	{Sentence: "a code that is a number", Status: 500, Body: `{"issue":[{"code":12}]}`, Reply: engine.Unknown, Code: "HTTP_500"},
}

func TestTheSuite(t *testing.T) {
	subject := sinktest.Subject{
		Make: func(w sinktest.Wire) engine.Sink { return New(over(t, w)) },
		Base: "/nhs-app", Path: "/communication/in-app/FHIR/R4/CommunicationRequest", Messages: 1, Fields: 2,
		Created: func(r *engine.Request) (string, []string) {
			return created(r.Messages[0].String(), someID), []string{someID}
		},
		Rows: 65, Lines: 20, Answers: rows, Broken: []int{400},
		Problem: func(_ int, words string) string { return outcome(words, words, words) },
	}
	t.Run("in-app", func(t *testing.T) { sinktest.Run(t, subject) })
	subject.Make = func(w sinktest.Wire) engine.Sink {
		o := over(t, w)
		o.OnBehalfOf, o.Reply = "A1001", &Reply{[]string{"Yes", "No"}}
		return New(o)
	}
	t.Run("with a reply, on behalf of another", func(t *testing.T) { sinktest.Run(t, subject) })
	subject.Make = func(w sinktest.Wire) engine.Sink {
		o := over(t, w)
		o.Push, o.Content = welcome, engine.Template{}
		return New(o)
	}
	subject.Path = "/communication/notification/FHIR/R4/CommunicationRequest"
	t.Run("push", func(t *testing.T) { sinktest.Run(t, subject) })
}
