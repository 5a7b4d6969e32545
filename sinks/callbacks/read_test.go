package callbacks

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"cohort/engine/delivery"
)

func at(text string) time.Time {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	return t.UTC()
}

const (
	links = `"links":{"message":"/v1/messages/m1"},"meta":{"idempotencyKey":"k1"}`

	// the smallest item of each type, and one with everything that is documented
	leastMessage = `{"type":"MessageStatus","attributes":{"messageId":"m1","messageReference":"r1","messageStatus":"sending","timestamp":"2026-11-21T08:00:00Z"}}`
	fullMessage  = `{"type":"MessageStatus","attributes":{"messageId":"m1","messageReference":"r1","messageStatus":"Failed","messageStatusDescription":" No contact details ","messageFailureReasonCode":"MFR_PDSV_0002","channels":[],"timestamp":"2026-11-21T09:00:00.123+01:00","routingPlan":{"id":"p","name":"n","version":"v7","createdDate":"2026-01-01T00:00:00Z"},"metadata":[{"queriedAt":"2026-11-21T08:00:00Z","source":"pds","version":"1"}]},` + links + `}`
	leastChannel = `{"type":"ChannelStatus","attributes":{"messageId":"m1","messageReference":"r1","channel":"nhsapp","channelStatus":"delivered","timestamp":"2026-11-21T08:00:00Z","retryCount":0}}`
	fullChannel  = `{"type":"ChannelStatus","attributes":{"messageId":"m1","messageReference":"r1","cascadeType":"secondary","cascadeOrder":2,"channel":"SMS","channelStatus":"failed","channelStatusDescription":"Supplier failure","channelFailureReasonCode":"CFR_SUPE_0007","supplierStatus":"permanent_failure","timestamp":"2026-11-21T08:00:00Z","retryCount":1,"metadata":[]},` + links + `}`
	aResponse    = `{"type":"RecipientResponse","attributes":{"messageId":"m1","messageReference":"r1","cascadeType":"primary","channel":"nhsapp","channelStatus":"delivered","channelFailureReasonCode":"CFR_1","code":"YES","responseId":"33333333-3333-4333-8333-333333333333","authoredAt":"2026-01-15T10:30:00Z","timestamp":"2026-01-15T10:30:05Z"},"links":{"recipientResponse":"https://a"},"meta":{"idempotencyKey":"k1"}}`
)

func TestReadNotify(t *testing.T) {
	message := delivery.Event{Source: delivery.Callback, Kind: delivery.OfMessage, Reference: "r1", MessageID: "m1", Status: "sending", At: at("2026-11-21T08:00:00Z")}
	channel := delivery.Event{Source: delivery.Callback, Kind: delivery.OfChannel, Reference: "r1", MessageID: "m1", Channel: "nhsapp", Status: "delivered", At: at("2026-11-21T08:00:00Z")}
	with := func(e delivery.Event, change func(*delivery.Event)) delivery.Event {
		change(&e)
		return e
	}
	raw := func(text string) func(*delivery.Event) { return func(e *delivery.Event) { e.Raw = []byte(text) } }
	unknown := delivery.Event{Source: delivery.Callback, Kind: delivery.OfUnknown}
	replace := strings.Replace
	for _, test := range []struct {
		name, item string
		want       delivery.Event
	}{
		{"a small message", leastMessage, message},
		{"a whole message", fullMessage, with(message, func(e *delivery.Event) {
			e.Status, e.Reason, e.Code, e.RoutingVersion, e.Key, e.At = "failed", "No contact details", "MFR_PDSV_0002", "v7", "k1", at("2026-11-21T08:00:00.123Z")
		})},
		{"a small channel", leastChannel, channel},
		{"a whole channel", fullChannel, with(channel, func(e *delivery.Event) {
			e.Cascade, e.Order, e.Channel, e.Status, e.Reason, e.Code = "secondary", 2, "sms", "failed", "Supplier failure", "CFR_SUPE_0007"
			e.Supplier, e.Key = "permanent_failure", "k1"
		})},
		{"a null", replace(leastMessage, `"timestamp"`, `"messageFailureReasonCode":null,"timestamp"`, 1), message},
		{"an unknown status", replace(leastMessage, "sending", "teleported", 1), with(message, func(e *delivery.Event) { e.Status = "teleported" })},

		// what an event does not hold is in Raw
		{"a new attribute", replace(leastMessage, `"timestamp"`, `"mood":"good","timestamp"`, 1),
			with(message, raw(replace(leastMessage, `"timestamp"`, `"mood":"good","timestamp"`, 1)))},
		{"a new member", replace(leastMessage, `"type"`, `"new":1,"type"`, 1), with(message, raw(replace(leastMessage, `"type"`, `"new":1,"type"`, 1)))},
		{"a new member of the plan", `{"type":"MessageStatus","attributes":{"messageId":"m1","messageReference":"r1","messageStatus":"sending","timestamp":"2026-11-21T08:00:00Z","routingPlan":{"a":1}}}`,
			with(message, raw(`{"type":"MessageStatus","attributes":{"messageId":"m1","messageReference":"r1","messageStatus":"sending","timestamp":"2026-11-21T08:00:00Z","routingPlan":{"a":1}}}`))},
		{"an attribute of another type", replace(leastChannel, `"retryCount":0`, `"cascadeOrder":"2","supplierStatus":"read"`, 1),
			with(channel, func(e *delivery.Event) {
				e.Raw, e.Supplier = []byte(replace(leastChannel, `"retryCount":0`, `"cascadeOrder":"2","supplierStatus":"read"`, 1)), "read"
			})},
		{"a time that cannot be read", replace(leastMessage, "2026-11-21T08:00:00Z", "yesterday", 1), with(message, func(e *delivery.Event) {
			e.Raw, e.At = []byte(replace(leastMessage, "2026-11-21T08:00:00Z", "yesterday", 1)), time.Time{}
		})},
		{"no reference", replace(leastMessage, `"messageReference":"r1",`, "", 1), with(message, func(e *delivery.Event) {
			e.Raw, e.Reference = []byte(replace(leastMessage, `"messageReference":"r1",`, "", 1)), ""
		})},

		// what is not understood still has its ids
		{"no status", replace(leastMessage, `"messageStatus":"sending",`, "", 1), with(unknown, func(e *delivery.Event) {
			e.Reference, e.MessageID, e.At, e.Raw = "r1", "m1", message.At, []byte(replace(leastMessage, `"messageStatus":"sending",`, "", 1))
		})},
		{"another type", replace(fullMessage, "MessageStatus", "Moon", 1), with(unknown, func(e *delivery.Event) {
			e.Reference, e.MessageID, e.Key, e.Raw = "r1", "m1", "k1", []byte(replace(fullMessage, "MessageStatus", "Moon", 1))
		})},
		{"a response at this path", aResponse, with(unknown, func(e *delivery.Event) {
			e.Reference, e.MessageID, e.Key, e.Raw = "r1", "m1", "k1", []byte(aResponse)
		})},
		{"a number", "7", with(unknown, raw("7"))},
		{"null", "null", with(unknown, raw("null"))},
	} {
		got := readStatuses([]byte(`{"data":[` + test.item + `]}`))
		if len(got) != 1 || !reflect.DeepEqual(got[0], test.want) {
			t.Errorf("%s:\ngot  %+v\nwant %+v", test.name, got, test.want)
		}
	}

	response := delivery.Event{
		Source: delivery.Callback, Kind: delivery.OfResponse, Reference: "r1", MessageID: "m1", Channel: "nhsapp", Cascade: "primary", Answer: "YES",
		Key: "33333333-3333-4333-8333-333333333333", At: at("2026-01-15T10:30:00Z"),
	}
	if got := readResponses([]byte(`{"data":[` + aResponse + `]}`)); !reflect.DeepEqual(got, []delivery.Event{response}) {
		t.Errorf("a response: %+v", got)
	}
	if got := readResponses([]byte(`{"data":[` + leastMessage + `]}`)); got[0].Kind != delivery.OfUnknown || got[0].Raw == nil {
		t.Errorf("a message at the path of responses: %+v", got)
	}
}

// The channel that delivered a message is in its event. What several channels did is in Raw.
func TestTheChannelsOfAMessage(t *testing.T) {
	for channels, want := range map[string]struct {
		channel string
		raw     bool
	}{
		`[]`: {"", false},
		`[{"type":"NHSAPP","channelStatus":"delivered"}]`:                                         {"nhsapp", false},
		`[{"type":"nhsapp","channelStatus":"failed"}]`:                                            {"", true},
		`[{"type":"nhsapp","channelStatus":"failed"},{"type":"sms","channelStatus":"delivered"}]`: {"", true},
		`[{"type":"sms","channelStatus":"delivered"},{"type":"nhsapp","channelStatus":"failed"}]`: {"sms", true},
		`[{"type":"sms","channelStatus":"delivered","new":1}]`:                                    {"sms", true},
	} {
		got := readStatuses([]byte(`{"data":[` + strings.Replace(leastMessage, `"timestamp"`, `"channels":`+channels+`,"timestamp"`, 1) + `]}`))
		if len(got) != 1 || got[0].Channel != want.channel || (got[0].Raw != nil) != want.raw || got[0].Kind != delivery.OfMessage {
			t.Errorf("%s: %+v", channels, got)
		}
	}
}

// Every item of a body counts, and a body that is more than its items, or less, is kept.
func TestBodies(t *testing.T) {
	for body, want := range map[string]struct {
		events int
		whole  bool // the last event has the whole body
	}{
		`{"data":[` + leastMessage + `,` + fullChannel + `,7]}`: {3, false},
		` {"data":[` + leastMessage + `]} ` + "\n":              {1, false},
		`{"data":[` + leastMessage + `]}{}`:                     {1, true},
		`{"data":[` + leastMessage + `],"new":1}`:               {2, true},
		`{"data":[]}`:                   {1, true},
		`{"data":` + leastMessage + `}`: {1, false},
		`{"data":"x"}`:                  {1, false},
		`{}`:                            {1, true},
		`null`:                          {1, true},
		`[` + leastMessage + `]`:        {1, true},
		`{"data":[` + leastMessage:      {1, true},
		"\xff\xfe\x00":                  {1, true},
		"":                              {1, true},
	} {
		got := readStatuses([]byte(body))
		if len(got) != want.events || (string(got[len(got)-1].Raw) == body && body != "7") != want.whole {
			t.Errorf("%q: %d events, %q", body, len(got), got[len(got)-1].Raw)
		}
	}
}

const (
	messageIDs = `"identifier":[{"system":"https://fhir.nhs.uk/NHSApp/campaign-id","value":"c"},{"system":"https://fhir.nhs.uk/NHSApp/request-id","value":"r1"},{"system":"http://fhir.nhs.uk/Id/nhs-app-communication-id","value":"8F7EC136-66eb-4a9e-97ca-5c7a53d2710c"}]`
	rejected   = `{"resourceType":"Task","id":"t1","intent":"order",` + messageIDs + `,"status":"rejected","statusReason":{"text":"NHS number not found"},"code":{"coding":[{"system":"https://fhir.nhs.uk/CodeSystem/NHSApp-Communication-Status","code":"Rejected"}]},"authoredOn":"2021-08-05T13:20:52+00:00","lastModified":"2021-08-05T13:22:52+00:00"}`
	// as in the service's own example, with the blank
	keyword = `{"resourceType":"CommunicationRequest","contained":[{"resourceType":"QuestionnaireResponse","id":"answers","status":"completed","authored":"2022-08-16T13:31:42+00:00","item":[{"linkId":"1","answer":[{"valueCoding":{"code":"SMOKE"}}]}]}],"status":"completed","basedOn":[{"identifier":{"system":"https://fhir.nhs.uk/Id/nhs-app-communication-id","value":" 8f7ec136-66eb-4a9e-97ca-5c7a53d2710c"}}],"identifier":[{"system":"https://fhir.nhs.uk/NHSApp/request-id","value":"r1"}],"payload":[{"contentReference":{"reference":"#answers"}}],"recipient":[{"type":"Organization","identifier":{"system":"https://fhir.nhs.uk/Id/ods-organization-code","value":"B82041"}}],"requester":{"type":"Patient","identifier":{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9434765919"}},"authoredOn":"2022-08-15T16:31:42+00:00"}`
)

func TestReadReceipts(t *testing.T) {
	want := delivery.Event{
		Source: delivery.Receipt, Kind: delivery.OfMessage, Channel: "nhsapp", Reference: "r1", MessageID: "8f7ec136-66eb-4a9e-97ca-5c7a53d2710c",
		Status: "rejected", Reason: "NHS number not found", At: at("2021-08-05T13:22:52Z"), Key: "t1",
	}
	for change, status := range map[[2]string]string{
		{"", ""}: "rejected",
		{`{"text":"NHS number not found"}`, `"NHS number not found"`}: "rejected",
		{`"Rejected"`, `"NotificationAttempted"`}:                     "notification_attempted",
		{`"Rejected"`, `"Read"`}:                                      "read",
		{`"Rejected"`, `"Teleported"`}:                                "teleported",
	} {
		want.Status = status
		if got := readReceipt([]byte(strings.Replace(rejected, change[0], change[1], 1))); !reflect.DeepEqual(got, []delivery.Event{want}) {
			t.Errorf("%q:\ngot  %+v\nwant %+v", change[1], got, want)
		}
	}
	for _, change := range [][2]string{
		{`"intent"`, `"focus":{"reference":"x"},"intent"`}, {`"text"`, `"words"`}, {"2021-08-05T13:22:52+00:00", "soon"},
		{"NHSApp/request-id", "NHSApp/else"}, {`{"text":"NHS number not found"}`, `[1]`},
	} {
		body := strings.Replace(rejected, change[0], change[1], 1)
		if got := readReceipt([]byte(body)); len(got) != 1 || got[0].Kind != delivery.OfMessage || !json.Valid(got[0].Raw) || got[0].MessageID != want.MessageID {
			t.Errorf("%q: %+v", change[1], got)
		}
	}
	for _, body := range []string{strings.Replace(rejected, "Task", "Moon", 1), strings.Replace(rejected, `"code":"Rejected"`, `"x":1`, 1), "no JSON", "", "[]"} {
		if got := readReceipt([]byte(body)); len(got) != 1 || got[0].Kind != delivery.OfUnknown || body != "" && len(got[0].Raw) == 0 {
			t.Errorf("%s: %+v", body, got)
		}
	}
}

func TestReadReplies(t *testing.T) {
	want := delivery.Event{
		Source: delivery.Callback, Kind: delivery.OfResponse, Channel: "nhsapp", Reference: "r1", MessageID: "8f7ec136-66eb-4a9e-97ca-5c7a53d2710c",
		Answer: "SMOKE", At: at("2022-08-16T13:31:42Z"),
	}
	if got := readReply([]byte(keyword)); !reflect.DeepEqual(got, []delivery.Event{want}) {
		t.Errorf("a choice:\ngot  %+v\nwant %+v", got, want)
	}
	want.Answer = ""
	const choice = `[{"valueCoding":{"code":"SMOKE"}}]`
	for _, text := range []string{`"I smoke, 9434765919"`, `[{"valueString":"I smoke, 943 476 5919"}]`} {
		if got := readReply([]byte(strings.Replace(keyword, choice, text, 1))); !reflect.DeepEqual(got, []delivery.Event{want}) {
			t.Errorf("%s: %+v", text, got)
		}
	}
}

// No event of the NHS App has the person's number, name or words.
func TestNoPersonIsInAnEvent(t *testing.T) {
	spoken := strings.NewReplacer(`"type":"Patient"`, `"display":"Philomena Canary"`, `[{"valueCoding":{"code":"SMOKE"}}]`, `"Philomena smokes"`).Replace(keyword)
	for _, body := range []string{
		keyword, spoken,
		strings.Replace(spoken, `"status"`, `"new":1,"status"`, 1),
		strings.Replace(spoken, `"resourceType"`, `"subject":{"display":"Philomena"},"resourceType"`, 1),
		strings.Replace(spoken, "CommunicationRequest", "Moon", 1),
		strings.ReplaceAll(strings.Replace(keyword, `"status"`, `"new":"943 476 5919","status"`, 1), "SMOKE", "943-476-5919"),
		keyword[:len(keyword)-1], `"9434765919"`,
		strings.Replace(rejected, "NHS number not found", "9434765919 not found", 1),
		strings.Replace(rejected, `"intent"`, `"for":{"display":"Philomena","identifier":{"value":"9434765919"}},"intent"`, 1),
	} {
		for _, read := range []func([]byte) []delivery.Event{readReply, readReceipt} {
			for _, e := range read([]byte(body)) {
				text := string(delivery.Append(nil, &e))
				for _, canary := range []string{"9434765919", "943 476 5919", "943-476-5919", "Philomena"} {
					if strings.Contains(text, canary) {
						t.Errorf("%s is in the event of %s", canary, body)
					}
				}
			}
		}
	}
	if !strings.Contains(string(delivery.Append(nil, &delivery.Event{Raw: []byte(keyword)})), "9434765919") {
		t.Error("the search would find nothing")
	}
}

// No body makes a reader panic, and none is lost.
func FuzzBodies(f *testing.F) {
	for _, body := range []string{leastMessage, fullMessage, fullChannel, aResponse, rejected, keyword, delivered, "{}", ""} {
		f.Add([]byte(body))
		f.Add([]byte(`{"data":[` + body + `]}`))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for path, way := range ways {
			events := way.read(body)
			if len(events) == 0 {
				t.Fatalf("%s: no event", path)
			}
			for _, e := range events {
				if e.Kind == delivery.OfUnknown && len(body) > 0 && len(e.Raw) == 0 {
					t.Fatalf("%s: an unknown event without its bytes", path)
				}
			}
		}
	})
}

// A body with very many items is kept as it is: events of them would take hundreds of times its memory.
func TestABodyOfVeryManyItems(t *testing.T) {
	body := func(items int) []byte { return []byte(`{"data":[` + strings.Repeat("{},", items-1) + `{}]}`) }
	if got := readStatuses(body(mostItems)); len(got) != mostItems {
		t.Errorf("%d items are %d events", mostItems, len(got))
	}
	many := body(mostItems + 1)
	want := []delivery.Event{{Source: delivery.Callback, Kind: delivery.OfUnknown, Raw: many}}
	if got := readStatuses(many); !reflect.DeepEqual(got, want) {
		t.Errorf("%d items are %d events", mostItems+1, len(got))
	}
	largest := body(mostBody/3 - 10)
	if grown := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for range b.N {
			readStatuses(largest)
		}
	}).AllocedBytesPerOp(); grown > 4*mostBody {
		t.Errorf("a body of %d bytes takes %d", len(largest), grown)
	}
}
