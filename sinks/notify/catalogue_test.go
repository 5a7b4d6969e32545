package notify

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"cohort/engine"
	"cohort/sinks/sinktest"
)

// catalogueRow is a sinktest.Answer in one line.
type catalogueRow struct {
	sentence string
	status   int
	headers  map[string]string
	body     string

	reply engine.Reply
	code  string
	after time.Duration
	all   bool   // every request waits
	halt  string // a part of what must be mended; empty: the run goes on
}

const (
	messages = "/data/attributes/messages"
	planAt   = "/data/attributes/routingPlanId"
	batchAt  = "/data/attributes/messageBatchReference"
	first    = messages + "/0"
)

func retry(text string) map[string]string { return map[string]string{"Retry-After": text} }

// catalogue has a row for each line of the error catalogue (contract, section 8). Then come
// variants of those errors, and answers outside the contract.
var catalogue = []catalogueRow{
	// The lines of the catalogue.
	{"400 a property of a message is missing", 400, nil, problem(400, "CM_MISSING_VALUE", first+"/recipient"), engine.RowsRefused, "CM_MISSING_VALUE", 0, false, ""},
	{"400 a property of a message is null", 400, nil, problem(400, "CM_NULL_VALUE", first+"/personalisation"), engine.RowsRefused, "CM_NULL_VALUE", 0, false, ""},
	{"400 a value of a message is invalid", 400, nil, problem(400, "CM_INVALID_VALUE", first+"/originator/odsCode"), engine.RowsRefused, "CM_INVALID_VALUE", 0, false, ""},
	{"400 an NHS number is invalid", 400, nil, problem(400, "CM_INVALID_NHS_NUMBER", first+"/recipient/nhsNumber"), engine.RowsRefused, "CM_INVALID_NHS_NUMBER", 0, false, ""},
	{"400 a reference comes twice in the batch", 400, nil, problem(400, "CM_DUPLICATE_VALUE", first+"/messageReference"), engine.RowsRefused, "CM_DUPLICATE_VALUE", 0, false, ""},
	{"400 there are too few messages", 400, nil, problem(400, "CM_TOO_FEW_ITEMS", messages), engine.Refused, "CM_TOO_FEW_ITEMS", 0, false, "as a whole"},
	{"400 an ODS code is required", 400, nil, problem(400, "CM_ODS_CODE_REQUIRED", messages), engine.Refused, "CM_ODS_CODE_REQUIRED", 0, false, "set sink.notify.ods_code"},
	{"400 the ODS code cannot be set", 400, nil, problem(400, "CM_CANNOT_SET_ODS_CODE", messages), engine.Refused, "CM_CANNOT_SET_ODS_CODE", 0, false, "remove sink.notify.ods_code"},
	{"400 contact details cannot be set", 400, nil, problem(400, "CM_CANNOT_SET_CONTACT_DETAILS", first+"/recipient/contactDetails"), engine.Refused, "CM_CANNOT_SET_CONTACT_DETAILS", 0, false, "contact details"},
	{"401 access is denied", 401, nil, problem(401, "CM_DENIED", ""), engine.Refused, "CM_DENIED", time.Millisecond, false, ""},
	{"403 the client is not onboarded", 403, nil, problem(403, "CM_FORBIDDEN", ""), engine.Refused, "CM_FORBIDDEN", 0, false, "onboard"},
	{"403 a service ban is in effect", 403, nil, problem(403, "CM_SERVICE_BAN", ""), engine.Refused, "CM_SERVICE_BAN", 0, false, "ban"},
	{"404 there is no such routing plan", 404, nil, problem(404, "CM_NO_SUCH_ROUTING_PLAN", planAt), engine.Refused, "CM_NO_SUCH_ROUTING_PLAN", 0, false, "routing_plan_id"},
	{"404 there is no such address", 404, nil, problem(404, "CM_NOT_FOUND", ""), engine.Refused, "CM_NOT_FOUND", 0, false, "base_url"},
	{"405 the method is not allowed", 405, nil, problem(405, "CM_NOT_ALLOWED", ""), engine.Refused, "CM_NOT_ALLOWED", 0, false, "405"},
	{"406 the type that we accept is not to be had", 406, nil, problem(406, "CM_NOT_ACCEPTABLE", ""), engine.Refused, "CM_NOT_ACCEPTABLE", 0, false, "406"},
	{"408 the request did not come through in time", 408, nil, problem(408, "CM_TIMEOUT", ""), engine.Unknown, "CM_TIMEOUT", 0, false, ""},
	{"413 the request is too large", 413, nil, problem(413, "CM_TOO_LARGE", "/"), engine.TooLarge, "CM_TOO_LARGE", 0, false, ""},
	{"413 there are too many messages", 413, nil, problem(413, "CM_TOO_MANY_ITEMS", messages), engine.TooLarge, "CM_TOO_MANY_ITEMS", 0, false, ""},
	{"415 the type that we send is not taken", 415, nil, problem(415, "CM_UNSUPPORTED_MEDIA", ""), engine.Refused, "CM_UNSUPPORTED_MEDIA", 0, false, "415"},
	{"422 the batch reference is known", 422, nil, problem(422, "CM_DUPLICATE_REQUEST", batchAt), engine.Known, "CM_DUPLICATE_REQUEST", 0, false, ""},
	{"422 the message reference is known", 422, nil, problem(422, "CM_DUPLICATE_REQUEST", "/data/attributes/messageReference"), engine.Known, "CM_DUPLICATE_REQUEST", 0, false, ""},
	{"425 an earlier request is being worked on", 425, retry("300"), problem(425, "CM_RETRY_TOO_EARLY", ""), engine.Unknown, "CM_RETRY_TOO_EARLY", 300 * time.Second, false, ""},
	{"429 the quota is used up", 429, retry("60"), problem(429, "CM_QUOTA", ""), engine.Refused, "CM_QUOTA", time.Minute, true, ""},
	{"500 there is an internal error", 500, nil, problem(500, "CM_INTERNAL_SERVER_ERROR", ""), engine.Unknown, "CM_INTERNAL_SERVER_ERROR", 0, false, ""},
	{"500 the routing plan's templates are missing", 500, nil, problem(500, "CM_MISSING_ROUTING_PLAN_TEMPLATE", planAt), engine.Refused, "CM_MISSING_ROUTING_PLAN_TEMPLATE", 0, false, "templates"},
	{"500 the routing plan's templates are there twice", 500, nil, problem(500, "CM_ROUTING_PLAN_DUPLICATE_TEMPLATES", planAt), engine.Refused, "CM_ROUTING_PLAN_DUPLICATE_TEMPLATES", 0, false, "duplicate templates"},
	{"502 a downstream service does not answer", 502, nil, problem(502, "CM_BAD_GATEWAY", ""), engine.Unknown, "CM_BAD_GATEWAY", 0, false, ""},
	{"503 the service is not available", 503, nil, problem(503, "CM_SERVICE_UNAVAILABLE", ""), engine.Unknown, "CM_SERVICE_UNAVAILABLE", 0, true, ""},
	{"504 a downstream service was too slow", 504, nil, problem(504, "CM_TIMEOUT", ""), engine.Unknown, "CM_TIMEOUT", 0, false, ""},

	// Variants.
	{"400 the routing plan's id is invalid", 400, nil, problem(400, "CM_INVALID_VALUE", planAt), engine.Refused, "CM_INVALID_VALUE", 0, false, "as a whole"},
	{"400 the body is no JSON", 400, nil, problem(400, "CM_INVALID_VALUE", "/"), engine.Refused, "CM_INVALID_VALUE", 0, false, "as a whole"},
	{"400 a duplicate that the backend found, without an index", 400, nil, problem(400, "CM_DUPLICATE_VALUE", messages), engine.Refused, "CM_DUPLICATE_VALUE", 0, false, "as a whole"},
	{"400 contact details that the backend will not have", 400, nil, problem(400, "CM_INVALID_VALUE", first+"/recipient/contactDetails/sms"), engine.RowsRefused, "CM_INVALID_VALUE", 0, false, ""},
	{"429 a spike", 429, retry("1"), problem(429, "CM_QUOTA", ""), engine.Refused, "CM_QUOTA", time.Second, true, ""},
	{"429 without a time", 429, nil, problem(429, "CM_QUOTA", ""), engine.Refused, "CM_QUOTA", 0, true, ""},
	{"425 without a time", 425, nil, problem(425, "CM_RETRY_TOO_EARLY", ""), engine.Unknown, "CM_RETRY_TOO_EARLY", 5 * time.Minute, false, ""},
	{"425 with another time", 425, retry("20"), problem(425, "CM_RETRY_TOO_EARLY", ""), engine.Unknown, "CM_RETRY_TOO_EARLY", 20 * time.Second, false, ""},
	{"503 with a time", 503, retry("5"), problem(503, "CM_SERVICE_UNAVAILABLE", ""), engine.Unknown, "CM_SERVICE_UNAVAILABLE", 5 * time.Second, true, ""},
	{"504 with a time", 504, retry("7"), problem(504, "CM_TIMEOUT", ""), engine.Unknown, "CM_TIMEOUT", 7 * time.Second, false, ""},

	// Answers in other forms, and answers that the contract does not have.
	{"200", 200, nil, `{"data":{}}`, engine.Unknown, "HTTP_200", 0, false, "outside its contract"},
	{"202", 202, nil, "", engine.Unknown, "HTTP_202", 0, false, "outside its contract"},
	{"204", 204, nil, "", engine.Unknown, "HTTP_204", 0, false, "outside its contract"},
	{"201 with an empty body", 201, nil, "", engine.Unknown, "unreadable_201", 0, false, ""},
	{"201 with HTML", 201, nil, "<html>created</html>", engine.Unknown, "unreadable_201", 0, false, ""},
	{"201 with an error", 201, nil, problem(500, "CM_INTERNAL_SERVER_ERROR", ""), engine.Unknown, "unreadable_201", 0, false, ""},
	{"301", 301, map[string]string{"Location": "/comms/elsewhere"}, "", engine.Unknown, "HTTP_301", 0, false, "base_url"},
	{"302", 302, map[string]string{"Location": "https://login.example/"}, "", engine.Unknown, "HTTP_302", 0, false, "base_url"},
	{"303", 303, map[string]string{"Location": "/comms/elsewhere"}, "", engine.Unknown, "HTTP_303", 0, false, "base_url"},
	{"304", 304, nil, "", engine.Unknown, "HTTP_304", 0, false, "base_url"},
	{"307", 307, map[string]string{"Location": "/comms/v1/message-batches"}, "", engine.Unknown, "HTTP_307", 0, false, "base_url"},
	{"308", 308, map[string]string{"Location": "/comms/v1/message-batches"}, "", engine.Unknown, "HTTP_308", 0, false, "base_url"},
	{"400 with an empty body", 400, nil, "", engine.Refused, "HTTP_400", 0, false, "without a reason"},
	{"400 with HTML", 400, nil, "<html>bad</html>", engine.Refused, "HTTP_400", 0, false, "without a reason"},
	{"400 with an empty list of errors", 400, nil, `{"errors":[]}`, engine.Refused, "HTTP_400", 0, false, "without a reason"},
	{"400 with an error that says nothing", 400, nil, `{"errors":[{}]}`, engine.Refused, "HTTP_400", 0, false, "as a whole"},
	{"400 with a code that a row cannot have", 400, nil, problem(400, "CM_SOMETHING_NEW", first), engine.Refused, "CM_SOMETHING_NEW", 0, false, "as a whole"},
	{"401 with HTML", 401, nil, "<html>who</html>", engine.Refused, "HTTP_401", time.Millisecond, false, ""},
	{"402", 402, nil, "", engine.Unknown, "HTTP_402", 0, false, "outside its contract"},
	{"403 with HTML", 403, nil, "<html>no</html>", engine.Refused, "HTTP_403", 0, false, "base_url"},
	{"403 with a new code", 403, nil, problem(403, "CM_NEW", ""), engine.Refused, "CM_NEW", 0, false, "403"},
	{"404 with HTML", 404, nil, "<html>nothing here</html>", engine.Refused, "HTTP_404", 0, false, "base_url"},
	{"408 with an empty body", 408, nil, "", engine.Unknown, "HTTP_408", 0, false, ""},
	{"409", 409, nil, problem(409, "CM_CONFLICT", ""), engine.Unknown, "CM_CONFLICT", 0, false, "outside its contract"},
	{"410", 410, nil, "", engine.Unknown, "HTTP_410", 0, false, "outside its contract"},
	{"413 with HTML, from the gateway itself", 413, nil, "<html>large</html>", engine.TooLarge, "HTTP_413", 0, false, ""},
	{"418", 418, nil, "", engine.Unknown, "HTTP_418", 0, false, "outside its contract"},
	{"422 with an empty body", 422, nil, "", engine.Refused, "HTTP_422", 0, false, "outside its contract"},
	{"422 with another code", 422, nil, problem(422, "CM_INVALID_VALUE", ""), engine.Refused, "CM_INVALID_VALUE", 0, false, "outside its contract"},
	{"422 with a code that only begins like the known one", 422, nil, problem(422, "CM_DUPLICATE_REQUEST-NOT", ""), engine.Refused, "HTTP_422", 0, false, "outside its contract"},
	{"425 with an empty body", 425, nil, "", engine.Unknown, "HTTP_425", 5 * time.Minute, false, ""},
	{"429 with HTML", 429, retry("60"), "<html>slow down</html>", engine.Refused, "HTTP_429", time.Minute, true, ""},
	{"451", 451, nil, "", engine.Unknown, "HTTP_451", 0, false, "outside its contract"},
	{"500 with HTML", 500, nil, "<html>oops</html>", engine.Unknown, "HTTP_500", 0, false, ""},
	{"500 with an empty body", 500, nil, "", engine.Unknown, "HTTP_500", 0, false, ""},
	{"500 with a halting code in the second error only", 500, nil, problems(row("CM_INTERNAL_SERVER_ERROR", ""), row("CM_MISSING_ROUTING_PLAN_TEMPLATE", planAt)), engine.Unknown, "CM_INTERNAL_SERVER_ERROR", 0, false, ""},
	{"501", 501, nil, "", engine.Unknown, "HTTP_501", 0, false, ""},
	{"502 with HTML", 502, nil, "<html>oops</html>", engine.Unknown, "HTTP_502", 0, false, ""},
	{"502 with the code of a 500 that halts", 502, nil, problem(502, "CM_MISSING_ROUTING_PLAN_TEMPLATE", ""), engine.Unknown, "CM_MISSING_ROUTING_PLAN_TEMPLATE", 0, false, ""},
	{"503 with a backend's own body", 503, nil, `{"message":"Forbidden"}`, engine.Unknown, "HTTP_503", 0, true, ""},
	{"504 with HTML", 504, nil, "<html>late</html>", engine.Unknown, "HTTP_504", 0, false, ""},
	{"507", 507, nil, "", engine.Unknown, "HTTP_507", 0, false, ""},
	{"599", 599, nil, "", engine.Unknown, "HTTP_599", 0, false, ""},
	{"errors that are no list", 500, nil, `{"errors":"none"}`, engine.Unknown, "HTTP_500", 0, false, ""},
	{"a code that is a number", 500, nil, `{"errors":[{"code":12}]}`, engine.Unknown, "HTTP_500", 0, false, ""},
}

func TestTheSuite(t *testing.T) {
	sinktest.Run(t, subject(t, sinktest.Subject{
		Make: func(w sinktest.Wire) engine.Sink { return New(letters(t, over(w))) },
		Path: "/v1/message-batches", Messages: 3,
		Created: func(r *engine.Request) (body string, ids []string) {
			var list []string
			for i, m := range r.Messages {
				ids = append(ids, fmt.Sprintf("id-%d", i))
				list = append(list, fmt.Sprintf(`{"messageReference":"%s","id":"%s"}`, m, ids[i]))
			}
			return fmt.Sprintf(`{"data":{"type":"MessageBatch","id":"b","attributes":{"messageBatchReference":"%s","messages":[%s]}}}`, r.Reference, strings.Join(list, ",")), ids
		},
	}, first))
}

// A single message passes the same suite. Pointers to its members have no index.
func TestTheSuiteForSingleMessages(t *testing.T) {
	sinktest.Run(t, subject(t, sinktest.Subject{
		Make: func(w sinktest.Wire) engine.Sink { return New(single(letters(t, over(w)))) },
		Path: "/v1/messages", Messages: 1,
		Created: func(r *engine.Request) (body string, ids []string) {
			return fmt.Sprintf(`{"data":{"type":"Message","id":"id-0","attributes":{"messageReference":"%s","messageStatus":"created"}}}`, r.Messages[0]), []string{"id-0"}
		},
	}, "/data/attributes"))
}

// letters are options of a sink with every kind of member in its messages.
func letters(t *testing.T, o Options) Options {
	t.Helper()
	o.ODSCode, o.Fields = "X26", []Field{{"body", template(t, "Dear ((given)), ((note))", "given", "note")}}
	return o
}

// subject fills in the common parts of both endpoints. at is the JSON pointer of the first message.
func subject(t *testing.T, s sinktest.Subject, at string) sinktest.Subject {
	t.Helper()
	for _, r := range catalogue {
		body := strings.ReplaceAll(r.body, first, at)
		s.Answers = append(s.Answers, sinktest.Answer{Sentence: r.sentence, Status: r.status, Headers: r.headers, Body: body, Reply: r.reply, Code: r.code, After: r.after, All: r.all, Halt: r.halt})
	}
	s.Base, s.Accept, s.Fields, s.Rows, s.Lines, s.Broken = "/comms", "application/json", 2, 85, 30, []int{400, 422}
	s.Problem = func(status int, words string) string { return problem(status, words, "/"+words) }
	return s
}

func TestTwoFreshTokensRefusedHaltTheRun(t *testing.T) {
	s := sinkTo(t, replies(401, nil, problem(401, "CM_DENIED", "")))
	if a := send(t, s); a.Reply != engine.Refused || a.Halt != "" {
		t.Errorf("after one refusal: %+v", a)
	}
	if a := send(t, s); a.Reply != engine.Refused || !strings.Contains(a.Halt, "401") {
		t.Errorf("after two: %+v", a)
	}
}
