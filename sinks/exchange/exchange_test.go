package exchange

import (
	"net/http"
	"testing"
	"time"
)

func TestRetryAfterIsSecondsOrADate(t *testing.T) {
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"":                               0,
		"0":                              0,
		"1":                              time.Second,
		" 60 ":                           time.Minute,
		"86400":                          24 * time.Hour,
		"-1":                             0,
		"1.5":                            0,
		"90000":                          24 * time.Hour,
		"soon":                           0,
		"99999999999999999999":           0,
		"Mon, 02 Mar 2026 09:01:30 GMT":  90 * time.Second,
		"Monday, 02-Mar-26 09:00:05 GMT": 5 * time.Second,
		"Mon Mar  2 09:00:07 2026":       7 * time.Second,
		"Mon, 02 Mar 2026 09:00:00 GMT":  0,
		"Mon, 02 Mar 2026 08:59:00 GMT":  0,
		"Mon, 02 Mar 2026":               0,
	} {
		if got := RetryAfter(http.Header{"Retry-After": {text}}, now); got != want || got < 0 {
			t.Errorf("%q: %v, not %v", text, got, want)
		}
	}
}
