package dispatch

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"cohort/engine"
	"cohort/engine/decision"
	"cohort/engine/enginetest"
	"cohort/engine/inspect"
	"cohort/engine/journal"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/record"
	"cohort/engine/recovery"
	"cohort/ingest/person"
)

// A run of three routes is killed, gets a list that was not there before, loses its log and
// has refused messages sent again. Nobody is sent to twice, every record goes by its route,
// and the accounts of the routes add up to the run's.
func TestARunOfThreeRoutesThroughMisfortunes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(1)
		b := newDatedBench(t, enginetest.NewRouted(60, 2, 3, some(9, person.Suppressed)), engine.Limits{Messages: 4, Bytes: 1 << 20})
		s.refuseRows(33, 34, 35, 38)
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		first := &connection{kind: engine.Deduplicates, service: s}
		first.onSend = func(n int, _ *engine.Request) {
			if n == 3 {
				first.die()
				stop()
			}
		}
		_, _ = b.start(ctx, first, func(j *Job) { j.Ceiling = 2 })
		l := newRegistry(b.people)
		l.list("opted_out", 11, 12, 13, 14, 15, 16, 50, 51, 52)
		summary, err := b.start(t.Context(), &connection{kind: engine.Deduplicates, service: s}, func(j *Job) { j.Lists = l.lists })
		enginetest.Must(t, err)
		enginetest.Must(t, ledger.CheckRoutes(summary.Routes, summary.Account))
		if len(summary.Routes) != 3 || summary.Account.Fates[person.Refused] == 0 {
			t.Fatalf("%+v", summary)
		}
		refused := map[string]int64{}
		for _, r := range summary.Routes {
			refused[r.Name] = r.Account.Fates[person.Refused]
		}
		if !maps.Equal(refused, map[string]int64{"way0": 1, "way1": 2, "way2": 1}) { // rows 38; 33 and 34; 35
			t.Errorf("refused by route: %v", refused)
		}
		for row, o := range b.outcomes() {
			if sent := s.accepted[enginetest.TestRun.References().Message(row).String()]; sent > 1 || (sent == 1) != (o.Fate == person.Accepted) {
				t.Errorf("row %d was accepted %d times: %+v", row, sent, o)
			}
			if _, listed := l.rows[row]; listed && o.Fate != person.Suppressed && o.Code != ledger.CodeListedTooLate {
				t.Errorf("row %d is listed, and %+v", row, o)
			}
		}
		s.mu.Lock()
		clear(s.bad)
		s.mu.Unlock()
		plan := enginetest.OpenPlan(t, b.dir)
		log, err := ledger.Open(b.dir, plan)
		enginetest.Must(t, err)
		again := decision.RetryCandidates(log.Ledger, nil)
		enginetest.Must(t, again.Commit(log, b.people, enginetest.Encoding{}, "ann", "mended", time.Now()))
		enginetest.Must(t, log.Close())
		summary, err = b.start(t.Context(), &connection{kind: engine.Deduplicates, service: s}, func(j *Job) { j.Lists = l.lists })
		enginetest.Must(t, err)
		if n := summary.Account.Fates[person.Refused]; again.Sum().Again == 0 || int(n) != again.Sum().Unsure {
			t.Errorf("%d are refused of %+v", n, again.Sum())
		}
		enginetest.Must(t, os.RemoveAll(filepath.Join(b.dir, ledger.LogFolder)))
		_, err = recovery.Recover(b.dir, plan, recovery.Recovery{At: time.Now(), Attempts: summary.Attempts})
		enginetest.Must(t, err)
		summary, err = b.start(t.Context(), &connection{kind: engine.Deduplicates, service: s}, nil)
		enginetest.Must(t, err)
		enginetest.Must(t, ledger.CheckRoutes(summary.Routes, summary.Account))
		for row, n := range s.accepted {
			if n > 1 {
				t.Errorf("%s was accepted %d times", row, n)
			}
		}
		for _, w := range s.wrong {
			t.Error(w)
		}
	})
}

// A plan comes out the same, to the byte: a run that another build of this version has begun goes on.
func TestAPlanWithoutRoutesIsAsItWas(t *testing.T) {
	dir := t.TempDir()
	enginetest.SealPlan(t, dir, enginetest.NewPeople(3, 1, nil), engine.Limits{Messages: 2, Bytes: 1 << 20})
	text, err := os.ReadFile(filepath.Join(dir, plan.PlanFile))
	enginetest.Must(t, err)
	const want = `{
  "version": 3,
  "run_id": "%s",
  "campaign": "a-campaign",
  "service": "notify simulator",
  "cohort": {
    "sha256": "01",
    "bytes": 0,
    "files": [
      {
        "path": "/somewhere/cohort.csv",
        "sha256": "01",
        "bytes": 0
      }
    ]
  },
  "created": "0001-01-01T00:00:00Z",
  "frozen": [
    {
      "key": "campaign",
      "value": "a-campaign"
    }
  ],
  "template_version": "t1",
  "spool_sha256": "",
  "records": 3,
  "fates_before_sending": {},
  "messages": 3,
  "batches": 2,
  "batches_sha256": "88760f12e12c3f92292e8feaf29d23a8d60641af830bb11b8475060de6f9f6a9",
  "largest_batch": 2,
  "largest_body": 261,
  "shard_starts": [
    0
  ]
}
`
	if string(text) != fmt.Sprintf(want, enginetest.TestRun) {
		t.Errorf("%s", text)
	}
}

// Each batch is of one route, and the references of all of them are different.
func TestAPlanOfThreeRoutes(t *testing.T) {
	dir := t.TempDir()
	p := enginetest.NewRouted(40, 2, 3, some(4, person.Duplicate))
	p.ByLane[4] = nil // nobody of the second shard goes by the second route
	planned := enginetest.SealPlan(t, dir, p, engine.Limits{Messages: 3, Bytes: 1 << 20})
	if planned.Version != 3 || len(planned.LaneStarts) != 6 {
		t.Fatalf("%+v", planned.Header)
	}
	bd, seen, positions := plan.Builder{References: enginetest.TestRun.References(), Source: p, Sink: enginetest.Encoding{}}, map[engine.Reference]bool{}, [2]map[uint32]bool{{}, {}}
	for b, err := range planned.Each() {
		enginetest.Must(t, err)
		var out plan.Body
		enginetest.Must(t, bd.Rebuild(&out, &b, plan.FormID{Batch: b.Number}, &b.Form))
		if _, _, err := enginetest.ReadPlainBody(out.Bytes); err != nil {
			t.Errorf("batch %d: %v", b.Number, err)
		}
		if seen[out.Reference] {
			t.Errorf("two batches have the reference %s", out.Reference)
		}
		seen[out.Reference] = true
		for _, at := range out.Positions {
			if positions[b.Lane/3][at] {
				t.Errorf("position %d of shard %d is in two batches", at, b.Lane/3)
			}
			positions[b.Lane/3][at] = true
		}
		route := fmt.Sprint("way", b.Lane%3)
		if got := planned.Routes[planned.RouteOfBatch(b.Number)].Name; got != route || planned.TemplateOf(b.Lane) != fmt.Sprint("t", b.Lane%3) {
			t.Errorf("batch %d of lane %d goes by %s", b.Number, b.Lane, got)
		}
		attempt := &record.Attempt{Form: plan.FormID{Batch: b.Number}}
		e, err := inspect.ReadEntry(planned, journal.Record{Type: attempt.Kind(), Payload: record.Append(nil, attempt)})
		enginetest.Must(t, err)
		if *e.Shard != uint32(b.Lane)/3 || e.Route != route || e.BatchReference != out.Reference.String() {
			t.Errorf("the log says of batch %d: %+v", b.Number, e)
		}
	}
	if n := len(positions[0]) + len(positions[1]); n != len(p.ToSend()) {
		t.Errorf("%d are in batches", n)
	}
}
