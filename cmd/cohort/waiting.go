package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"cohort/engine"
)

// wait is what the process at work waits for, as it says itself.
type wait struct {
	Reason string    `json:"reason"`
	Until  time.Time `json:"until"`
}

// waitOf is what a process waits for; nil when it waits for nothing, or for a person: who has
// paused the run stands elsewhere, and when it goes on nobody knows.
func (s *status) waitOf(now *engine.Snapshot) *wait {
	if now == nil || now.Waiting == "" || now.Paused || s.Paused != "" {
		return nil
	}
	return &wait{now.Waiting, now.Until.UTC()}
}

// answerWithin is how long a process at work is asked what it waits for. One that stands still
// does not answer.
const answerWithin = 2 * time.Second

// askWait asks the process at work, if there is one, what it waits for.
func (s *status) askWait(ctx context.Context) {
	if s.PID == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	if now, err := snapshot(ctx, s.Folder); err == nil { // else it prepares, or ends
		s.Waiting = s.waitOf(now)
	}
}

func (s *status) printWait(w io.Writer) {
	if s.Waiting != nil {
		until := s.in(s.Waiting.Until)
		fmt.Fprintf(w, "waiting   %s\n", engine.WaitText(s.Waiting.Reason, until, time.Now(), until.Location()))
	}
}
