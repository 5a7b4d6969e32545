package simulator

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"cohort/sinks/simulator/faults"
	"cohort/sinks/simulator/gateway"
	"cohort/sinks/simulator/nhsapp"
)

const (
	someNumber = "9990548609"
	inAppURL   = "/nhs-app/communication/in-app/FHIR/R4/CommunicationRequest"
	pushURL    = "/nhs-app/communication/notification/FHIR/R4/CommunicationRequest"
)

// spoilt is a good request with one text in it replaced by another.
func spoilt(body, old, new string) string {
	if !strings.Contains(body, old) {
		panic(old)
	}
	return strings.Replace(body, old, new, 1)
}

func inAppBody(request, nhsNumber, content string) string {
	return fmt.Sprintf(`{"resourceType":"CommunicationRequest","status":"active","identifier":[{"system":"https://fhir.nhs.uk/NHSApp/campaign-id","value":"a campaign"},{"system":"https://fhir.nhs.uk/NHSApp/request-id","value":%q}],"payload":[{"contentString":%q}],"recipient":[{"type":"Patient","identifier":{"system":"https://fhir.nhs.uk/Id/nhs-number","value":%q}}],"requester":{"type":"Organization","identifier":{"system":"https://fhir.nhs.uk/Id/ods-organization-code","value":"X26"}}}`, request, content, nhsNumber)
}

// askingBody is an in-app message that may be answered: item is the questionnaire's.
func askingBody(request, item string) string {
	return strings.TrimSuffix(inAppBody(request, someNumber, "Will you come?"), "}") + `,"contained":[{"resourceType":"Questionnaire","id":"reply","status":"active","item":[` + item + `]}],"extension":[{"url":"https://fhir.nhs.uk/NHSApp/answers","valueReference":{"reference":"#reply"}}]}`
}

func pushBody(request, nhsNumber, display string) string {
	return fmt.Sprintf(`{"resourceType":"CommunicationRequest","status":"active","identifier":[{"system":"https://fhir.nhs.uk/NHSApp/request-id","value":%q}],"payload":[{"contentReference":{"reference":"https://www.nhsapp.service.nhs.uk/patient/messages","display":%q}}],"recipient":[{"identifier":{"system":"https://fhir.nhs.uk/Id/nhs-number","value":%q}}]}`, request, display, nhsNumber)
}

// outcomeIssue is one issue of an OperationOutcome.
type outcomeIssue struct {
	Severity, Code, Diagnostics string
	Expression                  []string
}

type identifier struct{ System, Value string }

func (a answer) issues(t *testing.T) []outcomeIssue {
	t.Helper()
	var v struct {
		ResourceType string
		Issue        []outcomeIssue
	}
	if err := json.Unmarshal(a.body, &v); err != nil || v.ResourceType != "OperationOutcome" || len(v.Issue) == 0 {
		t.Fatalf("status %d: no OperationOutcome: %v: %.300s", a.status, err, a.body)
	}
	return v.Issue
}

// Every row of the contract's table of errors, and what its schemas refuse. 54 rows.
func TestAppCatalogue(t *testing.T) {
	good, pushed := inAppBody("r1", someNumber, "Text"), pushBody("r1", someNumber, "Text")
	asking := askingBody("r1", `{"linkId":"1","type":"choice","answerOption":[{"valueCoding":{"code":"Yes"}}]}`)
	always := func(k faults.Kind) Options { return Options{Faults: faults.Set{k: {Share: 1}}} }
	const receipts, patients = "/nhs-app/communication/report/receipts/FHIR/R4/Task", "/nhs-app/communication/report/patients"
	rows := []struct {
		when         string
		options      Options
		method, path string
		body         string
		headers      []string
		twice        bool
		status       int
		code         string
		diagnostics  string
		expression   string
	}{
		{when: "the NHS number is wrong", body: inAppBody("r1", "9990548608", "Text"), status: 400, code: "invalid", diagnostics: "NHS Number is invalid", expression: "recipient[0].identifier.value"},
		{when: "the NHS number is short", body: inAppBody("r1", "999054860", "Text"), status: 400, code: "invalid", diagnostics: "NHS Number is invalid", expression: "recipient[0].identifier.value"},
		{when: "the text is too long", body: inAppBody("r1", someNumber, strings.Repeat("é", 5001)), status: 400, code: "invalid", diagnostics: "Exceeds maximum length", expression: "payload[0].contentString"},
		{when: "the text is too long in UTF-16", body: inAppBody("r1", someNumber, strings.Repeat("😀", 2501)), status: 400, code: "invalid", diagnostics: "Exceeds maximum length", expression: "payload[0].contentString"},
		{when: "the text holds a tag", body: inAppBody("r1", someNumber, "a < b\nand c > d"), status: 400, code: "invalid", diagnostics: "Invalid format", expression: "payload[0].contentString"},
		{when: "the display is too long", path: pushURL, body: pushBody("r1", someNumber, strings.Repeat("x", 201)), status: 400, code: "invalid", diagnostics: "Exceeds maximum length", expression: "payload[0].contentReference.display"},
		{when: "the reference is too long", path: pushURL, body: spoilt(pushed, "/patient/", "/"+strings.Repeat("x", 1000)), status: 400, code: "invalid", diagnostics: "Exceeds maximum length", expression: "payload[0].contentReference.reference"},
		{when: "the reference is missing", path: pushURL, body: spoilt(pushed, `"reference":`, `"other":`), status: 400, code: "invalid", diagnostics: "Not specified", expression: "payload[0].contentReference.reference"},
		{when: "there are two recipients", body: spoilt(good, `"recipient":[`, `"recipient":[{},`), status: 400, code: "invalid", diagnostics: "Exceeds maximum length", expression: "recipient"},
		{when: "an identifier is too long", body: inAppBody(strings.Repeat("x", 129), someNumber, "Text"), status: 400, code: "invalid", diagnostics: "Exceeds maximum length", expression: "identifier[1].value"},
		{when: "an identifier holds a tag", body: inAppBody("<b>", someNumber, "Text"), status: 400, code: "invalid", diagnostics: "Invalid format", expression: "identifier[1].value"},
		{when: "there is no recipient", body: spoilt(good, `"recipient"`, `"Recipient"`), status: 400, code: "invalid", diagnostics: "Not specified", expression: "recipient"},
		{when: "there is no payload", body: spoilt(good, `"payload"`, `"Payload"`), status: 400, code: "invalid", diagnostics: "Not specified", expression: "payload"},
		{when: "there is no text", body: spoilt(good, `"contentString"`, `"contentReference"`), status: 400, code: "invalid", diagnostics: "Not specified", expression: "payload[0].contentString"},
		{when: "an in-app message has no requester", body: spoilt(good, `"requester"`, `"sender"`), status: 400, code: "invalid", diagnostics: "Not specified", expression: "requester"},
		{when: "two campaigns are named", body: spoilt(good, "NHSApp/request-id", "NHSApp/campaign-id"), status: 400, code: "invalid", diagnostics: "Multiple Campaign IDs specified", expression: "identifier"},
		{when: "the requester has another system", body: spoilt(good, "Id/ods-organization-code", "Id/ods"), status: 400, code: "invalid", diagnostics: "Identifier system is invalid", expression: "requester.identifier.system"},
		{when: "the ODS code is in lower case", body: spoilt(good, `"X26"`, `"x26"`), status: 400, code: "invalid", diagnostics: "Invalid format", expression: "requester.identifier.value"},
		{when: "the status is in capitals", body: spoilt(good, `"active"`, `"Active"`), status: 400, code: "invalid", diagnostics: "Invalid format", expression: "status"},
		{when: "no intermediary sends on behalf of another", body: spoilt(good, "NHSApp/campaign-id", "NHSApp/on-behalf-of"), status: 400, code: "invalid", diagnostics: "On Behalf Of is not permitted for this supplier", expression: "identifier"},
		{when: "two resources are contained", body: spoilt(asking, `"contained":[`, `"contained":[{},`), status: 400, code: "invalid", diagnostics: "contained should contain one resource of type Questionnaire", expression: "contained[0].type"},
		{when: "another resource is contained", body: spoilt(asking, `"Questionnaire"`, `"Patient"`), status: 400, code: "invalid", diagnostics: "contained should contain one resource of type Questionnaire", expression: "contained[0].type"},
		{when: "the item is of another type", body: spoilt(asking, `"choice"`, `"boolean"`), status: 400, code: "invalid", diagnostics: "[0].item.type should be choice", expression: "contained"},
		{when: "there are seven answers", body: spoilt(asking, `"answerOption":[`, `"answerOption":[`+strings.Repeat(`{"valueCoding":{"code":"x"}},`, 6)), status: 400, code: "invalid", diagnostics: "Exceeds maximum length", expression: "contained[0].item[0].answerOptions"},
		{when: "there is no answer", body: spoilt(asking, `"answerOption"`, `"answer"`), status: 400, code: "invalid", diagnostics: "Not specified", expression: "contained[0].item[0].answerOptions"},
		{when: "an answer says nothing", body: spoilt(asking, `"code":"Yes"`, `"display":"Yes"`), status: 400, code: "invalid", diagnostics: "Not specified", expression: "contained[0].item[0].answerOptions"},
		{when: "the questionnaire has no item", body: spoilt(asking, `"item"`, `"items"`), status: 400, code: "invalid", diagnostics: "Not specified", expression: "contained[0].item"},
		{when: "the questionnaire has two items", body: spoilt(asking, `"item":[`, `"item":[{},`), status: 400, code: "invalid", diagnostics: "Exceeds maximum length", expression: "contained[0].item"},
		{when: "the questionnaire is a draft", body: spoilt(asking, `"id":"reply","status":"active"`, `"id":"reply","status":"draft"`), status: 400, code: "invalid", diagnostics: "Invalid format", expression: "contained[0].status"},
		{when: "nothing refers to the questionnaire", body: spoilt(asking, `"extension"`, `"extensions"`), status: 400, code: "invalid", diagnostics: "Not specified", expression: "extension"},
		{when: "the extension is another", body: spoilt(asking, "NHSApp/answers", "NHSApp/answer"), status: 400, code: "invalid", diagnostics: "Invalid format", expression: "extension[0].url"},
		{when: "the extension refers to another", body: spoilt(asking, "#reply", "#other"), status: 400, code: "invalid", diagnostics: "Invalid format", expression: "extension[0].valueReference.reference"},
		{when: "there is no questionnaire to refer to", body: spoilt(asking, `"contained"`, `"Contained"`), status: 400, code: "invalid", diagnostics: "Not specified", expression: "contained"},
		{when: "the body is no JSON", body: "nonsense", status: 400, code: "invalid", diagnostics: "Invalid Json encountered. Details: unexpected token"},
		{when: "the resource has another type", body: spoilt(good, "CommunicationRequest", "communicationrequest"), status: 400, code: "invalid", diagnostics: "type (at Cannot locate type information for type 'communicationrequest')"},
		{when: "the resource has no type", body: `{}`, status: 400, code: "invalid", diagnostics: "type (at Root object has no type indication (resourceType) and therefore cannot be used to construct a FhirJsonNode)"},
		{when: "the report has no day", method: "GET", path: receipts, status: 400, code: "invalid", diagnostics: "Not specified", expression: "day"},
		{when: "the day is none", method: "GET", path: receipts + "?day=today", status: 400, code: "invalid", diagnostics: "Invalid format", expression: "day"},
		{when: "two days are asked for", method: "GET", path: receipts + "?day=2026-03-02&day=2026-03-03", status: 400, code: "invalid", diagnostics: "A single value is expected", expression: "day"},
		{when: "the page is none", method: "GET", path: receipts + "?day=2026-03-02&page=one", status: 400, code: "invalid", diagnostics: "Invalid format", expression: "page"},
		{when: "two pages are asked for", method: "GET", path: receipts + "?day=2026-03-02&page=1&page=2", status: 400, code: "invalid", diagnostics: "A single value is expected", expression: "page"},
		{when: "the report has no practice", method: "GET", path: patients, status: 400, code: "invalid", diagnostics: "Not specified", expression: "ods-organisation-code"},
		{when: "the token has expired", options: always(faults.TokenRevoked), body: "nonsense", headers: []string{"(worn)"}, status: 401, code: "expired", diagnostics: "Access Token expired"},
		{when: "there is no token", body: good, headers: []string{"Authorization", "(absent)"}, status: 401, code: "forbidden", diagnostics: "Invalid Access Token"},
		{when: "the token is unknown", body: good, headers: []string{"Authorization", "Bearer nonsense"}, status: 401, code: "forbidden", diagnostics: "Invalid Access Token"},
		{when: "the key has no permissions", options: Options{NotOnboarded: true}, body: good, status: 403, code: "security", diagnostics: "Supplier with ID (application) does not have channel App Message permission"},
		{when: "in-app messages are not permitted", options: Options{NHSApp: nhsapp.Options{NoInApp: true}}, body: good, status: 403, code: "security", diagnostics: "Supplier with ID (application) does not have channel App Message permission"},
		{when: "push notifications are not permitted", options: Options{NHSApp: nhsapp.Options{NoPush: true}}, path: pushURL, body: pushed, status: 403, code: "security", diagnostics: "Supplier with ID (application) does not have channel Push Notification permission"},
		{when: "reports are not permitted", options: Options{NHSApp: nhsapp.Options{NoReports: true}}, method: "GET", path: patients + "?ods-organisation-code=X26", status: 403, code: "security", diagnostics: "Supplier with ID (application) does not have channel Patient Report permission"},
		{when: "nothing happened on the day", method: "GET", path: receipts + "?day=2020-01-01", status: 404, code: "not-found", diagnostics: "Report not found"},
		{when: "the practice is unknown", method: "GET", path: patients + "?ods-organisation-code=nobody", status: 404, code: "not-found", diagnostics: "Report not found"},
		{when: "the quota is used up", options: Options{QuotaPerMinute: 1, Now: newClock().Now}, body: good, twice: true, status: 429, code: "throttled", diagnostics: "Your application, simulated, has exceeded its quota of 1 requests every 1 minute(s) and is being rate limited."},
		{when: "traffic spikes", options: always(faults.Spike429), body: good, status: 429, code: "throttled", diagnostics: "Your application, simulated, has created a spike in traffic and is being rate limited. Please reduce the frequency of your requests."},
		{when: "the whole API is busy", options: always(faults.Busy429), body: good, status: 429, code: "throttled", diagnostics: "This API is currently receiving a high volume of requests and is being rate limited."},
	}
	if len(rows) != 54 {
		t.Errorf("%d rows, not 54", len(rows))
	}
	for _, row := range rows {
		t.Run(row.when, func(t *testing.T) {
			s := serve(t, row.options)
			method, path := row.method, row.path
			if method == "" {
				method = "POST"
			}
			if path == "" {
				path = inAppURL
			}
			headers := row.headers
			if slices.Equal(headers, []string{"(worn)"}) {
				headers = nil
				for range trustedAnswers {
					s.do(method, path, row.body, "Content-Type", fhirJSON)
				}
			}
			headers = append([]string{"Content-Type", fhirJSON}, headers...)
			got := s.do(method, path, row.body, headers...)
			if row.twice {
				got = s.do(method, path, row.body, headers...)
			}
			if got.status != row.status || got.header.Get("Content-Type") != fhirJSON || got.header.Get("Retry-After") != "" {
				t.Fatalf("status %d, want %d: %.300s", got.status, row.status, got.body)
			}
			want := outcomeIssue{Severity: "error", Code: row.code, Diagnostics: strings.Replace(row.diagnostics, "(application)", gateway.ApplicationID("api-key"), 1)}
			if row.expression != "" {
				want.Expression = []string{row.expression}
			}
			if issue := got.issues(t); len(issue) != 1 || !reflect.DeepEqual(issue[0], want) {
				t.Errorf("got  %+v\nwant %+v", issue, want)
			}
			if !row.twice && s.accepted() != 0 {
				t.Error("something was accepted")
			}
		})
	}
	s := serve(t, Options{})
	got := s.do("POST", inAppURL, inAppBody("<b>", "1234567890", "Text"), "Content-Type", fhirJSON)
	if issues := got.issues(t); got.status != 400 || len(issues) != 2 {
		t.Errorf("several issues in one answer: %d %+v", got.status, issues)
	}
}

// The gateway answers a request that belongs to no proxy, and not in FHIR. 5 rows.
func TestAppGateway(t *testing.T) {
	s := serve(t, Options{})
	for _, row := range []struct {
		method, path string
		headers      []string
		status       int
	}{
		{"POST", nhsapp.Root + "/nowhere", nil, 404},
		{"GET", nhsapp.Root + "/communication/8f7ec136-66eb-4a9e-97ca-5c7a53d2710c", nil, 404},
		{"PUT", inAppURL, nil, 405},
		{"POST", inAppURL, []string{"Accept", "text/html"}, 406},
		{"POST", inAppURL, []string{"Content-Type", "application/vnd.api+json"}, 415},
	} {
		headers := append([]string{"Content-Type", plainJSON}, row.headers...)
		if got := s.do(row.method, row.path, "{}", headers...); got.status != row.status || !strings.Contains(string(got.body), `"fault"`) {
			t.Errorf("%s %s: %d %s", row.method, row.path, got.status, got.body)
		}
	}
}

// One fault each: what a plain client sees, and whether the message was accepted all the
// same. 14 rows.
func TestAppFaults(t *testing.T) {
	rows := []struct {
		kind       faults.Kind
		set        faults.Fault
		status     int // 0: no whole answer
		code       string
		retryAfter string
		accepted   bool
	}{
		{kind: faults.ResetBefore},
		{kind: faults.ResetAfter, accepted: true},
		{kind: faults.TimeoutAfter, set: faults.Fault{Hold: 20 * time.Millisecond}, status: 504, code: "unknown", accepted: true},
		{kind: faults.Gateway504After, status: 504, code: "unknown", accepted: true},
		{kind: faults.Gateway504Before, status: 504, code: "unknown"},
		{kind: faults.Truncated201, accepted: true},
		{kind: faults.Quota429, set: faults.Fault{RetryAfter: 2 * time.Second}, status: 429, code: "throttled", retryAfter: "2"},
		{kind: faults.Unavailable503, status: 503, code: "unknown", retryAfter: "5"},
		{kind: faults.Unavailable503Bare, status: 503, code: "unknown"},
		{kind: faults.Error500Before, status: 500, code: "unknown"},
		{kind: faults.Error500After, status: 500, code: "unknown", accepted: true},
		{kind: faults.BadGateway502, status: 502, code: "unknown"},
		{kind: faults.HTMLError, status: 502},
		{kind: faults.Banned, status: 403, code: "security"},
	}
	if len(rows) != 14 {
		t.Errorf("%d rows, not 14", len(rows))
	}
	for _, row := range rows {
		t.Run(row.kind.String(), func(t *testing.T) {
			row.set.Share, row.set.Limit = 1, 1
			s := serve(t, Options{Faults: faults.Set{row.kind: row.set}})
			got := s.do("POST", inAppURL, inAppBody("r1", someNumber, "Text"), "Content-Type", fhirJSON)
			if (got.err == nil) != (row.status != 0) {
				t.Fatalf("status %d, error %v", got.status, got.err)
			}
			if row.status != 0 && (got.status != row.status || got.header.Get("Retry-After") != row.retryAfter) {
				t.Errorf("status %d, Retry-After %q", got.status, got.header.Get("Retry-After"))
			}
			if row.code != "" && got.issues(t)[0].Code != row.code {
				t.Errorf("%s", got.body)
			}
			if accepted := s.accepted() == 1; accepted != row.accepted {
				t.Errorf("accepted: %v", accepted)
			}
			if n := s.Stats().Faults[row.kind.String()]; n != 1 {
				t.Errorf("struck %d times", n)
			}
		})
	}
}

// The fault poisoned_recipients, and a token that is refused after it was revoked.
func TestAppPoisonedAndRevoked(t *testing.T) {
	s := serve(t, Options{Faults: faults.Set{faults.PoisonedRecipients: {Share: 1}}})
	if got := s.do("POST", inAppURL, inAppBody("r1", someNumber, "Text"), "Content-Type", fhirJSON); got.status != 400 || s.Stats().Faults["poisoned_recipients"] != 1 {
		t.Errorf("%d %s", got.status, got.body)
	}
	s = serve(t, Options{Faults: faults.Set{faults.TokenRevoked: {Share: 1}}})
	for i := range trustedAnswers + 3 {
		got := s.do("POST", inAppURL, inAppBody("r1", someNumber, "Text"), "Content-Type", fhirJSON)
		if want := map[bool]int{true: 201, false: 401}[i < trustedAnswers]; got.status != want || want == 401 && got.issues(t)[0].Code != "expired" {
			t.Errorf("request %d: %d %s", i, got.status, got.body)
		}
	}
}

// The service recognises no replay: the same request twice is two messages.
func TestAppTakesEverythingTwice(t *testing.T) {
	s := serve(t, Options{})
	ids := map[string]bool{}
	for _, body := range []string{inAppBody("r1", someNumber, "Text"), inAppBody("r1", someNumber, "Text"), inAppBody("r2", number(1), "Text")} {
		got := s.do("POST", inAppURL, body, "Content-Type", plainJSON, "X-Correlation-Id", "mine")
		var v struct {
			ResourceType, Status string
			Identifier           []identifier
			Payload, Recipient   []any
			Requester            any
		}
		if err := json.Unmarshal(got.body, &v); err != nil || got.status != 201 {
			t.Fatalf("%d %v %s", got.status, err, got.body)
		}
		id := v.Identifier[0]
		if id.System != "https://fhir.nhs.uk/Id/nhs-app-communication-id" || uuid.Validate(id.Value) != nil || got.header.Get("Location") != s.url+"/nhs-app/communication/"+id.Value {
			t.Errorf("identifier %v, Location %q", id, got.header.Get("Location"))
		}
		if v.ResourceType != "CommunicationRequest" || v.Status != "active" || len(v.Identifier) != 3 || len(v.Payload) != 1 || len(v.Recipient) != 1 || v.Requester == nil || got.header.Get("X-Correlation-Id") != "mine" {
			t.Errorf("%s", got.body)
		}
		ids[id.Value] = true
	}
	if st := s.Stats(); len(ids) != 3 || st.Communications != 3 || st.MessagesAccepted != 3 || st.PeopleTwice != 1 || st.ReferencesTwice != 1 {
		t.Errorf("%d ids, %+v", len(ids), st)
	}
	twice := 0
	for a := range s.Ledger() {
		if !ids[a.MessageID] || a.Channel != "in-app" || a.CampaignID != "a campaign" {
			t.Errorf("%+v", a)
		}
		if a.Twice() {
			twice++
		}
	}
	if twice != 2 {
		t.Errorf("%d of the ledger's messages were accepted twice, not 2", twice)
	}
	if got := s.do("POST", pushURL, pushBody("r3", number(2), "Text"), "Content-Type", fhirJSON); got.status != 201 || got.header["X-Correlation-Id"] != nil {
		t.Errorf("a push: %d, correlation %v", got.status, got.header["X-Correlation-Id"])
	}
	intermediary := serve(t, Options{NHSApp: nhsapp.Options{Intermediary: true}})
	if got := intermediary.do("POST", inAppURL, spoilt(inAppBody("r1", someNumber, "Text"), "campaign-id", "on-behalf-of"), "Content-Type", fhirJSON); got.status != 201 || !strings.Contains(string(got.body), "https://fhir.nhs.uk/NHSApp/on-behalf-of") {
		t.Errorf("an intermediary: %d %s", got.status, got.body)
	}
}

func TestAppAcceptancesOutliveTheServer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	c := newClock()
	first, die := keeping(t, path, Options{Now: c.Now})
	for n := range 3 {
		first.do("POST", inAppURL, inAppBody(fmt.Sprint("r", n), number(n), "Text"), "Content-Type", fhirJSON)
	}
	first.post(batch("b1", 10, 12))
	before := slices.Collect(first.Ledger())
	die()
	second, die := keeping(t, path, Options{Now: c.Now})
	defer die()
	if after := slices.Collect(second.Ledger()); len(before) != 5 || !reflect.DeepEqual(after, before) {
		t.Errorf("got  %+v\nwant %+v", after, before)
	}
	second.do("POST", inAppURL, inAppBody("r0", number(0), "Text"), "Content-Type", fhirJSON)
	ids := map[string]bool{}
	for a := range second.Ledger() {
		ids[a.MessageID] = true
	}
	if st := second.Stats(); len(ids) != 6 || st.Communications != 4 || st.ReferencesTwice != 1 {
		t.Errorf("%d ids, %+v", len(ids), st)
	}
}

// bundle is a page of the receipts report.
type bundle struct {
	ResourceType, Type string
	Total              int
	Link               []struct{ Relation, URL string }
	Entry              []struct {
		FullURL  string
		Resource struct {
			ID, Status   string
			Identifier   []identifier
			StatusReason json.RawMessage
			Code         struct {
				Coding []struct{ System, Code string }
			}
			AuthoredOn, LastModified, ResourceType, Intent string
		}
	}
}

// report reads a day's receipts by following the links from page to page.
func (s *service) report(day string) (pages []bundle, status int) {
	for next := s.url + "/nhs-app/communication/report/receipts/FHIR/R4/Task" + "?day=" + day; next != ""; {
		got := s.do("GET", strings.TrimPrefix(next, s.url), "")
		if got.status != http.StatusOK {
			return pages, got.status
		}
		var b bundle
		if err := json.Unmarshal(got.body, &b); err != nil {
			s.t.Fatal(err)
		}
		pages, next = append(pages, b), ""
		for _, l := range b.Link {
			if l.Relation == "next" {
				next = l.URL
			}
		}
	}
	return pages, http.StatusOK
}

func TestAppReceipts(t *testing.T) {
	c := newClock()
	s := serve(t, Options{Now: c.Now, TokenLifetime: 1000 * time.Hour, NHSApp: nhsapp.Options{PageSize: 50, Receipts: nhsapp.Receipts{Rejected: 0.2, Repeated: 0.1}}})
	const messages = 200
	for n := range messages {
		s.do("POST", inAppURL, inAppBody(fmt.Sprintf("r%03d", n), number(n), "Text"), "Content-Type", fhirJSON)
	}
	if _, status := s.report("2026-03-02"); status != 404 {
		t.Errorf("before anything has happened: %d", status)
	}
	count := func(day string) (total int, codes map[string]int, requests map[string]map[string]bool, shapes map[byte]int, seen map[string]int) {
		codes, requests, shapes, seen = map[string]int{}, map[string]map[string]bool{}, map[byte]int{}, map[string]int{}
		pages, _ := s.report(day)
		for _, page := range pages {
			if page.ResourceType != "Bundle" || page.Type != "searchset" || page.Total != pages[0].Total || len(page.Entry) > 50 {
				t.Errorf("page of %d entries, total %d, type %s", len(page.Entry), page.Total, page.Type)
			}
			for _, e := range page.Entry {
				total++
				r := e.Resource
				code := r.Code.Coding[0].Code
				codes[code]++
				seen[r.ID]++
				if r.ResourceType != "Task" || r.Intent != "order" || (code == "Rejected") != (r.Status == "rejected") || !strings.HasPrefix(r.LastModified, day) || r.AuthoredOn != "2026-03-02T09:00:00Z" {
					t.Errorf("%+v", r)
				}
				if code == "Rejected" {
					shapes[r.StatusReason[0]]++
				}
				request := r.Identifier[1].Value
				if requests[request] == nil {
					requests[request] = map[string]bool{}
				}
				requests[request][code] = true
			}
		}
		if len(pages) > 0 && total != pages[0].Total {
			t.Errorf("%d entries of a total of %d", total, pages[0].Total)
		}
		return total, codes, requests, shapes, seen
	}
	c.pass(14 * time.Hour)
	total, codes, requests, shapes, seen := count("2026-03-02")
	if len(requests) != messages || total <= messages {
		t.Errorf("%d receipts of %d messages", total, len(requests))
	}
	if codes["Delivered"] == 0 || codes["Rejected"] == 0 || codes["NotificationAttempted"] == 0 || codes["Notified"] == 0 || codes["Unnotified"] == 0 || codes["Read"] == 0 || codes["Archived"] == 0 {
		t.Errorf("%v", codes)
	}
	if shapes['{'] == 0 || shapes['"'] == 0 {
		t.Errorf("shapes of statusReason: %v", shapes)
	}
	if len(seen) == total {
		t.Error("no receipt came twice")
	}
	for request, codes := range requests {
		if codes["Rejected"] == codes["Delivered"] {
			t.Errorf("%s: %v", request, codes)
		}
	}
	if _, status := s.report("2026-03-03"); status != 404 {
		t.Errorf("a day that has not come: %d", status)
	}
	c.pass(24 * time.Hour)
	if total, codes, _, _, _ := count("2026-03-03"); total == 0 || codes["Read"] == 0 || codes["Delivered"] > 0 {
		t.Errorf("the next day: %d, %v", total, codes)
	}
}

// Pushes wait for six in the morning in London. The message does not.
func TestAppPushesWaitForTheDay(t *testing.T) {
	c := newClock()
	c.pass(13*time.Hour + 30*time.Minute) // 22:30, winter
	s := serve(t, Options{Now: c.Now, NHSApp: nhsapp.Options{Receipts: nhsapp.Receipts{Rejected: -1, Unknown: -1}}})
	s.do("POST", inAppURL, inAppBody("r1", someNumber, "Text"), "Content-Type", fhirJSON)
	c.pass(30 * 24 * time.Hour)
	for _, day := range []string{"2026-03-02", "2026-03-03", "2026-03-04"} {
		pages, _ := s.report(day)
		for _, page := range pages {
			for _, e := range page.Entry {
				at, err := time.Parse(time.RFC3339, e.Resource.LastModified)
				night := at.Before(time.Date(2026, 3, 3, 6, 0, 0, 0, time.UTC))
				if err != nil || night != (e.Resource.Code.Coding[0].Code == "Delivered") {
					t.Errorf("%s at %s", e.Resource.Code.Coding[0].Code, at)
				}
			}
		}
	}
	if at := nhsapp.ByDay(time.Date(2026, 7, 1, 4, 30, 0, 0, time.UTC)); !at.Equal(time.Date(2026, 7, 1, 5, 0, 0, 0, time.UTC)) {
		t.Errorf("in summer: %s", at)
	}
}

func TestAppPatients(t *testing.T) {
	s := serve(t, Options{})
	for _, row := range []struct {
		code         string
		pages, users int
	}{{"X26", 1, 25}, {"T00001", 3, 250}} {
		users, pages := map[string]bool{}, 0
		for next := "/nhs-app/communication/report/patients" + "?ods-organisation-code=" + row.code; next != ""; pages++ {
			got := s.do("GET", next, "")
			var list []nhsapp.Patient
			if err := json.Unmarshal(got.body, &list); err != nil || got.status != 200 {
				t.Fatalf("%d %v", got.status, err)
			}
			for _, p := range list {
				users[p.NHSNumber] = p.NotificationsEnabled
				if !strings.HasPrefix(p.NHSNumber, "999") || !gateway.ValidNHSNumber(p.NHSNumber) {
					t.Errorf("%s is no test number", p.NHSNumber)
				}
			}
			next = ""
			for _, l := range strings.Split(got.header.Get("Link"), ", ") {
				if address, found := strings.CutSuffix(l, `>; rel="next"`); found {
					next = strings.TrimPrefix(address, "<"+s.url)
				}
			}
		}
		if pages != row.pages || len(users) != row.users {
			t.Errorf("%s: %d pages, %d users", row.code, pages, len(users))
		}
	}
}

// A message that may be answered comes back with its questionnaire; of a push it is one of
// the things that are not known.
func TestAppReplies(t *testing.T) {
	s := serve(t, Options{})
	for _, item := range []string{`{"linkId":"1","type":"text"}`, `{"linkId":"1","type":"choice","answerOption":[{"valueCoding":{"code":"Yes"}},{"valueCoding":{"code":"No"}}]}`} {
		got := s.do("POST", inAppURL, askingBody("r1", item), "Content-Type", fhirJSON)
		if got.status != 201 || !json.Valid(got.body) || !strings.Contains(string(got.body), item) || !strings.Contains(string(got.body), `"#reply"`) {
			t.Errorf("%s: %d %s", item, got.status, got.body)
		}
	}
	got := s.do("POST", pushURL, strings.TrimSuffix(pushBody("r1", someNumber, "Text"), "}")+`,"contained":[{}]}`, "Content-Type", fhirJSON)
	if got.status != 201 || strings.Contains(string(got.body), "contained") {
		t.Errorf("a push: %d %s", got.status, got.body)
	}
}
