package ledger

import (
	"testing"
	"time"

	"cohort/engine/pace"
	"cohort/engine/plan"
)

// A process with a fast clock may have noted a wait that ends hours from now. The next
// one waits no longer than the service has ever asked for.
func TestAWaitNotedByAClockThatWasAhead(t *testing.T) {
	now := time.Date(2026, 11, 21, 6, 0, 0, 0, time.UTC)
	id := plan.FormID{Batch: 1}
	for sentence, test := range map[string]struct {
		at   time.Time
		wait time.Duration
		want time.Duration // from now on
	}{
		"noted just now":             {now, time.Minute, time.Minute},
		"noted a while ago":          {now.Add(-40 * time.Second), time.Minute, 20 * time.Second},
		"over":                       {now.Add(-time.Hour), time.Minute, 0},
		"noted three hours from now": {now.Add(3 * time.Hour), time.Minute, time.Minute},
	} {
		l := &Ledger{due: map[plan.FormID]time.Time{}}
		l.askedToWait(id, 429, test.at, test.wait)
		if got := pace.Later(now, l.QuietAt(now)).Sub(now); got != test.want {
			t.Errorf("%s: quiet for %s, want %s", sentence, got, test.want)
		}
		if got := l.DueAt(id, now).Sub(now); got != test.want {
			t.Errorf("%s: due in %s, want %s", sentence, got, test.want)
		}
	}
}
