package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"cohort/cmd/internal/metrics"
	"cohort/engine/ledger"
	"cohort/engine/plan"
)

const monitoring = "../../docs/monitoring/"

// scrape reads the metrics at an address, by series; nil: nobody serves there.
func scrape(address string) map[string]float64 {
	answer, err := http.Get("http://" + address + "/metrics")
	if err != nil {
		return nil
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		return nil
	}
	return seriesOf(string(text))
}

func seriesOf(text string) map[string]float64 {
	all := map[string]float64{}
	for line := range strings.Lines(text) {
		if i := strings.LastIndexByte(line, ' '); i > 0 && line[0] != '#' {
			all[line[:i]], _ = strconv.ParseFloat(strings.TrimSpace(line[i:]), 64)
		}
	}
	return all
}

// valueOf adds up the series of a metric that have some labels.
func valueOf(all map[string]float64, name string, labels ...string) (sum float64) {
	for series, value := range all {
		is, of, _ := strings.Cut(series, "{")
		if is == name && !slices.ContainsFunc(labels, func(l string) bool { return !strings.Contains(of, l) }) {
			sum += value
		}
	}
	return sum
}

// A run is killed again and again, and goes on. No counter of the log goes back, and the last file has what the ledger of the
// whole log has.
func TestCountersNeverGoBackWhileTheRunIsKilled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.simulate("reset_after: 0.05\nquota_429: {share: 0.05, retry_after: 20ms}\npoisoned_recipients: 0.01\nlatency: {fixed: 5ms}\n")
	w.campaign("pace: {per_second: 5000}\nstop_if: {of: 0}\n")
	text := string(Must(os.ReadFile(w.path("campaign.yaml"))))
	w.write("campaign.yaml", strings.Replace(text, "max_messages: 400", "max_messages: 100", 1))
	w.generate(12_000, 0.001)
	address, file := freeAddress(t), w.path("cohort.prom")
	flags := []string{"--metrics", address, "--metrics-file", file}
	counters := regexp.MustCompile(`^cohort_(\w+_total|request_\w+)\{`)
	own := regexp.MustCompile(`^cohort_pace_waiting`)
	latest, scrapes := map[string]float64{}, 0
	look := func() {
		for series, value := range scrape(address) {
			if !counters.MatchString(series) || own.MatchString(series) {
				continue
			}
			if scrapes++; value < latest[series] {
				t.Errorf("%s went from %g to %g", series, latest[series], value)
			}
			latest[series] = value
		}
	}
	kills := 0
	for args := append([]string{"send", "-c", "campaign.yaml", "cohort.csv"}, flags...); ; args = append([]string{"resume", w.folder()}, flags...) {
		c, _, stderr := w.start(args...)
		over := make(chan error, 1)
		go func() { over <- c.Wait() }()
		before, from := valueOf(latest, "cohort_requests_total"), time.Now()
		running := true
		for running {
			select {
			case <-over:
				running = false
			case <-time.After(20 * time.Millisecond):
				look()
				if kills < 3 && valueOf(latest, "cohort_requests_total") >= before+10 {
					look()
					_ = c.Process.Kill()
					<-over
					running, kills = false, kills+1
					outside := &metrics.Folder{Dir: w.folder()}
					if r, err := outside.Look(t.Context()); err != nil || r.State != ledger.Died || float64(r.Now.Traffic.Results.Accepted) < valueOf(latest, "cohort_requests_total", `result="accepted"`) {
						t.Errorf("the killed run looks like %+v, %v", r, err)
					}
					_ = outside.Close()
				} else if time.Since(from) > time.Minute {
					_ = c.Process.Kill()
					t.Fatalf("it does not end: %s", stderr)
				}
			}
		}
		if code := c.ProcessState.ExitCode(); code == 0 {
			break
		} else if code > 0 {
			t.Fatalf("exit %d: %s", code, stderr)
		}
	}
	if kills < 3 || scrapes == 0 {
		t.Fatalf("%d kills, %d values: the test has lost its point", kills, scrapes)
	}
	last := seriesOf(string(Must(os.ReadFile(file))))
	for series, value := range latest {
		if last[series] < value {
			t.Errorf("%s went from %g to %g at the end", series, value, last[series])
		}
	}
	p := Must(plan.Open(w.folder()))
	defer func() { _ = p.Close() }()
	folded := Must(ledger.Read(w.folder(), p))
	tr := folded.Traffic()
	for result, n := range map[string]uint64{
		"accepted": tr.Results.Accepted, "duplicate": tr.Results.Duplicate, "throttled": tr.Results.Throttled,
		"refused": tr.Results.Refused, "unanswered": tr.Results.Unanswered,
	} {
		if got := valueOf(last, "cohort_requests_total", `result="`+result+`"`); got != float64(n) || n == 0 {
			t.Errorf("%s: the file has %g requests, and the log %d", result, got, n)
		}
	}
	if sum := valueOf(last, "cohort_requests_total"); sum != float64(folded.Facts().Attempts) {
		t.Errorf("%g results of %d requests", sum, folded.Facts().Attempts)
	}
	if got := valueOf(last, "cohort_run_state", `state="finished"`); got != 1 {
		t.Error("the last file does not say that the run has finished")
	}
}

// prometheus is a real one that scrapes addresses.
type prometheus struct {
	t  *testing.T
	at string
}

// startPrometheus starts a Prometheus on loopback that scrapes and evaluates every second. Without one, the test is skipped.
func startPrometheus(t *testing.T, rules string, targets ...string) *prometheus {
	t.Helper()
	binary, err := exec.LookPath("prometheus")
	if err != nil {
		t.Skip("prometheus is not installed (Debian's package): nothing scrapes the metrics")
	}
	dir := t.TempDir()
	Must(0, os.WriteFile(filepath.Join(dir, "rules.yaml"), []byte(rules), 0o600))
	Must(0, os.WriteFile(filepath.Join(dir, "prometheus.yaml"), fmt.Appendf(nil, `global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [rules.yaml]
scrape_configs:
  - job_name: cohort
    static_configs: [{targets: ["%s"]}]
`, strings.Join(targets, `", "`)), 0o600))
	p := &prometheus{t, freeAddress(t)}
	c := exec.Command(binary, "--config.file", filepath.Join(dir, "prometheus.yaml"), "--storage.tsdb.path", filepath.Join(dir, "data"),
		"--web.listen-address", p.at, "--log.level", "error")
	var said strings.Builder
	c.Stdout, c.Stderr = &said, &said
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	waitFor(t, func() bool { return answerAt(p.at, "/-/ready") == http.StatusOK })
	return p
}

// get asks the API of Prometheus.
func (p *prometheus) get(path string, into any) error {
	answer, err := http.Get("http://" + p.at + "/api/v1/" + path)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	var whole struct {
		Status, Error string
		Data          json.RawMessage
	}
	if err := json.NewDecoder(answer.Body).Decode(&whole); err != nil {
		return err
	}
	if whole.Status != "success" {
		return fmt.Errorf("%s", whole.Error)
	}
	return json.Unmarshal(whole.Data, into)
}

// query returns the number of series that an expression has now.
func (p *prometheus) query(expr string) (int, error) {
	var found struct{ Result []json.RawMessage }
	err := p.get("query?query="+url.QueryEscape(expr), &found)
	return len(found.Result), err
}

// firing lists the alerts that fire, as "campaign alert".
func (p *prometheus) firing() (all []string) {
	var found struct {
		Alerts []struct {
			Labels map[string]string
			State  string
		}
	}
	if err := p.get("alerts", &found); err != nil {
		p.t.Error(err)
	}
	for _, a := range found.Alerts {
		if a.State == "firing" {
			all = append(all, strings.TrimSpace(a.Labels["campaign"]+" "+a.Labels["alertname"]))
		}
	}
	return all
}

// expressions are all of the board and of the alerts.
func expressions(t *testing.T) (board, alerts []string) {
	t.Helper()
	var b struct {
		Panels []struct{ Targets []struct{ Expr string } }
	}
	Must(0, json.Unmarshal(Must(os.ReadFile(monitoring+"board.json")), &b))
	for _, panel := range b.Panels {
		for _, target := range panel.Targets {
			board = append(board, strings.ReplaceAll(target.Expr, "$run", ".*"))
		}
	}
	text := string(Must(os.ReadFile(monitoring + "alerts.yaml")))
	for _, found := range regexp.MustCompile(`(?m)^        expr: (\|\n(?:          .*\n)+|.*\n)`).FindAllStringSubmatch(text, -1) {
		alerts = append(alerts, strings.TrimPrefix(found[1], "|"))
	}
	if n := strings.Count(text, "expr:"); len(alerts) != n || len(board) < 20 {
		t.Fatalf("%d of %d alerts and %d expressions of the board are read", len(alerts), n, len(board))
	}
	return board, alerts
}

// What a run in good order does not have: refusals, a token that fails, and runs that share a key.
var absent = regexp.MustCompile(`cohort_(messages_refused_total|token_failing_since_timestamp_seconds|key_\w+)`)

// A real Prometheus scrapes a run that the service calls back about. Then every expression of the board has data, and so has
// every metric in an alert. What is served passes promtool.
func TestPrometheusHasDataForBoardAndAlerts(t *testing.T) {
	t.Parallel()
	sends, receives := freeAddress(t), freeAddress(t)
	p := startPrometheus(t, string(Must(os.ReadFile(monitoring+"alerts.yaml"))), sends, receives)
	w := newCalledWorld(t, "https", "forged: 0.1\n", "300000")
	w.campaign("pace: {per_second: 60, messages: 9000000, window: 00:00-24:00, last_call: 0s}\n" + receiverTrusts)
	text := string(Must(os.ReadFile(w.path("campaign.yaml"))))
	w.write("campaign.yaml", strings.Replace(text, "max_messages: 400", "max_messages: 30", 1))
	w.generate(6000, 0.01) // the test stops it
	receiver, _, said := w.start(append(w.receiverAt(w.address), "--metrics", receives)...)
	t.Cleanup(func() { _ = receiver.Process.Kill(); _ = receiver.Wait() })
	send, _, sent := w.start("send", "-c", "campaign.yaml", "cohort.csv", "--metrics", sends)
	t.Cleanup(func() { _ = send.Process.Kill(); _ = send.Wait() })
	board, alerts := expressions(t)
	missing := func() (all []string) {
		need := map[string]bool{}
		for _, expr := range board {
			if n, err := p.query(expr); err != nil {
				t.Fatalf("%s: %v", expr, err)
			} else if n == 0 && !absent.MatchString(expr) {
				all = append(all, expr)
			}
		}
		for _, expr := range alerts {
			if _, err := p.query(expr); err != nil {
				t.Fatalf("%s: %v", expr, err)
			}
			for _, name := range regexp.MustCompile(`cohort_[a-z_]+`).FindAllString(expr, -1) {
				need[name] = !absent.MatchString(name)
			}
		}
		for name, is := range need {
			if n, err := p.query("last_over_time(" + name + "[5m])"); is && (err != nil || n == 0) {
				all = append(all, name)
			}
		}
		return all
	}
	var lacks []string
	for range 60 {
		if lacks = missing(); len(lacks) == 0 {
			break
		}
		time.Sleep(500 * time.Millisecond)
	}
	if len(lacks) > 0 {
		t.Errorf("Prometheus has no data for:\n%s\nsend: %s\nreceiver: %s", strings.Join(lacks, "\n"), sent, said)
	}
	for _, address := range []string{sends, receives} {
		answer, err := http.Get("http://" + address + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		c := exec.Command("promtool", "check", "metrics")
		c.Stdin = answer.Body
		out, err := c.CombinedOutput()
		_ = answer.Body.Close()
		if err != nil || len(out) > 0 {
			t.Errorf("promtool check metrics: %v\n%s", err, out)
		}
	}
	_ = send.Process.Signal(syscall.SIGTERM)
	_ = send.Wait()
	if lines := strings.Split(strings.TrimSpace(sent.String()), "\n"); !strings.HasSuffix(lines[len(lines)-1], " --metrics "+sends) {
		t.Errorf("the command that goes on has no metrics: %s", lines[len(lines)-1])
	}
}
