package nhsapp

import (
	"context"
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"cohort/engine"
	"cohort/ingest/person"
	"cohort/sinks/simulator"
	"cohort/sinks/simulator/faults"
	"cohort/sinks/sinktest"
)

// The bytes are part of the plan: a sealed request is rebuilt and must come out the same.
func TestTheBodyFollowsTheContract(t *testing.T) {
	var message engine.Reference
	copy(message[:], "00000000-0000-8000-8000-000000000001")
	p := person.Recipient{Row: 1, Number: 9990000018, Fields: []string{"Zoë", "a \"b\" \\ c\n"}}
	const tail = `"recipient":[{"type":"Patient","identifier":{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9990000018"}}],"requester":{"type":"Organization","identifier":{"system":"https://fhir.nhs.uk/Id/ods-organization-code","value":"X26"}}}`
	const inApp = `{"resourceType":"CommunicationRequest","status":"active","identifier":[{"system":"https://fhir.nhs.uk/NHSApp/campaign-id","value":"a campaign"},{"system":"https://fhir.nhs.uk/NHSApp/request-id","value":"00000000-0000-8000-8000-000000000001"}],"payload":[{"contentString":"Dear Zoë,\n\n**please** a \"b\" \\ c\n"}],`
	for _, test := range []struct {
		sentence string
		change   func(*Options)
		want     string
	}{
		{"in-app", func(*Options) {}, inApp + tail},
		{"on behalf of another", func(o *Options) { o.OnBehalfOf = `"A"1` }, `{"resourceType":"CommunicationRequest","status":"active","identifier":[{"system":"https://fhir.nhs.uk/NHSApp/campaign-id","value":"a campaign"},{"system":"https://fhir.nhs.uk/NHSApp/on-behalf-of","value":"\"A\"1"},{"system":"https://fhir.nhs.uk/NHSApp/request-id","value":"00000000-0000-8000-8000-000000000001"}],"payload":[{"contentString":"Dear Zoë,\n\n**please** a \"b\" \\ c\n"}],` + tail},
		{"with a choice of answers", func(o *Options) { o.Reply = &Reply{[]string{"Yes", `"No"`}} }, inApp + strings.TrimSuffix(tail, "}") + `,"contained":[{"resourceType":"Questionnaire","id":"reply","status":"active","item":[{"linkId":"1","type":"choice","answerOption":[{"valueCoding":{"code":"Yes"}},{"valueCoding":{"code":"\"No\""}}]}]}],"extension":[{"url":"https://fhir.nhs.uk/NHSApp/answers","valueReference":{"reference":"#reply"}}]}`},
		{"with a text for an answer", func(o *Options) { o.Reply = &Reply{} }, inApp + strings.TrimSuffix(tail, "}") + `,"contained":[{"resourceType":"Questionnaire","id":"reply","status":"active","item":[{"linkId":"1","type":"text"}]}],"extension":[{"url":"https://fhir.nhs.uk/NHSApp/answers","valueReference":{"reference":"#reply"}}]}`},
		{"a push", func(o *Options) { o.Push, o.Reply = welcome, &Reply{} }, `{"resourceType":"CommunicationRequest","status":"active","identifier":[{"system":"https://fhir.nhs.uk/NHSApp/campaign-id","value":"a campaign"},{"system":"https://fhir.nhs.uk/NHSApp/request-id","value":"00000000-0000-8000-8000-000000000001"}],"payload":[{"contentReference":{"reference":"https://www.nhsapp.service.nhs.uk/patient/messages","display":"You have a new message"}}],` + tail},
	} {
		o := over(t, sinktest.Wire{Client: &http.Client{}})
		test.change(&o)
		s := New(o)
		if got := s.AppendTail(s.AppendMessage(s.AppendHead(nil, engine.Reference{}, 0), message, &p)); string(got) != test.want {
			t.Errorf("%s:\n%s\nand not\n%s", test.sentence, got, test.want)
		}
	}
}

// Each limit of a message, from both sides. 14 rows.
func TestMessagesThatTheServiceWouldRefuse(t *testing.T) {
	table := []struct {
		sentence, text, code string
	}{
		{"5,000 letters", strings.Repeat("x", 5000), ""},
		{"5,001 letters", strings.Repeat("x", 5001), person.CodeLongMessage},
		{"5,000 letters of two bytes", strings.Repeat("é", 5000), ""},
		{"5,001 letters of two bytes", strings.Repeat("é", 5001), person.CodeLongMessage},
		{"2,500 of two UTF-16 units", strings.Repeat("😀", 2500), ""},
		{"2,501 of two UTF-16 units", strings.Repeat("😀", 2501), person.CodeLongMessage},
		{"an entity counts as it is written", strings.Repeat("&amp;", 1000), ""},
		{"and is too long so", strings.Repeat("&amp;", 1000) + "x", person.CodeLongMessage},
		{"less than", "a < b", ""},
		{"more than, and then less than", "> and <", ""},
		{"a tag", "a <b> c", person.CodeMarkup},
		{"less than on one line and more than on another", "a < b\r\nand\nc > d", person.CodeMarkup},
		{"nothing", "", person.CodeEmptyMessage},
		{"white space", " \n\u00a0", person.CodeEmptyMessage},
	}
	if len(table) != 14 {
		t.Errorf("%d rows, not 14", len(table))
	}
	service, w := simulated(t, simulator.Options{})
	o := over(t, w)
	o.Content = template(t, "((given))")
	s := New(o)
	for _, row := range table {
		p := person.Recipient{Number: sinktest.Number(1), Fields: []string{row.text, ""}}
		code := unkept(s, 0, p.Fields)
		if code != row.code {
			t.Errorf("%s: %q", row.sentence, code)
		}
		// The simulator has counted by itself. White space alone is the one thing that the
		// contract does not forbid.
		r := &engine.Request{Messages: []engine.Reference{sinktest.TheRun.References().Message(1)}}
		r.Body = s.AppendTail(s.AppendMessage(s.AppendHead(nil, r.Reference, 0), r.Messages[0], &p))
		a := s.Send(context.Background(), r)
		if taken := a.Reply == engine.Accepted; taken != (code == "") && row.sentence != "white space" {
			t.Errorf("%s: the service says %+v", row.sentence, a)
		}
	}
	if n := service.Stats().Faults["poisoned_recipients"]; n != 0 {
		t.Error("the service refused for another reason")
	}
	push := over(t, w)
	push.Push = welcome
	if code := unkept(New(push), 0, []string{strings.Repeat("x", 6000), ""}); code != "" {
		t.Errorf("a push is nobody's own: %s", code)
	}
}

// unkept is the code of the first limit that a record of a route breaks.
func unkept(s *Sink, route uint8, fields []string) string {
	for _, l := range s.Asks() {
		if len(strings.Join(fields, "")) >= l.Least && l.IsOf(route) && !l.Keeps(fields) {
			return l.Code
		}
	}
	return ""
}

// The limits of a record are those of its rendered message.
func TestLimitsApplyToTheWholeText(t *testing.T) {
	o := over(t, sinktest.Wire{Client: &http.Client{}})
	for _, row := range []struct{ sentence, text, given, code string }{
		{"markup opened by the text and closed by a field", "a < b ((given))", ">", person.CodeMarkup},
		{"markup opened by a field and closed by the text", "((given)) a > b", "<", person.CodeMarkup},
		{"markup in the text alone", "<b> ((given))", "x", person.CodeMarkup},
		{"a field that closes what nobody opens", "((given)) a < b", ">", ""},
		{"a long text and a short field", strings.Repeat("x", 4999) + "((given))", "xx", person.CodeLongMessage},
		{"a long text and a field that just fits", strings.Repeat("x", 4998) + "((given))", "xx", ""},
		{"a long text of short characters", strings.Repeat("é", 4999) + "((given))", "x", ""},
		{"a field twice", "((given))((given))", strings.Repeat("x", 2501), person.CodeLongMessage},
		{"a text that alone is too long", strings.Repeat("x", 5001) + "((given))", "", person.CodeLongMessage},
		{"a text of white space and an empty field", "\n ((given))", "", person.CodeEmptyMessage},
		{"an empty field in a text that says something", "x ((given))", "", ""},
	} {
		o.Content = template(t, row.text)
		if code := unkept(New(o), 0, []string{row.given, ""}); code != row.code {
			t.Errorf("%s: %q", row.sentence, code)
		}
	}
}

func TestRecordsTooLargeForARequest(t *testing.T) {
	o := over(t, sinktest.Wire{Client: &http.Client{}})
	sinktest.Room(t, New(o), 2)
	o.Content = template(t, "\"((given))\" <((given)) ((note))")
	sinktest.Room(t, New(o), 2)
	o.Push = welcome
	sinktest.Room(t, New(o), 2)
}

func TestMarkupFollowsTheContract(t *testing.T) {
	contract := regexp.MustCompile(`<(.|\n)*?>`)
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOfN(rapid.SampledFrom([]rune("<>ab\n\r é")), 0, 12, -1).Draw(t, "text")
		if HasMarkup(text) != contract.MatchString(text) {
			t.Errorf("%q", text)
		}
	})
}

func TestAnAcceptanceHasItsID(t *testing.T) {
	const other = "0f7ec136-66eb-4a9e-97ca-5c7a53d2710c"
	request := sinktest.TheRun.References().Message(1).String()
	for _, test := range []struct {
		sentence, location, body string
		id                       string // empty: unreadable
	}{
		{"body and Location", "https://x/communication/" + someID, created(request, someID), someID},
		{"without Location", "", created(request, someID), someID},
		{"a Location that is none", "/communication/latest", created(request, someID), someID},
		{"in capitals", "", created(request, strings.ToUpper(someID)), someID},
		{"two ids that differ", "/communication/" + other, created(request, someID), ""},
		{"another request", "/communication/" + someID, created(other, someID), ""},
		{"no request-id", "/communication/" + someID, strings.Replace(created(request, someID), "NHSApp/request-id", "NHSApp/request", 1), ""},
		{"no id", "", strings.Replace(created(request, someID), "communication-id", "communication", 1), ""},
		{"an id that is none", "", created(request, "12"), ""},
		{"the id twice", "", strings.Replace(created(request, someID), "NHSApp/campaign-id", "Id/nhs-app-communication-id", 1), ""},
		{"no CommunicationRequest", "", strings.Replace(created(request, someID), `"CommunicationRequest"`, `"Bundle"`, 1), ""},
	} {
		w := sinktest.NewWire(t, sinktest.Listen(t, sinktest.Replies(201, map[string]string{"Location": test.location}, test.body)).URL, sinktest.Issuer(t).URL)
		s := New(over(t, w))
		a := s.Send(context.Background(), one(s, 1))
		if accepted := a.Reply == engine.Accepted; accepted != (test.id != "") || accepted && !slices.Equal(a.IDs, []string{test.id}) || !accepted && a.Reply != engine.Unknown {
			t.Errorf("%s: %+v", test.sentence, a)
		}
	}
}

// One request under each of the simulator's faults. An accepted message is always called accepted or
// in doubt. 18 rows.
func TestFailuresOfTheService(t *testing.T) {
	table := []struct {
		sentence string
		fault    faults.Kind
		reply    engine.Reply
		accepted int
	}{
		{"a reset before anything is accepted", faults.ResetBefore, engine.Unknown, 0},
		{"a reset after it is accepted", faults.ResetAfter, engine.Unknown, 1},
		{"a timeout after", faults.TimeoutAfter, engine.Unknown, 1},
		{"a 504 before", faults.Gateway504Before, engine.Unknown, 0},
		{"a 504 after", faults.Gateway504After, engine.Unknown, 1},
		{"a 500 before", faults.Error500Before, engine.Unknown, 0},
		{"a 500 after", faults.Error500After, engine.Unknown, 1},
		{"a 201 that breaks off, behind its Location", faults.Truncated201, engine.Accepted, 1},
		{"the quota", faults.Quota429, engine.Refused, 0},
		{"a spike", faults.Spike429, engine.Refused, 0},
		{"a busy API", faults.Busy429, engine.Refused, 0},
		{"a service that is away", faults.Unavailable503, engine.Unknown, 0},
		{"a gateway that cannot reach it", faults.BadGateway502, engine.Unknown, 0},
		{"an error in HTML", faults.HTMLError, engine.Unknown, 0},
		{"a person whom the validator refuses", faults.PoisonedRecipients, engine.RowsRefused, 0},
		{"a token endpoint that fails", faults.TokenEndpoint500, engine.Unsent, 0},
		{"a ban", faults.Banned, engine.Refused, 0},
		{"no fault", faults.Latency, engine.Accepted, 1},
	}
	if len(table) != 18 {
		t.Errorf("%d rows, not 18", len(table))
	}
	for _, row := range table {
		t.Run(row.sentence, func(t *testing.T) {
			service, w := simulated(t, simulator.Options{Faults: faults.Set{row.fault: {Share: 1, Hold: time.Millisecond}}})
			s := New(over(t, w))
			a := s.Send(context.Background(), one(s, 1))
			if a.Reply != row.reply {
				t.Errorf("%+v", a)
			}
			if n := service.Stats().Communications; n != row.accepted {
				t.Errorf("%d were accepted", n)
			}
			for sent := range service.Ledger() {
				if sent.MessageReference != sinktest.TheRun.References().Message(1).String() || sent.CampaignID != "a campaign" || a.IDs != nil && a.IDs[0] != sent.MessageID {
					t.Errorf("%+v", sent)
				}
			}
		})
	}
}

func TestARevokedTokenIsReplaced(t *testing.T) {
	service, w := simulated(t, simulator.Options{Faults: faults.Set{faults.TokenRevoked: {Share: 1, Limit: 3}}})
	s := New(over(t, w))
	if err := s.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	refused := 0
	for n := range 30 {
		a := s.Send(context.Background(), one(s, n))
		if a.Reply == engine.Refused && a.Status == 401 && a.Halt == "" {
			refused++
			a = s.Send(context.Background(), one(s, n))
		}
		if a.Reply != engine.Accepted {
			t.Errorf("message %d: %+v", n, a)
		}
	}
	if stats := service.Stats(); refused != 3 || stats.Communications != 30 || stats.PeopleTwice != 0 {
		t.Errorf("%d refusals, %+v", refused, stats)
	}
}

func TestTwoFreshTokensRefusedHaltTheRun(t *testing.T) {
	w := sinktest.NewWire(t, sinktest.Listen(t, sinktest.Replies(401, nil, outcome("", "expired", ""))).URL, sinktest.Issuer(t).URL)
	s := New(over(t, w))
	if a := s.Send(context.Background(), one(s, 1)); a.Halt != "" {
		t.Errorf("after one refusal: %+v", a)
	}
	if a := s.Send(context.Background(), one(s, 1)); !strings.Contains(a.Halt, "401") {
		t.Errorf("after two: %+v", a)
	}
}

func TestThePreflight(t *testing.T) {
	_, w := simulated(t, simulator.Options{})
	if err := New(over(t, w)).Check(t.Context()); err != nil {
		t.Error(err)
	}
	w = sinktest.NewWire(t, sinktest.ClosedPort(t), sinktest.Issuer(t).URL)
	if err := New(over(t, w)).Check(t.Context()); err == nil || !strings.Contains(err.Error(), "base_url") {
		t.Errorf("nothing answers: %v", err)
	}
	w = sinktest.NewWire(t, w.BaseURL, sinktest.ClosedPort(t))
	if err := New(over(t, w)).Check(t.Context()); err == nil || strings.Contains(err.Error(), sinktest.APIKey) {
		t.Errorf("no token: %v", err)
	}
}

func TestKind(t *testing.T) {
	s := New(over(t, sinktest.Wire{Client: &http.Client{}}))
	if s.Kind() != engine.CanBeAsked || s.Limits().Messages != 1 {
		t.Errorf("kind %d, limits %v", s.Kind(), s.Limits())
	}
	p := person.Recipient{Number: sinktest.Number(1), Fields: []string{strings.Repeat("\x01", 5000), ""}}
	body := s.AppendTail(s.AppendMessage(s.AppendHead(nil, engine.Reference{}, 0), sinktest.TheRun.References().Message(1), &p))
	if len(body) > s.Limits().Bytes || !json.Valid(body) {
		t.Errorf("the largest request has %d bytes and may have %d", len(body), s.Limits().Bytes)
	}
}

func answers(list ...string) func(*Options) {
	return func(o *Options) { o.Reply = &Reply{list} }
}

// Mistakes in the campaign file that the service would refuse in every message. 28 rows.
func TestMistakesOfACampaign(t *testing.T) {
	table := []struct {
		sentence string
		change   func(*Options)
		key      string
	}{
		{"nothing", func(*Options) {}, ""},
		{"a push", func(o *Options) { o.Push = &Push{welcome.Display, welcome.Reference} }, ""},
		{"200 characters of display", func(o *Options) { o.Push = &Push{strings.Repeat("é", 200), welcome.Reference} }, ""},
		{"201 characters of display", func(o *Options) { o.Push = &Push{strings.Repeat("é", 201), welcome.Reference} }, "push.display"},
		{"101 of two UTF-16 units", func(o *Options) { o.Push = &Push{strings.Repeat("😀", 101), welcome.Reference} }, "push.display"},
		{"no display", func(o *Options) { o.Push = &Push{" ", welcome.Reference} }, "push.display"},
		{"markup in the display", func(o *Options) { o.Push = &Push{"a <b>", welcome.Reference} }, "push.display"},
		{"a placeholder in the display", func(o *Options) { o.Push = &Push{"Dear ((name))", welcome.Reference} }, "push"},
		{"1,000 characters of reference", func(o *Options) { o.Push = &Push{"x", "https://www.nhsapp.service.nhs.uk/" + strings.Repeat("x", 966)} }, ""},
		{"1,001 characters of reference", func(o *Options) { o.Push = &Push{"x", "https://www.nhsapp.service.nhs.uk/" + strings.Repeat("x", 967)} }, "push.reference"},
		{"somebody else's address", func(o *Options) { o.Push = &Push{"x", "https://nhs.uk.example/"} }, "push.reference"},
		{"no reference", func(o *Options) { o.Push = &Push{"x", ""} }, "push.reference"},
		{"no sender", func(o *Options) { o.ODSCode = "" }, "requester_ods_code"},
		{"a sender in lower case", func(o *Options) { o.ODSCode = "x26" }, "requester_ods_code"},
		{"128 characters of identifier", func(o *Options) { o.CampaignID = strings.Repeat("x", 128) }, ""},
		{"129 characters of identifier", func(o *Options) { o.CampaignID = strings.Repeat("x", 129) }, "campaign_id"},
		{"markup in an identifier", func(o *Options) { o.OnBehalfOf = "<x>" }, "on_behalf_of"},
		{"a text for an answer", func(o *Options) { o.Reply = &Reply{} }, ""},
		{"six answers", answers("1", "2", "3", "4", "5", "6"), ""},
		{"seven answers", answers("1", "2", "3", "4", "5", "6", "7"), "in_app.reply.options"},
		{"an empty answer", answers("Yes", ""), "in_app.reply.options"},
		{"an answer of two words", answers("Yes, please"), ""},
		{"white space around an answer", answers("Yes "), "in_app.reply.options"},
		{"white space twice in a row", answers("Yes,  please"), "in_app.reply.options"},
		{"markup in an answer", answers("<Yes>"), "in_app.reply.options"},
		{"a placeholder in an answer", answers("((name))"), "in_app.reply.options"},
		{"an answer twice", answers("Yes", "No", "Yes"), "in_app.reply.options"},
		{"an answer as long as a letter", answers(strings.Repeat("x", 1001)), "in_app.reply.options"},
		{"white space around an identifier", func(o *Options) { o.OnBehalfOf = "A1001 " }, "on_behalf_of"},
	}
	if len(table) != 29 {
		t.Errorf("%d rows, not 29", len(table))
	}
	for _, row := range table {
		o := over(t, sinktest.Wire{Client: &http.Client{}})
		row.change(&o)
		if key, problem := o.Mistake(); key != row.key || (key == "") != (problem == "") {
			t.Errorf("%s: %q, %q", row.sentence, key, problem)
		}
	}
}

// Only an intermediary may send for another. The halt names the possible reason.
func TestSendingOnBehalfOfAnother(t *testing.T) {
	for _, registered := range []bool{true, false} {
		var options simulator.Options
		options.NHSApp.Intermediary = registered
		service, w := simulated(t, options)
		o := over(t, w)
		o.OnBehalfOf = "A1001"
		s := New(o)
		a := s.Send(context.Background(), one(s, 1))
		if want := map[bool]engine.Reply{true: engine.Accepted, false: engine.Refused}[registered]; a.Reply != want || strings.Contains(a.Halt, "intermediary") == registered {
			t.Errorf("registered: %v: %+v", registered, a)
		}
		if n := service.Stats().Communications; (n == 1) != registered {
			t.Errorf("registered: %v: %d were accepted", registered, n)
		}
	}
	for _, test := range []struct {
		status  int
		body    string
		behalf  string
		mention bool
	}{
		{403, outcome("", "security", ""), "A1001", true},
		{403, outcome("", "security", ""), "", false},
		{400, outcome("", "invalid", ""), "A1001", true},
		{400, outcome("", "invalid", "identifier[1].value"), "A1001", true},
		{400, outcome("", "invalid", "identifier"), "", false},
		{400, outcome("", "invalid", "requester.identifier.value"), "A1001", false},
	} {
		w := sinktest.NewWire(t, sinktest.Listen(t, sinktest.Replies(test.status, nil, test.body)).URL, sinktest.Issuer(t).URL)
		o := over(t, w)
		o.OnBehalfOf = test.behalf
		s := New(o)
		if a := s.Send(context.Background(), one(s, 1)); a.Halt == "" || strings.Contains(a.Halt, "intermediary") != test.mention {
			t.Errorf("%d %s of %q: %q", test.status, test.body, test.behalf, a.Halt)
		}
	}
}

// The simulator reads the contract independently. It takes every valid reply, and refuses the mistakes
// that the contract names.
func TestRepliesThatTheServiceTakes(t *testing.T) {
	for _, row := range []struct {
		sentence string
		answers  []string
		taken    bool
	}{
		{"a text", nil, true},
		{"one answer", []string{"Yes"}, true},
		{"six answers", []string{"1", "2", "3", "4", "5", `"6"`}, true},
		{"seven answers", []string{"1", "2", "3", "4", "5", "6", "7"}, false},
		{"an empty answer", []string{"Yes", ""}, false},
	} {
		service, w := simulated(t, simulator.Options{})
		o := over(t, w)
		o.Reply = &Reply{row.answers}
		s := New(o)
		a := s.Send(context.Background(), one(s, 1))
		if n := service.Stats().Communications; (n == 1) != row.taken || (a.Reply == engine.Accepted) != row.taken || (a.Halt == "") != row.taken {
			t.Errorf("%s: %d were accepted: %+v", row.sentence, n, a)
		}
	}
}

// A service that gives one id to message after message is in doubt, though each answer alone would
// be good. The same message again may have the same id.
func TestAnIDOfThePreviousMessageIsInDoubt(t *testing.T) {
	id := someID
	w := sinktest.NewWire(t, sinktest.Listen(t, func(w http.ResponseWriter, r *http.Request) {
		var sent struct{ Identifier []identifier }
		_ = json.NewDecoder(r.Body).Decode(&sent)
		for _, i := range sent.Identifier {
			if i.System == requestSystem {
				sinktest.Replies(201, nil, created(i.Value, id))(w, r)
			}
		}
	}).URL, sinktest.Issuer(t).URL)
	s := New(over(t, w))
	for _, test := range []struct {
		id      string
		message int
		want    engine.Reply
	}{{someID, 1, engine.Accepted}, {someID, 1, engine.Accepted}, {someID, 2, engine.Unknown}, {someID, 3, engine.Unknown}, {"8f7ec136-66eb-4a9e-97ca-5c7a53d2710d", 4, engine.Accepted}} {
		id = test.id
		if a := s.Send(t.Context(), one(s, test.message)); a.Reply != test.want || a.Status != 201 || a.Halt != "" {
			t.Errorf("message %d: %+v", test.message, a)
		}
	}
}
