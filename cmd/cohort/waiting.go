package main

import (
	"time"

	"cohort/engine/dispatch"
)

// wait has the reason and the end of a wait.
type wait struct {
	Reason string    `json:"reason"`
	Until  time.Time `json:"until"`
}

// waitOf returns the wait of the process at work; nil: it does not wait, or a person paused the run.
func (s *Status) waitOf(now *dispatch.Snapshot) *wait {
	if now == nil || now.Waiting == "" || now.Paused || s.Paused != "" {
		return nil
	}
	return &wait{now.Waiting, now.Until.UTC()}
}
