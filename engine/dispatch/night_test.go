package dispatch

import (
	"context"
	"iter"
	"math"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"cohort/engine"
	"cohort/engine/campaign"
	"cohort/engine/enginetest"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/ingest/person"
)

// crowd is a source with the people of a whole nation, and keeps nothing.
type crowd struct{ n, shards int }

func (c crowd) Lanes() int { return c.shards }
func (c crowd) Positions(shard person.Lane) uint32 {
	return uint32((c.n - int(shard) + c.shards - 1) / c.shards)
}
func (c crowd) Recipients(shard person.Lane, from, to uint32) iter.Seq2[person.Recipient, error] {
	return func(yield func(person.Recipient, error) bool) {
		fields := []string{"Zoë", "O'Neill"}
		for position := from; position < to; position++ {
			i := int(position)*c.shards + int(shard)
			if !yield(person.Recipient{Row: int64(i + 1), Number: enginetest.TestNumber(i), Position: position, Fields: fields}, nil) {
				return
			}
		}
	}
}

// counter is a service that counts the messages of each minute and takes each batch once.
type counter struct {
	enginetest.PlainBody
	took time.Duration

	mu       sync.Mutex
	opens    time.Time
	minutes  []int
	outside  int // messages of requests that came before the window or after it
	last     time.Time
	batches  map[engine.Reference]bool
	messages int
	ids      []string
}

func (c *counter) Kind() engine.Kind { return engine.Deduplicates }

func (c *counter) Send(ctx context.Context, r *engine.Request) engine.Answer {
	defer pause(ctx, c.took)
	c.mu.Lock()
	defer c.mu.Unlock()
	n := len(r.Messages)
	c.last = time.Now()
	if m := int(math.Floor(c.last.Sub(c.opens).Minutes())); m >= 0 && m < len(c.minutes) {
		c.minutes[m] += n
	} else {
		c.outside += n
	}
	if c.batches[r.Reference] {
		return engine.Answer{Reply: engine.Known, Status: 422, Code: "DUPLICATE"}
	}
	c.batches[r.Reference] = true
	c.messages += n
	for len(c.ids) < n {
		c.ids = append(c.ids, strconv.Itoa(len(c.ids)))
	}
	return engine.Answer{Reply: engine.Accepted, Status: 201, IDs: c.ids[:n]}
}

// A national night end to end on a fake clock: 3.4 million people from 06:00 to 22:00,
// planned, logged and sent as in a real one. Every minute is even to within one batch, and
// the run is done before the last call.
func TestANationalNight(t *testing.T) {
	if testing.Short() || slowed {
		t.Skip("3.4 million messages are rendered, twice; shorter runs pass the same code under the race detector")
	}
	zone := enginetest.London(t)
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(5 * time.Hour)
		const cohort = 3_400_000
		pace := campaign.Pace{Messages: cohort, CatchUp: 1, Window: &campaign.Hours{From: 360, To: 1320}, Location: zone, LastCall: time.Minute}
		limits := engine.Limits{Messages: 45_000, Bytes: 5_000_000}.Smooth(pace.EvenRate(), 10*time.Second)
		source, dir := crowd{cohort, 8}, t.TempDir()
		batches, err := plan.Cut(t.Context(), enginetest.TestRun.References(), source, enginetest.Encoding{}, limits, "")
		enginetest.Must(t, err)
		enginetest.Must(t, plan.Seal(dir, enginetest.TestHeader(&enginetest.People{Rows: cohort}), batches, nil))
		plan := enginetest.OpenPlan(t, dir)
		log, err := ledger.Open(dir, plan)
		enginetest.Must(t, err)

		opens := time.Now().Add(time.Hour)
		s := &counter{took: 300 * time.Millisecond, opens: opens, minutes: make([]int, 16*60), batches: map[engine.Reference]bool{}}
		summary, err := Run(t.Context(), Job{Plan: plan, Log: log, Source: source, Sink: s, Start: ledger.Start{At: time.Now(), Version: "test"}, Pace: pace, OneWindow: true})
		enginetest.Must(t, err)
		enginetest.Must(t, log.Close())

		if sent := summary.Account.Fates[person.Accepted]; !summary.Finished || sent != cohort || s.messages != cohort || s.outside != 0 {
			t.Fatalf("finished %v: %d accepted, and the service counts %d, %d of them outside the window", summary.Finished, sent, s.messages, s.outside)
		}
		if lastCall := opens.Add(16*time.Hour - time.Minute); !s.last.Before(lastCall) || time.Now().After(opens.Add(16*time.Hour)) {
			t.Errorf("the last request went out at %s, and the run ended at %s", s.last, time.Now())
		}
		// The last call is no time to send in: 959 minutes are even.
		even, sum := float64(cohort)/(16*60-1), 0
		for m, n := range s.minutes[:16*60-1] {
			sum += n
			if math.Abs(float64(n)-even) > float64(plan.Largest) {
				t.Errorf("minute %d has %d messages, and %.1f are even", m, n, even)
			}
			if off := float64(sum) - even*float64(m+1); math.Abs(off) > float64(plan.Largest) {
				t.Errorf("after minute %d the run is %.1f messages off the even line", m, off)
			}
		}
	})
}
