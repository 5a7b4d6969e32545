package notify

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"cohort/engine"
	"cohort/sinks/exchange"
	"cohort/sinks/simulator"
)

const askedID = "2WL5TWl7F7PondWbZ1vctlEtOZ3"

// shownWith is an answer with some attributes after the reference.
func shownWith(attributes string) string {
	return `{"data":{"type":"Message","id":"` + askedID + `","attributes":{"messageReference":"r1"` + attributes + `}}}`
}

func TestMessageStatusIsRead(t *testing.T) {
	at := func(text string) time.Time {
		when, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return when
	}
	for _, test := range []struct {
		sentence, body string
		want           Status
	}{
		{"a message that was just accepted", shownWith(`,"messageStatus":"created","timestamps":{"created":"2026-11-24T08:00:00.000Z"},"routingPlan":{"id":"p","name":"n","version":"v","createdDate":"2023-11-17T14:27:51.413Z"}`),
			Status{Reference: "r1", Status: "created", RoutingVersion: "v", At: at("2026-11-24T08:00:00Z")}},
		{"one of a batch, delivered in the second channel", `{"data":{"type":"Message","id":"` + askedID + `","attributes":{"messageReference":"r1","messageStatus":"delivered","messageStatusDescription":"to Ottilie","channels":[` +
			`{"type":"nhsapp","cascadeType":"primary","cascadeOrder":1,"channelStatus":"failed","channelStatusDescription":"x","channelFailureReasonCode":"CFR_PDSV_0004","supplierStatus":"unnotified","retryCount":2,"timestamps":{"created":"2026-11-24T08:01:00Z","failed":"2026-11-24T09:00:00+01:00"},"routingPlan":{"id":"p","type":"original"},"metadata":[{"source":"pds"}]},` +
			`{"type":"sms","cascadeType":"secondary","cascadeOrder":2,"channelStatus":"delivered","timestamps":{"created":"2026-11-24T08:01:00Z","delivered":"2026-11-24T10:00:00Z"}}],` +
			`"timestamps":{"created":"2026-11-24T08:00:00.000Z","enriched":"2026-11-24T08:00:30Z","delivered":"2026-11-24T10:00:00Z"},"metadata":[],"routingPlan":{"id":"p"}},` +
			`"relationships":{"messageBatch":{"data":{"type":"MessageBatch","id":"b"}}},"links":{"self":"x"}}}`,
			Status{Reference: "r1", Status: "delivered", Channels: []ChannelStatus{
				{Channel: "nhsapp", Cascade: "primary", Order: 1, Status: "failed", Supplier: "unnotified", FailureCode: "CFR_PDSV_0004", At: at("2026-11-24T08:01:00Z")},
				{Channel: "sms", Cascade: "secondary", Order: 2, Status: "delivered", At: at("2026-11-24T10:00:00Z")},
			}, At: at("2026-11-24T10:00:00Z")}},
		{"one that failed", shownWith(`,"messageStatus":"failed","messageFailureReasonCode":"PDSV_0111","timestamps":{"failed":"2026-11-24T08:00:00Z"},"channels":[]`),
			Status{Reference: "r1", Status: "failed", FailureCode: "PDSV_0111", At: at("2026-11-24T08:00:00Z")}},
		{"statuses and members that nobody knows yet", shownWith(`,"messageStatus":"recalled","later":{"a":[1]},"channels":[{"type":"fax","channelStatus":"beeping","supplierStatus":"virus_scan_failed","more":1}]`),
			Status{Reference: "r1", Status: "recalled", Channels: []ChannelStatus{{Channel: "fax", Status: "beeping", Supplier: "virus_scan_failed"}}}},
		{"members of other types than they have", shownWith(`,"messageStatus":"sending","channels":[{"type":"sms","retryCount":"2","cascadeOrder":"1","channelStatus":"sending","timestamps":{"created":5}}],"timestamps":"now","routingPlan":null`),
			Status{Reference: "r1", Status: "sending", Channels: []ChannelStatus{{Channel: "sms", Status: "sending"}}}},
		{"times that cannot be read", shownWith(`,"messageStatus":"sending","timestamps":{"created":"soon","enriched":null,"failed":{}}`),
			Status{Reference: "r1", Status: "sending"}},
		{"words where codes should be", shownWith(`,"messageStatus":"failed","messageFailureReasonCode":"9990000018 is dead"`),
			Status{Reference: "r1", Status: "failed"}},
	} {
		t.Run(test.sentence, func(t *testing.T) {
			var asked *http.Request
			s := sinkTo(t, func(w http.ResponseWriter, r *http.Request) {
				asked = r
				replies(200, nil, test.body)(w, r)
			})
			got, err := s.Message(context.Background(), askedID)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("got  %+v\nwant %+v", got, test.want)
			}
			if asked.Method != "GET" || asked.URL.Path != "/comms/v1/messages/"+askedID || asked.Header.Get("Authorization") == "" || len(asked.Header.Get("X-Correlation-Id")) != 36 {
				t.Errorf("asked %s %s %v", asked.Method, asked.URL, asked.Header)
			}
		})
	}
}

// The error catalogue (contract, section 8) for a question: nothing is in doubt.
func TestErrorsOfAQuestion(t *testing.T) {
	for _, test := range []struct {
		sentence string
		status   int
		headers  map[string]string
		body     string

		kind  AskKind
		code  string
		after time.Duration
		all   bool
		why   string
	}{
		{"404 there is no such message", 404, nil, problem(404, "CM_NOT_FOUND", ""), AskNoSuch, "CM_NOT_FOUND", 0, false, ""},
		{"404 with HTML", 404, nil, "<html>", AskStop, "HTTP_404", 0, false, "base_url"},
		{"401 access is denied", 401, nil, problem(401, "CM_DENIED", ""), AskLater, "CM_DENIED", time.Millisecond, false, ""},
		{"403 the client is not onboarded", 403, nil, problem(403, "CM_FORBIDDEN", ""), AskStop, "CM_FORBIDDEN", 0, false, "onboard"},
		{"403 a service ban", 403, nil, problem(403, "CM_SERVICE_BAN", ""), AskStop, "CM_SERVICE_BAN", 0, false, "ban"},
		{"400 the question is not taken", 400, nil, problem(400, "CM_INVALID_VALUE", "/"), AskStop, "CM_INVALID_VALUE", 0, false, "outside its contract (400 CM_INVALID_VALUE)"},
		{"405", 405, nil, problem(405, "CM_NOT_ALLOWED", ""), AskStop, "CM_NOT_ALLOWED", 0, false, "405"},
		{"406", 406, nil, problem(406, "CM_NOT_ACCEPTABLE", ""), AskStop, "CM_NOT_ACCEPTABLE", 0, false, "406"},
		{"408", 408, nil, problem(408, "CM_TIMEOUT", ""), AskLater, "CM_TIMEOUT", 0, false, ""},
		{"409", 409, nil, "", AskStop, "HTTP_409", 0, false, "outside its contract"},
		{"413", 413, nil, problem(413, "CM_TOO_LARGE", "/"), AskStop, "CM_TOO_LARGE", 0, false, "outside its contract"},
		{"422 as if it had been sent", 422, nil, problem(422, "CM_DUPLICATE_REQUEST", ""), AskStop, "CM_DUPLICATE_REQUEST", 0, false, "outside its contract"},
		{"425", 425, retry("300"), problem(425, "CM_RETRY_TOO_EARLY", ""), AskLater, "CM_RETRY_TOO_EARLY", 5 * time.Minute, false, ""},
		{"429 the quota", 429, retry("60"), problem(429, "CM_QUOTA", ""), AskLater, "CM_QUOTA", time.Minute, true, ""},
		{"429 without a time", 429, nil, problem(429, "CM_QUOTA", ""), AskLater, "CM_QUOTA", 0, true, ""},
		{"500", 500, nil, problem(500, "CM_INTERNAL_SERVER_ERROR", ""), AskLater, "CM_INTERNAL_SERVER_ERROR", 0, false, ""},
		{"502 with HTML", 502, nil, "<html>", AskLater, "HTTP_502", 0, false, ""},
		{"503", 503, retry("5"), problem(503, "CM_SERVICE_UNAVAILABLE", ""), AskLater, "CM_SERVICE_UNAVAILABLE", 5 * time.Second, true, ""},
		{"504", 504, nil, problem(504, "CM_TIMEOUT", ""), AskLater, "CM_TIMEOUT", 0, false, ""},
		{"204", 204, nil, "", AskStop, "HTTP_204", 0, false, "outside its contract"},
		{"302", 302, map[string]string{"Location": "https://login.example/"}, "", AskStop, "HTTP_302", 0, false, "base_url"},
		{"200 with an empty body", 200, nil, "", AskLater, "unreadable_200", 0, false, ""},
		{"200 that breaks off", 200, nil, shownWith(`,"messageStatus":"created"`)[:80], AskLater, "unreadable_200", 0, false, ""},
		{"200 about another message", 200, nil, strings.Replace(shownWith(`,"messageStatus":"created"`), askedID, askedID[:26]+"x", 1), AskLater, "unreadable_200", 0, false, ""},
		{"200 without a status", 200, nil, shownWith(""), AskLater, "unreadable_200", 0, false, ""},
		{"200 with a status that is none", 200, nil, shownWith(`,"messageStatus":"on 24 November to 9990000018"`), AskLater, "unreadable_200", 0, false, ""},
		{"200 with HTML", 200, nil, "<html>", AskLater, "unreadable_200", 0, false, ""},
	} {
		t.Run(test.sentence, func(t *testing.T) {
			_, err := sinkTo(t, replies(test.status, test.headers, test.body)).Message(context.Background(), askedID)
			e := (*AskError)(nil)
			if !errors.As(err, &e) {
				t.Fatalf("%v", err)
			}
			if e.Kind != test.kind || e.Status != test.status || e.Code != test.code || e.RetryAfter != test.after || e.HoldAll != test.all || !strings.Contains(e.Why, test.why) || (e.Why == "") != (test.kind != AskStop) {
				t.Errorf("%+v", e)
			}
			if strings.Contains(err.Error(), "9990000018") || err.Error() == "" {
				t.Errorf("the error is %q", err)
			}
		})
	}
}

func TestAQuestionWithoutAnAnswer(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	s := sinkTo(t, func(_ http.ResponseWriter, r *http.Request) { cancel(); <-r.Context().Done() })
	if _, err := s.Message(ctx, askedID); !errors.Is(err, context.Canceled) {
		t.Errorf("given up: %v", err)
	}
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	e := (*AskError)(nil)
	if _, err := New(options(t, gone.URL, issuer(t).URL)).Message(context.Background(), askedID); !errors.As(err, &e) || e.Kind != AskLater || e.Code != exchange.CodeNotReached {
		t.Errorf("nobody listens: %v", err)
	}
	denied := listen(t, replies(401, nil, `{"error":"invalid_request","error_description":"Invalid 'iss'/'sub' claims in client_assertion JWT"}`))
	if _, err := New(options(t, gone.URL, denied.URL)).Message(context.Background(), askedID); !errors.As(err, &e) || e.Kind != AskStop || e.Code != exchange.CodeNoToken || e.Why == "" {
		t.Errorf("no token: %v", err)
	}
	if _, err := New(options(t, "://", issuer(t).URL)).Message(context.Background(), askedID); !errors.As(err, &e) || e.Kind != AskStop || e.Code != "bad_address" {
		t.Errorf("no address: %v", err)
	}
}

// A message accepted in a batch or alone can be asked for by its id.
func TestAcceptedMessagesCanBeAskedFor(t *testing.T) {
	for sentence, each := range map[string]int{"a batch": 3, "a single message": 1} {
		service, s := simulated(t, simulator.Options{Seed: 1})
		if each == 1 {
			o := s.o
			o.Single, o.Limits.Messages = true, 1
			s = New(o)
		}
		r := request(s, 1, 1, each)
		a := s.Send(context.Background(), r)
		if a.Reply != engine.Accepted || len(a.IDs) != each || service.Stats().MessagesAccepted != each {
			t.Fatalf("%s: %+v", sentence, a)
		}
		for i, id := range a.IDs {
			got, err := s.Message(context.Background(), id)
			if err != nil || got.Reference != r.Messages[i].String() || got.Status != "created" || time.Since(got.At) > time.Hour {
				t.Errorf("%s: %+v %v", sentence, got, err)
			}
		}
		e := (*AskError)(nil)
		if _, err := s.Message(context.Background(), nobodysMessage); !errors.As(err, &e) || e.Kind != AskNoSuch {
			t.Errorf("%s: nobody's message: %v", sentence, err)
		}
	}
}
