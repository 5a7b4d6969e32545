package engine

import (
	"context"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Where a request holds one message, no newer form of it ever holds a message: whatever the
// service says, and whoever is listed, a message is sent under the one reference that it
// has or not at all.
func TestASingleMessageIsNeverRevisedIntoAnother(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawPeople(t)
		shards, err := Cut(context.Background(), testRun, p, encoding{}, Limits{Messages: 1, Bytes: 5000})
		if err != nil {
			t.Fatal(err)
		}
		builder := builder{run: testRun, source: p, sink: encoding{}}
		var sent []Reference
		for shard, batches := range shards {
			for _, b := range batches {
				var out body
				if err := builder.encode(&out, Reference{}, uint32(shard), &b.Form); err != nil {
					t.Fatal(err)
				}
				if len(out.messages) != int(b.Messages) || b.Messages > 1 {
					t.Fatalf("a request holds %d messages, and %d by the plan", len(out.messages), b.Messages)
				}
				if b.Messages == 0 {
					continue
				}
				sent = append(sent, out.messages...)
				refused := refusedRows(out.positions, []RowError{{Index: 0, Code: "c"}})
				if parts := b.less(1, refused); len(parts) > 0 {
					t.Fatalf("a refused message has newer forms: %+v", parts)
				}
				if parts, refused := b.smaller(out.positions, "c"); len(parts) > 0 || len(refused) != 1 {
					t.Fatalf("a message that is too large has newer forms: %+v", parts)
				}
				listed := b.without(out.positions)
				if err := builder.encode(&out, Reference{}, uint32(shard), &listed); err != nil || len(out.messages) > 0 {
					t.Fatalf("a message of somebody who was listed is still sent: %v", err)
				}
			}
		}
		want := p.toSend()
		slices.SortFunc(sent, func(a, b Reference) int { return slices.Compare(a[:], b[:]) })
		if len(slices.Compact(sent)) != len(want) {
			t.Fatalf("%d references for %d people", len(sent), len(want))
		}
		for _, row := range want {
			r := testRun.MessageReference(row)
			if _, found := slices.BinarySearchFunc(sent, r, func(a, b Reference) int { return slices.Compare(a[:], b[:]) }); !found {
				t.Fatalf("nobody sends record %d", row)
			}
		}
	})
}
