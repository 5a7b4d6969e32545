package plan_test

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"cohort/engine"
	"cohort/engine/enginetest"
	"cohort/engine/plan"
	"cohort/ingest/person"
)

func TestSmooth(t *testing.T) {
	for sentence, test := range map[string]struct {
		rate float64
		span time.Duration
		want int
	}{
		"the national rate, ten seconds":      {59.03, 10 * time.Second, 590},
		"no rate leaves the limit":            {0, 10 * time.Second, 45000},
		"a high rate leaves the limit":        {1e6, 10 * time.Second, 45000},
		"a rate of next to nothing sends one": {0.001, 10 * time.Second, 1},
		"parts of a message are not sent":     {0.99, 2 * time.Second, 1},
	} {
		if got := (engine.Limits{Messages: 45000, Bytes: 5}).Smooth(test.rate, test.span); got != (engine.Limits{Messages: test.want, Bytes: 5}) {
			t.Errorf("%s: got %+v", sentence, got)
		}
	}
}

func drawLimits(t *rapid.T) engine.Limits {
	return engine.Limits{Messages: rapid.IntRange(1, 20).Draw(t, "messages"), Bytes: rapid.IntRange(700, 5000).Draw(t, "bytes")}
}

// Ranges are contiguous and cover every position; no request is larger than allowed;
// what was recorded of a body is what building it again gives; nobody who is
// suppressed or a duplicate is in a body, and everybody else in exactly one.
func TestCut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, limits := enginetest.DrawPeople(t), drawLimits(t)
		shards, err := enginetest.Cut(context.Background(), p, enginetest.Encoding{}, limits)
		if err != nil {
			t.Fatal(err)
		}
		builder := plan.Builder{References: enginetest.TestRun.References(), Source: p, Sink: enginetest.Encoding{}}
		inBody := map[string]int{}
		for shard, batches := range shards {
			next := uint32(0)
			for i := range batches {
				b := &batches[i]
				if b.Lane != person.Lane(shard) || b.Ordinal != uint32(i) || b.From != next || b.To <= b.From {
					t.Fatalf("batch %d of shard %d: %+v follows position %d", i, shard, b, next)
				}
				next = b.To
				if int(b.Messages) > limits.Messages || int(b.Bytes) > limits.Bytes {
					t.Fatalf("%d messages of %d bytes in a batch of %+v", b.Messages, b.Bytes, limits)
				}
				var out plan.Body
				if err := builder.Rebuild(&out, b, plan.FormID{}, &b.Form); err != nil {
					t.Fatal(err)
				}
				if !b.Fits(out.Bytes) {
					t.Fatal("the digest is not the body's")
				}
				_, messages, err := enginetest.ReadPlainBody(out.Bytes)
				if err != nil || len(messages) != int(b.Messages) || len(out.Positions) != len(messages) {
					t.Fatalf("%s: %v", out.Bytes, err)
				}
				for _, m := range messages {
					inBody[m]++
				}
			}
			if next != p.Positions(person.Lane(shard)) {
				t.Fatalf("shard %d ends at %d of %d", shard, next, p.Positions(person.Lane(shard)))
			}
		}
		for _, row := range p.ToSend() {
			if inBody[enginetest.TestRun.References().Message(row).String()] != 1 {
				t.Fatalf("row %d is in %d bodies", row, inBody[enginetest.TestRun.References().Message(row).String()])
			}
		}
		if len(inBody) != len(p.ToSend()) {
			t.Fatalf("%d messages for %d people", len(inBody), len(p.ToSend()))
		}
	})
}

// Another list of suppressed people moves no boundary.
func TestBoundariesDoNotMove(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, limits := enginetest.DrawPeople(t), drawLimits(t)
		ranges := func() (all [][2]uint32) {
			shards, err := enginetest.Cut(context.Background(), p, enginetest.Encoding{}, limits)
			if err != nil {
				t.Fatal(err)
			}
			for _, b := range slices.Concat(shards...) {
				all = append(all, [2]uint32{b.From, b.To})
			}
			return all
		}
		before := ranges()
		for _, shard := range p.ByLane {
			for i := range shard {
				shard[i].Suppressed = rapid.Bool().Draw(t, "suppressed")
			}
		}
		if after := ranges(); !slices.Equal(before, after) {
			t.Fatalf("%v became %v", before, after)
		}
	})
}

// A batch is as full as it may be: what was cut off would not have fitted.
func TestBatchesAreFull(t *testing.T) {
	shards, err := enginetest.Cut(t.Context(), enginetest.NewPeople(1000, 1, nil), enginetest.Encoding{}, engine.Limits{Messages: math.MaxInt, Bytes: 5000})
	enginetest.Must(t, err)
	for _, b := range shards[0][:len(shards[0])-1] {
		if b.Bytes < 5000-200 {
			t.Errorf("batch %d has only %d bytes", b.Ordinal, b.Bytes)
		}
	}
	shards, err = enginetest.Cut(t.Context(), enginetest.NewPeople(1000, 1, nil), enginetest.Encoding{}, engine.Limits{Messages: 7, Bytes: 1 << 20})
	enginetest.Must(t, err)
	for _, b := range shards[0][:len(shards[0])-1] {
		if b.Messages != 7 {
			t.Errorf("batch %d has %d messages", b.Ordinal, b.Messages)
		}
	}
}

func TestMessagesThatCannotBeCut(t *testing.T) {
	long := enginetest.NewPeople(20, 1, nil)
	long.ByLane[0][11].Fields[0] = strings.Repeat("n", 2000)
	_, err := enginetest.Cut(t.Context(), long, enginetest.Encoding{}, engine.Limits{Messages: 100, Bytes: 2000})
	enginetest.CheckError(t, "a message that no request has room for", err, "record 12 should have been invalid (too_long: it makes a request of")
	if err != nil && strings.Contains(err.Error(), "999") {
		t.Errorf("the error tells a number: %v", err)
	}
	choosy := enginetest.NewPeople(20, 1, nil)
	choosy.ByLane[0][3].Fields[0], choosy.ByLane[0][3].Suppressed = "odd", true // a suppressed person
	choosy.ByLane[0][11].Fields[0] = "odd"
	_, err = enginetest.Cut(t.Context(), choosy, examining{}, engine.Limits{Messages: 100, Bytes: 2000})
	enginetest.CheckError(t, "a message that the sink objects to", err, "record 12 should have been invalid (odd_name: its name is odd)")
	broken := enginetest.NewPeople(20, 2, nil)
	broken.FailAt = 12
	if _, err := enginetest.Cut(t.Context(), broken, enginetest.Encoding{}, engine.Limits{Messages: 100, Bytes: 2000}); !errors.Is(err, enginetest.ErrUnreadable) {
		t.Errorf("a spool that cannot be read: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := enginetest.Cut(ctx, enginetest.NewPeople(20, 2, nil), enginetest.Encoding{}, engine.Limits{Messages: 100, Bytes: 2000}); !errors.Is(err, context.Canceled) {
		t.Errorf("a cut that was cancelled: %v", err)
	}
	shards, err := enginetest.Cut(t.Context(), enginetest.NewPeople(0, 3, nil), enginetest.Encoding{}, engine.Limits{Messages: 100, Bytes: 2000})
	if err != nil || len(shards) != 3 || len(slices.Concat(shards...)) != 0 {
		t.Errorf("of nobody: %v, %v", shards, err)
	}
}

// examining objects to one name.
type examining struct{ enginetest.Encoding }

func (examining) Asks() []person.Limit {
	return []person.Limit{{Code: "odd_name", Words: "its name is odd", Least: 3, Keeps: func(fields []string) bool { return fields[0] != "odd" }}}
}

// The forms that replace one hold the same people, each once.
func TestFormsAreCutWithoutLoss(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		positions := func(f plan.Form) (all []uint32) {
			for p := f.From; p < f.To; p++ {
				if !slices.Contains(f.Dropped, p) {
					all = append(all, p)
				}
			}
			return all
		}
		some := func(of []uint32) (chosen []uint32) {
			for _, p := range of {
				if rapid.Bool().Draw(t, "chosen") {
					chosen = append(chosen, p)
				}
			}
			return chosen
		}
		f := plan.Form{From: rapid.Uint32Range(0, 9).Draw(t, "from")}
		f.To = f.From + rapid.Uint32Range(2, 30).Draw(t, "length")
		f.Dropped = some(positions(f))
		all := positions(f)
		drop := some(all)
		less := f.Without(drop)
		if got := slices.Concat(positions(less), drop); len(got) != len(all) || !slices.IsSorted(less.Dropped) {
			t.Fatalf("%+v without %v is %+v", f, drop, less)
		}
		at := rapid.Uint32Range(f.From+1, f.To-1).Draw(t, "at")
		halves := f.Halves(at)
		if got := slices.Concat(positions(halves[0]), positions(halves[1])); !slices.Equal(got, all) {
			t.Fatalf("%+v became %+v", f, halves)
		}
	})
}
