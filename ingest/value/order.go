package value

import (
	"strconv"
	"time"
)

// Order is the kind of the values that order the records of a person: whole numbers, or dates
// and times as Unix milliseconds. The two cannot be compared, so the first readable value
// decides for the whole cohort. Eight digits that form a date are a date, unless whole numbers
// came first.
type Order uint32

// The orders. Unsettled: no value was read yet.
const (
	Unsettled Order = iota
	numbers
	times
)

// Read returns the number to compare by; false when the value cannot be read.
func (o *Order) Read(v []byte) (int64, bool) {
	if *o != numbers {
		if t, ok := moment(v); ok {
			*o = times
			return t.UnixMilli(), true
		}
	}
	if *o == times {
		return 0, false
	}
	n, ok := Whole(v)
	if ok {
		*o = numbers
	}
	return n, ok
}

// moment reads a date or time: ISO 8601, or yyyymmdd with or without -HHMMSS behind it. A time
// without a zone is taken as UTC, which keeps the order.
func moment(v []byte) (time.Time, bool) {
	layouts := []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04Z07:00", "2006-01-02T15:04", "2006-01-02T15:04:05Z0700", "20060102T150405Z0700", "20060102T150405"}
	switch n := len(v); {
	case n < 8, n > 40, !fits(v[:4], "9999"):
		return time.Time{}, false
	case n == 8:
		layouts = []string{"20060102"}
	case n < 16:
		layouts = []string{time.DateOnly, "20060102-150405"}
	}
	text := string(v)
	if len(text) > 10 && text[10] == ' ' {
		text = text[:10] + "T" + text[11:]
	}
	for _, layout := range layouts {
		if t, err := time.Parse(layout, text); err == nil {
			return t, t.Year() >= 1800 && t.Year() < 2300
		}
	}
	return time.Time{}, false
}

// Whole reads a whole number in decimal, with or without a minus sign.
func Whole(v []byte) (n int64, ok bool) {
	n, err := strconv.ParseInt(string(v), 10, 64)
	return n, err == nil && v[0] != '+'
}
