package notify

import (
	"bytes"
	"encoding/json"
	"testing"

	"pgregory.net/rapid"

	"cohort/engine"
	"cohort/engine/campaign"
	"cohort/ingest/person"
)

func template(t interface{ Fatal(...any) }, text string, fields ...string) engine.Template {
	compiled, err := engine.CompileTemplate(text, fields)
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

func encode(s *Sink, batch engine.Reference, messages []engine.Reference, people []person.Recipient) []byte {
	body := s.AppendHead(nil, batch, 0)
	for i := range people {
		if i > 0 {
			body = append(body, ',')
		}
		body = s.AppendMessage(body, messages[i], &people[i])
	}
	return s.AppendTail(body)
}

// The bytes are part of the plan: a sealed batch is rebuilt and must come out the same.
func TestTheBodyFollowsTheContract(t *testing.T) {
	ref := func(text string) (r engine.Reference) { copy(r[:], text); return r }
	batch := ref("00000000-0000-8000-8000-00000000000b")
	messages := []engine.Reference{ref("00000000-0000-8000-8000-000000000001"), ref("00000000-0000-8000-8000-000000000002")}
	people := []person.Recipient{
		{Row: 1, Number: 9990000018, Fields: []string{"Zoë", "a \"b\" \\ c\n\r\t\x01\u2028/<&>"}},
		{Row: 2, Number: 9990000026, Fields: []string{"", "😀"}},
	}
	text := []Field{{"body", template(t, "Dear ((given)), \"((note))\"", "given", "note")}, {`odd "name"`, template(t, "constant", "given", "note")}}
	for _, test := range []struct {
		sentence, ods string
		fields        []Field
		people        int
		want          string
	}{
		{"one bare message", "", nil, 1, `{"data":{"type":"MessageBatch","attributes":{"routingPlanId":"b838b13c-f98c-4def-93f0-515d4e4f4ee1","messageBatchReference":"00000000-0000-8000-8000-00000000000b","messages":[{"messageReference":"00000000-0000-8000-8000-000000000001","recipient":{"nhsNumber":"9990000018"}}]}}}`},
		{"with an ODS code", "X26", nil, 2, `{"data":{"type":"MessageBatch","attributes":{"routingPlanId":"b838b13c-f98c-4def-93f0-515d4e4f4ee1","messageBatchReference":"00000000-0000-8000-8000-00000000000b","messages":[` +
			`{"messageReference":"00000000-0000-8000-8000-000000000001","recipient":{"nhsNumber":"9990000018"},"originator":{"odsCode":"X26"}},` +
			`{"messageReference":"00000000-0000-8000-8000-000000000002","recipient":{"nhsNumber":"9990000026"},"originator":{"odsCode":"X26"}}]}}}`},
		{"with personalisation", "", text, 1, `{"data":{"type":"MessageBatch","attributes":{"routingPlanId":"b838b13c-f98c-4def-93f0-515d4e4f4ee1","messageBatchReference":"00000000-0000-8000-8000-00000000000b","messages":[` +
			`{"messageReference":"00000000-0000-8000-8000-000000000001","recipient":{"nhsNumber":"9990000018"},"personalisation":{"body":"Dear Zoë, \"a \"b\" \\ c\n\r\t\u0001` + "\u2028" + `/<&>\"","odd \"name\"":"constant"}}]}}}`},
		{"with both", `A"1`, text[:1], 2, `{"data":{"type":"MessageBatch","attributes":{"routingPlanId":"b838b13c-f98c-4def-93f0-515d4e4f4ee1","messageBatchReference":"00000000-0000-8000-8000-00000000000b","messages":[` +
			`{"messageReference":"00000000-0000-8000-8000-000000000001","recipient":{"nhsNumber":"9990000018"},"originator":{"odsCode":"A\"1"},"personalisation":{"body":"Dear Zoë, \"a \"b\" \\ c\n\r\t\u0001` + "\u2028" + `/<&>\""}},` +
			`{"messageReference":"00000000-0000-8000-8000-000000000002","recipient":{"nhsNumber":"9990000026"},"originator":{"odsCode":"A\"1"},"personalisation":{"body":"Dear , \"😀\""}}]}}}`},
	} {
		t.Run(test.sentence, func(t *testing.T) {
			o := options(t, "http://service.example", "")
			o.ODSCode, o.Fields = test.ods, test.fields
			got := encode(New(o), batch, messages, people[:test.people])
			if string(got) != test.want {
				t.Errorf("the body is\n%s\nand not\n%s", got, test.want)
			}
			if !json.Valid(got) {
				t.Error("it is no JSON")
			}
		})
	}
}

// A JSON reader gets all field values back. The place of a message does not change its bytes.
func TestABodyReadsBack(t *testing.T) {
	o := options(t, "http://service.example", "")
	o.ODSCode = "X26"
	o.Fields = []Field{{"body", template(t, "((a))|((b))", "a", "b")}}
	s := New(o)
	rapid.Check(t, func(t *rapid.T) {
		var people []person.Recipient
		var messages []engine.Reference
		for i := range rapid.IntRange(1, 5).Draw(t, "messages") {
			people = append(people, person.Recipient{Number: number(rapid.IntRange(0, 900_000).Draw(t, "person")), Fields: []string{rapid.String().Draw(t, "a"), rapid.String().Draw(t, "b")}})
			messages = append(messages, run.References().Message(int64(i)))
		}
		batch := run.References().Batch(1, 2, 3, 4)
		body := encode(s, batch, messages, people)
		if !bytes.Equal(body, encode(s, batch, messages, people)) {
			t.Error("the same batch has other bytes the second time")
		}
		var got struct {
			Data struct {
				Type       string
				Attributes struct {
					RoutingPlanID         string
					MessageBatchReference string
					Messages              []struct {
						MessageReference string
						Recipient        struct{ NHSNumber string }
						Originator       struct{ ODSCode string }
						Personalisation  map[string]string
					}
				}
			}
		}
		if err := json.Unmarshal(body, &got); err != nil {
			t.Fatal(err)
		}
		a := got.Data.Attributes
		if got.Data.Type != "MessageBatch" || a.RoutingPlanID != plan || a.MessageBatchReference != batch.String() || len(a.Messages) != len(people) {
			t.Fatalf("%s", body)
		}
		for i, m := range a.Messages {
			p := people[i]
			if m.MessageReference != messages[i].String() || m.Recipient.NHSNumber != p.Number.Digits() || m.Originator.ODSCode != "X26" || m.Personalisation["body"] != p.Fields[0]+"|"+p.Fields[1] {
				t.Errorf("message %d reads %+v", i, m)
			}
		}
	})
}

func TestFieldsAreCompiledInTheCampaignsOrder(t *testing.T) {
	c := &campaign.Campaign{Path: "autumn.yaml"}
	c.Personalisation = append(c.Personalisation, campaign.Personalisation{Field: "b", Text: "((town))"}, campaign.Personalisation{Field: "a", Text: "((given))"})
	fields, err := CompileFields(c, []string{"given", "town"})
	if err != nil || len(fields) != 2 || fields[0].Name != "b" || string(fields[0].Text.AppendJSON(nil, []string{"G", "T"})) != `"T"` {
		t.Errorf("%v %v", fields, err)
	}
	if _, err := CompileFields(c, []string{"given"}); err == nil {
		t.Error("a column that is not there is taken")
	}
}
