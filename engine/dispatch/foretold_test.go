package dispatch

import (
	"bytes"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cohort/engine"
	"cohort/engine/campaign"
	"cohort/engine/enginetest"
	"cohort/engine/ledger"
	"cohort/engine/pace"
	"cohort/engine/record"
)

// The warning that a window will not hold all comes again after each change of the pace. It
// never concerns a window that the run does not send in.
func TestEachPaceHasItsWarningAboutTheWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(5 * time.Hour)
		opens, s := time.Hour, newService(1)
		b := newBench(t, enginetest.NewPeople(7200, 2, nil), engine.Limits{Messages: 10, Bytes: 1 << 20})
		levers := make(chan Order)
		for after, rate := range map[time.Duration]float64{10 * time.Minute: 3, 20 * time.Minute: 0.5, 30 * time.Minute: 0.4} {
			pull(t, levers, opens+after, ledger.Command{Verb: record.VerbPace, By: "ann", Pace: pace.Override{PerSecond: rate}})
		}
		pull(t, levers, opens+58*time.Minute+300*time.Millisecond, ledger.Command{Verb: record.VerbPause, By: "ann"}) // so that the gate is slow to notice the end
		var said bytes.Buffer
		_, err := b.start(t.Context(), &connection{kind: engine.Deduplicates, service: s}, func(j *Job) {
			j.Pace = campaign.Pace{Messages: 3600, CatchUp: 1, Window: &campaign.Hours{From: 360, To: 420}, Location: time.UTC, LastCall: time.Minute}
			j.OneWindow, j.Orders, j.Logger = true, levers, slog.New(slog.NewTextHandler(&said, nil))
		})
		stoppedBy(t, err, false, "the window has ended")
		told := strings.Join(regexp.MustCompile(`at [0-9.]+/s|remain at 06:59 on Sat 1 Jan`).FindAllString(said.String(), -1), ", ")
		if want := "at 1.017/s, remain at 06:59 on Sat 1 Jan, at 0.5/s, remain at 06:59 on Sat 1 Jan, at 0.4/s, remain at 06:59 on Sat 1 Jan"; told != want {
			t.Errorf("it said %s\nin\n%s", told, said.String())
		}
	})
}
