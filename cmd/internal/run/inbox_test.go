package run

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"cohort/engine"
	"cohort/engine/campaign"
	"cohort/engine/decision"
	"cohort/engine/delivery"
	"cohort/engine/dispatch"
	"cohort/engine/enginetest"
	"cohort/engine/facts"
	"cohort/engine/inbox"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/runfolder"
	"cohort/ingest/person"
)

// race is a service that does not deduplicate, its receipts, and a person who has messages in doubt sent again, over
// and over.
type race struct {
	*testing.T
	enginetest.Encoding
	people *enginetest.People
	runner *Runner
	shared *inbox.Inbox

	mu     sync.Mutex
	rng    *rand.Rand
	taken  map[engine.Reference]int  // how often the service took the message
	told   map[engine.Reference]bool // a receipt of it is durable
	barred map[engine.Reference]bool // it was, when a decision or an attempt began
	sent   int
}

// Recipients is the source of requests: what a worker reads here, it is about to attempt.
func (r *race) Recipients(lane person.Lane, from, to uint32) iter.Seq2[person.Recipient, error] {
	return func(yield func(person.Recipient, error) bool) {
		for p, err := range r.people.Recipients(lane, from, to) {
			r.bar(enginetest.TestRun.References().Message(p.Row))
			if !yield(p, err) {
				return
			}
		}
	}
}

func (r *race) Lanes() int                        { return r.people.Lanes() }
func (r *race) Positions(lane person.Lane) uint32 { return r.people.Positions(lane) }
func (r *race) Kind() engine.Kind                 { return engine.CanBeAsked }
func (r *race) bar(message engine.Reference) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.barred[message] = r.told[message]
}

// Send takes a message or loses it, and answers or does not.
func (r *race) Send(_ context.Context, q *engine.Request) engine.Answer {
	time.Sleep(time.Second)
	r.mu.Lock()
	defer r.mu.Unlock()
	message := q.Messages[0]
	if r.sent++; r.barred[message] {
		r.Errorf("a message goes out though its receipt was stored before its attempt")
	}
	taken := r.rng.IntN(2) == 0
	if taken {
		r.taken[message]++
	}
	if taken && r.rng.IntN(3) == 0 {
		return engine.Answer{Reply: engine.Accepted, Status: 201, IDs: []string{"id of " + message.String()}}
	}
	return engine.Answer{Reply: engine.Unknown, Code: "timeout"}
}

// tell stores receipts of what was taken, one after another, until ctx ends.
func (r *race) tell(ctx context.Context) {
	for ctx.Err() == nil {
		r.mu.Lock()
		pause := time.Duration(r.rng.IntN(3)*r.rng.IntN(4000)) * time.Millisecond // often none
		var next []engine.Reference
		for message := range r.taken {
			if !r.told[message] {
				next = append(next, message) // in no order
			}
		}
		r.mu.Unlock()
		time.Sleep(pause)
		if len(next) > 0 {
			r.store(next[0])
		}
	}
}

func (r *race) store(message engine.Reference) {
	enginetest.Must(r, r.shared.Put(context.Background(), []delivery.Event{{
		Source: delivery.Receipt, Kind: delivery.OfMessage, Reference: message.String(), MessageID: "id of " + message.String(), Status: "delivered", At: time.Now(), Received: time.Now(),
	}}))
	r.mu.Lock()
	defer r.mu.Unlock()
	r.told[message] = true
}

// decide has everything in doubt sent again that no receipt names, long after the attempts.
func (r *race) decide(planned *plan.Plan) {
	in, err := r.runner.Listen(r.Context(), planned, "decide")
	enginetest.Must(r, err)
	defer func() { _ = in.Close() }()
	enginetest.Must(r, runfolder.WithLog(r.runner.Folder.Path, planned, func(log *ledger.Log) error {
		enginetest.Must(r, log.Open(ledger.Start{At: time.Now()}))
		forms, _, err := decision.InDoubt(log.Ledger, r.people)
		enginetest.Must(r, err)
		for message := range forms {
			r.bar(message)
		}
		found, err := in.Names(forms)
		enginetest.Must(r, err)
		of := map[plan.FormID]bool{}
		for message, form := range forms {
			of[form] = true
			if _, named := found[form]; !named && r.barred[message] {
				r.Errorf("a decision does not know a receipt that was stored before")
			}
		}
		tried, err := decision.Attempts(r.runner.Folder.Path, planned, func(id plan.FormID) bool { return of[id] })
		enginetest.Must(r, err)
		later := time.Now().AddDate(0, 0, 9)
		again, err := decision.ResendCandidates(r.Context(), log.Ledger, decision.Evidence{Found: found, Attempts: tried}, later)
		enginetest.Must(r, err)
		enginetest.Must(r, decision.Found(log, later, found))
		return again.Commit(log, "ann", "over and over", later)
	}))
}

// send is a start, as start.dispatch makes it.
func (r *race) send(planned *plan.Plan) {
	log, err := ledger.Open(r.runner.Folder.Path, planned)
	enginetest.Must(r, err)
	in, err := r.runner.Listen(r.Context(), planned, "send")
	enginetest.Must(r, err)
	defer func() { _ = in.Close() }()
	s := &start{run: r.runner, plan: planned, heard: in}
	summary, err := dispatch.Run(r.Context(), dispatch.Job{
		Plan: planned, Log: log, Source: r, Sink: r, Inbox: in, Pace: campaign.Pace{Location: time.UTC}, Ceiling: 3,
		Begin: &dispatch.Beginning{Remember: func() error { return nil }, Register: func() error { return s.settle(log, r.people) }},
	})
	enginetest.Must(r, err)
	enginetest.Must(r, summary.Account.Check())
	enginetest.Must(r, log.Close())
}

// Receipts land at any moment while a person has doubt sent again in a loop. A receipt that was stored before an
// attempt was recorded cancels it.
func TestReceiptsRaceDecisions(t *testing.T) {
	cancelled := 0
	for seed := range uint64(20) {
		cancelled += raceOf(t, seed)
	}
	if cancelled == 0 {
		t.Error("no receipt came between a decision and its attempt: the test shows nothing")
	}
	t.Logf("%d attempts were cancelled by a receipt", cancelled)
}

// raceOf returns how many attempts a receipt cancelled.
func raceOf(t *testing.T, seed uint64) (cancelled int) {
	synctest.Test(t, func(t *testing.T) {
		runs := t.TempDir()
		dir := filepath.Join(runs, "run")
		enginetest.Must(t, os.Mkdir(dir, 0o700))
		shared, err := inbox.Open(filepath.Join(runs, facts.SharedFolder), "callbacks")
		enginetest.Must(t, err)
		r := &race{
			T: t, people: enginetest.NewPeople(24, 1, nil), shared: shared, rng: rand.New(rand.NewPCG(seed, 1)),
			runner: &Runner{Folder: &runfolder.Folder{Path: dir}, Log: slog.New(slog.DiscardHandler)},
			taken:  map[engine.Reference]int{}, told: map[engine.Reference]bool{}, barred: map[engine.Reference]bool{},
		}
		enginetest.SealForgetful(t, dir, r.people)
		planned := enginetest.OpenPlan(t, dir)
		ctx, stop := context.WithCancel(t.Context())
		var telling sync.WaitGroup
		telling.Go(func() { r.tell(ctx) })
		for range 4 {
			r.send(planned)
			r.decide(planned)
		}
		stop()
		telling.Wait()
		for message := range r.taken {
			if !r.told[message] {
				r.store(message)
			}
		}
		r.decide(planned)
		l, err := ledger.Read(dir, planned)
		enginetest.Must(t, err)
		if got := l.Account().Fates[person.Accepted]; got != int64(len(r.taken)) {
			t.Errorf("seed %d: %d messages are accepted, and the service took %d", seed, got, len(r.taken))
		}
		cancelled = int(l.Facts().Attempts) - r.sent
		_ = planned.Close()
		enginetest.Must(t, shared.Close())
		if t.Failed() {
			t.Fatal(fmt.Sprint("seed ", seed))
		}
	})
	return cancelled
}
