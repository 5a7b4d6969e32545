package main

import (
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

func (s *status) printWait(w io.Writer) {
	if s.Waiting != nil {
		until := s.in(s.Waiting.Until)
		fmt.Fprintf(w, "waiting   %s\n", engine.WaitText(s.Waiting.Reason, until, time.Now(), until.Location()))
	}
}
