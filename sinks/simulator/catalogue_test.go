package simulator

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"cohort/sinks/simulator/faults"
	"cohort/sinks/simulator/nhsapp"
	"cohort/sinks/simulator/notify"
)

// Every row of the error catalogue, caused by a request. 40 rows.
func TestErrorCatalogue(t *testing.T) {
	good := batch("b1", 0, 2)
	with := func(extra string) string {
		return wrap(somePlan, "b1", `{"messageReference":"r1","recipient":{"nhsNumber":"9990548609"`+extra+`}}`)
	}
	always := func(k faults.Kind) Options { return Options{Faults: faults.Set{k: {Share: 1}}} }
	plan := func(id string) string { return wrap(id, "b1", item(1)) }
	type row struct {
		when            string
		options         Options
		method, path    string
		body            string
		headers         []string
		twice           bool // the second answer is looked at
		status          int
		code, title     string
		detail          string
		pointer, header string
	}
	rows := []row{
		{when: "a required property is missing", body: `{}`, status: 400, code: "CM_MISSING_VALUE", title: "Missing property", detail: "The property at the specified location is required, but was not present in the request.", pointer: "/data"},
		{when: "a required property is null", body: `{"data":null}`, status: 400, code: "CM_NULL_VALUE", title: "Property cannot be null", detail: "The property at the specified location is required, but a null value was passed in the request.", pointer: "/data"},
		{when: "a property has a value that is not allowed", body: `{"data":[]}`, status: 400, code: "CM_INVALID_VALUE", title: "Invalid value", detail: "The property at the specified location does not allow this value.", pointer: "/data"},
		{when: "the routing configuration is invalid", body: plan("4ead415a-c033-4b39-9b05-326ac237a3be"), status: 400, code: "CM_INVALID_VALUE", title: "Invalid value", detail: "The property at the specified location does not allow this value.", pointer: "/data/attributes/routingPlanId"},
		{when: "an NHS number is wrong", body: wrap(somePlan, "b1", `{"messageReference":"r1","recipient":{"nhsNumber":"9990548608"}}`), status: 400, code: "CM_INVALID_NHS_NUMBER", title: "Invalid nhs number", detail: "The value provided in this nhsNumber field is not a valid NHS number.", pointer: "/data/attributes/messages/0/recipient/nhsNumber"},
		{when: "a reference comes twice", body: wrap(somePlan, "b1", item(1), item(1)), status: 400, code: "CM_DUPLICATE_VALUE", title: "Duplicate value", detail: "The property at the specified location is a duplicate, duplicated values are not allowed.", pointer: "/data/attributes/messages/1/messageReference"},
		{when: "there are no messages", body: wrap(somePlan, "b1"), status: 400, code: "CM_TOO_FEW_ITEMS", title: "Too few items", detail: "The property at the specified location contains too few items.", pointer: "/data/attributes/messages"},
		{when: "an account without a default ODS code sends none", options: Options{Notify: notify.Options{ODSCodeRequired: true}}, body: good, status: 400, code: "CM_ODS_CODE_REQUIRED", title: "Originator odsCode must be provided", detail: "An originator with odsCode must be provided, as your account does not have a default ODS code.", pointer: "/data/attributes/messages"},
		{when: "an account that may not set an ODS code does", options: Options{Notify: notify.Options{ODSCodeFixed: true}}, body: wrap(somePlan, "b1", `{"messageReference":"r1","recipient":{},"originator":{"odsCode":"X26"}}`), status: 400, code: "CM_CANNOT_SET_ODS_CODE", title: "Cannot set ODS code", detail: "Your account is not permitted to set originator ODS codes.", pointer: "/data/attributes/messages"},
		{when: "an account that may not set contact details does", body: with(`,"contactDetails":{"sms":"07700900000"}`), status: 400, code: "CM_CANNOT_SET_CONTACT_DETAILS", title: "Cannot set contact details", detail: "Client is not allowed to provide alternative contact details.", pointer: "/data/attributes/messages/0/recipient/contactDetails"},
		{when: "the app users are asked for without an ODS code", method: "GET", path: "/comms/channels/nhsapp/accounts", status: 400, code: "CM_INVALID_REQUEST", title: "Invalid Request", detail: "Missing ODS Code"},
		{when: "the app users are asked for with another code", method: "GET", path: "/comms/channels/nhsapp/accounts?ods-organisation-code=R323", status: 400, code: "CM_INVALID_REQUEST", title: "Invalid Request", detail: "Invalid ODS Code"},
		{when: "the app users have no such page", method: "GET", path: "/comms/channels/nhsapp/accounts?ods-organisation-code=X26&page=0", status: 400, code: "CM_INVALID_REQUEST", title: "Invalid Request", detail: "page must be a positive non-zero integer"},
		{when: "the app users end before the page", method: "GET", path: "/comms/channels/nhsapp/accounts?ods-organisation-code=X26&page=2", status: 404, code: "CM_NOT_FOUND", title: "Resource not found", detail: "Report not found"},
		{when: "the practice has no report", options: Options{NHSApp: nhsapp.Options{Patients: map[string][]nhsapp.Patient{}}}, method: "GET", path: "/comms/channels/nhsapp/accounts?ods-organisation-code=A81001", status: 404, code: "CM_NOT_FOUND", title: "Resource not found", detail: "Report not found"},
		{when: "there is no token", body: good, headers: []string{"Authorization", "(absent)"}, status: 401, code: "CM_DENIED", title: "Access denied", detail: "Access token missing, invalid or expired, or calling application not configured for this operation.", header: "Authorization"},
		{when: "the token is unknown", body: good, headers: []string{"Authorization", "Bearer nonsense"}, status: 401, code: "CM_DENIED", title: "Access denied", detail: "Access token missing, invalid or expired, or calling application not configured for this operation.", header: "Authorization"},
		{when: "the client is not onboarded", options: Options{NotOnboarded: true}, body: good, status: 403, code: "CM_FORBIDDEN", title: "Forbidden", detail: "Client not recognised or not yet onboarded.", header: "Authorization"},
		{when: "the client is banned", options: always(faults.Banned), body: good, status: 403, code: "CM_SERVICE_BAN", title: "Service ban in effect", detail: "A service ban is in effect on your account.", header: "Authorization"},
		{when: "the plan does not exist", options: Options{Notify: notify.Options{RoutingPlans: []string{somePlan}}}, body: plan("00000000-0000-0000-0000-000000000004"), status: 404, code: "CM_NO_SUCH_ROUTING_PLAN", title: "No such routing plan", detail: "The routing plan specified either does not exist or is not in a usable state.", pointer: "/data/attributes/routingPlanId"},
		{when: "the fault no_such_plan strikes", options: always(faults.NoSuchPlan), body: good, status: 404, code: "CM_NO_SUCH_ROUTING_PLAN", title: "No such routing plan", detail: "The routing plan specified either does not exist or is not in a usable state.", pointer: "/data/attributes/routingPlanId"},
		{when: "the path is unknown", path: "/comms/v1/nothing", body: good, status: 404, code: "CM_NOT_FOUND", title: "Resource not found", detail: "The resource at the requested URI was not found."},
		{when: "the path knows another method", method: "GET", status: 405, code: "CM_NOT_ALLOWED", title: "Method not allowed", detail: "The method at the requested URI was not allowed."},
		{when: "Accept asks for what is not made here", body: good, headers: []string{"Accept", "text/html"}, status: 406, code: "CM_NOT_ACCEPTABLE", title: "Not acceptable", detail: "This service can only generate application/vnd.api+json or application/json.", header: "Accept"},
		{when: "the body has too many bytes", options: Options{Notify: notify.Options{MaxBytes: 100}}, body: good, status: 413, code: "CM_TOO_LARGE", title: "Request too large", detail: "Request message was larger than the service limit", pointer: "/"},
		{when: "there are too many messages", body: wrap(somePlan, "b1", repeatItem(45001, "{}")), status: 413, code: "CM_TOO_MANY_ITEMS", title: "Too many items", detail: "The property at the specified location contains too many items.", pointer: "/data/attributes/messages"},
		{when: "Content-Type is not JSON", body: good, headers: []string{"Content-Type", "text/plain"}, status: 415, code: "CM_UNSUPPORTED_MEDIA", title: "Unsupported media", detail: "Invalid content-type, this API only supports application/vnd.api+json or application/json.", header: "Content-Type"},
		{when: "a batch reference comes again", body: good, twice: true, status: 422, code: "CM_DUPLICATE_REQUEST", title: "Duplicate batch request", detail: "Request exists with identical messageBatchReference", pointer: "/data/attributes/messageBatchReference"},
		{when: "a single's reference comes again", path: "/comms/v1/messages", body: single("m1", 1), twice: true, status: 422, code: "CM_DUPLICATE_REQUEST", title: "Duplicate message request", detail: "Request exists with identical messageReference", pointer: "/data/attributes/messageReference"},
		{when: "the first request is still being processed", body: plan("d895ade5-0029-4fc3-9fb5-86e1e5370854"), status: 425, code: "CM_RETRY_TOO_EARLY", title: "Retried too early", detail: "You have retried this request too early, the previous request is still being processed. Re-send the request after the time (in seconds) specified `Retry-After` header."},
		{when: "the quota is used up", options: Options{QuotaPerMinute: 1, Now: newClock().Now}, body: good, twice: true, status: 429, code: "CM_QUOTA", title: "Too many requests", detail: "Your application, simulated, has exceeded its quota of 1 requests every 1 minute(s) and is being rate limited."},
		{when: "traffic spikes", options: always(faults.Spike429), body: good, status: 429, code: "CM_QUOTA", title: "Too many requests", detail: "Your application, simulated, has created a spike in traffic and is being rate limited. Please reduce the frequency of your requests."},
		{when: "the service fails", body: plan("3bb82e6a-9873-4683-b2b9-fdf33c9ba86f"), status: 500, code: "CM_INTERNAL_SERVER_ERROR", title: "Error processing request", detail: "There was an internal error whilst processing this request."},
		{when: "the plan has no templates", body: plan("c8857ccf-06ec-483f-9b3a-7fc732d9ad48"), status: 500, code: "CM_MISSING_ROUTING_PLAN_TEMPLATE", title: "Templates missing", detail: "The templates required to use the routing plan were not found.", pointer: "/data/attributes/routingPlanId"},
		{when: "the other plan has no templates", body: plan("aeb16ab8-cb9c-4d23-92e9-87c78119175c"), status: 500, code: "CM_MISSING_ROUTING_PLAN_TEMPLATE", title: "Templates missing", detail: "The templates required to use the routing plan were not found.", pointer: "/data/attributes/routingPlanId"},
		{when: "the plan has templates twice", body: plan("a3a4e55d-7a21-45a6-9286-8eb595c872a8"), status: 500, code: "CM_ROUTING_PLAN_DUPLICATE_TEMPLATES", title: "Duplicate templates", detail: "The routing plan specified contains duplicate templates.", pointer: "/data/attributes/routingPlanId"},
		{when: "a downstream service is silent", options: always(faults.BadGateway502), body: good, status: 502, code: "CM_BAD_GATEWAY", title: "Unable to call service", detail: "A downstream service is not responding."},
		{when: "the service is unavailable", options: always(faults.Unavailable503), body: good, status: 503, code: "CM_SERVICE_UNAVAILABLE", title: "The service is currently unavailable", detail: "The service is currently not able to process this request, try again later."},
		{when: "the backend times out", options: always(faults.Gateway504Before), body: good, status: 504, code: "CM_TIMEOUT", title: "Unable to call service", detail: "The downstream service has not responded within the configured timeout period."},
		{when: "the body is null", body: `null`, status: 500, code: "CM_INTERNAL_SERVER_ERROR", title: "Error processing request", detail: "There was an internal error whilst processing this request."},
	}
	if len(rows) != 40 {
		t.Errorf("%d rows, not 40", len(rows))
	}
	for _, row := range rows {
		t.Run(row.when, func(t *testing.T) {
			s := serve(t, row.options)
			path, method := row.path, row.method
			if path == "" {
				path = batchPath
			}
			if method == "" {
				method = "POST"
			}
			got := s.do(method, path, row.body, row.headers...)
			if row.twice {
				got = s.do(method, path, row.body, row.headers...)
			}
			if got.status != row.status {
				t.Fatalf("status %d, want %d: %.300s", got.status, row.status, got.body)
			}
			e := got.errors(t)[0]
			links := linksOfError{About: "https://digital.nhs.uk/developer/api-catalogue/nhs-notify"}
			if row.code == "CM_INVALID_NHS_NUMBER" {
				links.NHSNumbers = "https://www.datadictionary.nhs.uk/attributes/nhs_number.html"
			}
			want := errorItem{ID: got.header.Get("X-Correlation-Id") + ".0", Code: row.code, Links: links, Status: strconv.Itoa(row.status), Title: row.title, Detail: row.detail}
			have := e
			have.Source, have.Meta = sourceOfError{}, nil
			if have != want {
				t.Errorf("got  %+v\nwant %+v", have, want)
			}
			if e.Source != (sourceOfError{Pointer: row.pointer, Header: row.header}) {
				t.Errorf("source %+v", e.Source)
			}
			if (e.Meta != nil) != (row.code == "CM_ROUTING_PLAN_DUPLICATE_TEMPLATES") {
				t.Errorf("meta %v", e.Meta)
			}
			if !row.twice && s.accepted() != 0 {
				t.Error("something was accepted")
			}
		})
	}
}

// The order of the gates: each request fails two neighbours, the first speaks.
// 8 rows.
func TestOrderOfGates(t *testing.T) {
	bad := []string{"Accept", "text/html", "Content-Type", "text/plain"}
	rows := []struct {
		when         string
		options      Options
		method, path string
		headers      []string
		status       int
	}{
		{"no token, banned", Options{Faults: faults.Set{faults.Banned: {Share: 1}}}, "POST", batchPath, []string{"Authorization", "(absent)"}, 401},
		{"banned, over quota", Options{Faults: faults.Set{faults.Banned: {}, faults.Quota429: {Share: 1}}}, "POST", batchPath, nil, 403},
		{"over quota, wrong Accept", Options{Faults: faults.Set{faults.Quota429: {Share: 1}}}, "POST", batchPath, bad, 429},
		{"wrong Accept, wrong Content-Type", Options{}, "POST", batchPath, bad, 406},
		{"wrong Content-Type, unknown path", Options{}, "POST", "/comms/nowhere", bad[2:], 415},
		{"unknown path, and no method would do", Options{}, "DELETE", "/comms/nowhere", nil, 404},
		{"known path, wrong method, body not JSON", Options{}, "PUT", batchPath, nil, 405},
		{"body not JSON, backend broken", Options{Faults: faults.Set{faults.BadGateway502: {Share: 1}}}, "POST", batchPath, nil, 400},
	}
	for _, row := range rows {
		t.Run(row.when, func(t *testing.T) {
			if got := serve(t, row.options).do(row.method, row.path, "nonsense", row.headers...); got.status != row.status {
				t.Errorf("status %d, want %d", got.status, row.status)
			}
		})
	}
}

func TestHeadersOnEveryReply(t *testing.T) {
	s := serve(t, Options{})
	for _, got := range []answer{
		s.post(batch("b1", 0, 1)), s.post("nonsense"), s.do("GET", "/comms/nowhere", ""),
		s.do("GET", "/comms/_ping", "", "Authorization", "(absent)"), s.do("GET", "/comms/_status", ""),
	} {
		if got.header.Get("Cache-Control") != "no-cache, no-store, must-revalidate" || got.header.Get("X-Content-Type-Options") != "nosniff" || !strings.HasPrefix(got.header.Get("X-Correlation-Id"), "rrt-") {
			t.Errorf("status %d: headers %v", got.status, got.header)
		}
		if got.header.Get("X-Cohort-Simulator") != "devel" {
			t.Errorf("status %d: a simulator that does not say what it is: %v", got.status, got.header)
		}
		if got.header.Get("Access-Control-Allow-Origin") != "" || got.header.Get("Location") != "" {
			t.Errorf("status %d: headers that nothing asked for: %v", got.status, got.header)
		}
	}
	got := s.do("POST", batchPath, "nonsense", "X-Correlation-Id", "mine", "Origin", "https://example.org")
	if got.header.Get("X-Correlation-Id") != "mine" || !strings.HasPrefix(got.errors(t)[0].ID, "rrt-") {
		t.Errorf("correlation id %q, error id %q", got.header.Get("X-Correlation-Id"), got.errors(t)[0].ID)
	}
	if got.header.Get("Access-Control-Allow-Origin") != "https://example.org" {
		t.Error("no CORS headers")
	}
	if got := s.do("GET", "/comms/_status", "", "apikey", "k"); got.status != 200 {
		t.Errorf("_status with an apikey: %d", got.status)
	}
	if got := s.do("GET", "/comms/_status", ""); got.status != 401 {
		t.Errorf("_status without an apikey: %d", got.status)
	}
	if got := s.do("HEAD", "/comms/_ping", "", "Authorization", "(absent)"); got.status != 200 || len(got.body) > 0 {
		t.Errorf("HEAD _ping: %d, %d bytes", got.status, len(got.body))
	}
	got = s.do("POST", "/comms/v1/messages", single("m1", 1))
	if location := got.header.Get("Location"); got.status != 201 || !strings.HasPrefix(location, "/v1/messages/") || len(location) != 13+27 {
		t.Errorf("single: status %d, Location %q", got.status, location)
	}
}

// What is taken as Accept and Content-Type. 17 rows.
func TestMediaTypes(t *testing.T) {
	s := serve(t, Options{})
	rows := []struct {
		header, value string
		status        int
		reply         string
	}{
		{"Accept", "(absent)", 400, "application/vnd.api+json"},
		{"Accept", "*/*", 400, "application/vnd.api+json"},
		{"Accept", "application/vnd.api+json", 400, "application/vnd.api+json"},
		{"Accept", "application/json", 400, "application/json"},
		{"Accept", "application/json; charset=utf-8", 400, "application/vnd.api+json"},
		{"Accept", "", 406, "application/vnd.api+json"},
		{"Accept", "application/json; charset=utf-9", 406, "application/vnd.api+json"},
		{"Accept", "text/html, */*", 406, "application/vnd.api+json"},
		{"Content-Type", "application/json", 400, "application/vnd.api+json"},
		{"Content-Type", "application/vnd.api+json", 400, "application/vnd.api+json"},
		{"Content-Type", "application/json; charset=utf-8", 400, "application/vnd.api+json"},
		{"Content-Type", "application/json;charset=UTF-8", 400, "application/vnd.api+json"},
		{"Content-Type", "(absent)", 415, "application/vnd.api+json"},
		{"Content-Type", "application/json; charset=latin1", 415, "application/vnd.api+json"},
		{"Content-Type", "application/x-www-form-urlencoded", 415, "application/vnd.api+json"},
		{"Content-Type", "application/jsonx", 415, "application/vnd.api+json"},
		{"Content-Type", "", 415, "application/vnd.api+json"},
	}
	for _, row := range rows {
		got := s.do("POST", batchPath, "nonsense", row.header, row.value)
		if got.status != row.status || got.header.Get("Content-Type") != row.reply {
			t.Errorf("%s: %q: status %d of type %q, want %d of %q", row.header, row.value, got.status, got.header.Get("Content-Type"), row.status, row.reply)
		}
	}
}

func TestQuotaOpensAgainWithTheNextMinute(t *testing.T) {
	c := newClock()
	s := serve(t, Options{QuotaPerMinute: 2, Now: c.Now})
	for i, want := range []int{400, 400, 429} {
		if got := s.post("x"); got.status != want {
			t.Errorf("request %d: %d, want %d", i, got.status, want)
		} else if want == 429 && got.header.Get("Retry-After") != "60" {
			t.Errorf("Retry-After %q", got.header.Get("Retry-After"))
		}
	}
	c.pass(time.Minute)
	if got := s.post("x"); got.status != 400 {
		t.Errorf("in the next minute: %d", got.status)
	}
}

func TestEveryAnswerNamesTheSimulator(t *testing.T) {
	s := serve(t, Options{Version: "1.2"})
	for _, path := range []string{"/oauth2/token", "/comms/_ping", "/nhs-app/_ping", "/nhs-app/communication/report/receipts/FHIR/R4/Task", "/_simulator/stats", "/_simulator/ledger", "/nowhere"} {
		if got := s.do("GET", path, ""); got.header.Get("X-Cohort-Simulator") != "1.2" {
			t.Errorf("%s: status %d, headers %v", path, got.status, got.header)
		}
	}
}
