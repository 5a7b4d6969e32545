package report_test

import (
	"context"
	"fmt"
	"iter"
	"testing"
	"time"

	"cohort/engine"
	"cohort/engine/campaign"
	"cohort/engine/delivery"
	"cohort/engine/dispatch"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/report"
	"cohort/ingest/person"
)

// accepting is a service that takes everything at once.
type accepting struct{ *service }

func (accepting) Send(_ context.Context, r *engine.Request) engine.Answer {
	ids := make([]string, len(r.Messages))
	for i, m := range r.Messages {
		ids[i] = m.String()[9:] // as long as the service's own
	}
	return engine.Answer{Reply: engine.Accepted, Status: 201, IDs: ids}
}

// counting counts the bytes of a report.
type counting int64

func (c *counting) Write(b []byte) (int, error) { *c += counting(len(b)); return len(b), nil }

// complete is a run that the service has accepted whole. Its ledger is read anew for each input.
type complete struct {
	cohort  *cohort
	dir     string
	plan    *plan.Plan
	account ledger.Account
}

func accepted(t testing.TB, c *cohort) *complete {
	dir, ctx := t.TempDir(), context.Background()
	s := accepting{service: &service{}}
	batches, err := plan.Cut(ctx, run.References(), c, s, engine.Limits{Messages: 5000, Bytes: 1 << 20}, "")
	must(t, err)
	must(t, plan.Seal(dir, plan.Header{
		RunID: run.String(), Campaign: "a-campaign", Service: "notify simulator", Records: int64(len(c.records)), Static: c.static,
		Cohort: plan.Cohort{SHA256: "c0ffee", Files: []plan.CohortFile{{Path: "/somewhere/cohort.csv", SHA256: "c0ffee"}}}, Template: "t1",
	}, batches, nil))
	plan, err := plan.Open(dir)
	must(t, err)
	t.Cleanup(func() { _ = plan.Close() })
	log, err := ledger.Open(dir, plan)
	must(t, err)
	summary, err := dispatch.Run(ctx, dispatch.Job{Plan: plan, Log: log, Source: c, Sink: s, Pace: campaign.Pace{Location: time.UTC}, Ceiling: 1})
	must(t, err)
	must(t, log.Close())
	if summary.Account.Fates[person.Accepted] == 0 {
		t.Fatal(summary.Account)
	}
	return &complete{c, dir, plan, summary.Account}
}

func (c *complete) input(t testing.TB) report.Input {
	return input(t, c.dir, c.plan, c.cohort, c.account)
}

// BenchmarkEncode writes the report of a complete run: once without facts, and once with facts of each message. The
// records come from memory, so reading a spool is not measured.
func BenchmarkEncode(b *testing.B) {
	c := accepted(b, newCohort())
	for _, facts := range []bool{false, true} {
		b.Run(fmt.Sprintf("facts=%v", facts), func(b *testing.B) {
			var size counting
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				in := c.input(b)
				if facts {
					in.States = triedStates(rows)
				}
				b.StartTimer()
				size = 0
				must(b, report.Write(in, report.Parquet(&size)))
			}
			b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
			b.ReportMetric(float64(size)/rows, "bytes/row")
		})
	}
}

// triedStates yields the states of the messages of all rows: three attempts each.
func triedStates(n int64) iter.Seq2[delivery.Sorted, error] {
	return func(yield func(delivery.Sorted, error) bool) {
		for row := int64(1); row <= n; row++ {
			at := time.UnixMilli(1_795_000_000_000 + row*37)
			attempt := delivery.Attempt{Channel: "sms", Cascade: "primary", Order: 2, Status: "delivered", Supplier: "delivered", At: at, Source: delivery.Callback}
			s := delivery.State{
				Status: "delivered", DeliveredChannel: "sms", Delivered: true, DeliveredAt: at, LastEventAt: at, RoutingVersion: "version-1",
				Attempts: []delivery.Attempt{attempt, attempt, attempt}, Events: 4,
			}
			if !yield(delivery.Sorted{Row: row, State: s}, nil) {
				return
			}
		}
	}
}
