package main

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// sooner are the rules as they are, but they fire within seconds.
func sooner(t *testing.T) string {
	t.Helper()
	rules := string(Must(os.ReadFile(monitoring + "alerts.yaml")))
	for _, change := range [][2]string{
		{"<= 60\n", "<= 4\n"}, {"[10m])) + sum", "[10s])) + sum"}, {"_total[10m]))\n", "_total[10s]))\n"}, {"_since_timestamp_seconds > 300", "_since_timestamp_seconds > 3"},
	} {
		if !strings.Contains(rules, change[0]) {
			t.Fatalf("the rules no longer have %q", change[0])
		}
		rules = strings.ReplaceAll(rules, change[0], change[1])
	}
	return regexp.MustCompile(`\bfor: \w+`).ReplaceAllString(rules, "for: 3s")
}

// Six incidents at the simulator make six alerts fire, by what the built program serves and a real Prometheus scrapes. A run
// in good order beside them raises none.
func TestIncidentsRaiseTheirAlerts(t *testing.T) {
	if os.Getenv("COHORT_PROVE") == "" {
		t.Skip("it takes a minute of seven runs; see make prove")
	}
	type incident struct {
		alert, faults, campaign string
		then                    func(w *world, send *exec.Cmd) // once it sends; nil: the service does it
	}
	incidents := []incident{
		{"CohortHalted", "banned: {share: 1, after: 3}\n", "", nil},
		{"CohortManyRefused", "poisoned_recipients: 0.08\n", "stop_if: {refused: 12%, of: 20000}\n", nil},
		{"CohortTokenFailing", "token_revoked: {share: 1, limit: 1}\ntoken_endpoint_500: {share: 1, after: 1}\n", "", nil},
		{"CohortStalled", "unavailable_503_bare: {share: 1, after: 10}\n", "", nil},
		{"CohortPausedOrHeld", "{}\n", "", func(w *world, _ *exec.Cmd) { w.run("pause", w.folder(), "--reason", "a drill") }},
		{"CohortDied", "{}\n", "", func(_ *world, send *exec.Cmd) { _ = send.Process.Kill(); _ = send.Wait() }},
		{"", "{}\n", "", nil},
	}
	first := newWorld(t)
	var targets, wanted []string
	worlds := make([]*world, len(incidents))
	for i, in := range incidents {
		w := first.another(t)
		worlds[i] = w
		w.simulate(in.faults)
		w.campaign("pace: {per_second: 400}\n" + in.campaign + receiverTrusts)
		text := string(Must(os.ReadFile(w.path("campaign.yaml"))))
		text = strings.Replace(text, "autumn-invitation", strings.ToLower("drill-"+in.alert), 1)
		w.write("campaign.yaml", strings.Replace(text, "max_messages: 400", "max_messages: 50", 1))
		w.generate(60_000, 0)
		watches, sends := freeAddress(t), freeAddress(t)
		receiver, _, _ := w.start("callbacks", "-c", "campaign.yaml", "--listen", "127.0.0.1:0", "--metrics", watches)
		t.Cleanup(func() { _ = receiver.Process.Kill(); _ = receiver.Wait() })
		send, _, _ := w.start("send", "-c", "campaign.yaml", "cohort.csv", "--metrics", sends)
		t.Cleanup(func() { _ = send.Process.Kill(); _ = send.Wait() })
		targets = append(targets, watches, sends)
		if in.alert != "" {
			wanted = append(wanted, "drill-"+strings.ToLower(in.alert)+" "+in.alert)
		}
		if in.then != nil {
			waitFor(t, func() bool { return valueOf(scrape(sends), "cohort_messages_accepted_total") > 0 })
			in.then(w, send)
		}
	}
	p := startPrometheus(t, sooner(t), targets...)
	var fired []string
	for until := time.Now().Add(2 * time.Minute); time.Now().Before(until); time.Sleep(time.Second) {
		if fired = p.firing(); !slices.ContainsFunc(wanted, func(want string) bool { return !slices.Contains(fired, want) }) {
			break
		}
	}
	for _, want := range wanted {
		if !slices.Contains(fired, want) {
			t.Errorf("%s does not fire", want)
		}
	}
	for _, f := range fired {
		if strings.HasPrefix(f, "drill- ") {
			t.Errorf("%s fires for a run in good order", f)
		}
	}
	slices.Sort(fired)
	t.Logf("fired:\n%s", strings.Join(fired, "\n"))
}
