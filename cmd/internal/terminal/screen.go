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
	"cohort/engine/event"
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
	spoke    time.Time // when the latest progress line was written
}

// NewScreen makes a screen that writes to stderr. A log for programs takes its place when there is one.
func NewScreen(stderr io.Writer, programs *slog.Logger) *Screen {
	s := &Screen{out: &switchable{to: stderr}, terminal: programs == nil && AtTerminal(stderr)}
	switch {
	case programs != nil:
		s.Log = programs
	case s.terminal:
		s.Log = event.Text(s.out, forEyes)
	default:
		s.Log = event.Text(s.out, nil)
	}
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

func (s *Screen) Begin(plan *plan.Plan, pace campaign.Pace) {
	s.pace, s.spoke = pace, time.Now()
	if !s.terminal {
		return
	}
	s.plain = s.out.to
	s.bars = mpb.New(mpb.WithOutput(s.plain), mpb.WithWidth(40), mpb.WithRefreshRate(250*time.Millisecond))
	s.bar = s.bars.New(plan.Messages, mpb.BarStyle().Rbound("|").Lbound("|"),
		mpb.PrependDecorators(decor.Any(s.count)),
		mpb.AppendDecorators(decor.Any(func(decor.Statistics) string { return s.line() })),
	)
	s.out.set(s.bars)
}

// Show takes a snapshot. The run's loop calls it a few times a second.
func (s *Screen) Show(now dispatch.Snapshot) {
	accepted := now.Account.Fates[person.Accepted]
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
	args := []any{event.Progress, "state", string(now.State), "accepted", accepted, "left", left, "per_second", int64(now.Speed + 0.5), "in_flight", now.InFlight,
		"refused", now.Account.Fates[person.Refused], "in_doubt", now.Account.Fates[person.InDoubt]}
	if held := waits(now); held > 0 {
		args = append(args, "for_a_person", held)
	}
	if now.Key != nil {
		args = append(args, "key_requests_last_minute", now.Key.Requests, "key_runs", now.Key.Runs)
	}
	if now.Waiting != "" {
		args = append(args, "waiting", now.Waiting)
		if !now.Paused { // nobody knows the end of a pause
			args = append(args, "until", s.clock(now.Until))
		}
	} else {
		if first := now.Expected.First; !first.IsZero() {
			args = append(args, "first_request", s.clock(first))
		}
		if last := now.Expected.Last; !last.IsZero() {
			args = append(args, "done_at", s.clock(last))
		}
	}
	s.Log.Info("progress", args...)
}

// line is the text behind the bar. It fits a terminal of 80 columns while nothing is sent.
func (s *Screen) line() string {
	now := s.Latest.Load()
	switch {
	case now == nil:
		return " starting"
	case now.Waiting != "" && now.Paused:
		return " " + now.Waiting
	case now.Waiting != "":
		return " " + (pace.Wait{Why: now.Waiting, Until: now.Until}).Text(s.pace.Location, now.At)
	}
	out := now.Expected
	text := fmt.Sprintf(" %.0f/s", now.Speed)
	if !out.First.IsZero() {
		text = " first request at " + s.clock(out.First)
	}
	if !out.Last.IsZero() {
		text += ", done at " + s.clock(out.Last)
	}
	if out.Remain > 0 {
		text += fmt.Sprintf(", %d will remain at %s", out.Remain, s.clock(out.Closes))
	}
	if now.Key != nil && now.Key.Runs > 1 {
		text += ", " + now.Key.Others()
	}
	return text + fmt.Sprintf(", %d in flight, %d refused, %d in doubt", now.InFlight, now.Account.Fates[person.Refused], now.Account.Fates[person.InDoubt])
}

// count is the text before the bar: shorter while the text behind it needs the room.
func (s *Screen) count(st decor.Statistics) string {
	accepted := "accepted "
	if now := s.Latest.Load(); now != nil && now.Waiting != "" {
		accepted = ""
	}
	return fmt.Sprintf("%d of %d %s", st.Current, st.Total, accepted)
}

func (s *Screen) clock(t time.Time) string { return pace.Clock(t, s.pace.Location, time.Now()) }

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
