package decision

import (
	"testing"
	"time"

	"cohort/engine/enginetest"
)

func TestResendFrom(t *testing.T) {
	for _, test := range []struct{ sentence, last, from string }{
		{"in the morning", "2026-11-21T06:00:00Z", "2026-11-23T01:00:00Z"},
		{"in the evening", "2026-11-21T22:59:59Z", "2026-11-23T01:00:00Z"},
		{"so late that it may be the next day for the service", "2026-11-21T23:00:00Z", "2026-11-24T01:00:00Z"},
		{"at midnight", "2026-11-22T00:00:00Z", "2026-11-24T01:00:00Z"},
		{"in summer, in another time zone", "2026-07-01T00:30:00+01:00", "2026-07-03T01:00:00Z"},
	} {
		last, err := time.Parse(time.RFC3339, test.last)
		enginetest.Must(t, err)
		if got := ResendFrom(last).Format(time.RFC3339); got != test.from {
			t.Errorf("%s: %s", test.sentence, got)
		}
	}
}
