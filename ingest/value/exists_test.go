package value

import (
	"testing"
	"time"
)

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
