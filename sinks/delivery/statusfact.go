package delivery

import (
	"strings"
	"time"

	"cohort/engine/report"
	"cohort/sinks/notify"
)

// factOf is what a status says of a message. Its channel is the one that reached the person;
// as long as none has, the last that was tried.
func factOf(q Question, s *notify.Status, learned time.Time) report.Fact {
	f := report.Fact{Row: q.row, MessageID: q.id, Status: s.Status, Code: s.FailureCode, Origin: report.OfStatus, Learned: learned}
	var steps []string
	reached, cause := false, ""
	for _, c := range s.Channels {
		if c.Status == "created" || c.Status == "" { // its turn has not come
			continue
		}
		steps = append(steps, c.Channel+" "+c.Status)
		if c.FailureCode != "" {
			cause = c.FailureCode
		}
		if reached || c.Status == "skipped" {
			continue
		}
		f.Channel, reached = c.Channel, c.Status == report.Delivered
	}
	f.Steps = strings.Join(steps, ", ")
	if f.Status == report.Failed && f.Code == "" {
		f.Code = cause
	}
	for _, t := range []time.Time{s.Created, s.Enriched, s.Failed, s.Delivered} {
		if !t.IsZero() {
			f.At = t.Truncate(time.Millisecond).UTC()
		}
	}
	return f
}
