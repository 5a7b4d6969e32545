package dispatch

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"cohort/engine"
	"cohort/engine/campaign"
	"cohort/engine/enginetest"
	"cohort/engine/ledger"
	"cohort/engine/outcome"
	"cohort/engine/plan"
	"cohort/ingest/person"
)

// registry is a suppression list that grows while a run lasts.
type registry struct {
	people *enginetest.People
	rows   map[int64]string // with the reason
	read   int              // how often it was read in full
	err    error
}

// list names more people; it is never shortened.
func (l *registry) list(code string, rows ...int64) {
	for _, row := range rows {
		if _, known := l.rows[row]; !known {
			l.rows[row] = code
		}
	}
}

func (l *registry) lists(_ context.Context, last []plan.ListRead) (Listing, error) {
	now := []plan.ListRead{{File: "list.csv", SHA256: fmt.Sprint(l.rows), People: int64(len(l.rows))}}
	if l.err != nil {
		return Listing{}, l.err
	}
	if slices.Equal(now, last) {
		return Listing{Read: now}, nil
	}
	l.read++
	return Listing{Read: now, People: l.people.Listed(l.rows)}, nil
}

// outcomes returns the outcome of every record of a run that was to be sent to.
func (b *bench) outcomes() map[int64]outcome.Message {
	b.Helper()
	l := b.ledger()
	trail, err := outcome.Open(b.dir, enginetest.OpenPlan(b.T, b.dir), l)
	enginetest.Must(b.T, err)
	defer func() { enginetest.Must(b.T, trail.Close()) }()
	all := map[int64]outcome.Message{}
	for shard := range b.people.ByLane {
		plain := newPlainTrail(trail, b.dir, shard)
		for _, r := range b.people.ByLane[shard] {
			if !r.Suppressed && !b.people.Dropped[r.Row] {
				all[r.Row], err = trail.Outcome(r.Row, person.Lane(shard), r.Position)
				enginetest.Must(b.T, err)
				enginetest.Must(b.T, plain.check(r.Row, r.Position, all[r.Row]))
			}
		}
	}
	return all
}

func newRegistry(p *enginetest.People) *registry {
	return &registry{people: p, rows: map[int64]string{}}
}

func TestPeopleListedSinceThePlanAreLeftOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(1)
		b := newBench(t, enginetest.NewPeople(40, 2, nil), engine.Limits{Messages: 5, Bytes: 1 << 20})
		l := newRegistry(b.people)
		l.list("deceased_formal", 3, 4, 17)
		l.list("opted_out", 1, 5, 7)            // with row 3: one shard's first batch but for one message
		l.list("opted_out", 11, 13, 15, 17, 19) // its whole second batch
		summary, err := b.start(t.Context(), &connection{kind: engine.Deduplicates, service: s}, func(j *Job) { j.Lists = l.lists })
		if err != nil || !summary.Finished || summary.Account.Check() != nil {
			t.Fatalf("%+v, %v", summary, err)
		}
		if got := summary.Account.Fates; got[person.Suppressed] != int64(len(l.rows)) || got[person.Accepted] != int64(40-len(l.rows)) {
			t.Errorf("the account is %v", got)
		}
		for row, o := range b.outcomes() {
			code, listed := l.rows[row]
			sent := s.accepted[enginetest.TestRun.References().Message(row).String()]
			if listed != (o.Fate == person.Suppressed) || listed && (o.Code != code || o.Reason == "" || o.Attempts != 0 || sent != 0) || !listed && sent != 1 {
				t.Errorf("row %d: %+v, sent %d times", row, o, sent)
			}
		}
		if l.read != 1 {
			t.Errorf("the list was read %d times", l.read)
		}
		if n := len(enginetest.Kept(t, b.dir, enginetest.OpenPlan(t, b.dir))); n != 3 {
			t.Errorf("%d revisions are in the second copy", n)
		}
	})
}

func TestPeopleListedTooLateAreFlagged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(1)
		b := newBench(t, enginetest.NewPeople(40, 2, nil), engine.Limits{Messages: 5, Bytes: 1 << 20})
		l := newRegistry(b.people)
		ctx, cancel := context.WithCancel(t.Context())
		n := 0
		hang := func(*engine.Request) bool { // the fourth request is never answered
			if n++; n == 4 {
				cancel()
			}
			return n == 4
		}
		_, err := b.start(ctx, &connection{kind: engine.Deduplicates, service: s, hang: hang}, func(j *Job) { j.Lists, j.Ceiling = l.lists, 1 })
		stoppedBy(t, err, false, "by a signal")
		var accepted, doubtful, fresh int64
		for row, o := range b.outcomes() {
			switch o.Fate {
			case person.Accepted:
				accepted = max(accepted, row)
			case person.InDoubt:
				doubtful = max(doubtful, row)
			default:
				fresh = max(fresh, row)
			}
		}
		l.list("deceased_formal", accepted, doubtful, fresh)
		summary, err := b.start(t.Context(), &connection{kind: engine.Deduplicates, service: s}, func(j *Job) { j.Lists = l.lists })
		if err != nil || !summary.Finished || summary.Account.Fates[person.Suppressed] != 1 || summary.Account.Fates[person.Accepted] != 39 {
			t.Fatalf("%+v, %v", summary, err)
		}
		outcomes := b.outcomes()
		for _, row := range []int64{accepted, doubtful} {
			if o := outcomes[row]; o.Fate != person.Accepted || o.Code != ledger.CodeListedTooLate || o.MessageID == "" {
				t.Errorf("row %d was listed too late: %+v", row, o)
			}
		}
		if o := outcomes[fresh]; o.Fate != person.Suppressed || o.Code != "deceased_formal" {
			t.Errorf("row %d was listed in time: %+v", fresh, o)
		}
		if n := b.ledger().ListedLate(); n != 2 {
			t.Errorf("%d people were listed too late", n)
		}
		if last := b.ledger().Facts().Lists; len(last) != 1 || last[0].People != 3 {
			t.Errorf("the log says that %+v was applied", last)
		}
	})
}

// A batch that is in doubt is replayed as it was. When the service then proves that it
// never took it, by refusing rows of it, those listed meanwhile are left out after all.
func TestPeopleListedInDoubtAreLeftOutOnceThatIsSafe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(1)
		b := newBench(t, enginetest.NewPeople(10, 1, nil), engine.Limits{Messages: 10, Bytes: 1 << 20})
		l := newRegistry(b.people)
		s.fault = func(int, *engine.Request) (engine.Answer, bool) {
			return engine.Answer{Reply: engine.Unknown, Code: "timeout"}, true
		}
		_, err := b.start(t.Context(), &connection{kind: engine.Deduplicates, service: s}, func(j *Job) { j.Lists, j.GiveUpAfter = l.lists, time.Minute })
		stoppedBy(t, err, true, "no answer at all")
		l.list("opted_out", 2, 3)
		s.fault = nil
		s.refuseRows(3, 4)
		summary, err := b.start(t.Context(), &connection{kind: engine.Deduplicates, service: s}, func(j *Job) { j.Lists = l.lists })
		if err != nil || !summary.Finished {
			t.Fatalf("%+v, %v", summary, err)
		}
		want := map[int64]person.Fate{2: person.Suppressed, 3: person.Refused, 4: person.Refused}
		for row, o := range b.outcomes() {
			fate := person.Accepted
			if f, special := want[row]; special {
				fate = f
			}
			if sent := s.accepted[enginetest.TestRun.References().Message(row).String()]; o.Fate != fate || sent == 1 != (fate == person.Accepted) {
				t.Errorf("row %d: %+v, sent %d times", row, o, sent)
			}
		}
		if n := b.ledger().ListedLate(); n != 0 {
			t.Errorf("%d people were listed too late, and none was", n)
		}
	})
}

// At every window's start the lists are read before anything is sent, though a worker
// has stood at the gate with a batch since the evening.
func TestListsAreReadWhenAWindowOpens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(5 * time.Hour) // it is 05:00
		s := newService(1)
		b := newBench(t, enginetest.NewPeople(300, 2, nil), engine.Limits{Messages: 10, Bytes: 1 << 20})
		l := newRegistry(b.people)
		pace := campaign.Pace{Messages: 100, Window: &campaign.Hours{From: 360, To: 420}, Location: time.UTC, LastCall: time.Minute}
		for day := range 3 { // each day at 05:30, when workers have long been waiting with the next batches, twenty of these are listed
			time.AfterFunc(time.Duration(24*day)*time.Hour+30*time.Minute, func() {
				s.mu.Lock()
				defer s.mu.Unlock()
				for row, n := int64(1), 0; n < 20 && row <= 300; row++ {
					if s.accepted[enginetest.TestRun.References().Message(row).String()] == 0 && l.rows[row] == "" {
						l.list("opted_out", row)
						n++
					}
				}
			})
		}
		summary, err := b.start(t.Context(), &connection{kind: engine.Deduplicates, service: s}, func(j *Job) { j.Pace, j.Lists = pace, l.lists })
		if err != nil || !summary.Finished {
			t.Fatalf("%+v, %v", summary, err)
		}
		for row, o := range b.outcomes() {
			sent := s.accepted[enginetest.TestRun.References().Message(row).String()]
			if l.rows[row] != "" && (o.Fate != person.Suppressed || sent != 0) || l.rows[row] == "" && sent != 1 {
				t.Errorf("row %d: %+v, sent %d times", row, o, sent)
			}
		}
		if l.read != 4 { // empty at the start, and once a day
			t.Errorf("the list was read %d times", l.read)
		}
	})
}

func TestListsThatCannotBeReadHaltTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(5 * time.Hour)
		s := newService(1)
		b := newBench(t, enginetest.NewPeople(300, 2, nil), engine.Limits{Messages: 10, Bytes: 1 << 20})
		l := newRegistry(b.people)
		pace := campaign.Pace{Messages: 100, Window: &campaign.Hours{From: 360, To: 420}, Location: time.UTC, LastCall: time.Minute}
		time.AfterFunc(20*time.Hour, func() { l.err = errors.New("the list is empty") })
		_, err := b.start(t.Context(), &connection{kind: engine.Deduplicates, service: s}, func(j *Job) { j.Pace, j.Lists = pace, l.lists })
		stoppedBy(t, err, true, "the suppression lists cannot be applied: the list is empty")
		if len(s.accepted) != 100 {
			t.Errorf("%d were sent to", len(s.accepted))
		}
	})
}

// Requests and processes fail while the lists grow. Nobody is sent to twice, or after being
// listed unless a request was under way. Every fate is true.
func TestListsThatGrowWhileRunsCrash(t *testing.T) {
	for seed := range uint64(12) {
		synctest.Test(t, func(t *testing.T) {
			s := newService(seed)
			s.faults = 0.25
			s.refuseRows(4, 5, 77)
			if seed%4 == 0 {
				s.most = 3
			}
			rng := rand.New(rand.NewPCG(seed, 4))
			b := newBench(t, mixedPeople(240, 2), engine.Limits{Messages: 4 + int(seed%9), Bytes: 1 << 20})
			l := newRegistry(b.people)
			ever := map[int64]bool{} // listed before its first request
			var summary Summary
			for process := 0; ; process++ {
				for range 12 {
					row := 1 + rng.Int64N(240)
					l.list("opted_out", row)
				}
				for row, o := range b.outcomes() {
					if l.rows[row] != "" && o.Attempts == 0 {
						ever[row] = true
					}
				}
				ctx, cancel := context.WithCancel(t.Context())
				c := &connection{kind: engine.Deduplicates, service: s, took: 2 * time.Second}
				crash, next := rng.IntN(12), filepath.Join(t.TempDir(), "run")
				crashed := false
				c.onSend = func(n int, _ *engine.Request) {
					if n >= crash && process < 6 && !crashed {
						crashed = true
						copyRun(t, b.dir, next)
						c.die()
						cancel()
					}
				}
				var err error
				summary, err = b.start(ctx, c, func(j *Job) {
					j.Ceiling, j.Grace, j.Lists = 4, time.Duration(rng.IntN(5))*time.Second+1, l.lists
				})
				cancel()
				if !crashed {
					enginetest.Must(t, err)
					break
				}
				b.dir = next
			}
			for row, o := range b.outcomes() {
				m := enginetest.TestRun.References().Message(row)
				sent := s.accepted[m.String()]
				switch {
				case o.Fate == person.InDoubt && o.Code == "TOO_LARGE" && s.most > 0 && sent == 0: // held: in doubt, and no replay helps
				case sent > 1, sent == 1 != (o.Fate == person.Accepted):
					t.Errorf("seed %d, row %d was accepted %d times: %+v", seed, row, sent, o)
				case ever[row] && o.Fate != person.Suppressed:
					t.Errorf("seed %d, row %d was listed before it was first attempted: %+v", seed, row, o)
				case l.rows[row] != "" && o.Fate == person.Accepted && o.Code != ledger.CodeListedTooLate:
					t.Errorf("seed %d, row %d was listed and nothing says so: %+v", seed, row, o)
				case l.rows[row] == "" && !s.bad[m] && o.Fate != person.Accepted:
					t.Errorf("seed %d, row %d: %+v", seed, row, o)
				}
			}
			if !summary.Finished || summary.Account.Check() != nil {
				t.Errorf("seed %d: %+v", seed, summary)
			}
			for _, w := range s.wrong {
				t.Error(w)
			}
		})
	}
}

// News of people of a follow-up is read again while it sends, though a worker stands at the gate with a batch. A person
// gets nothing if the news is some minutes old, or if the last day was yesterday. A person who got the message in time
// is not called late.
func TestNewsIsReadWhileARunSends(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(22*time.Hour + 58*time.Minute) // it is 22:58
		s := newService(1)
		b := newBench(t, enginetest.NewPeople(600, 2, nil), engine.Limits{Messages: 10, Bytes: 1 << 20})
		l := newRegistry(b.people)
		midnight := time.Now().Add(62 * time.Minute)
		came := map[int64]time.Time{}
		unsent := func(code string, at time.Time, most int) {
			s.mu.Lock()
			defer s.mu.Unlock()
			for row := int64(600); row > 0 && most > 0; row-- {
				if s.accepted[enginetest.TestRun.References().Message(row).String()] == 0 && l.rows[row] == "" {
					l.list(code, row)
					came[row], most = at, most-1
				}
			}
		}
		var reads []time.Time
		lists := func(ctx context.Context, last []plan.ListRead) (Listing, error) {
			now := time.Now()
			if reads = append(reads, now); !now.Before(midnight) && len(came) < 70 {
				for row := int64(1); row < 600; row += 7 { // the last day of some is over, of the others it was also their day
					if l.rows[row] == "" {
						l.list(plan.Overtaken+"too_late", row)
						came[row] = midnight
					}
				}
			}
			return l.lists(ctx, last)
		}
		time.AfterFunc(12*time.Minute, func() { unsent(plan.Overtaken+"read", time.Now(), 50) })
		sent := map[string]time.Time{}
		c := &connection{kind: engine.Deduplicates, service: s, took: time.Second, onSend: func(_ int, r *engine.Request) {
			for _, m := range r.Messages {
				sent[m.String()] = time.Now()
			}
		}}
		pace := campaign.Pace{PerSecond: 0.1, Location: time.UTC}
		summary, err := b.start(t.Context(), c, func(j *Job) { j.Pace, j.Lists, j.News = pace, lists, true })
		if err != nil || !summary.Finished || summary.ListedLate != 0 {
			t.Fatalf("%+v, %v", summary, err)
		}
		before, after := 0, 0
		for row, o := range b.outcomes() {
			at, was := sent[enginetest.TestRun.References().Message(row).String()]
			news, is := came[row]
			if !news.Equal(midnight) {
				news = news.Add(6 * time.Minute)
			}
			switch {
			case !is && !was, is && was && at.After(news), was != (o.Fate == person.Accepted), o.Code == ledger.CodeListedTooLate:
				t.Errorf("row %d: %+v, sent at %v, news at %v", row, o, at, news)
			case is && was:
				before++
			case is:
				after++
			}
		}
		if before == 0 || after < 60 || len(reads) < 12 || len(reads) > 30 {
			t.Errorf("%d people were sent to in time, %d left out, %d readings", before, after, len(reads))
		}
		if !slices.ContainsFunc(reads, func(at time.Time) bool { return at.Truncate(time.Minute).Equal(midnight) }) {
			t.Errorf("no reading at midnight: %v", reads)
		}
	})
}
