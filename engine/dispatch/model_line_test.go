package dispatch

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"cohort/engine"
	"cohort/engine/campaign"
	"cohort/engine/enginetest"
	"cohort/engine/ledger"
	"cohort/engine/outcome"
	"cohort/engine/pace"
	"cohort/engine/plan"
	"cohort/ingest/person"
)

// model is a story that is being played.
type model struct {
	*story
	root, dir string
	cohort    *enginetest.People
	service   *service
	pace      campaign.Pace
	faults    float64
	began     time.Time
	lines     []*line
	plan      int                       // the largest batch
	refusable map[engine.Reference]bool // messages that the validator refuses at first
	noted     map[engine.Reference]bool // of people who were listed when somebody decided about doubt
	running   sync.WaitGroup            // processes, killed ones included

	mu     sync.Mutex // for what is below
	wrong  []string
	starts []enginetest.Sent // every request as it began
	begun  map[engine.Reference]bool
	quiet  time.Time // until when no process may begin a request
}

func newModel(h *story, dir string) *model {
	role := func(row int64) person.Fate {
		switch {
		case h.static > 0 && row%h.static == 0:
			return person.Duplicate
		case h.static > 0 && row%h.static == 1:
			return person.Suppressed
		}
		return ""
	}
	m := &model{
		story: h, root: dir, dir: filepath.Join(dir, "run"), cohort: enginetest.NewRouted(h.people, h.shards, h.routes, role),
		service: newService(h.seed), pace: h.pace, faults: h.faults, began: time.Now(), begun: map[engine.Reference]bool{}, noted: map[engine.Reference]bool{},
	}
	m.service.refuseRows(h.bad...)
	m.refusable = maps.Clone(m.service.bad)
	m.service.most, m.service.faults, m.service.forgetful = h.most, h.faults/2, h.kind != engine.Deduplicates
	return m
}

func (m *model) seal() error {
	if err := os.MkdirAll(m.dir, 0o700); err != nil {
		return err
	}
	batches, err := plan.Cut(context.Background(), enginetest.TestRun.References(), m.cohort, enginetest.Encoding{}, m.limits, "")
	if err != nil {
		return err
	}
	defer func() { _ = batches.Close() }()
	m.plan = max(m.plan, batches.Largest)
	header := enginetest.TestHeader(m.cohort)
	header.NeverAgain = m.kind == engine.CanBeAsked
	return plan.Seal(m.dir, header, batches, nil)
}

func (m *model) say(format string, args ...any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.wrong) < 5 {
		m.wrong = append(m.wrong, time.Now().UTC().Format(time.DateTime+".000 ")+fmt.Sprintf(format, args...))
	}
}

func (m *model) check(err error) bool {
	if err != nil {
		m.say("%v", err)
	}
	return err == nil
}

// line is one process's way to the service. It is a Sink.
type line struct {
	enginetest.PlainBody
	*model
	name   string
	life   life
	kill   func()
	killed chan struct{}
	flying atomic.Int64

	own   sync.Mutex // for what is below
	rng   *rand.Rand
	n     int
	dead  bool
	ended bool
	named map[engine.Reference]bool // messages of people on the lists when it read them
	read  time.Time                 // when that was; zero: it did not
	due   map[engine.Reference]time.Time
	told  []wish
}

// wish is a quiet that the service asked a process for.
type wish struct{ from, until time.Time }

func (c *line) do(f func()) {
	c.own.Lock()
	defer c.own.Unlock()
	f()
}

func (c *line) gone() bool { return c.dead }

// dies kills the process, once. The folder is copied as it is at this moment.
func (c *line) dies() {
	if !c.dead && !c.ended {
		c.kill()
	}
}

func (c *line) Kind() engine.Kind { return c.kind }

// Send lets happen to a request what happens to requests.
func (c *line) Send(ctx context.Context, r *engine.Request) engine.Answer {
	c.flying.Add(1)
	defer c.flying.Add(-1)
	roll, wait, dead := c.starts(r)
	if dead {
		return engine.Answer{Reply: engine.Unknown, Code: "dead"}
	}
	lost := engine.Answer{Reply: engine.Unknown, Code: "timeout"}
	again := &engine.Request{Reference: r.Reference, Body: bytes.Clone(r.Body), Messages: slices.Clone(r.Messages)}
	later := func() { time.AfterFunc(wait, func() { c.service.receive(again) }) }
	switch {
	case roll < 0.1: // given up, and it arrives when nobody thinks of it any more
		later()
		pause(ctx, c.took)
		return lost
	case roll < 0.2: // too busy, for as long as it says
		if !pause(ctx, c.took) {
			return lost
		}
		a := engine.Answer{Reply: engine.Refused, Status: 429, Code: "QUOTA", RetryAfter: (wait / 4).Truncate(time.Millisecond), HoldAll: true}
		if roll < 0.15 {
			a.Reply, a.Status = engine.Unknown, 503
		}
		c.asks(r.Reference, a)
		return a
	}
	if !pause(ctx, c.took/2) {
		return lost
	}
	a := c.service.receive(r)
	if roll < 0.3 && c.kind == engine.Deduplicates && (a.Reply == engine.Accepted || a.Reply == engine.Known || a.Reply == engine.Unknown) {
		later() // a copy of it
	}
	if !pause(ctx, c.took/2) {
		return lost
	}
	if a.RetryAfter > 0 {
		c.asks(r.Reference, a)
	}
	return a
}

// starts notes that a request begins, and checks the pace, the window, the quiet and the
// lists. roll decides its fault; 1: none.
func (c *line) starts(r *engine.Request) (roll float64, wait time.Duration, dead bool) {
	c.own.Lock()
	defer c.own.Unlock()
	now := time.Now()
	if c.n == c.life.killAt {
		c.dies()
	}
	c.n++
	c.mu.Lock()
	known := c.begun[r.Reference]
	c.begun[r.Reference] = true
	c.mu.Unlock()
	if c.dead {
		return 0, 0, true
	}
	if c.ended {
		c.say("%s begins a request when it has ended", c.name)
	}
	if c.life.settle && !known {
		c.say("%s is to settle, and sends what was never sent", c.name)
	}
	opens, why := window(c.pace, now)
	if why != "" {
		c.say("%s begins a request %s", c.name, why)
	}
	if c.listing != nil && !c.life.settle && (c.read.IsZero() || c.read.Before(opens)) {
		c.say("%s begins a request and has not read the lists in this window", c.name)
	}
	if now.Before(c.due[r.Reference]) {
		c.say("%s repeats a request before its time", c.name)
	}
	for _, message := range r.Messages {
		if c.named[message] && (!known || c.kind == engine.CanBeAsked) {
			c.say("%s sends to somebody who was on the lists when it read them", c.name)
		}
	}
	c.mu.Lock()
	quiet := now.Before(c.quiet) || slices.ContainsFunc(c.told, func(w wish) bool { return now.After(w.from) && now.Before(w.until) })
	c.model.starts = append(c.model.starts, enginetest.Sent{At: now, N: len(r.Messages)})
	tooMany := c.tooMany(now)
	c.mu.Unlock()
	if quiet {
		c.say("%s begins a request while the service wants quiet", c.name)
	}
	if tooMany != "" {
		c.say("%s: %s", c.name, tooMany)
	}
	roll = 1
	if c.rng.Float64() < c.faults {
		roll = c.rng.Float64() * 0.3
	}
	return roll, time.Duration(c.rng.Int64N(int64(40 * time.Minute))), false
}

// asks notes what a living process has been told: to wait with this request, or with
// every one. It hears it a moment later, and what the gate has let through goes out.
func (c *line) asks(r engine.Reference, a engine.Answer) {
	c.own.Lock()
	defer c.own.Unlock()
	now := time.Now()
	if c.due == nil {
		c.due = map[engine.Reference]time.Time{}
	}
	c.due[r] = now.Add(a.RetryAfter.Truncate(time.Millisecond))
	if a.HoldAll {
		c.told = append(c.told, wish{now, now.Add(a.RetryAfter)})
	}
}

// leaves has the processes after this one know what it was told: its log says so, but
// for what it heard in its last second when it was killed.
func (c *line) leaves(now time.Time) {
	for _, w := range c.told {
		if !c.dead || now.Sub(w.from) > time.Second {
			c.mu.Lock()
			c.quiet = pace.Later(c.quiet, w.until.Add(-time.Millisecond)) // the log counts in these
			c.mu.Unlock()
		}
	}
}

// window returns the start of the window that now lies in, or the reason that no request may
// begin. It computes it from the wall clock, without NextOpening.
func window(p campaign.Pace, now time.Time) (opens time.Time, why string) {
	if !p.Until.IsZero() && !now.Before(p.Until) {
		return opens, "after the last day"
	}
	if p.Window == nil {
		return opens, ""
	}
	year, month, day := now.In(p.Location).Date()
	for d := day - 1; d <= day; d++ {
		opens := time.Date(year, month, d, 0, p.Window.From, 0, 0, p.Location)
		closes := time.Date(year, month, d, 0, p.Window.To, 0, 0, p.Location)
		if p.Window.To <= p.Window.From {
			closes = time.Date(year, month, d+1, 0, p.Window.To, 0, 0, p.Location)
		}
		if !now.Before(opens) && now.Before(closes.Add(-p.LastCall)) {
			return opens, ""
		}
	}
	return opens, "outside the window, or within its last call"
}

// tooMany holds the last second to the pace: its rate and one batch, in messages.
func (m *model) tooMany(now time.Time) string {
	rate := m.pace.PerSecond
	if w := m.pace.Window; w != nil {
		minutes := (w.To - w.From + 24*60) % (24 * 60)
		if m.pace.Location != time.UTC {
			minutes -= 60 // on the day of a clock change
		}
		open := float64(max(minutes, 1))*60 - m.pace.LastCall.Seconds() // the capacity is spent before the last call
		even := float64(m.pace.Messages) / max(open, 1)
		if rate == 0 || even < rate {
			rate = even
		}
	}
	if rate == 0 {
		return ""
	}
	sum := 0
	for _, s := range slices.Backward(m.starts) {
		if now.Sub(s.At) >= time.Second {
			break
		}
		sum += s.N
	}
	if float64(sum) > rate+float64(m.plan)+1e-6 {
		return fmt.Sprintf("%d messages in a second, at a rate of %g and batches of %d", sum, rate, m.plan)
	}
	return ""
}

// lists reads the suppression list as it is now.
func (c *line) lists(_ context.Context, last []plan.ListRead) (Listing, error) {
	rows := c.rows(time.Now())
	now := []plan.ListRead{{File: "list.csv", SHA256: fmt.Sprint(len(rows)), People: int64(len(rows))}}
	named := map[engine.Reference]bool{}
	for row := range rows {
		named[enginetest.TestRun.References().Message(row)] = true
	}
	c.do(func() { c.named, c.read = named, time.Now() })
	var people iter.Seq2[plan.Listed, error]
	if !slices.Equal(now, last) {
		people = c.cohort.Listed(rows)
	}
	return Listing{Read: now, People: people}, nil
}

// rows returns the people on the suppression list at a moment.
func (m *model) rows(now time.Time) map[int64]string {
	rows := map[int64]string{}
	for _, n := range m.listing {
		if now.Sub(m.began) >= n.at {
			rows[n.row] = "deceased_formal"
		}
	}
	return rows
}

// outcomes holds the report's trail of every record against what the service knows.
func (m *model) outcomes(plan *plan.Plan, l *ledger.Ledger) error {
	trail, err := outcome.Open(m.dir, plan, l)
	if err != nil {
		return err
	}
	defer func() { _ = trail.Close() }()
	var named map[engine.Reference]bool // of the last process that had somebody to send to
	for _, c := range m.lines {
		if !c.read.IsZero() {
			named = c.named
		}
	}
	m.service.mu.Lock()
	defer m.service.mu.Unlock()
	for _, w := range m.service.wrong {
		m.say("%s", w)
	}
	byRoute := make([]map[person.Fate]int64, m.cohort.Routes())
	for route := range byRoute {
		byRoute[route] = map[person.Fate]int64{}
	}
	for shard := range m.cohort.ByLane {
		plain := newPlainTrail(trail, m.dir, shard)
		for _, r := range m.cohort.ByLane[shard] {
			if r.Suppressed || m.cohort.Dropped[r.Row] {
				continue
			}
			o, err := trail.Outcome(r.Row, person.Lane(shard), r.Position)
			if err == nil {
				err = plain.check(r.Row, r.Position, o)
			}
			if err != nil {
				return err
			}
			byRoute[r.Route][o.Fate]++
			message := enginetest.TestRun.References().Message(r.Row)
			took := m.service.accepted[message.String()]
			why := ""
			switch {
			case took > 1:
				why = "was accepted more than once"
			case o.Fate == person.Accepted && took == 0, took == 1 && o.Fate != person.Accepted && o.Fate != person.InDoubt:
				why = "is not what the service says"
			case o.Fate == person.Refused && !m.refusable[message] && m.most == 0:
				why = "was refused for no reason"
			case o.Fate == person.Suppressed && !named[message], o.Code == ledger.CodeListedTooLate && !named[message] && !m.noted[message]:
				why = "is on no list"
			case named[message] && o.Fate != person.Suppressed && o.Fate != person.Refused && o.Code != ledger.CodeListedTooLate:
				why = "was listed, and nothing says so"
			case o.MessageID != "" && o.MessageID != "id-"+message.String():
				why = "has another's id"
			case o.MessageReference != message.String(), o.Fate == person.Accepted && (o.Attempts == 0 || o.BatchReference == ""):
				why = "has no references"
			}
			if why != "" {
				m.say("row %d %s: accepted %d times, %+v", r.Row, why, took, o)
			}
		}
	}
	for route, account := range l.ByRoute() {
		for fate, n := range plan.Routes[route].Static {
			byRoute[route][person.Fate(fate)] += n
		}
		for _, fate := range person.Fates {
			if account.Account.Fates[fate] != byRoute[route][fate] {
				m.say("route %d has %d that are %s, and its account %d", route, byRoute[route][fate], fate, account.Account.Fates[fate])
			}
		}
	}
	return nil
}

// ledgerText tells all that a ledger says, so that two can be compared.
func ledgerText(l *ledger.Ledger) string {
	var b strings.Builder
	for _, id := range formIDs(l) {
		s := l.State(id)
		form, _ := l.Form(id)
		fmt.Fprintln(&b, id, form, s.Messages, s.Attempts, s.Unsent, s.Phase, s.Resend, int64(s.First), l.Reason(s), l.DueAt(id, l.Facts().LastAnswer).UnixMilli())
		if id.Revision == 0 {
			fmt.Fprintln(&b, l.Refused(id.Batch), l.LeftOut(id.Batch), l.TooLate(id.Batch))
		}
	}
	fmt.Fprintln(&b, l.Account(), l.Facts().Attempts, l.Facts().Starts, l.Facts().Lists, l.Facts().LastControl, l.Facts().Closed, l.QuietAt(time.UnixMilli(0).AddDate(99, 0, 0)).UnixMilli(), l.Traffic())
	return b.String()
}

// copyOf copies a run's folder as copyRun does.
func copyOf(from, to string) error {
	for _, name := range []string{plan.PlanFile, plan.BatchesFile, ledger.RevisionsFolder, ledger.LogFolder} {
		err := filepath.WalkDir(filepath.Join(from, name), func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() || d.Name() == "reserve" {
				return err
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			target := filepath.Join(to, strings.TrimPrefix(path, from))
			if err := os.MkdirAll(filepath.Dir(target), 0o700); err != nil {
				return err
			}
			return os.WriteFile(target, text, 0o600)
		})
		if err != nil {
			return err
		}
	}
	return nil
}
