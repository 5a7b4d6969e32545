package ingest

import (
	"strconv"
	"time"
)

// order is what the values that say which record of a person is the latest are. Whole
// numbers stand for themselves, dates and times for Unix milliseconds. The two cannot
// be compared, so the first value that can be read settles which of them a cohort has.
// Eight digits that are a date are one, unless whole numbers came first.
type order uint32

const (
	unsettled order = iota
	numbers
	times
)

// read returns what to compare by, or false when it cannot be told.
func (o *order) read(v []byte) (int64, bool) {
	if *o != numbers {
		if t, ok := moment(v); ok {
			*o = times
			return t.UnixMilli(), true
		}
	}
	if *o == times {
		return 0, false
	}
	n, ok := whole(v)
	if ok {
		*o = numbers
	}
	return n, ok
}

// moment reads a date or time: ISO 8601, or yyyymmdd with -HHMMSS behind it or not. A
// time that does not say its zone is UTC, which keeps the order.
func moment(v []byte) (time.Time, bool) {
	if t, ok := day(v); ok {
		return t, true
	}
	if plainMoment.fits(v) {
		t, ok := day(v[:8])
		h, m, s := two(v[9:]), two(v[11:]), two(v[13:])
		return t.Add(time.Duration(h*3600+m*60+s) * time.Second), ok && h < 24 && m < 60 && s < 60
	}
	if len(v) < 16 || len(v) > 40 || !fits(v[:4], "9999") {
		return time.Time{}, false
	}
	text := string(v)
	if text[10] == ' ' {
		text = text[:10] + "T" + text[11:]
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04Z07:00", "2006-01-02T15:04", "2006-01-02T15:04:05Z0700", "20060102T150405Z0700", "20060102T150405"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, t.Year() >= 1800 && t.Year() < 2300
		}
	}
	return time.Time{}, false
}

// whole reads a whole number in decimal, with or without a minus sign.
func whole(v []byte) (n int64, ok bool) {
	n, err := strconv.ParseInt(string(v), 10, 64)
	return n, err == nil && v[0] != '+'
}
