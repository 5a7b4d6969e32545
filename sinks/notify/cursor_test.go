package notify

import (
	"encoding/json"
	"slices"
	"testing"

	"cohort/engine"
	"cohort/sinks/exchange"
)

// readPlainly reads a 201 with encoding/json and a map. accepted must agree with it.
func readPlainly(r *engine.Request, body []byte) []string {
	var reply struct {
		Data struct {
			Attributes struct {
				MessageBatchReference string
				Messages              []struct{ MessageReference, ID string }
			}
		}
	}
	if json.Unmarshal(body, &reply) != nil || reply.Data.Attributes.MessageBatchReference != r.Reference.String() || len(reply.Data.Attributes.Messages) != len(r.Messages) {
		return nil
	}
	ids := map[string]string{}
	for _, m := range reply.Data.Attributes.Messages {
		ids[m.MessageReference] = m.ID
	}
	var list []string
	for _, m := range r.Messages {
		if id := ids[m.String()]; id != "" && len(id) <= 64 {
			list = append(list, id)
		}
	}
	if len(list) != len(r.Messages) {
		return nil
	}
	return list
}

func FuzzAcceptedAgreesWithEncodingJSON(f *testing.F) {
	s := New(Options{BaseURL: "http://127.0.0.1:1", Client: noClient()})
	r := request(s, 1, 1, 3)
	list := listed(r)
	f.Add(created(r.Reference.String(), list))
	slices.Reverse(list)
	f.Add(created(r.Reference.String(), list))
	list[1].ID = "é\n\"x\""
	f.Add(created(r.Reference.String(), list))
	f.Add([]byte(`{"data":null,"x":[1,-2.5e3,true,{"y":[]}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		a := accepted(r, slices.Clone(body))
		if a.Reply == engine.Accepted && !slices.Equal(a.IDs, readPlainly(r, body)) {
			t.Errorf("%s gives %q", body, a.IDs)
		}
		c := exchange.NewCursor(body)
		c.Skip()
		if valid := json.Valid(body); c.Ended() && !valid {
			t.Errorf("%q is no JSON and was read", body)
		}
	})
}

func TestAllJSONIsRead(t *testing.T) {
	s := sinkTo(t, nil)
	r := request(s, 1, 1, 2)
	batch, first, second := r.Reference.String(), r.Messages[0].String(), r.Messages[1].String()
	for sentence, body := range map[string]string{
		"other keys of every kind": `{"x":[1,-2.5e3,true,false,null,"",{"y":[[]],"z":{}}],"data":{"n":null,"attributes":{"messageBatchReference":"` + batch + `","messages":[{"messageReference":"` + first + `","id":"a","more":{}},{"id":"b","messageReference":"` + second + `"}],"m":[]}}}`,
		"white space anywhere":     " {\n\t\"data\" : {\"attributes\":\r\n{ \"messages\" : [ { \"id\" : \"a\" , \"messageReference\":\"" + first + "\" } , {\"messageReference\":\"" + second + "\",\"id\":\"b\"}\n] , \"messageBatchReference\" : \"" + batch + "\" } } } \n",
		"the messages turned":      `{"data":{"attributes":{"messageBatchReference":"` + batch + `","messages":[{"messageReference":"` + second + `","id":"b"},{"messageReference":"` + first + `","id":"a"}]}}}`,
		"escapes in keys and ids":  `{"d\u0061ta":{"attributes":{"messageBatchReference":"` + batch + `","messages":[{"messageReference":"` + first + `","id":"\u0061"},{"messageReference":"` + second + `","id":"b"}]}}}`,
	} {
		if a := accepted(r, []byte(body)); a.Reply != engine.Accepted || !slices.Equal(a.IDs, []string{"a", "b"}) {
			t.Errorf("%s: %+v", sentence, a)
		}
	}
	whole := created(batch, listed(r))
	for cut := range whole {
		if a := accepted(r, whole[:cut]); a.Reply == engine.Accepted {
			t.Errorf("an answer without its last %d bytes was read", len(whole)-cut)
		}
	}
	for sentence, body := range map[string]string{
		"something behind it":        string(whole) + "x",
		"a comma too many":           `{"data":{"attributes":{"messageBatchReference":"` + batch + `","messages":[{"messageReference":"` + first + `","id":"a"},{"messageReference":"` + second + `","id":"b"},]}}}`,
		"the messages listed twice":  `{"data":{"attributes":{"messageBatchReference":"` + batch + `","messages":[],"messages":[{"messageReference":"` + first + `","id":"a"},{"messageReference":"` + second + `","id":"b"}]}}}`,
		"a line end within a string": `{"data":{"attributes":{"x":"` + "\n" + `","messageBatchReference":"` + batch + `","messages":[{"messageReference":"` + first + `","id":"a"},{"messageReference":"` + second + `","id":"b"}]}}}`,
		"a number that is none":      `{"x":01,"data":{"attributes":{"messageBatchReference":"` + batch + `","messages":[{"messageReference":"` + first + `","id":"a"},{"messageReference":"` + second + `","id":"b"}]}}}`,
	} {
		inDoubt(t, sentence, accepted(r, []byte(body)))
	}
}

func TestReadingIDsAllocatesNothingForAMessage(t *testing.T) {
	s := sinkTo(t, nil)
	for sentence, turn := range map[string]func([]one){"in the request's order": func([]one) {}, "in another": slices.Reverse[[]one]} {
		r := request(s, 1, 1, 1000)
		list := listed(r)
		turn(list)
		body := created(r.Reference.String(), list)
		if n := testing.AllocsPerRun(20, func() { accepted(r, body) }); n > 20 {
			t.Errorf("%s: %v allocations for 1,000 messages", sentence, n)
		}
	}
}

func BenchmarkAccepted(b *testing.B) {
	s := New(Options{BaseURL: "http://127.0.0.1:1", Client: noClient()})
	r := request(s, 1, 1, 10_000)
	list := listed(r)
	slices.Reverse(list)
	body := created(r.Reference.String(), list)
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if accepted(r, body).Reply != engine.Accepted {
			b.Fatal("not accepted")
		}
	}
	b.ReportMetric(float64(b.N)*10_000/b.Elapsed().Seconds()/1e6, "M/s")
}
