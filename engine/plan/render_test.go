package plan_test

import (
	"testing"

	"cohort/engine"
	"cohort/engine/enginetest"
	"cohort/engine/plan"
	"cohort/ingest/person"
)

// templated is a Sink whose messages carry three rendered fields.
type templated struct {
	enginetest.Encoding
	greeting, body, place engine.Template
}

func (s *templated) AppendMessage(dst []byte, message engine.Reference, p *person.Recipient) []byte {
	dst = append(append(dst, `{"messageReference":"`...), message[:]...)
	dst = p.Number.AppendDigits(append(dst, `","recipient":{"nhsNumber":"`...))
	dst = s.greeting.AppendJSON(append(dst, `"},"personalisation":{"greeting":`...), p.Fields)
	dst = s.body.AppendJSON(append(dst, `,"body":`...), p.Fields)
	dst = s.place.AppendJSON(append(dst, `,"place":`...), p.Fields)
	return append(dst, "}}"...)
}

func newTemplated(t testing.TB) *templated {
	columns := []string{"given", "family"}
	compile := func(text string) engine.Template {
		template, err := engine.CompileTemplate(text, columns)
		enginetest.Must(t, err)
		return template
	}
	return &templated{
		greeting: compile("Dear ((given)) ((family))"),
		body:     compile("Your invitation is ready, ((given)).\nPlease answer it soon; it takes a minute."),
		place:    compile("The surgery"),
	}
}

// A message costs no allocation. The race detector has a pool forget a quarter of its values.
func TestEncodingAllocatesNothingForAMessage(t *testing.T) {
	const messages = 1000
	builder := plan.Builder{References: enginetest.TestRun.References(), Source: enginetest.NewPeople(messages, 1, nil), Sink: newTemplated(t)}
	var out plan.Body
	encode := func() {
		enginetest.Must(t, builder.Encode(&out, enginetest.TestRun.References().Batch(0, 0, 0, 0), 0, &plan.Form{To: messages}))
	}
	encode() // makes the buffers
	if n := testing.AllocsPerRun(20, encode); n > messages/2 {
		t.Errorf("%v allocations for %d messages", n, messages)
	}
}

func BenchmarkRenderAndEncode(b *testing.B) {
	const messages = 1000
	p := enginetest.NewPeople(messages, 1, nil)
	builder := plan.Builder{References: enginetest.TestRun.References(), Source: p, Sink: newTemplated(b)}
	var out plan.Body
	form := plan.Form{To: messages}
	b.ReportAllocs()
	for b.Loop() {
		if err := builder.Encode(&out, enginetest.TestRun.References().Batch(0, 0, 0, 0), 0, &form); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(len(out.Bytes)))
	b.ReportMetric(float64(b.N)*messages/b.Elapsed().Seconds()/1e6, "Mmsg/s")
}
