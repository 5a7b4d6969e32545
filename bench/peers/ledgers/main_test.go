package main

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestEveryEngineFindsWhatItMadeDurable(t *testing.T) {
	for _, engine := range []string{"bbolt", "sqlite"} {
		for _, layout := range []string{"rows", "batches"} {
			for _, work := range []string{"write", "fill"} {
				for _, waiting := range []int{0, 16} {
					one := task{engine: engine, layout: layout, work: work, folder: t.TempDir(), group: 150, waiting: waiting, span: 20 * time.Millisecond, number: 12_345}
					if layout == "batches" && (waiting > 0 || work == "fill") {
						continue // the log's own layout is only asked for batches
					}
					if waiting > 0 {
						one.group = 1
					}
					r, err := one.do(t.Context())
					if err != nil || r.Messages == 0 || r.Found != r.Messages || r.Bytes < 27*r.Messages {
						t.Errorf("%+v: %+v, %v", one, r, err)
					}
					if work == "fill" && r.Messages != one.number {
						t.Errorf("%+v: filled with %d", one, r.Messages)
					}
					one.work = "rebuild"
					if again, err := one.do(t.Context()); err != nil || again.Messages != r.Messages {
						t.Errorf("%+v: %+v, %v", one, again, err)
					}
				}
			}
		}
	}
}

// An intent without an outcome is no accepted message, and a store that has lost one says
// a smaller number.
func TestIntentsAloneAreNotCounted(t *testing.T) {
	for _, engine := range []string{"bbolt", "sqlite"} {
		one := task{engine: engine, layout: "rows", folder: t.TempDir(), group: 10}
		s, err := open(engine, one.folder, true)
		if err != nil {
			t.Fatal(err)
		}
		err = errors.Join(s.put(one.attempted(nil, 0, 10)), s.put(one.outcomes(nil, 0, 9)), s.close())
		if n, e := one.accepted(t.Context()); err != nil || e != nil || n != 9 {
			t.Errorf("%s: %d accepted, %v, %v", engine, n, err, e)
		}
	}
}

func TestItStopsWhenItIsTold(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, waiting := range []int{0, 8} {
		one := task{engine: "bbolt", layout: "rows", work: "write", folder: t.TempDir(), group: 1, waiting: waiting, span: time.Hour}
		if _, err := one.do(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("%d waiting: %v", waiting, err)
		}
	}
}
