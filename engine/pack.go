package engine

import (
	"fmt"
	"math"
	"time"
)

// Smooth lowers the number of messages in a batch to what the even rate (messages a
// second; 0: none) sends in span, so that a slow pace is a trickle and not a few
// large gulps.
func (l Limits) Smooth(rate float64, span time.Duration) Limits {
	if rate > 0 {
		l.Messages = min(l.Messages, max(1, int(math.Floor(rate*span.Seconds()))))
	}
	return l
}

// UnfitError says that the service would refuse the message of one record. It is a defect:
// the record should have been invalid (see Asked).
type UnfitError struct {
	Row    int64
	Code   string
	Reason string // in words, without personal data
}

// Error names the record by its row.
func (e *UnfitError) Error() string {
	return fmt.Sprintf("record %d should have been invalid (%s: %s), and was taken for one that can be sent; this is a defect of cohort", e.Row, e.Code, e.Reason)
}
