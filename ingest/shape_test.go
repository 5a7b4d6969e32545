package ingest

import (
	"testing"
	"time"
)

// A shape says of a value what fits does, byte by byte.
func TestShapesAreTheirPatterns(t *testing.T) {
	for _, pattern := range []string{"9999-99-99", "99999999", "99/99/9999", "9999", "99:99", "99:99:99", "99999999-999999"} {
		s := newShape(pattern)
		for at := range pattern {
			for c := range 256 {
				value := []byte(pattern)
				value[at] = byte(c)
				if s.fits(value) != fits(value, pattern) {
					t.Errorf("%q and %q", value, pattern)
				}
			}
		}
		if s.fits([]byte(pattern+"9")) || s.fits([]byte(pattern[1:])) || s.fits(nil) {
			t.Errorf("%q: another length fits", pattern)
		}
	}
}

func TestADayExistsWhenTheCalendarHasIt(t *testing.T) {
	for year := 1790; year < 2310; year++ {
		for month := range 14 {
			for day := range 33 {
				at := time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC)
				want := year >= 1800 && year < 2300 && at.Month() == time.Month(month) && at.Day() == day
				if exists(year, month, day) != want {
					t.Fatalf("%d-%d-%d", year, month, day)
				}
			}
		}
	}
}
