package dispatch

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"cohort/engine"
	"cohort/engine/campaign"
	"cohort/engine/enginetest"
	"cohort/engine/ledger"
	"cohort/engine/outcome"
	"cohort/ingest/person"
)

// service is a stand-in for a messaging service: it takes a batch reference once,
// validates before it looks references up, and remembers what it accepted. It is
// shared by all processes of a test.
type service struct {
	mu        sync.Mutex
	rng       *rand.Rand
	faults    float64                   // share of requests that something befalls
	bad       map[engine.Reference]bool // messages that the validator refuses
	most      int                       // messages in a request, above which it is too large; 0: no limit
	forgetful bool                      // takes a reference as often as it comes
	batches   map[engine.Reference]bool // accepted
	working   map[engine.Reference]bool
	accepted  map[string]int // how often each message was
	requests  []arrival
	fault     func(n int, r *engine.Request) (engine.Answer, bool) // of the n-th request, before anything else
	wrong     []string                                             // what no client may do
}

// arrival is a request as the service saw it.
type arrival struct {
	at        time.Time
	reference engine.Reference
	messages  int
}

func newService(seed uint64) *service {
	return &service{rng: rand.New(rand.NewPCG(seed, 1)), batches: map[engine.Reference]bool{}, working: map[engine.Reference]bool{}, accepted: map[string]int{}, bad: map[engine.Reference]bool{}}
}

// refuseRows has the validator refuse the messages of some rows.
func (s *service) refuseRows(rows ...int64) {
	for _, row := range rows {
		s.bad[enginetest.TestRun.References().Message(row)] = true
	}
}

// take accepts a request whatever becomes of its answer.
func (s *service) take(r *engine.Request) engine.Answer {
	if s.batches[r.Reference] && !s.forgetful {
		return engine.Answer{Reply: engine.Known, Status: 422, Code: "DUPLICATE"}
	}
	batch, messages, err := enginetest.ReadPlainBody(r.Body)
	if err != nil || batch != r.Reference.String() || len(messages) != len(r.Messages) {
		s.wrong = append(s.wrong, fmt.Sprintf("batch %s has a body that is not its own: %v", r.Reference, err))
	}
	s.batches[r.Reference] = true
	a := engine.Answer{Reply: engine.Accepted, Status: 201}
	for i, m := range messages {
		if m != r.Messages[i].String() {
			s.wrong = append(s.wrong, "the references of a request are not those of its body")
		}
		s.accepted[m]++
		a.IDs = append(a.IDs, "id-"+m)
	}
	return a
}

// receive answers one request.
func (s *service) receive(r *engine.Request) engine.Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.requests)
	s.requests = append(s.requests, arrival{time.Now(), r.Reference, len(r.Messages)})
	if s.fault != nil {
		if a, ok := s.fault(n, r); ok {
			return a
		}
	}
	if s.most > 0 && len(r.Messages) > s.most {
		return engine.Answer{Reply: engine.TooLarge, Status: 413, Code: "TOO_LARGE"}
	}
	if rows := s.refusals(r); rows != nil {
		return engine.Answer{Reply: engine.RowsRefused, Status: 400, Code: "INVALID_VALUE", Rows: rows}
	}
	if _, works := s.working[r.Reference]; works {
		return engine.Answer{Reply: engine.Unknown, Status: 425, Code: "TOO_EARLY", RetryAfter: 20 * time.Second}
	}
	if s.rng.Float64() < s.faults {
		return s.befall(r)
	}
	return s.take(r)
}

// befall lets one of the things happen that happen to requests.
func (s *service) befall(r *engine.Request) engine.Answer {
	lost := engine.Answer{Reply: engine.Unknown, Code: "timeout"}
	switch s.rng.IntN(10) {
	case 0: // accepted, and the answer is lost
		s.take(r)
		return lost
	case 1: // lost on the way
		return lost
	case 2:
		return engine.Answer{Reply: engine.Refused, Status: 429, Code: "QUOTA", RetryAfter: 5 * time.Second, HoldAll: true}
	case 3:
		return engine.Answer{Reply: engine.Unknown, Status: 503, Code: "UNAVAILABLE", HoldAll: true}
	case 4: // accepted, behind a gateway's error
		s.take(r)
		return engine.Answer{Reply: engine.Unknown, Status: 504, Code: "GATEWAY"}
	case 5:
		return engine.Answer{Reply: engine.Refused, Status: 401, Code: "DENIED", RetryAfter: time.Millisecond}
	case 6:
		return engine.Answer{Reply: engine.Unsent, Code: "not_reached"}
	case 7: // it works on it for longer than anybody waits
		switch {
		case s.forgetful: // it takes it then, whether anybody asks or not
			s.take(r)
		case !s.batches[r.Reference]:
			s.workOn(r)
		}
		return lost
	case 8: // a gateway delivers it twice: it works on the one, and the other is too early
		switch {
		case s.forgetful:
			s.take(r)
		case !s.batches[r.Reference]:
			s.workOn(r)
		}
		return engine.Answer{Reply: engine.Unknown, Status: 425, Code: "TOO_EARLY", RetryAfter: 20 * time.Second}
	default: // accepted, and the answer cannot be read
		s.take(r)
		return engine.Answer{Reply: engine.Unknown, Status: 201, Code: "unreadable_201"}
	}
}

// workOn takes a request half a minute later, whether anybody asks for it again or not.
func (s *service) workOn(r *engine.Request) {
	const long = 30 * time.Second
	s.working[r.Reference] = true
	own := &engine.Request{Reference: r.Reference, Body: bytes.Clone(r.Body), Messages: slices.Clone(r.Messages)}
	time.AfterFunc(long, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.working, own.Reference)
		s.take(own)
	})
}

func (s *service) refusals(r *engine.Request) (rows []engine.RowError) {
	for i, m := range r.Messages {
		if s.bad[m] {
			rows = append(rows, engine.RowError{Index: i, Code: "INVALID_VALUE", Reason: "the field is too long"})
		}
	}
	return rows
}

// connection is one process's way to the service. It is a Sink.
type connection struct {
	enginetest.PlainBody
	kind    engine.Kind
	service *service
	took    time.Duration                  // of every request, half of it before the service sees it
	onSend  func(n int, r *engine.Request) // called as the n-th request of this process begins
	hang    func(r *engine.Request) bool   // which requests get no answer until it is cut off
	hook    sync.Mutex
	mu      sync.Mutex
	n       int
	dead    bool // the process is gone: nothing it does reaches the service any more
}

func (c *connection) Kind() engine.Kind { return c.kind }

// die makes the process a thing of the past.
func (c *connection) die() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dead = true
}

// begin counts a request, and runs the hook. While the hook copies the folder, no other request
// begins: its attempt would be missing from the copy.
func (c *connection) begin(r *engine.Request) (dead bool) {
	if c.onSend != nil {
		c.hook.Lock()
		defer c.hook.Unlock()
	}
	c.mu.Lock()
	n := c.n
	c.n++
	dead = c.dead
	c.mu.Unlock()
	if c.onSend != nil && !dead {
		c.onSend(n, r)
	}
	return dead
}

func (c *connection) Send(ctx context.Context, r *engine.Request) engine.Answer {
	dead := c.begin(r)
	if dead {
		return engine.Answer{Reply: engine.Unknown, Code: "dead"}
	}
	cutOff := engine.Answer{Reply: engine.Unknown, Code: "cut_off"}
	if !pause(ctx, c.took/2) {
		return cutOff
	}
	if c.hang != nil && c.hang(r) {
		<-ctx.Done()
		return cutOff
	}
	a := c.service.receive(r) // also from a process that died meanwhile: its bytes were on the wire
	if !pause(ctx, c.took/2) {
		return cutOff
	}
	return a
}

func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// bench is a run in a folder that tests start and resume.
type bench struct {
	*testing.T
	people *enginetest.People
	dir    string
}

func newBench(t *testing.T, p *enginetest.People, limits engine.Limits) *bench {
	b := &bench{t, p, t.TempDir()}
	enginetest.Must(t, enginetest.SealPlan(t, b.dir, p, limits).Close())
	return b
}

// start runs one process on the folder to its end.
func (b *bench) start(ctx context.Context, c *connection, change func(*Job)) (Summary, error) {
	b.Helper()
	plan := enginetest.OpenPlan(b.T, b.dir)
	defer func() { _ = plan.Close() }()
	log, err := ledger.Open(b.dir, plan)
	enginetest.Must(b.T, err)
	job := Job{Plan: plan, Log: log, Source: b.people, Sink: c, Start: ledger.Start{At: time.Now(), Version: "test"}, Pace: campaign.Pace{Location: time.UTC}}
	if change != nil {
		change(&job)
	}
	summary, err := Run(ctx, job)
	if e := log.Close(); e != nil {
		b.Fatal(e)
	}
	return summary, err
}

// ledger reads what the log of the folder says.
func (b *bench) ledger() *ledger.Ledger {
	b.Helper()
	l, err := ledger.Read(b.dir, enginetest.OpenPlan(b.T, b.dir))
	enginetest.Must(b.T, err)
	return l
}

// finished checks a run that has come to its end: every person who is to be sent to
// was accepted exactly once, those the validator refused never, and the account, the
// log and the service say the same.
func (b *bench) finished(s *service, summary Summary, err error) {
	b.Helper()
	if err != nil || !summary.Finished || summary.Held != 0 {
		b.Fatalf("the run is not finished: %+v, %v", summary, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range s.wrong {
		b.Error(w)
	}
	fates := map[person.Fate]int64{}
	for fate, n := range b.people.Static {
		fates[person.Fate(fate)] += n
	}
	for _, row := range b.people.ToSend() {
		want := 1
		fate := person.Accepted
		if s.bad[enginetest.TestRun.References().Message(row)] {
			want, fate = 0, person.Refused
		}
		fates[fate]++
		if got := s.accepted[enginetest.TestRun.References().Message(row).String()]; got != want {
			b.Errorf("row %d was accepted %d times", row, got)
		}
	}
	if len(s.accepted) != int(fates[person.Accepted]) {
		b.Errorf("the service accepted %d messages and there are %d to send", len(s.accepted), fates[person.Accepted])
	}
	nonZero := maps.Clone(summary.Account.Fates)
	maps.DeleteFunc(nonZero, func(_ person.Fate, n int64) bool { return n == 0 })
	maps.DeleteFunc(fates, func(_ person.Fate, n int64) bool { return n == 0 })
	if !maps.Equal(nonZero, fates) {
		b.Errorf("the account is %v, want %v", nonZero, fates)
	}
	if err := summary.Account.Check(); err != nil {
		b.Error(err)
	}
	l := b.ledger()
	if !l.Facts().Closed || !maps.Equal(l.Account().Fates, summary.Account.Fates) {
		b.Errorf("the log says closed %v and %v", l.Facts().Closed, l.Account().Fates)
	}
	b.trail(l, s)
}

// trail holds the outcome of every record against what the service knows.
func (b *bench) trail(l *ledger.Ledger, s *service) {
	b.Helper()
	trail, err := outcome.Open(b.dir, enginetest.OpenPlan(b.T, b.dir), l)
	enginetest.Must(b.T, err)
	defer func() { enginetest.Must(b.T, trail.Close()) }()
	for shard := range b.people.ByLane {
		plain := newPlainTrail(trail, b.dir, shard)
		for _, r := range b.people.ByLane[shard] {
			if r.Suppressed || b.people.Dropped[r.Row] {
				continue
			}
			o, err := trail.Outcome(r.Row, person.Lane(shard), r.Position)
			enginetest.Must(b.T, err)
			enginetest.Must(b.T, plain.check(r.Row, r.Position, o))
			m := enginetest.TestRun.References().Message(r.Row)
			switch {
			case o.MessageReference != m.String() || o.Attempts == 0 || o.BatchReference == "" || o.FirstAttempt.IsZero():
				b.Fatalf("row %d: %+v", r.Row, o)
			case s.bad[m] != (o.Fate == person.Refused) || s.bad[m] && (o.Code != "INVALID_VALUE" || o.Reason == ""):
				b.Fatalf("row %d: %+v", r.Row, o)
			case s.accepted[m.String()] == 1 != (o.Fate == person.Accepted):
				b.Fatalf("row %d: %+v", r.Row, o)
			case o.MessageID != "" && (o.MessageID != "id-"+m.String() || o.AcceptedAt.Before(o.FirstAttempt)):
				b.Fatalf("row %d: %+v", r.Row, o)
			case o.Fate == person.Accepted && o.MessageID == "" && !o.AcceptedAt.IsZero():
				b.Fatalf("row %d is accepted at a time and without an id: %+v", r.Row, o)
			}
		}
	}
}

// some says of every step-th row that it has a fate, and of none where step is 0.
func some(step int64, fate person.Fate, also ...func(int64) person.Fate) func(int64) person.Fate {
	return func(row int64) person.Fate {
		if step > 0 && row%step == 0 {
			return fate
		}
		for _, f := range also {
			if got := f(row); got != "" {
				return got
			}
		}
		return ""
	}
}

// twice lists the references that a service saw more than once.
func (s *service) twice() (again []engine.Reference) {
	seen := map[engine.Reference]bool{}
	for _, a := range s.requests {
		if seen[a.reference] && !slices.Contains(again, a.reference) {
			again = append(again, a.reference)
		}
		seen[a.reference] = true
	}
	return again
}
