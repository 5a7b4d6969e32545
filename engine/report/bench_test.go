package report_test

import (
	"context"
	"testing"
	"time"

	"cohort/engine"
	"cohort/engine/campaign"
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

// BenchmarkEncode writes the report of a complete run.
// The records come from memory: reading them from a spool is not in it.
func BenchmarkEncode(b *testing.B) {
	c, dir, ctx := newCohort(), b.TempDir(), b.Context()
	s := accepting{service: &service{}}
	batches, err := plan.Cut(ctx, run.References(), c, s, engine.Limits{Messages: 5000, Bytes: 1 << 20}, "")
	must(b, err)
	must(b, plan.Seal(dir, plan.Header{
		RunID: run.String(), Campaign: "a-campaign", Service: "notify simulator", Records: rows, Static: c.static,
		Cohort: plan.Cohort{SHA256: "c0ffee", Files: []plan.CohortFile{{Path: "/somewhere/cohort.csv", SHA256: "c0ffee"}}}, Template: "t1",
	}, batches, nil))
	plan, err := plan.Open(dir)
	must(b, err)
	defer func() { _ = plan.Close() }()
	log, err := ledger.Open(dir, plan)
	must(b, err)
	summary, err := dispatch.Run(ctx, dispatch.Job{Plan: plan, Log: log, Source: c, Sink: s, Pace: campaign.Pace{Location: time.UTC}, Ceiling: 1})
	must(b, err)
	must(b, log.Close())
	if summary.Account.Fates[person.Accepted] == 0 {
		b.Fatal(summary.Account)
	}
	var size counting
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		in := input(b, dir, plan, c, summary.Account)
		b.StartTimer()
		size = 0
		must(b, report.Write(in, report.Parquet(&size)))
	}
	b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
	b.ReportMetric(float64(size)/rows, "bytes/row")
}
