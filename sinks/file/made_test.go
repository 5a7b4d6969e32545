package file

import (
	"iter"
	"testing"

	"cohort/engine"
	"cohort/engine/plan"
	"cohort/ingest/person"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// testNumber is the i-th valid NHS number of the 999 range.
func testNumber(i int) person.NHSNumber {
	for body := uint64(999_000_000 + i); ; body += 500_000 {
		sum, rest := uint64(0), body
		for weight := uint64(2); weight <= 10; weight++ {
			sum += rest % 10 * weight
			rest /= 10
		}
		if check := (11 - sum%11) % 11; check < 10 {
			return person.NHSNumber(body*10 + check)
		}
	}
}

var testRun = engine.NewRunID("a-campaign", [32]byte{1}, "file mesh")

// people is a cohort of one shard in memory.
type people [][]string

func (p people) Lanes() int                   { return 1 }
func (p people) Positions(person.Lane) uint32 { return uint32(len(p)) }
func (p people) Recipients(_ person.Lane, from, to uint32) iter.Seq2[person.Recipient, error] {
	return func(yield func(person.Recipient, error) bool) {
		for i := from; i < to; i++ {
			if !yield(person.Recipient{Row: int64(i) + 1, Number: testNumber(int(i)), Position: i, Fields: p[i]}, nil) {
				return
			}
		}
	}
}

// fields compiles texts against the fields that people have: a and b.
func fields(t testing.TB, texts ...string) (all []Field) {
	t.Helper()
	for i, text := range texts {
		compiled, err := engine.CompileTemplate(text, []string{"a", "b"})
		must(t, err)
		all = append(all, Field{Name: string(rune('p' + i)), Text: compiled})
	}
	return all
}

// batches cuts people into accepted forms, and renders their bodies.
func batches(t testing.TB, s *Sink, p people, most int) (forms []plan.AcceptedForm, bodies [][]byte) {
	t.Helper()
	limits := s.Limits()
	limits.Messages = min(limits.Messages, most)
	cut, err := plan.Cut(t.Context(), testRun.References(), p, s, limits, "")
	must(t, err)
	r := plan.NewRenderer(testRun.References(), p, s)
	for b, err := range cut.Each() {
		must(t, err)
		id := plan.FormID{Batch: b.Ordinal}
		request, err := r.Render(&b, id, &b.Form)
		must(t, err)
		if !b.Fits(request.Body) {
			t.Fatal("a body is not what was planned")
		}
		bodies = append(bodies, append([]byte(nil), request.Body...))
		forms = append(forms, plan.AcceptedForm{Form: b.Form, ID: id, Planned: b, Reference: request.Reference})
	}
	return forms, bodies
}
