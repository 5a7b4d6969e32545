package terminal

import (
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"cohort/engine/campaign"
	"cohort/engine/dispatch"
	"cohort/engine/pace"
	"cohort/engine/plan"
	"cohort/ingest/person"
)

// Screen shows the progress of a run: as a bar on a terminal, or else as a line of the log every ten
// seconds. Events are log lines in both cases.
type Screen struct {
	terminal bool
	out      *switchable
	plain    io.Writer // the target of out while there is no bar
	Log      *slog.Logger
	pace     campaign.Pace
	bars     *mpb.Progress
	bar      *mpb.Bar
	Latest   atomic.Pointer[dispatch.Snapshot]
	speed    Speed
	spoke    time.Time // when the latest progress line was written
}

// NewScreen makes a screen that writes to stderr.
func NewScreen(stderr io.Writer) *Screen {
	s := &Screen{out: &switchable{to: stderr}, terminal: AtTerminal(stderr)}
	o := &slog.HandlerOptions{}
	if s.terminal {
		o.ReplaceAttr = forEyes
	}
	s.Log = slog.New(slog.NewTextHandler(s.out, o))
	return s
}

// forEyes shortens log lines for a person at a terminal.
func forEyes(_ []string, a slog.Attr) slog.Attr {
	switch {
	case a.Key == slog.TimeKey:
		return slog.String(a.Key, a.Value.Time().Format(time.TimeOnly))
	case a.Key == slog.LevelKey && a.Value.Any() == slog.LevelInfo:
		return slog.Attr{}
	}
	return a
}

// Begin shows the bar.
func (s *Screen) Begin(plan *plan.Plan, pace campaign.Pace) {
	s.pace, s.spoke = pace, time.Now()
	if !s.terminal {
		return
	}
	s.plain = s.out.to
	s.bars = mpb.New(mpb.WithOutput(s.plain), mpb.WithWidth(40), mpb.WithRefreshRate(250*time.Millisecond))
	s.bar = s.bars.New(plan.Messages, mpb.BarStyle().Rbound("|").Lbound("|"),
		mpb.PrependDecorators(decor.CountersNoUnit("%d of %d accepted ")),
		mpb.AppendDecorators(decor.Any(func(decor.Statistics) string { return s.line() })),
	)
	s.out.set(s.bars)
}

// Show takes a snapshot. The run's loop calls it a few times a second.
func (s *Screen) Show(now dispatch.Snapshot) {
	accepted := now.Account.Fates[person.Accepted]
	s.speed.Add(now.At, accepted)
	s.Latest.Store(&now)
	if s.bar != nil {
		s.bar.SetCurrent(accepted)
		return
	}
	if now.At.Sub(s.spoke) < 10*time.Second {
		return
	}
	s.spoke = now.At
	left := now.Left
	args := []any{"state", string(now.State), "accepted", accepted, "left", left, "per_second", int64(s.speed.PerSecond() + 0.5), "in_flight", now.InFlight,
		"refused", now.Account.Fates[person.Refused], "in_doubt", now.Account.Fates[person.InDoubt]}
	if held := waits(now); held > 0 {
		args = append(args, "for_a_person", held)
	}
	if now.Waiting != "" {
		args = append(args, "waiting", now.Waiting)
		if !now.Paused { // nobody knows the end of a pause
			args = append(args, "until", s.clock(now.Until))
		}
	} else if eta, ok := s.speed.Eta(now.At, left); ok {
		args = append(args, "done_at", s.clock(eta))
	}
	s.Log.Info("progress", args...)
}

// line is the text after the bar.
func (s *Screen) line() string {
	now := s.Latest.Load()
	if now == nil {
		return " starting"
	}
	if now.Waiting != "" && now.Paused {
		return fmt.Sprintf(" %s: %s", now.State, now.Waiting)
	}
	if now.Waiting != "" {
		return fmt.Sprintf(" %s: %s", now.State, pace.WaitText(now.Waiting, now.Until.In(s.pace.Location), now.At))
	}
	text := fmt.Sprintf(" %.0f/s", s.speed.PerSecond())
	if eta, ok := s.speed.Eta(now.At, now.Left); ok {
		text += ", done at " + s.clock(eta)
		if !now.Closes.IsZero() && eta.After(now.Closes) {
			text += " if the window did not close at " + s.clock(now.Closes)
		}
	}
	return text + fmt.Sprintf(", %d in flight, %d refused, %d in doubt", now.InFlight, now.Account.Fates[person.Refused], now.Account.Fates[person.InDoubt])
}

func (s *Screen) clock(t time.Time) string {
	t = t.In(s.pace.Location)
	if t.YearDay() == time.Now().In(s.pace.Location).YearDay() {
		return t.Format("15:04:05")
	}
	return t.Format("Mon 2 Jan 15:04")
}

// End removes the bar.
func (s *Screen) End() {
	if s.bar == nil {
		return
	}
	s.bar.Abort(false)
	s.bars.Wait()
	s.out.set(s.plain)
	s.bar = nil
}

// switchable is a writer whose target can be changed.
type switchable struct {
	mu sync.Mutex
	to io.Writer
}

func (w *switchable) set(to io.Writer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.to = to
}

func (w *switchable) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.to.Write(b)
}

// waits counts the messages in doubt that only a person or receipts can settle.
func waits(now dispatch.Snapshot) int64 {
	return now.Account.Fates[person.NotSent] + now.Account.Fates[person.InDoubt] - now.Left
}

// Speed is the rate over about the last half minute. Its zero value is ready. It is safe for
// concurrent use.
type Speed struct {
	mu   sync.Mutex
	seen []sample
}

const (
	speedOver   = 30 * time.Second // Speed looks back so far
	speedAtMost = 2 * time.Minute  // and at most so far when nothing came, as between large batches
)

type sample struct {
	at time.Time
	n  int64
}

// Add notes that the count was n at a time.
func (s *Speed) Add(at time.Time, n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = append(s.seen, sample{at, n})
	for len(s.seen) > 2 {
		age := at.Sub(s.seen[0].at)
		if grows := s.seen[1].n < n; age <= speedOver || !grows && age <= speedAtMost {
			break
		}
		s.seen = s.seen[1:]
	}
}

// PerSecond returns the rate.
func (s *Speed) PerSecond() float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.seen) < 2 {
		return 0
	}
	first, last := s.seen[0], s.seen[len(s.seen)-1]
	return float64(last.n-first.n) / max(last.at.Sub(first.at).Seconds(), 0.001)
}

// Eta returns the time at which n more will be done; false: the rate is 0.
func (s *Speed) Eta(now time.Time, n int64) (time.Time, bool) {
	rate := s.PerSecond()
	if rate <= 0 {
		return time.Time{}, false
	}
	return now.Add(time.Duration(float64(n) / rate * float64(time.Second))), true
}
