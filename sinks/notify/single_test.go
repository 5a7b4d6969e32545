package notify

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"cohort/engine"
	"cohort/ingest/person"
	"cohort/sinks/simulator"
	"cohort/sinks/simulator/faults"
)

func single(o Options) Options {
	o.Single, o.Limits.Messages = true, 1
	return o
}

func TestASingleMessageFollowsTheContract(t *testing.T) {
	o := single(options(t, "http://service.example", ""))
	o.ODSCode, o.Fields = "X26", []Field{{"body", template(t, "Dear ((given))", "given")}}
	s := New(o)
	message := run.References().Message(7)
	people := []person.Recipient{{Row: 7, Number: 9990000018, Fields: []string{"Zoë"}}}
	got := encode(s, run.References().Batch(0, 3, 0, 0), []engine.Reference{message}, people)
	want := `{"data":{"type":"Message","attributes":{"routingPlanId":"` + plan + `","messageReference":"` + message.String() + `","recipient":{"nhsNumber":"9990000018"},"originator":{"odsCode":"X26"},"personalisation":{"body":"Dear Zoë"}}}}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	// The name of the request is cohort's own: it is not among the bytes.
	if other := encode(s, run.References().Batch(1, 4, 2, 1), []engine.Reference{message}, people); string(other) != want {
		t.Errorf("another form of the batch makes other bytes: %s", other)
	}
}

func TestTheAnswerToASingleMessage(t *testing.T) {
	message := run.References().Message(1).String()
	created := func(id, reference string) string {
		return fmt.Sprintf(`{"data":{"type":"Message","id":%s,"attributes":{"messageReference":%s,"messageStatus":"created","timestamps":{"created":"2026-01-01T00:00:00.000Z"},"routingPlan":{"id":"x","name":"n"}},"links":{"self":"/v1/messages/1"},"later":[1,null]},"more":{}}`, id, reference)
	}
	const id = `"2WL3qFTEFM0qMY8xjRbt1LIKCzM"`
	for _, test := range []struct {
		sentence, body string
		accepted       bool
	}{
		{"as the contract has it", created(id, `"`+message+`"`), true},
		{"members in another order", `{"data":{"attributes":{"messageReference":"` + message + `"},"id":` + id + `}}`, true},
		{"another message", created(id, `"`+run.References().Message(2).String()+`"`), false},
		{"no reference", created(id, `null`), false},
		{"an id that is a number", created(`1`, `"`+message+`"`), false},
		{"an empty id", created(`""`, `"`+message+`"`), false},
		{"an id with a control character", created(`"2WL3\u001b[2J"`, `"`+message+`"`), false},
		{"an id with a line break", created(`"2WL3\n4"`, `"`+message+`"`), false},
		{"no id", `{"data":{"attributes":{"messageReference":"` + message + `"}}}`, false},
		{"two ids", `{"data":{"id":` + id + `,"id":` + id + `,"attributes":{"messageReference":"` + message + `"}}}`, false},
		{"an id too long", created(`"`+strings.Repeat("x", 65)+`"`, `"`+message+`"`), false},
		{"cut off", created(id, `"`+message+`"`)[:60], false},
		{"something behind it", created(id, `"`+message+`"`) + "x", false},
		{"the answer to a batch", `{"data":{"type":"MessageBatch","id":` + id + `,"attributes":{"messageBatchReference":"x","messages":[{"messageReference":"` + message + `","id":` + id + `}]}}}`, false},
		{"nothing", ``, false},
		{"HTML", `<html>`, false},
	} {
		t.Run(test.sentence, func(t *testing.T) {
			var path string
			service := listen(t, func(w http.ResponseWriter, r *http.Request) {
				path = r.URL.Path
				replies(201, nil, test.body)(w, r)
			})
			s := New(single(options(t, service.URL, issuer(t).URL)))
			a := s.Send(context.Background(), request(s, 1, 1, 1))
			switch {
			case test.accepted && (a.Reply != engine.Accepted || len(a.IDs) != 1 || `"`+a.IDs[0]+`"` != id):
				t.Errorf("%+v", a)
			case !test.accepted && (a.Reply != engine.Unknown || a.Code != codeUnreadable):
				t.Errorf("%+v", a)
			}
			if path != "/comms/v1/messages" {
				t.Errorf("posted to %s", path)
			}
		})
	}
}

// An error beside the message in its request does not refuse the message.
func TestARefusedSingleMessage(t *testing.T) {
	for _, test := range []struct {
		code, pointer string
		row           bool
	}{
		{badNumber, "/data/attributes/recipient/nhsNumber", true},
		{"CM_MISSING_VALUE", "/data/attributes/recipient", true},
		{"CM_INVALID_VALUE", "/data/attributes/recipient/contactDetails/email", true},
		{"CM_INVALID_VALUE", "/data/attributes/originator/odsCode", true},
		{"CM_NULL_VALUE", "/data/attributes/personalisation", true},
		{"CM_INVALID_VALUE", "/data/attributes/messageReference", true},
		{"CM_INVALID_VALUE", "/data/attributes/billingReference", true},
		{"CM_CANNOT_SET_CONTACT_DETAILS", "/data/attributes/recipient/contactDetails", false},
		{"CM_ODS_CODE_REQUIRED", "/data/attributes/messages", false},
		{"CM_INVALID_VALUE", planAt, false},
		{"CM_MISSING_VALUE", "/data/attributes", false},
		{"CM_INVALID_VALUE", "/data/type", false},
		{"CM_INVALID_VALUE", "/", false},
		{badNumber, "/data/attributes/messages/0/recipient/nhsNumber", false},
		{badNumber, "/data/attributes/recipients", false},
	} {
		s := New(single(options(t, listen(t, replies(400, nil, problems(row(test.code, test.pointer)))).URL, issuer(t).URL)))
		a := s.Send(context.Background(), request(s, 1, 1, 1))
		if test.row && (a.Reply != engine.RowsRefused || len(a.Rows) != 1 || a.Rows[0].Index != 0 || a.Halt != "") || !test.row && (a.Reply != engine.Refused || a.Halt == "") {
			t.Errorf("%s at %s: %+v", test.code, test.pointer, a)
		}
	}
}

// Whatever fails, a single message is accepted once, under its own reference.
func TestFailuresOfTheServiceForASingleMessage(t *testing.T) {
	for _, test := range []struct {
		sentence string
		fault    faults.Kind
		reply    engine.Reply
		then     engine.Reply // to the replay
	}{
		{"a reset before it is accepted", faults.ResetBefore, engine.Unknown, engine.Accepted},
		{"a reset after it is accepted", faults.ResetAfter, engine.Unknown, engine.Known},
		{"a 504 before", faults.Gateway504Before, engine.Unknown, engine.Accepted},
		{"a 504 after", faults.Gateway504After, engine.Unknown, engine.Known},
		{"a 500 after", faults.Error500After, engine.Unknown, engine.Known},
		{"a 201 that breaks off", faults.Truncated201, engine.Unknown, engine.Known},
		{"the quota", faults.Quota429, engine.Refused, engine.Accepted},
		{"a service that is away", faults.Unavailable503, engine.Unknown, engine.Accepted},
		{"an acceptance that takes its time", faults.SlowAccept, engine.Unknown, engine.Unknown},
		{"a request that a gateway delivers twice", faults.DeliveredTwice, engine.Unknown, engine.Unknown},
		{"a routing plan that is gone", faults.NoSuchPlan, engine.Refused, engine.Accepted},
	} {
		t.Run(test.sentence, func(t *testing.T) {
			service := simulator.New(simulator.Options{APIKey: apiKey, KeyID: keyID, PublicKey: &signingKey().PublicKey, Faults: faults.Set{test.fault: {Share: 1, Limit: 1}}})
			web := httptest.NewServer(service)
			t.Cleanup(web.Close)
			o := single(options(t, web.URL, web.URL+"/oauth2/token"))
			o.Fields = []Field{{"body", template(t, "Dear ((given)), ((note))", "given", "note")}}
			s := New(o)
			r := request(s, 1, 1, 1)
			if a := s.Send(context.Background(), r); a.Reply != test.reply {
				t.Errorf("%+v", a)
			}
			if a := s.Send(context.Background(), r); a.Reply != test.then {
				t.Errorf("then: %+v", a)
			}
			if a := s.Send(context.Background(), request(s, 2, 2, 1)); a.Reply != engine.Accepted {
				t.Errorf("the next: %+v", a)
			}
			if stats := service.Stats(); stats.MessagesAccepted != 2 || stats.PeopleTwice != 0 || stats.ReferencesTwice != 0 || stats.ReplaysWithOtherBody != 0 {
				t.Errorf("%+v", stats)
			}
			for a := range service.Ledger() {
				if want := run.References().Message(1).String(); a.BatchReference != "" || a.MessageReference != want && a.MessageReference != run.References().Message(2).String() {
					t.Errorf("the service knows %s", a.MessageReference)
				}
			}
		})
	}
}
