package status

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"cohort/cmd/internal/terminal"
	"cohort/engine/dispatch"
)

// Watch shows the status every second: as a screen on a terminal, as text elsewhere, or as one JSON
// object a line. It ends with ctx, or when no process is at work.
func Watch(ctx context.Context, dir string, asJSON bool, out io.Writer) error {
	canvas := terminal.NewCanvas(out)
	if asJSON {
		canvas = nil
	}
	defer canvas.Leave()
	each := time.NewTicker(time.Second)
	defer each.Stop()
	w, reader := &Watcher{}, NewReader(dir)
	defer reader.Close()
	for {
		s, err := reader.Read(ctx)
		if err != nil {
			return err
		}
		now := s.Live
		if w.silent = s.Silent; now != nil {
			w.add(now)
		}
		s.rates = w.rates
		switch {
		case asJSON:
			err = json.NewEncoder(out).Encode(watched{s, liveOf(now), w.silent})
		case canvas != nil:
			err = canvas.Draw(w.Text(s, now))
		default:
			_, err = io.WriteString(out, w.Text(s, now)+"\n")
		}
		if err != nil {
			return err
		}
		if s.PID == 0 {
			return nil
		}
		select {
		case <-each.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// watched is a line of --watch --json.
type watched struct {
	*Status
	Now    *live  `json:"now,omitempty"`     // what only the process at work knows
	Silent string `json:"no_live,omitempty"` // why that cannot be had
}

// live has the figures that only the process at work knows.
type live struct {
	PerSecond float64            `json:"per_second"`
	Allowed   float64            `json:"allowed_per_second"` // 0: any
	ETA       *time.Time         `json:"eta,omitempty"`
	Remain    int64              `json:"remain_at_close"` // messages that the window will not hold
	Closes    *time.Time         `json:"window_closes,omitempty"`
	Waiting   string             `json:"waiting,omitempty"`
	Latency   map[string]float64 `json:"latency_ms"` // p50, p95, p99
	Requests  int                `json:"requests_in_flight"`
	Messages  int                `json:"messages_in_flight"`
	Retries   dispatch.Retries   `json:"retries"`
}

func liveOf(now *dispatch.Snapshot) *live {
	if now == nil {
		return nil
	}
	l := &live{
		PerSecond: now.Speed, Allowed: now.Rate, Remain: now.Expected.Remain, Closes: moment(now.Expected.Closes), Waiting: now.Waiting,
		Latency:  map[string]float64{"p50": now.Latency.P50.Seconds() * 1000, "p95": now.Latency.P95.Seconds() * 1000, "p99": now.Latency.P99.Seconds() * 1000},
		Requests: now.Requests, Messages: now.InFlight, Retries: now.Retries,
	}
	if !now.Paused { // nobody knows when a pause ends
		l.ETA = moment(now.Expected.Last)
	}
	return l
}

// Watcher remembers the rates of a run.
type Watcher struct {
	rates  []float64 // one every five seconds, the latest last
	took   time.Time // when the latest was taken
	silent string    // why the process at work could not be asked; empty: it was, or there is none
}

// mostRates is the number of bars: five minutes.
const mostRates = 60

func (w *Watcher) add(now *dispatch.Snapshot) {
	if now.At.Sub(w.took) < 5*time.Second {
		return
	}
	w.took = now.At
	w.rates = append(w.rates, now.Speed)
	w.rates = w.rates[max(0, len(w.rates)-mostRates):]
}

// Text is the text of the screen.
func (w *Watcher) Text(s *Status, now *dispatch.Snapshot) string {
	var b strings.Builder
	s.Print(&b)
	if w.silent != "" {
		fmt.Fprintf(&b, "\nno live figures: %s\n", w.silent)
	}
	if now == nil {
		return b.String()
	}
	fmt.Fprintln(&b)
	fmt.Fprintf(&b, "answers   p50 %s, p95 %s, p99 %s; %d requests with %d messages under way\n",
		round(now.Latency.P50), round(now.Latency.P95), round(now.Latency.P99), now.Requests, now.InFlight)
	for _, code := range slices.Sorted(maps.Keys(now.Retries)) {
		fmt.Fprintf(&b, "again     %d requests after %s\n", now.Retries[code], code)
	}
	return b.String()
}

func round(d time.Duration) time.Duration { return d.Round(time.Millisecond) }

// bars draws values as a line of bars, the highest as high as a letter.
func bars(values []float64) string {
	const heights = "▁▂▃▄▅▆▇█"
	most := 0.0
	for _, v := range values {
		most = max(most, v)
	}
	var b strings.Builder
	for _, v := range values {
		step := 0
		if most > 0 {
			step = int(v / most * 7.999)
		}
		b.WriteRune([]rune(heights)[step])
	}
	return b.String()
}
