package simulator

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"cohort/sinks/simulator/notify"
)

// The validator's answers to odd bodies; "" when it passes. 62 rows.
func TestValidatorQuirks(t *testing.T) {
	one := func(message string) string { return wrap(somePlan, "b", message) }
	person := func(recipient string) string {
		return one(`{"messageReference":"r","recipient":` + recipient + `}`)
	}
	with := func(more string) string { return one(`{"messageReference":"r","recipient":{},` + more + `}`) }
	named := func(reference string) string { return one(`{"messageReference":` + reference + `,"recipient":{}}`) }
	batchNamed := func(reference string) string {
		return `{"data":{"type":"MessageBatch","attributes":{"routingPlanId":"` + somePlan + `","messageBatchReference":` + reference + `,"messages":[{"messageReference":"r","recipient":{}}]}}}`
	}
	planned := func(plan string) string {
		return strings.Replace(one(`{"messageReference":"r","recipient":{}}`), `"`+somePlan+`"`, plan, 1)
	}
	const (
		ref = " /data/attributes/messages/0/messageReference"
		nhs = " /data/attributes/messages/0/recipient/nhsNumber"
		ods = " /data/attributes/messages/0/originator/odsCode"
	)
	rows := []struct{ when, body, want string }{
		{"a body that is not JSON", `{"data"`, "CM_INVALID_VALUE /"},
		{"an empty body", ``, "CM_INVALID_VALUE /"},
		{"a body with a byte order mark", "\uFEFF" + one(item(1)), "CM_INVALID_VALUE /"},
		{"a body with something after it", one(item(1)) + "x", "CM_INVALID_VALUE /"},
		{"the body null passes", `null`, ""},
		{"the body 0 passes", `0`, ""},
		{"the body -0.0e9 passes", ` -0.0e9 `, ""},
		{"the body \"\" passes", `""`, ""},
		{"the body false passes", `false`, ""},
		{"the body 1 has no data", `1`, "CM_MISSING_VALUE /data"},
		{"the body true has no data", `true`, "CM_MISSING_VALUE /data"},
		{"an array has no data", `[]`, "CM_MISSING_VALUE /data"},
		{"data of another case is not data", `{"Data":{}}`, "CM_MISSING_VALUE /data"},
		{"data that is a string", `{"data":"x"}`, "CM_INVALID_VALUE /data"},
		{"data that is empty", `{"data":{}}`, "CM_MISSING_VALUE /data/type, CM_MISSING_VALUE /data/attributes"},
		{"type of another case", strings.Replace(one(item(1)), "MessageBatch", "messagebatch", 1), "CM_INVALID_VALUE /data/type"},
		{"type null", strings.Replace(one(item(1)), `"MessageBatch"`, "null", 1), "CM_NULL_VALUE /data/type"},
		{"empty attributes, in document order", `{"data":{"type":"MessageBatch","attributes":{}}}`, "CM_MISSING_VALUE /data/attributes/routingPlanId, CM_MISSING_VALUE /data/attributes/messageBatchReference, CM_MISSING_VALUE /data/attributes/messages"},
		{"attributes null", `{"data":{"type":"MessageBatch","attributes":null}}`, "CM_NULL_VALUE /data/attributes"},
		{"a plan id in capitals passes", planned(`"` + strings.ToUpper(somePlan) + `"`), ""},
		{"a plan id of any version passes", planned(`"00000000-0000-0000-0000-000000000001"`), ""},
		{"a plan id without dashes", planned(`"` + strings.ReplaceAll(somePlan, "-", "") + `"`), "CM_INVALID_VALUE /data/attributes/routingPlanId"},
		{"a plan id that is null", planned(`null`), "CM_NULL_VALUE /data/attributes/routingPlanId"},
		{"a plan id that is a number", planned(`7`), "CM_INVALID_VALUE /data/attributes/routingPlanId"},
		{"a batch reference that is blank", batchNamed(`" \t\u00a0\ufeff"`), "CM_INVALID_VALUE /data/attributes/messageBatchReference"},
		{"a batch reference of a next-line passes", batchNamed(`"\u0085"`), ""},
		{"a batch reference of 5,000 letters passes", batchNamed(`"` + strings.Repeat("x", 5000) + `"`), ""},
		{"a batch reference that is a number", batchNamed(`1`), "CM_INVALID_VALUE /data/attributes/messageBatchReference"},
		{"messages null", strings.Replace(wrap(somePlan, "b"), "[]", "null", 1), "CM_NULL_VALUE /data/attributes/messages"},
		{"messages an object", strings.Replace(wrap(somePlan, "b"), "[]", "{}", 1), "CM_INVALID_VALUE /data/attributes/messages"},
		{"messages empty", wrap(somePlan, "b"), "CM_TOO_FEW_ITEMS /data/attributes/messages"},
		{"45,001 messages are not inspected", wrap("bad", "b", repeatItem(45001, "7")), "CM_INVALID_VALUE /data/attributes/routingPlanId, CM_TOO_MANY_ITEMS /data/attributes/messages"},
		{"a message that is null", one(`null`), "CM_NULL_VALUE /data/attributes/messages/0"},
		{"a message that is an array", one(`[]`), "CM_INVALID_VALUE /data/attributes/messages/0"},
		{"an empty message", one(`{}`), "CM_MISSING_VALUE" + ref + ", CM_MISSING_VALUE /data/attributes/messages/0/recipient"},
		{"errors in document order whatever the order of keys", one(`{"personalisation":null,"recipient":null,"messageReference":null}`), "CM_NULL_VALUE" + ref + ", CM_NULL_VALUE /data/attributes/messages/0/recipient, CM_NULL_VALUE /data/attributes/messages/0/personalisation"},
		{"a blank reference", named(`"  "`), "CM_INVALID_VALUE" + ref},
		{"a reference that is a number", named(`1`), "CM_INVALID_VALUE" + ref},
		{"r1 and r1-with-a-space differ", wrap(somePlan, "b", `{"messageReference":"r1","recipient":{}}`, `{"messageReference":"r1 ","recipient":{}}`), ""},
		{"an escaped spelling is the same reference", wrap(somePlan, "b", `{"messageReference":"r1","recipient":{}}`, `{"messageReference":"\u00721","recipient":{}}`), "CM_DUPLICATE_VALUE /data/attributes/messages/1/messageReference"},
		{"the third of a kind is told too", wrap(somePlan, "b", item(1), item(1), item(1)), "CM_DUPLICATE_VALUE /data/attributes/messages/1/messageReference, CM_DUPLICATE_VALUE /data/attributes/messages/2/messageReference"},
		{"constructor is a duplicate at first use", named(`"constructor"`), "CM_DUPLICATE_VALUE" + ref},
		{"toString is a duplicate at first use", named(`"toString"`), "CM_DUPLICATE_VALUE" + ref},
		{"__proto__ is a duplicate at first use", named(`"__proto__"`), "CM_DUPLICATE_VALUE" + ref},
		{"of a repeated key the last wins", one(`{"messageReference":null,"recipient":7,"messageReference":"r","recipient":{}}`), ""},
		{"an empty recipient passes", person(`{}`), ""},
		{"an NHS number null", person(`{"nhsNumber":null}`), "CM_NULL_VALUE" + nhs},
		{"an NHS number that is a JSON number", person(`{"nhsNumber":9990548609}`), "CM_INVALID_NHS_NUMBER" + nhs},
		{"an NHS number with spaces", person(`{"nhsNumber":"999 054 8609"}`), "CM_INVALID_NHS_NUMBER" + nhs},
		{"an NHS number that is empty", person(`{"nhsNumber":""}`), "CM_INVALID_NHS_NUMBER" + nhs},
		{"an NHS number with a check digit of ten", person(`{"nhsNumber":"1234567890"}`), "CM_INVALID_NHS_NUMBER" + nhs},
		{"ten zeros pass", person(`{"nhsNumber":"0000000000"}`), ""},
		{"ten ones pass", person(`{"nhsNumber":"1111111111"}`), ""},
		{"an originator null", with(`"originator":null`), "CM_NULL_VALUE /data/attributes/messages/0/originator"},
		{"an originator that is a string", with(`"originator":"X26"`), "CM_INVALID_VALUE /data/attributes/messages/0/originator"},
		{"an empty originator passes", with(`"originator":{}`), ""},
		{"a null odsCode is invalid, not null", with(`"originator":{"odsCode":null}`), "CM_INVALID_VALUE" + ods},
		{"an odsCode that is a number", with(`"originator":{"odsCode":1}`), "CM_INVALID_VALUE" + ods},
		{"an empty odsCode passes", with(`"originator":{"odsCode":""}`), ""},
		{"personalisation that is an array", with(`"personalisation":[]`), "CM_INVALID_VALUE /data/attributes/messages/0/personalisation"},
		{"personalisation of any values passes", with(`"personalisation":{"a":null,"b":[{"c":"}\\\"]"}]}`), ""},
		{"unknown keys and a billing reference of any type pass", with(`"extra":[1,2],"billingReference":7`), ""},
	}
	if len(rows) != 62 {
		t.Errorf("%d rows, not 62", len(rows))
	}
	s := serve(t, Options{})
	for _, row := range rows {
		t.Run(row.when, func(t *testing.T) {
			if got := s.refusals(batchPath, row.body); got != row.want {
				t.Errorf("got  %s\nwant %s", got, row.want)
			}
		})
	}
}

// refusals are the validator's errors of a body, code and pointer each; empty when it passes.
func (s *service) refusals(path, body string) string {
	got := s.do("POST", path, body, "Content-Type", plainJSON)
	if got.status != 400 && got.status != 413 {
		return ""
	}
	var list []string
	for _, e := range got.errors(s.t) {
		list = append(list, e.Code+" "+e.Source.Pointer)
	}
	return strings.Join(list, ", ")
}

func TestStatusIsThatOfTheFirstError(t *testing.T) {
	s := serve(t, Options{})
	got := s.post(wrap("bad", "b", repeatItem(45001, "7")))
	list := got.errors(t)
	if got.status != 400 || len(list) != 2 || list[1].Status != "413" {
		t.Errorf("status %d, errors %+v", got.status, list)
	}
}

func TestAtMostTheFirstHundredErrors(t *testing.T) {
	s := serve(t, Options{})
	got := s.post(wrap(somePlan, "b", item(1), repeatItem(140, "{}")))
	list := got.errors(t)
	if len(list) != 100 {
		t.Fatalf("%d errors", len(list))
	}
	for n, e := range list {
		if want := fmt.Sprintf("%s.%d", got.header.Get("X-Correlation-Id"), n); e.ID != want {
			t.Fatalf("id %q, want %q", e.ID, want)
		}
	}
	if list[99].Source.Pointer != "/data/attributes/messages/50/recipient" {
		t.Errorf("the last is %s", list[99].Source.Pointer)
	}
}

// A single message: the same checks at shorter pointers. 6 rows.
func TestSingleMessagePointers(t *testing.T) {
	s := serve(t, Options{})
	for _, row := range []struct{ when, attributes, want string }{
		{"nothing at all", `{}`, "CM_MISSING_VALUE /data/attributes/routingPlanId, CM_MISSING_VALUE /data/attributes/messageReference, CM_MISSING_VALUE /data/attributes/recipient"},
		{"a bad number", `{"routingPlanId":"` + somePlan + `","messageReference":"m","recipient":{"nhsNumber":"1"}}`, "CM_INVALID_NHS_NUMBER /data/attributes/recipient/nhsNumber"},
		{"a null odsCode", `{"routingPlanId":"` + somePlan + `","messageReference":"m","recipient":{},"originator":{"odsCode":null}}`, "CM_INVALID_VALUE /data/attributes/originator/odsCode"},
		{"personalisation null", `{"routingPlanId":"` + somePlan + `","messageReference":"m","recipient":{},"personalisation":null}`, "CM_NULL_VALUE /data/attributes/personalisation"},
		{"a reference every object has passes", `{"routingPlanId":"` + somePlan + `","messageReference":"constructor","recipient":{}}`, ""},
		{"attributes a list", `[]`, "CM_INVALID_VALUE /data/attributes"},
	} {
		if got := s.refusals("/comms/v1/messages", `{"data":{"type":"Message","attributes":`+row.attributes+`}}`); got != row.want {
			t.Errorf("%s:\ngot  %s\nwant %s", row.when, got, row.want)
		}
	}
}

// The backend's checks of contactDetails, for an approved account. 22 rows.
func TestContactDetails(t *testing.T) {
	s := serve(t, Options{Notify: notify.Options{ContactDetails: true}})
	const base = "/data/attributes/messages/0/recipient/contactDetails"
	for i, row := range []struct {
		contact string
		want    []string // detail and end of the pointer, in turn
	}{
		{`{"sms":"07700900000","email":"a@example.org","address":{"lines":["1","2"],"postcode":"LS1 4AP"},"name":{"lastName":"X"}}`, nil},
		{`null`, nil},
		{`{"sms":1}`, []string{"'sms' is not a string", "/sms"}},
		{`{"email":"a@b.cd"}`, nil},
		{`{"email":"a@b.c"}`, []string{"The property at the specified location does not allow this value.", "/email"}},
		{`{"email":"` + strings.Repeat("é", 85) + `@b.uk"}`, nil},
		{`{"email":"` + strings.Repeat("é", 86) + `@b.uk"}`, []string{"The property at the specified location does not allow this value.", "/email"}},
		{`{"address":{"lines":["1"],"postcode":"LS1 4AP"}}`, []string{"Too few address lines were provided", "/address"}},
		{`{"address":{"postcode":"LS1 4AP"}}`, []string{"'lines' is not a string array", "/address"}},
		{`{"address":{"lines":["1","2"]}}`, []string{"'postcode' is not a string", "/address"}},
		{`{"address":{"lines":["1","2","3","4","5"],"postcode":"LS1 4AP"}}`, nil},
		{`{"name":{"firstName":"X"}}`, []string{"'lastName' is not a string", "/name"}},
		{`{"name":{"lastName":""}}`, []string{"'lastName' is not a string", "/name"}},
		{`{"email":{}}`, []string{"'email' is not a string", "/email"}},
		{`{"address":{"lines":"x"}}`, []string{"'lines' is not a string array", "/address"}},
		{`{"address":{"lines":["x",1]}}`, []string{"'lines' is not a string array", "/address"}},
		{`{"address":{"lines":["1","2","3","4","5","6"]}}`, []string{"Too many address lines were provided", "/address"}},
		{`{"address":{"lines":["1","2"],"postcode":5}}`, []string{"'postcode' is not a string", "/address"}},
		{`{"address":["x"]}`, []string{"Invalid", "/address"}},
		{`{"name":{"firstName":1}}`, []string{"'firstName' is not a string", "/name"}},
		{`{"name":"X"}`, []string{"Invalid", "/name"}},
		{`{"sms":1,"name":{"suffix":1}}`, []string{"'sms' is not a string", "/sms", "'suffix' is not a string", "/name"}},
	} {
		got := s.post(wrap(somePlan, fmt.Sprint("b", i), `{"messageReference":"r","recipient":{"contactDetails":`+row.contact+`}}`))
		if row.want == nil {
			if got.status != 201 {
				t.Errorf("%s: status %d: %s", row.contact, got.status, got.body)
			}
			continue
		}
		var have []string
		for _, e := range got.errors(t) {
			if e.Code != "CM_INVALID_VALUE" || e.Title != "Invalid value" {
				t.Errorf("%s: %+v", row.contact, e)
			}
			have = append(have, e.Detail, strings.TrimPrefix(e.Source.Pointer, base))
		}
		if got.status != 400 || !slices.Equal(have, row.want) {
			t.Errorf("%s: status %d, %q, want %q", row.contact, got.status, have, row.want)
		}
	}
}
