package main

import (
	"time"

	"cohort/engine/dispatch"
)

// wait is what the process at work waits for.
type wait struct {
	Reason string    `json:"reason"`
	Until  time.Time `json:"until"`
}

// waitOf is what a process waits for by its own word; nil for nothing, or when a person has
// paused the run, which stands elsewhere and has no end that anybody knows.
func (s *Status) waitOf(now *dispatch.Snapshot) *wait {
	if now == nil || now.Waiting == "" || now.Paused || s.Paused != "" {
		return nil
	}
	return &wait{now.Waiting, now.Until.UTC()}
}
