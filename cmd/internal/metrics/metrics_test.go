package metrics

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"cohort/docs/runbooks"
	"cohort/engine/campaign"
	"cohort/engine/delivery"
	"cohort/engine/dispatch"
	"cohort/engine/ledger"
	"cohort/engine/pace"
	"cohort/engine/plan"
	"cohort/engine/refusal"
	"cohort/sinks/callbacks"
)

const monitoring = "../../../docs/monitoring/"

// worst is a run with as much of everything as a run can have.
func worst() *Run {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	r := &Run{
		Folder: "", RunID: "0123456789abcdef", State: ledger.Sending, Live: true, Campaign: &campaign.Campaign{},
		Plan:     &plan.Header{Campaign: "a-campaign", Service: "notify", Created: now},
		Delivery: &Delivery{Status: map[[2]string]int64{}, Overdue: map[string]int64{}, Took: map[float64]uint64{}},
	}
	r.Campaign.StopIf = campaign.StopIf{Refused: 0.1, Of: 1000}
	r.Campaign.Pace.Until = now.Add(time.Hour)
	r.Now = dispatch.Snapshot{At: now, Expected: pace.Outlook{Last: now}}
	t := &r.Now.Traffic
	t.AcceptedAt, t.ReachableAt = now, now
	for i := range 100 {
		r.Plan.Routes = append(r.Plan.Routes, plan.Route{Name: fmt.Sprint("route ", i)})
		t.Accepted = append(t.Accepted, 1)
	}
	for i := range 40 { // the fold keeps no more
		t.Refused = append(t.Refused, ledger.Answers{Code: fmt.Sprint("E", i), N: 1})
		t.Halts = append(t.Halts, ledger.Answers{Code: fmt.Sprint("h", i), N: 1})
	}
	r.Now.Own = dispatch.Own{TokenExpires: now, TokenFailing: now}
	r.Now.Key = &pace.KeyUse{Share: "key"}
	return r
}

// shown returns what sources send as Prometheus reads it: a line for each series.
func shown(t *testing.T, from ...Source) (series []string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "x.prom")
	all := prometheus.NewRegistry()
	all.MustRegister(from...)
	if err := prometheus.WriteToTextfile(file, all); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "#") {
			series = append(series, strings.TrimSpace(line))
		}
	}
	return series
}

func one(r *Run) Source {
	return Runs(func(context.Context) ([]*Run, int) { return []*Run{r}, 0 })
}

// A run never has more than 300 series, whatever a service answers and a campaign has.
func TestARunHasFewSeries(t *testing.T) {
	r := worst()
	r.Folder = t.TempDir()
	all := shown(t, one(r))
	if len(all) > 300 || len(all) < 200 {
		t.Errorf("%d series", len(all))
	}
	for _, line := range all {
		if strings.HasPrefix(line, `cohort_messages_accepted_total{`) && strings.Contains(line, `route="(other)"`) && strings.HasSuffix(line, " 80") {
			return
		}
	}
	t.Error("the routes behind the first 20 are not counted together")
}

var (
	series  = regexp.MustCompile(`\bcohort_[a-z_]+`)
	inTable = regexp.MustCompile("`(cohort_[a-z_]+)")
)

// The table of metrics in the documentation has each of them. Alerts and board name no others.
func TestTheDocumentationHasEveryMetric(t *testing.T) {
	read := func(name string) string {
		text, err := os.ReadFile(monitoring + name)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	r, receiver := worst(), NewReceiver()
	r.Folder = t.TempDir()
	is, documented := map[string]bool{}, map[string]bool{}
	end := regexp.MustCompile(`_(bucket|sum|count)$`)
	for _, line := range shown(t, one(r), receiver.Source(func() time.Time { return time.Unix(1, 0) })) {
		is[end.ReplaceAllString(series.FindString(line), "")] = true
	}
	_, table, _ := strings.Cut(read("README.md"), "## Metrics")
	for _, found := range inTable.FindAllStringSubmatch(table, -1) {
		documented[found[1]] = true
	}
	for name := range is {
		if !documented[name] {
			t.Errorf("README.md lacks %s", name)
		}
	}
	for name := range documented {
		if !is[name] {
			t.Errorf("README.md has %s, which does not exist", name)
		}
	}
	for _, file := range []string{"alerts.yaml", "board.json"} {
		for _, name := range series.FindAllString(read(file), -1) {
			if !is[end.ReplaceAllString(name, "")] {
				t.Errorf("%s has %s, which does not exist", file, name)
			}
		}
	}
	for _, found := range regexp.MustCompile(`runbook: cohort runbook (\S+)`).FindAllStringSubmatch(read("alerts.yaml"), -1) {
		if _, ok := runbooks.Text(found[1]); !ok {
			t.Errorf("there is no runbook %s", found[1])
		}
	}
}

// The alerts are sound, and each fires when it must and not before.
func TestAlerts(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed (Debian's prometheus): the alerts are not tested")
	}
	for _, args := range [][]string{{"check", "rules", "alerts.yaml"}, {"test", "rules", "alerts_test.yaml", "day_test.yaml"}} {
		c := exec.Command(promtool, args...)
		c.Dir = monitoring
		if out, err := c.CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	text, err := os.ReadFile(monitoring + "alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	tests, err := os.ReadFile(monitoring + "alerts_test.yaml")
	if err != nil {
		t.Fatal(err)
	}
	day, err := os.ReadFile(monitoring + "day_test.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, alert := range regexp.MustCompile(`alert: (\w+)`).FindAllStringSubmatch(string(text), -1) {
		said := string(tests) + string(day)
		if !strings.Contains(said, "alertname: "+alert[1]+"\n") || !strings.Contains(said, "alertname: "+alert[1]+"}") {
			t.Errorf("%s has no test that it fires, or none that it does not", alert[1])
		}
	}
}

// How long a message may be without a last word depends on the channel and its turn.
func TestOverdue(t *testing.T) {
	const day = 24 * time.Hour
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	try := func(channel string, age time.Duration) delivery.Attempt {
		return delivery.Attempt{Channel: channel, Status: "sending", At: now.Add(-age)}
	}
	for sentence, test := range map[string]struct {
		state   delivery.State
		overdue string // channel; empty: it is not
	}{
		"an SMS after four days":         {delivery.State{Attempts: []delivery.Attempt{try("sms", 4*day+1)}}, "sms"},
		"and not before":                 {delivery.State{Attempts: []delivery.Attempt{try("sms", 4*day)}}, ""},
		"a letter after seven":           {delivery.State{Attempts: []delivery.Attempt{try("letter", 7*day+1)}}, "letter"},
		"and not before ":                {delivery.State{Attempts: []delivery.Attempt{try("letter", 7*day)}}, ""},
		"a second step after ten":        {delivery.State{Attempts: []delivery.Attempt{try("nhsapp", 20*day), try("sms", 10*day+1)}}, "sms"},
		"and not before  ":               {delivery.State{Attempts: []delivery.Attempt{try("nhsapp", 20*day), try("sms", 10*day)}}, ""},
		"a turn that has not come":       {delivery.State{Attempts: []delivery.Attempt{try("nhsapp", 5*day), {Channel: "sms", Status: "created", At: now}}}, "nhsapp"},
		"whatever it is, after 14":       {delivery.State{Status: "enriched", At: now.Add(-14*day - 1)}, "none"},
		"and not before   ":              {delivery.State{Status: "enriched", At: now.Add(-14 * day)}, ""},
		"a channel that nobody knows":    {delivery.State{Attempts: []delivery.Attempt{try("pigeon", 5*day)}}, "none"},
		"a message that was delivered":   {delivery.State{Status: delivery.Delivered, Delivered: true, Attempts: []delivery.Attempt{try("sms", 40*day)}}, ""},
		"a message that failed for good": {delivery.State{Status: delivery.Failed, Source: delivery.Callback, Attempts: []delivery.Attempt{try("sms", 40*day)}}, ""},
	} {
		d := &Delivery{Status: map[[2]string]int64{}, Overdue: map[string]int64{}, Took: map[float64]uint64{}}
		d.add(&test.state, now)
		if n := d.Overdue[test.overdue]; n != 1 && test.overdue != "" || test.overdue == "" && len(d.Overdue) > 0 {
			t.Errorf("%s: %v", sentence, d.Overdue)
		}
	}
}

// The receiver's figures name what came, and nothing of the people in it.
func TestReceiverCounts(t *testing.T) {
	r, at := NewReceiver(), time.Unix(1000, 0)
	event := delivery.Event{Kind: delivery.OfMessage, Reference: "9434765919", At: at, Received: at.Add(20 * time.Second)}
	r.Count(callbacks.Seen{Path: callbacks.MessagesPath, Answer: callbacks.Stored, Events: []delivery.Event{event}})
	r.Count(callbacks.Seen{Path: callbacks.ChannelsPath, Answer: callbacks.Stored, Events: []delivery.Event{{Kind: delivery.OfUnknown}}})
	r.Count(callbacks.Seen{Path: callbacks.MessagesPath, Answer: callbacks.WrongSignature})
	r.Count(callbacks.Seen{Path: "/9434765919", Answer: callbacks.NotFound})
	text := strings.Join(shown(t, r.Source(func() time.Time { return time.Time{} })), "\n")
	for _, want := range []string{
		`cohort_callbacks_received_total{kind="messages",result="stored"} 1`, `cohort_callbacks_received_total{kind="channels",result="unread"} 1`,
		`cohort_callbacks_received_total{kind="messages",result="forged"} 1`, `cohort_callbacks_received_total{kind="other",result="failed"} 1`,
		`cohort_callback_age_seconds_bucket{le="15"} 0`, `cohort_callback_age_seconds_bucket{le="60"} 1`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("lacks %s", want)
		}
	}
	if strings.Contains(text, "9434765919") || strings.Contains(text, "certificate") {
		t.Errorf("shows too much:\n%s", text)
	}
}

// A file is replaced as a whole, and only one that is ours. An address that is taken is refused. Nothing but /metrics is served.
func TestExporter(t *testing.T) {
	log, dir := slog.New(slog.DiscardHandler), t.TempDir()
	file := filepath.Join(dir, "cohort.prom")
	e, err := Options{Addr: "127.0.0.1:0", File: file}.Start(log)
	if err != nil {
		t.Fatal(err)
	}
	r := worst()
	r.Folder = dir
	e.Show(one(r))
	for path, status := range map[string]int{"/metrics": http.StatusOK, "/": http.StatusNotFound, "/debug/pprof/": http.StatusNotFound} {
		answer, err := http.Get("http://" + e.at.Addr().String() + path)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if answer.StatusCode != status || status == http.StatusOK && !strings.Contains(string(text), `cohort_run_state{campaign="a-campaign",run="01234567",state="sending"} 1`) {
			t.Errorf("%s: %s\n%s", path, answer.Status, text)
		}
	}
	if _, err := (Options{Addr: e.at.Addr().String()}).Start(log); refusal.Code(err) != "metrics_cannot_listen" {
		t.Errorf("an address that is taken: %v", err)
	}
	e.Close()
	text, err := os.ReadFile(file)
	if err != nil || !strings.HasPrefix(string(text), firstLine) {
		t.Errorf("%v: %.100s", err, text)
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("the folder has %v", left)
	}
	again, err := Options{File: file}.Start(log)
	if err != nil {
		t.Fatalf("our own file: %v", err)
	}
	again.Close() // it had nothing to show
	if still, _ := os.ReadFile(file); string(still) != string(text) {
		t.Error("the figures of an earlier run are lost to none")
	}
	for name, code := range map[string]string{
		filepath.Join(dir, "cohort.txt"): "metrics_file_name", filepath.Join(dir, "none", "x.prom"): "metrics_file_folder", dir + "/others.prom": "metrics_file_taken",
	} {
		_ = os.WriteFile(dir+"/others.prom", []byte("# HELP node_cpu\n"), 0o600)
		if _, err := (Options{File: name}).Start(log); refusal.Code(err) != code {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A copy of a run's folder has the run's id too. It does not take the metrics of all runs away.
func TestACopyOfARunIsShownOnce(t *testing.T) {
	run, twin := worst(), worst()
	run.Live, twin.Live = true, false
	want := shown(t, one(run))
	for _, all := range [][]*Run{{run, twin}, {twin, run}} {
		got := shown(t, Runs(func(context.Context) ([]*Run, int) { return all, 0 }))
		if len(got) != len(want) {
			t.Errorf("%d series, want the %d of the run at work", len(got), len(want))
		}
	}
}
