package dispatch

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"cohort/engine"
	"cohort/engine/campaign"
	"cohort/engine/decision"
	"cohort/engine/enginetest"
	"cohort/engine/ledger"
	"cohort/engine/pace"
	"cohort/engine/plan"
	"cohort/ingest/person"
)

// TestModel runs the whole engine, on a fake clock and a fake network, through drawn
// histories: cohorts, windows, faults, suppression lists that grow, processes that are
// stopped or killed and taken on again. Everything is drawn before a history begins, so that
// a failing history can be made smaller. The order of goroutines is not drawn, so a failure
// that depends on it may not come back.
func TestModel(t *testing.T) { playStories(t, drawStory) }

// TestModelOfDoubt is TestModel with a service that can be asked, much that goes wrong, and
// persons who have sent again what is in doubt.
func TestModelOfDoubt(t *testing.T) {
	playStories(t, func(t *rapid.T) *story {
		h := drawStory(t)
		h.kind, h.limits.Messages, h.most = engine.CanBeAsked, 1, 0
		h.faults = rapid.SampledFrom([]float64{0.5, 0.8, 1}).Draw(t, "more faults")
		for i := range h.lives {
			h.lives[i].resend, h.lives[i].settle = rapid.Bool().Draw(t, "sent again"), false
		}
		for i := range h.listing { // somebody may be named between the decision and the process
			h.listing[i].at *= 4
		}
		return h
	})
}

func playStories(t *testing.T, draw func(*rapid.T) *story) {
	t.Parallel()
	rounds := 1
	if os.Getenv("COHORT_PROVE") != "" {
		rounds = 3
	}
	for range rounds {
		rapid.Check(t, func(r *rapid.T) {
			h := draw(r)
			var wrong []string
			synctest.Test(t, func(t *testing.T) { wrong = h.play(t.TempDir()) })
			if len(wrong) > 0 {
				r.Fatalf("%+v\n%s", h, strings.Join(wrong, "\n"))
			}
		})
	}
}

// story holds the draws of one check.
type story struct {
	seed    uint64
	kind    engine.Kind
	people  int
	shards  int
	routes  int
	static  int64 // every static-th record is a duplicate or suppressed; 0: none
	limits  engine.Limits
	begins  time.Duration // after midnight of 1 January 2000
	pace    campaign.Pace
	bad     []int64
	most    int
	faults  float64
	took    time.Duration
	lives   []life
	listing []named
	mends   bool // at the end the cause of the refusals is mended, and they are sent again
}

// life describes one process. The last of a history runs to its end.
type life struct {
	oneWindow, settle bool
	ceiling           int
	grace             time.Duration
	giveUp            time.Duration
	stop              time.Duration // a signal after so long; 0: none
	kill              time.Duration // killed after so long; 0: not so
	killAt            int           // killed as its n-th request begins; -1: not so
	pause             time.Duration // before the next
	night             bool          // it waits for the window to open, however long
	retry             bool          // before it a person has sent again what was refused
	resend            bool          // before it, days later, a person has sent again what is in doubt and no receipt names
}

// named is a suppression list that grows: at a moment, by a row.
type named struct {
	at  time.Duration
	row int64
}

func drawStory(t *rapid.T) *story {
	minutes := func(most int, label string) time.Duration {
		return time.Duration(rapid.IntRange(0, most).Draw(t, label)) * time.Minute
	}
	often := func(label string) bool { return rapid.SampledFrom([]bool{false, false, false, true}).Draw(t, label) }
	h := &story{
		seed: rapid.Uint64().Draw(t, "seed"), kind: engine.Deduplicates,
		people: rapid.SampledFrom([]int{1, 2, 5, 12, 25, 40}).Draw(t, "people"), shards: rapid.IntRange(1, 3).Draw(t, "shards"), routes: rapid.SampledFrom([]int{1, 1, 2, 3}).Draw(t, "routes"),
		static: int64(rapid.SampledFrom([]int{0, 0, 3, 7}).Draw(t, "static")),
		limits: engine.Limits{Messages: rapid.SampledFrom([]int{1, 2, 3, 5, 9}).Draw(t, "batch"), Bytes: 1 << 20},
		begins: minutes(3*24*60, "begins"),
		faults: rapid.SampledFrom([]float64{0, 0.2, 0.5, 0.8}).Draw(t, "faults"),
		took:   rapid.SampledFrom([]time.Duration{0, time.Millisecond, time.Second, 10 * time.Second, 40 * time.Second}).Draw(t, "took"),
	}
	if often("kind") {
		h.kind, h.limits.Messages = engine.CanBeAsked, 1
	}
	row := rapid.Int64Range(1, int64(h.people))
	if often("refuses") {
		h.bad = rapid.SliceOfN(row, 1, 4).Draw(t, "bad")
		h.mends = !often("as it was")
	}
	if often("small requests") {
		h.most = rapid.IntRange(1, 5).Draw(t, "most")
	}
	h.drawPace(t)
	moment := rapid.SampledFrom([]time.Duration{time.Nanosecond, time.Millisecond, 300 * time.Millisecond, 3 * time.Second, 17 * time.Second, time.Minute, 4 * time.Minute})
	for range rapid.SampledFrom([]int{1, 2, 3, 4}).Draw(t, "lives") {
		l := life{
			oneWindow: often("one window"), settle: often("settle"), ceiling: rapid.SampledFrom([]int{1, 2, 4}).Draw(t, "ceiling"), killAt: -1,
			grace: rapid.SampledFrom([]time.Duration{time.Nanosecond, time.Second, 30 * time.Second}).Draw(t, "grace"),
			pause: minutes(600, "pause"), night: rapid.IntRange(0, 15).Draw(t, "night") == 15,
			retry: often("retry"), resend: h.kind == engine.CanBeAsked && often("resend"),
		}
		if often("gives up") {
			l.giveUp = time.Minute
		}
		switch rapid.SampledFrom([]int{0, 1, 2, 3}).Draw(t, "end") {
		case 0:
			l.stop = moment.Draw(t, "stop")
		case 1:
			l.kill = moment.Draw(t, "kill")
		case 2:
			l.killAt = rapid.SampledFrom([]int{0, 1, 2, 4, 8}).Draw(t, "kill at")
		}
		h.lives = append(h.lives, l)
	}
	if rapid.Bool().Draw(t, "lists") {
		for range rapid.IntRange(1, 6).Draw(t, "named") {
			h.listing = append(h.listing, named{minutes(1500, "named at"), row.Draw(t, "named row")})
		}
	}
	return h
}

// drawPace draws windows that are open now and then, so that a history has days in it.
func (h *story) drawPace(t *rapid.T) {
	h.pace = campaign.Pace{Location: time.UTC, PerSecond: rapid.SampledFrom([]float64{0, 0.05, 1, 7}).Draw(t, "per second")}
	if rapid.Bool().Draw(t, "summer time") {
		london, err := time.LoadLocation("Europe/London")
		if err != nil {
			t.Fatal(err)
		}
		h.pace.Location = london
		h.begins += 84 * 24 * time.Hour // the clocks change on 26 March 2000
	}
	if rapid.Bool().Draw(t, "windows") {
		from := rapid.IntRange(0, 24*60-1).Draw(t, "from")
		length := rapid.IntRange(30, 180).Draw(t, "length")
		h.pace.Window = &campaign.Hours{From: from, To: (from + length) % (24 * 60)}
		h.pace.LastCall = rapid.SampledFrom([]time.Duration{0, time.Second, 10 * time.Minute}).Draw(t, "last call")
		h.pace.Messages = int64(h.limits.Messages) * rapid.Int64Range(4, 60).Draw(t, "capacity") // less is never enough for a batch
	}
	if rapid.SampledFrom([]bool{false, false, false, true}).Draw(t, "until") {
		h.pace.Until = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).Add(h.begins + time.Duration(rapid.IntRange(1, 900).Draw(t, "until after"))*time.Minute)
	}
}

// play lives a history through and says what was wrong.
func (h *story) play(dir string) []string {
	time.Sleep(h.begins)
	m := newModel(h, dir)
	m.check(m.seal())
	for i, l := range h.lives {
		if l.retry {
			m.retry()
		}
		if l.resend && m.resend() > 0 {
			time.Sleep(l.pause)
		}
		if m.live(l, fmt.Sprintf("process %d", i)) {
			break
		}
		time.Sleep(l.pause)
	}
	m.last()
	m.running.Wait() // for those that were killed
	return m.wrong
}

// last lets a process run to its end at a service that is well, with all the time that
// it needs.
func (m *model) last() {
	m.service.mu.Lock()
	m.service.faults = 0
	m.service.mu.Unlock()
	m.faults = 0
	m.pace.Until = time.Time{}
	m.finish()
	if m.mends && len(m.wrong) == 0 {
		time.Sleep(time.Hour) // until nothing is under way any more
		m.service.mu.Lock()
		clear(m.service.bad)
		m.service.mu.Unlock()
		if m.retry() > 0 {
			m.finish()
		}
	}
	if m.kind == engine.CanBeAsked && m.resend() > 0 {
		m.finish()
	}
	m.judge()
}

// retry has sent again what was refused, and returns how many messages that are.
func (m *model) retry() (messages int) {
	plan, err := plan.Open(m.dir)
	if !m.check(err) {
		return 0
	}
	defer func() { _ = plan.Close() }()
	log, err := ledger.Open(m.dir, plan)
	if !m.check(err) {
		return 0
	}
	again := decision.RetryCandidates(log.Ledger, nil)
	if messages = again.Sum().Again; messages > 0 {
		m.check(again.Commit(log, m.cohort, enginetest.Encoding{}, "ann", "mended", time.Now()))
	}
	m.check(log.Ledger.Account().Check())
	m.check(log.Close())
	return messages
}

// resend has the service's receipts read and sent again what is in doubt and what they do
// not name: at once, which is refused, and when they have had the time. It returns how
// many messages that are.
func (m *model) resend() (messages int) {
	for m.decide(&messages) {
		time.Sleep(24 * time.Hour)
	}
	return messages
}

func (m *model) decide(messages *int) (young bool) {
	planned, err := plan.Open(m.dir)
	if !m.check(err) {
		return false
	}
	defer func() { _ = planned.Close() }()
	log, err := ledger.Open(m.dir, planned)
	if !m.check(err) {
		return false
	}
	defer func() { m.check(log.Close()) }()
	now := time.Now()
	m.check(log.Open(ledger.Start{At: now, Version: "test"}))
	forms, _, err := decision.InDoubt(log.Ledger, m.cohort)
	m.check(err)
	found, asked := map[plan.FormID]string{}, map[plan.FormID]bool{}
	m.service.mu.Lock()
	for r, id := range forms {
		asked[id] = true
		if m.service.accepted[r.String()] > 0 {
			found[id] = "id-" + r.String()
		}
	}
	m.service.mu.Unlock()
	attempted, err := decision.Attempts(m.dir, planned, func(id plan.FormID) bool { return asked[id] })
	m.check(err)
	again, err := decision.ResendCandidates(context.Background(), log.Ledger, decision.Evidence{Found: found, Attempts: attempted, People: m.cohort.Listed(m.rows(now))}, now)
	m.check(err)
	if len(m.wrong) > 0 {
		return false
	}
	if again.Young > 0 {
		if err := again.Commit(log, "ann", "too early", now); !errors.Is(err, decision.ErrYoung) {
			m.say("messages are sent again before their receipts had the time: %v", err)
		}
		return true
	}
	*messages += again.Again
	m.check(decision.Found(log, now, found))
	m.check(again.Commit(log, "ann", "asked for", now))
	for row := range m.rows(now) {
		m.noted[enginetest.TestRun.References().Message(row)] = true
	}
	account := log.Ledger.Account()
	m.check(account.Check())
	if live, held, foreign := log.Ledger.Unsettled(); live+held+foreign == 0 { // as reconcile does it
		m.check(log.Finish(now, account))
	}
	return false
}

// finish runs processes until the run is finished.
func (m *model) finish() {
	for day := 1; !m.live(life{ceiling: 3, killAt: -1, grace: time.Second, oneWindow: true, stop: 12 * time.Hour}, "the last process"); day++ {
		if day == 30 || m.pace.Window == nil {
			m.say("after %d windows the run is not finished", day)
		}
		if len(m.wrong) > 0 {
			return
		}
	}
}

// judge holds a finished run against what the service knows.
func (m *model) judge() {
	if len(m.wrong) > 0 {
		return
	}
	plan, err := plan.Open(m.dir)
	if !m.check(err) {
		return
	}
	defer func() { _ = plan.Close() }()
	l, err := ledger.Read(m.dir, plan)
	if !m.check(err) {
		return
	}
	live, held, foreign := l.Unsettled()
	fates := l.Account().Fates
	switch {
	case foreign > 0 || fates[person.NotSent] > 0:
		m.say("at the end %d forms are foreign, and the account is %v", foreign, fates)
	case m.kind == engine.CanBeAsked && live > 0:
		m.say("at the end %d messages are still to be sent again", live)
	case m.kind == engine.Deduplicates && live > 0:
		m.say("at the end %d forms are still to be sent", live)
	case m.kind == engine.Deduplicates && held > 0 && m.most == 0 && (len(m.bad) == 0 || time.Since(m.began) < ledger.ValidatorMemory):
		m.say("%d forms are held for no reason", held)
	case held == 0 && fates[person.InDoubt] > 0 && m.kind == engine.Deduplicates:
		m.say("at the end the account is %v", fates)
	case m.mends && m.most == 0 && decision.RetryCandidates(l, nil).Sum().Again > 0:
		m.say("%d messages could be sent again and are refused", decision.RetryCandidates(l, nil).Sum().Again)
	case fates[person.InDoubt] == 0 && !l.Facts().Closed:
		m.say("the run is finished and not closed")
	}
	m.check(ledger.CheckRoutes(l.ByRoute(), l.Account()))
	m.check(m.outcomes(plan, l))
	m.check(batchesAlone(m.dir, l))
}

// live runs one process and reports whether the run is finished.
func (m *model) live(l life, name string) bool {
	// A minute of waiting costs as much as a minute of sending: a night is slept through
	// without a process, but for some.
	if o, ok := pace.NextOpening(m.pace, time.Now()); ok && !l.night {
		if wait := time.Until(o.Opens) - time.Duration(m.seed%180)*time.Second; m.pace.Window != nil && wait > 0 {
			time.Sleep(wait)
		}
	}
	plan, err := plan.Open(m.dir)
	if !m.check(err) {
		return true
	}
	log, err := ledger.Open(m.dir, plan)
	if !m.check(err) {
		return true
	}
	c := &line{model: m, name: name, life: l, rng: rand.New(rand.NewPCG(m.seed, uint64(len(m.lines))))}
	m.lines = append(m.lines, c)
	ctx, cancel := context.WithCancel(context.Background())
	c.killed = make(chan struct{})
	c.kill = func() {
		next := filepath.Join(m.root, fmt.Sprint("run", len(m.lines)))
		m.check(copyOf(m.dir, next))
		m.dir, c.dead = next, true
		c.leaves(time.Now())
		cancel()
		close(c.killed)
	}
	if l.kill > 0 {
		time.AfterFunc(l.kill, func() { c.do(func() { c.dies() }) })
	}
	if l.stop > 0 {
		time.AfterFunc(l.stop, cancel)
	}
	job := Job{
		Plan: plan, Log: log, Source: m.cohort, Sink: c, Start: ledger.Start{At: time.Now(), Version: "test"}, Pace: m.pace,
		OneWindow: l.oneWindow, Settle: l.settle, GiveUpAfter: l.giveUp, Grace: l.grace, Ceiling: l.ceiling,
		Progress: func(s Snapshot) { m.check(s.Account.Check()) },
	}
	if m.listing != nil {
		job.Lists = c.lists
	}
	dir := m.dir
	ended, well := make(chan struct{}), false
	m.running.Go(func() {
		defer close(ended)
		defer func() { _ = plan.Close() }()
		summary, err := Run(ctx, job)
		m.check(log.Close())
		c.do(func() {
			if c.gone() {
				return // nobody hears what a killed process says
			}
			well = err == nil
			c.ended = true
			c.leaves(time.Now())
			m.ended(c, dir, plan, log, summary, err)
		})
	})
	select {
	case <-ended:
	case <-c.killed: // it may go on for a while, and does nobody any harm
		return false
	}
	cancel()
	return well
}

// ended compares the summary of a process with its log and the service.
func (m *model) ended(c *line, dir string, plan *plan.Plan, log *ledger.Log, summary Summary, err error) {
	stopped := (*Stopped)(nil)
	if err != nil && !errors.As(err, &stopped) {
		m.say("%s: %v", c.name, err)
		return
	}
	if stopped != nil {
		known := false
		for _, why := range []string{"stopped by a signal", "the window has ended", "pace.until has passed", "there has been no answer"} {
			known = known || strings.HasPrefix(stopped.Error(), why)
		}
		if !known {
			m.say("%s stopped: %v", c.name, err)
		}
	}
	if n := c.flying.Load(); n != 0 {
		m.say("%s left %d requests behind", c.name, n)
	}
	m.check(summary.Account.Check())
	m.check(ledger.CheckRoutes(summary.Routes, summary.Account))
	fates := summary.Account.Fates
	switch {
	case stopped != nil:
	case c.life.settle && m.kind == engine.Deduplicates && log.Ledger.Settleable() > 0,
		!c.life.settle && m.kind == engine.Deduplicates && !summary.Finished,
		!c.life.settle && fates[person.NotSent] > 0:
		m.say("%s ended of itself with something to do: %+v", c.name, summary)
	}
	replayed, err := ledger.Read(dir, plan)
	if !m.check(err) {
		return
	}
	m.check(recount(log.Ledger))
	m.check(recount(replayed))
	if a, b := ledgerText(log.Ledger), ledgerText(replayed); a != b {
		m.say("%s knew\n%s\nand its log says\n%s", c.name, a, b)
	}
}
