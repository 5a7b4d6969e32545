package terminal

import (
	"strings"
	"testing"
	"time"

	"github.com/vbauerster/mpb/v8/decor"

	"cohort/engine/campaign"
	"cohort/engine/dispatch"
	"cohort/engine/ledger"
	"cohort/engine/pace"
	"cohort/ingest/person"
)

// What stands beside the bar of a run that waits fits a terminal of 80 columns.
func TestTheLineOfARunThatWaits(t *testing.T) {
	london, err := time.LoadLocation("Europe/London")
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 29, 12, 20, 0, 0, london)
	opens := time.Date(2026, 11, 30, 6, 0, 0, 0, london)
	now := &dispatch.Snapshot{
		At: at, State: ledger.WaitingWindow, Waiting: "window closed at 12:14", Until: opens, Rate: 1,
		Account: ledger.Account{Records: 3_400_000, Fates: map[person.Fate]int64{}}, Expected: pace.Outlook{Rate: 1, Opens: opens, Closes: opens.Add(time.Hour), Remain: 7, Last: opens.AddDate(0, 0, 1)},
	}
	c := &Screen{pace: campaign.Pace{Location: london}}
	c.Latest.Store(now)
	line := c.count(decor.Statistics{Current: 1_234_567, Total: 3_400_000}) + c.line()
	if want := "1234567 of 3400000  window closed at 12:14; opens again Mon 30 Nov 06:00"; line != want || len(line) > 76 {
		t.Errorf("%q behind the bar", line)
	}
	now.Waiting, now.Expected.First = "", at.Add(10*time.Second)
	c.Latest.Store(now)
	if line := c.line(); !strings.HasPrefix(line, " first request at ") || !strings.Contains(line, ", done at ") {
		t.Errorf("%q of a run that has sent nothing yet", line)
	}
}
