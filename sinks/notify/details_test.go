package notify

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"cohort/engine/campaign"
	"cohort/ingest/person"
)

var detailColumns = []string{"sms", "email", "1", "2", "3", "4", "5", "6", "postcode", "prefix", "first", "middle", "last", "suffix", "gp", "cost"}

// everyDetail is a campaign with every detail.
func everyDetail() *campaign.Campaign {
	return &campaign.Campaign{Path: "autumn.yaml", Notify: campaign.Notify{
		BillingReference: "((cost))", Originator: "((gp))",
		Contact: campaign.Contact{
			SMS: "((sms))", Email: "((email))", Lines: []string{"((1))", "((2))", "((3))", "((4))", "((5))", "((6))"}, Postcode: "((postcode))",
			Prefix: "((prefix))", FirstName: "((first)) ((middle))", MiddleNames: "((middle))", LastName: "((last))", Suffix: "((suffix))",
		},
	}}
}

func detailed(t testing.TB, c *campaign.Campaign, ods string) *Sink {
	d, err := CompileDetails(c, detailColumns)
	if err != nil {
		t.Fatal(err)
	}
	return New(Options{BaseURL: "http://127.0.0.1:1", RoutingPlanID: plan, ODSCode: ods, Details: d, Client: noClient()})
}

// fieldsWith fills in some of the columns, given as name=value.
func fieldsWith(values ...string) []string {
	fields := make([]string, len(detailColumns))
	for _, v := range values {
		name, value, _ := strings.Cut(v, "=")
		fields[slices.Index(detailColumns, name)] = value
	}
	return fields
}

// Blank members are left out, and never null or empty.
func TestDetailsFollowTheContract(t *testing.T) {
	const fallback = `"originator":{"odsCode":"X26"}`
	for _, test := range []struct {
		sentence string
		fields   []string
		want     string // behind the NHS number
	}{
		{"nothing is filled", fieldsWith(), `},` + fallback + `}`},
		{"all is white space", fieldsWith("sms= ", "1=\t", "last=\u00a0", "gp=\n", "cost=  "), `},` + fallback + `}`},
		{"one thing each", fieldsWith("sms=07700900123", "cost=C\"1", "gp=A81001"), `,"contactDetails":{"sms":"07700900123"}},"originator":{"odsCode":"A81001"},"billingReference":"C\"1"}`},
		{"everything", fieldsWith("sms=s", "email=e", "1=a", "2=b", "3=c", "4=d", "5=e", "6=f", "postcode=p", "prefix=x", "first=f", "middle=m", "last=l", "suffix=y", "gp=G", "cost=C"),
			`,"contactDetails":{"sms":"s","email":"e","address":{"lines":["a","b","c","d","e","f"],"postcode":"p"},"name":{"prefix":"x","firstName":"f m","middleNames":"m","lastName":"l","suffix":"y"}}},"originator":{"odsCode":"G"},"billingReference":"C"}`},
		{"lines between empty ones", fieldsWith("2=b", "5=e", "postcode=p"), `,"contactDetails":{"address":{"lines":["b","e"],"postcode":"p"}}},` + fallback + `}`},
		{"white space around, and characters that are escaped", fieldsWith("email= a\"\\\n\x01é@b ", "last=\tO'Neil\t", "first= Zoë "),
			`,"contactDetails":{"email":"a\"\\\n\u0001é@b","name":{"firstName":"Zoë","lastName":"O'Neil"}}},` + fallback + `}`},
		{"a postcode with more than a space in it, and what nobody can see around", fieldsWith("email=\u200ba@b.uk\ufeff", "1=\u200b1  High St", "2=\u2060", "postcode= LS1 \u00a0 4AP\u200b"),
			`,"contactDetails":{"email":"a@b.uk","address":{"lines":["1  High St"],"postcode":"LS1 4AP"}}},` + fallback + `}`},
	} {
		t.Run(test.sentence, func(t *testing.T) {
			s := detailed(t, everyDetail(), "X26")
			p := person.Recipient{Row: 1, Number: 9990000018, Fields: test.fields}
			got := string(s.AppendMessage([]byte("…"), run.References().Message(1), &p))
			if _, got, _ = strings.Cut(got, `"9990000018"`); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

// A JSON reader gets back exactly the values that are not blank.
func TestDetailsReadBack(t *testing.T) {
	s := detailed(t, everyDetail(), "")
	rapid.Check(t, func(t *rapid.T) {
		fields := make([]string, len(detailColumns))
		for i := range fields {
			fields[i] = rapid.OneOf(rapid.Just(""), rapid.Just(" \t"), rapid.StringMatching(`[ "\\a-cé\n]{0,40}`)).Draw(t, detailColumns[i])
		}
		p := person.Recipient{Row: 1, Number: 9990000018, Fields: fields}
		body := s.AppendMessage(nil, run.References().Message(1), &p)
		var got any
		if err := json.Unmarshal(body, &got); err != nil {
			t.Fatalf("%v: %s", err, body)
		}
		value := func(name string) any { return strings.TrimSpace(fields[slices.Index(detailColumns, name)]) }
		lines := []any{}
		for _, n := range []string{"1", "2", "3", "4", "5", "6"} {
			if v := value(n); v != "" {
				lines = append(lines, v)
			}
		}
		first := strings.TrimSpace(fields[slices.Index(detailColumns, "first")] + " " + fields[slices.Index(detailColumns, "middle")])
		want := pruned(map[string]any{
			"messageReference": run.References().Message(1).String(), "billingReference": value("cost"), "originator": map[string]any{"odsCode": value("gp")},
			"recipient": map[string]any{"nhsNumber": "9990000018", "contactDetails": map[string]any{
				"sms": value("sms"), "email": value("email"), "address": map[string]any{"lines": lines, "postcode": strings.Join(strings.Fields(fields[slices.Index(detailColumns, "postcode")]), " ")},
				"name": map[string]any{"prefix": value("prefix"), "firstName": first, "middleNames": value("middle"), "lastName": value("last"), "suffix": value("suffix")},
			}},
		})
		a, _ := json.Marshal(got)
		b, _ := json.Marshal(want)
		if string(a) != string(b) {
			t.Fatalf("got  %s\nwant %s", a, b)
		}
	})
}

// pruned removes empty members from an object.
func pruned(object map[string]any) map[string]any {
	for name, v := range object {
		switch v := v.(type) {
		case string:
			if v == "" {
				delete(object, name)
			}
		case []any:
			if len(v) == 0 {
				delete(object, name)
			}
		case map[string]any:
			if len(pruned(v)) == 0 {
				delete(object, name)
			}
		}
	}
	return object
}

func TestTheServicesLimits(t *testing.T) {
	const email, lines, postcode, name, sender = "the email address does not have 6 to 90 characters", "the address does not have 2 to 5 lines", "the address has no postcode", "the name has no last name", "the sender is not an ODS code of 3 to 10 letters and digits"
	d, err := CompileDetails(everyDetail(), detailColumns)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		sentence string
		fields   []string
		broken   string
	}{
		{"nothing is filled", fieldsWith(), ""},
		{"all is white space", fieldsWith("email= ", "1= ", "postcode= ", "prefix= ", "gp= "), ""},
		{"an email of 5", fieldsWith("email=a@b.c"), email},
		{"an email of 6", fieldsWith("email=a@b.cd"), ""},
		{"an email of 5 between blanks", fieldsWith("email= a@b.c "), email},
		{"an email of 5 between what nobody can see", fieldsWith("email=\u200ba@b.c\ufeff"), email},
		{"lines that nobody can see", fieldsWith("1=a", "2=\u200b", "postcode=p"), lines},
		{"an email of 90", fieldsWith("email=" + strings.Repeat("é", 85) + "@b.uk"), ""},
		{"an email of 91", fieldsWith("email=" + strings.Repeat("é", 86) + "@b.uk"), email},
		{"one line", fieldsWith("1=a", "postcode=p"), lines},
		{"two lines, far apart", fieldsWith("1=a", "6=b", "postcode=p"), ""},
		{"five lines", fieldsWith("1=a", "2=b", "3=c", "4=d", "5=e", "postcode=p"), ""},
		{"six lines", fieldsWith("1=a", "2=b", "3=c", "4=d", "5=e", "6=f", "postcode=p"), lines},
		{"a postcode without lines", fieldsWith("postcode=p"), lines},
		{"lines without a postcode", fieldsWith("1=a", "2=b"), postcode},
		{"a first name alone", fieldsWith("first=a"), name},
		{"a suffix alone", fieldsWith("suffix=a"), name},
		{"a last name alone", fieldsWith("last=a"), ""},
		{"an ODS code of 2", fieldsWith("gp=X2"), sender},
		{"an ODS code of 3", fieldsWith("gp=X26"), ""},
		{"an ODS code of 10", fieldsWith("gp=a810012345"), ""},
		{"an ODS code of 11", fieldsWith("gp=a8100123456"), sender},
		{"an ODS code with a space", fieldsWith("gp=X 26"), sender},
		{"an ODS code with a letter that is none of ours", fieldsWith("gp=X2é"), sender},
	} {
		var broken []string
		for _, limit := range d.limits {
			if !limit.Keeps(test.fields) {
				broken = append(broken, limit.Words)
			}
		}
		if got := strings.Join(broken, "; "); got != test.broken {
			t.Errorf("%s: %q", test.sentence, got)
		}
	}
	if limits, err := Limits(&campaign.Campaign{}, nil); len(limits) != 0 || err != nil {
		t.Errorf("%d limits where nothing is said: %v", len(limits), err)
	}
}

// The whole text counts, in characters, and only for a known plan.
func TestTextsThatAreTooLongForTheirChannel(t *testing.T) {
	c := &campaign.Campaign{Notify: campaign.Notify{RoutingPlan: "app-then-sms"}, Personalisation: []campaign.Personalisation{{Field: "nhsapp_body", Text: "((app))!"}, {Field: "sms_body", Text: " ((sms))"}}}
	limits, err := Limits(c, []string{"app", "sms"})
	if err != nil || len(limits) != 2 {
		t.Fatal(len(limits), err)
	}
	for _, test := range []struct {
		app, sms int
		want     []bool
	}{{0, 0, []bool{true, true}}, {4_999, 917, []bool{true, true}}, {5_000, 917, []bool{false, true}}, {4_999, 918, []bool{true, false}}} {
		fields := []string{strings.Repeat("é", test.app), strings.Repeat("😀", test.sms)}
		for i, l := range limits {
			if got := l.Keeps(fields); got != test.want[i] || l.Code != person.CodeTooLong {
				t.Errorf("%d and %d: %s: %v", test.app, test.sms, l.Words, got)
			}
		}
	}
	if limits[1].Words != "the text of sms_body is longer than 918 characters" {
		t.Error(limits[1].Words)
	}
	c.Notify.RoutingPlan = ""
	if limits, _ := Limits(c, []string{"app", "sms"}); len(limits) != 0 {
		t.Error("a plan by its id has limits that nobody knows")
	}
}

func TestDetailsAllocateNothingForAMessage(t *testing.T) {
	s := detailed(t, everyDetail(), "X26")
	p := person.Recipient{Row: 1, Number: 9990000018, Fields: fieldsWith("sms=07700900123", "email="+strings.Repeat("long", 19)+"@example.org", "1=a", "2=b", "postcode=LS1 4AP", "last=Bell", "gp=A81001", "cost=C1")}
	body := make([]byte, 0, 1<<12)
	message := run.References().Message(1)
	if n := testing.AllocsPerRun(100, func() { body = s.AppendMessage(body[:0], message, &p) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	limits := s.o.Details.limits
	if n := testing.AllocsPerRun(100, func() {
		for i := range limits {
			if !limits[i].Keeps(p.Fields) {
				t.Fatal(limits[i].Words)
			}
		}
	}); n != 0 {
		t.Errorf("%v allocations for the limits", n)
	}
	if !utf8.Valid(body) {
		t.Error("it is no text")
	}
}

func TestADetailOfAMissingColumn(t *testing.T) {
	c := everyDetail()
	c.Notify.Contact.Lines[1] = "((nowhere))"
	if _, err := CompileDetails(c, detailColumns); err == nil || !strings.Contains(err.Error(), "sink.notify.contact_details.address.lines[1] cannot be filled in: ((nowhere))") {
		t.Error(err)
	}
}
