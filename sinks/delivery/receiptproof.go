package delivery

import (
	"time"
)

// dayOf is the day of a moment as the service's receipts count them.
func DayOf(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }
