package dispatch

import (
	"context"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"cohort/engine"
	"cohort/engine/enginetest"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/ingest/person"
)

// Where a request holds one message, no newer form of it ever holds a message: whatever the
// service says, and whoever is listed, a message is sent under the one reference that it
// has or not at all.
func TestASingleMessageIsNeverRevisedIntoAnother(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := enginetest.DrawPeople(t)
		shards, err := enginetest.Cut(context.Background(), p, enginetest.Encoding{}, engine.Limits{Messages: 1, Bytes: 5000})
		if err != nil {
			t.Fatal(err)
		}
		builder := plan.Builder{References: enginetest.TestRun.References(), Source: p, Sink: enginetest.Encoding{}}
		var sent []engine.Reference
		for shard, batches := range shards {
			for _, b := range batches {
				var out plan.Body
				if err := builder.Encode(&out, engine.Reference{}, person.Lane(shard), &b.Form); err != nil {
					t.Fatal(err)
				}
				if len(out.Messages) != int(b.Messages) || b.Messages > 1 {
					t.Fatalf("a request holds %d messages, and %d by the plan", len(out.Messages), b.Messages)
				}
				if b.Messages == 0 {
					continue
				}
				sent = append(sent, out.Messages...)
				refused := refusedRows(out.Positions, []engine.RowError{{Index: 0, Code: "c"}})
				if parts := ledger.Without(b.Form, 1, refused); len(parts) > 0 {
					t.Fatalf("a refused message has newer forms: %+v", parts)
				}
				if parts, refused := smaller(b.Form, out.Positions, "c"); len(parts) > 0 || len(refused) != 1 {
					t.Fatalf("a message that is too large has newer forms: %+v", parts)
				}
				listed := b.Without(out.Positions)
				if err := builder.Encode(&out, engine.Reference{}, person.Lane(shard), &listed); err != nil || len(out.Messages) > 0 {
					t.Fatalf("a message of somebody who was listed is still sent: %v", err)
				}
			}
		}
		want := p.ToSend()
		slices.SortFunc(sent, func(a, b engine.Reference) int { return slices.Compare(a[:], b[:]) })
		if len(slices.Compact(sent)) != len(want) {
			t.Fatalf("%d references for %d people", len(sent), len(want))
		}
		for _, row := range want {
			r := enginetest.TestRun.References().Message(row)
			if _, found := slices.BinarySearchFunc(sent, r, func(a, b engine.Reference) int { return slices.Compare(a[:], b[:]) }); !found {
				t.Fatalf("nobody sends record %d", row)
			}
		}
	})
}
