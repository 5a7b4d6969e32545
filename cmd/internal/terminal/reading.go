package terminal

import (
	"fmt"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"cohort/engine/event"
	"cohort/engine/pace"
	"cohort/ingest"
)

const (
	readingStep   = 250 * time.Millisecond
	readingIsLong = time.Second      // a terminal then shows a bar
	ReadingSpeaks = 10 * time.Second // elsewhere, the log has a line so often
)

// reading shows an operator how much was read.
type reading struct {
	screen *Screen
	what   string // as in "reading the cohort"
	total  int64  // bytes; 0: not known
	speed  pace.Speed
	spoke  time.Time
	began  time.Time
	bars   *mpb.Progress
	bar    *mpb.Bar
}

// Follow shows how many of total bytes were read, as read returns them, until end is called. end
// removes the bar.
func (s *Screen) Follow(what string, total int64, read func() int64) (end func()) {
	done, over := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(over)
		r := &reading{screen: s, what: what, total: total, began: time.Now(), spoke: time.Now()}
		defer r.end()
		step := time.NewTicker(readingStep)
		defer step.Stop()
		for {
			select {
			case <-done:
				return
			case now := <-step.C:
				r.show(now, read())
			}
		}
	}()
	return sync.OnceFunc(func() {
		close(done)
		<-over
	})
}

func (r *reading) show(now time.Time, n int64) {
	r.speed.Add(now, n)
	switch {
	case r.screen.terminal:
		if r.bars == nil && now.Sub(r.began) >= readingIsLong {
			r.draw()
		}
		if r.bar != nil {
			r.bar.SetCurrent(n)
		}
	case now.Sub(r.spoke) >= ReadingSpeaks:
		r.spoke = now
		args := []any{event.Reading, "bytes", n}
		if r.total > 0 {
			args = append(args, "of", r.total)
		}
		r.screen.Log.Info(r.what, append(args, "per_second", int64(r.speed.PerSecond()))...)
	}
}

// draw begins the bar. It is only a text when the total is not known.
func (r *reading) draw() {
	s := r.screen
	s.plain = s.out.to
	r.bars = mpb.New(mpb.WithOutput(s.plain), mpb.WithWidth(40), mpb.WithRefreshRate(readingStep), mpb.WithAutoRefresh())
	style := mpb.BarFillerBuilder(mpb.NopStyle())
	if r.total > 0 {
		style = mpb.BarStyle().Rbound("|").Lbound("|")
	}
	r.bar = r.bars.New(0, style,
		mpb.PrependDecorators(decor.Any(func(st decor.Statistics) string { return r.what + ", " + megabytes(st.Current, r.total) + " " })),
		mpb.AppendDecorators(decor.Any(func(decor.Statistics) string { return fmt.Sprintf(" %.0f MB/s", r.speed.PerSecond()/1e6) })),
	)
	r.bar.SetTotal(r.total, false) // set here, so that a full bar can still be removed
	s.out.set(r.bars)
}

func (r *reading) end() {
	if r.bar == nil {
		return
	}
	r.bar.Abort(true)
	r.bars.Wait()
	r.screen.out.set(r.screen.plain)
}

// megabytes writes n, and what it is a part of unless that is 0.
func megabytes(n, of int64) string {
	if of == 0 {
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%.1f of %.1f MB", float64(min(n, of))/1e6, float64(of)/1e6)
}

// BytesOf returns the total size of a cohort's files.
func BytesOf(r *ingest.Reader) (n int64) {
	for _, f := range r.Files() {
		n += f.Bytes
	}
	return n
}
