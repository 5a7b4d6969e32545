package plan_test

import (
	"strings"
	"testing"

	"cohort/engine"
	"cohort/engine/enginetest"
	"cohort/engine/plan"
	"cohort/ingest/person"
)

// lines is a sink of rows that end by themselves.
type lines struct{ enginetest.Encoding }

func (lines) AppendHead(dst []byte, _ engine.Reference, _ uint8) []byte { return dst }
func (lines) AppendMessage(dst []byte, message engine.Reference, _ *person.Recipient) []byte {
	return append(append(dst, message[:]...), '\n')
}
func (lines) AppendTail(dst []byte) []byte { return dst }
func (lines) Separator() string            { return "" }

func TestLinesHaveNoSeparator(t *testing.T) {
	p := enginetest.NewPeople(20, 1, func(row int64) person.Fate {
		if row%5 == 0 {
			return person.Suppressed
		}
		return ""
	})
	limits := engine.Limits{Messages: 8, Bytes: 37 * 4}
	shards, err := enginetest.Cut(t.Context(), p, lines{}, limits)
	enginetest.Must(t, err)
	r, rows := plan.NewRenderer(enginetest.TestRun.References(), p, lines{}), []string{}
	for _, b := range shards[0] {
		request, err := r.Render(&b, plan.FormID{}, &b.Form)
		enginetest.Must(t, err)
		rows = append(rows, strings.Split(strings.TrimSuffix(string(request.Body), "\n"), "\n")...)
	}
	want := []string{}
	for _, row := range p.ToSend() {
		want = append(want, enginetest.TestRun.References().Message(row).String())
	}
	if strings.Join(rows, " ") != strings.Join(want, " ") || len(shards[0]) != 5 {
		t.Errorf("%d batches of %q", len(shards[0]), rows)
	}
}
