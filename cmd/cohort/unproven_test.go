package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"cohort/sinks/simulator"
	"cohort/sinks/simulator/faults"
	"cohort/sinks/simulator/ledger"
)

// appFaults makes the service lose about 5% of its answers to in-app messages.
const appFaults = `reset_before: 0.01
reset_after: 0.01
gateway_504_before: 0.01
gateway_504_after: 0.01
error_500_after: 0.005
truncated_201: 0.01
html_error: 0.005
quota_429: {share: 0.01, retry_after: 1s, limit: 2}
busy_429: {share: 0.01, limit: 2}
token_revoked: {share: 0.002, limit: 3}
poisoned_recipients: 0.02
latency: {fixed: 2ms, jitter: 6ms}
`

// In-app messages with faults and SIGKILLs: at most once each; in doubt is exactly what
// nothing proves; what was really sent the receipts settle, and nothing else; and a person
// who has the rest sent again, when the receipts have had their time, sends to nobody twice.
// The account adds up at each stage.
func TestReceiptsSettleWhatFaultsAndKillsLeaveInDoubt(t *testing.T) {
	records, kills := 3_000, 4
	if os.Getenv("COHORT_PROVE") != "" {
		records, kills = 100_000, 12
	}
	w := newWorld(t)
	w.simulate(appFaults, "--hasten", "100000")
	w.appCampaign()
	truth := w.generate(records, 0)
	if truth.Sendable != records {
		t.Fatalf("%+v", truth)
	}

	args := []string{"send", "-c", "campaign.yaml", "cohort.csv", "--run", "run"}
	killed := 0
	for k := 1; k <= kills; k++ {
		c, _, stderr := w.start(args...)
		ended := make(chan struct{})
		go func() { _ = c.Wait(); close(ended) }()
		w.until(ended, func() bool { return w.stats().Communications >= records*k/(kills+1) })
		_ = c.Process.Kill()
		<-ended
		switch code := c.ProcessState.ExitCode(); {
		case code < 0:
			killed++
		case code != 4: // on a busy machine the last may come to its end before it is killed
			t.Fatalf("process %d ended by itself, with %d\n%s", k, code, stderr)
		}
		args = []string{"resume", "run"}
	}
	if killed < kills*3/4 {
		t.Fatalf("only %d of %d processes were killed at work: the test has lost its point", killed, kills)
	}
	w.exits(4, "resume", "run")
	held, unanswered := w.unproven("run")
	robbed := w.robbed()
	sent := w.tally("sent", records)
	if sent.inDoubt != held+unanswered || held > robbed || robbed > held+unanswered || unanswered == 0 {
		t.Fatalf("%d are in doubt; %d attempts were held and %d have no answer, and the service left %d without one", sent.inDoubt, held, unanswered, robbed)
	}
	t.Logf("%d of %d processes were killed at work, which left %d requests without an answer; the service left %d", killed, kills, unanswered, robbed)

	settled := sent
	for range 30 { // the last receipts come a second after the last message
		w.exits(4, "reconcile", "run")
		if settled = w.tally("", records); settled.taken == 0 {
			break
		}
		time.Sleep(200 * time.Millisecond)
	}
	settled.log(t, "settled")
	if settled.taken != 0 || settled.accepted != sent.accepted+sent.taken || settled.inDoubt != sent.inDoubt-sent.taken || settled.refused != sent.refused {
		t.Fatalf("%+v became %+v", sent, settled)
	}
	if settled.inDoubt == 0 || sent.taken == 0 {
		t.Fatal("the test needs people in doubt, and people settled")
	}

	// Three days later a person has the rest sent again. Some of it is left without an answer
	// once more, and receipts settle that.
	w.later("decide", "run", "in-doubt", "again", "--reason", "they were not reached")
	if code := w.run("resume", "run").code; code != 0 && code != 4 {
		t.Fatalf("exit %d", code)
	}
	again := w.tally("sent again", records)
	if again.inDoubt >= settled.inDoubt || again.accepted <= settled.accepted {
		t.Fatalf("%+v became %+v", settled, again)
	}
	if o := w.run("log", "verify", "run"); o.code != 0 {
		t.Fatal(o.stderr)
	}
}

// fates counts the messages of a report by fate, checked against the service.
type fates struct {
	accepted, refused, inDoubt int
	taken                      int // of those in doubt: the service has them
}

func (f fates) log(t *testing.T, name string) {
	t.Logf("%-10s accepted %d, refused %d, in doubt %d (the service has %d of them)", name, f.accepted, f.refused, f.inDoubt, f.taken)
}

// tally compares the report of the run with the simulator's ledger, row for row. Nobody is there
// twice. An accepted message is there under the same id, and a refused one is not. The fates add up.
func (w *world) tally(name string, records int) (f fates) {
	w.t.Helper()
	there := map[string]ledger.Accepted{}
	for in := json.NewDecoder(bytes.NewReader(w.ask("ledger"))); in.More(); {
		var a ledger.Accepted
		if err := in.Decode(&a); err != nil {
			w.t.Fatal(err)
		}
		if a.Twice() {
			w.t.Fatalf("message %s was accepted %d times", a.MessageReference, a.Times.Reference)
		}
		there[a.MessageReference] = a
	}
	rows := w.report(w.path("run"))
	for _, r := range rows {
		a, taken := there[deref(r.MessageReference)]
		switch r.Outcome {
		case "accepted":
			f.accepted++
			if !taken || a.MessageID != deref(r.MessageID) || a.NHSNumber != deref(r.NHSNumber) {
				w.t.Fatalf("row %d is accepted, and the service does not have it so", r.Row)
			}
		case "refused":
			f.refused++
			if taken {
				w.t.Fatalf("row %d is refused, and the service has it", r.Row)
			}
		case "in_doubt":
			f.inDoubt++
			if taken {
				f.taken++
			}
		default:
			w.t.Fatalf("row %d is %s", r.Row, r.Outcome)
		}
	}
	if len(rows) != records || f.accepted+f.refused+f.inDoubt != records || len(there) != f.accepted+f.taken {
		w.t.Fatalf("%d records, %+v, and the service has %d", len(rows), f, len(there))
	}
	if name != "" {
		f.log(w.t, name)
	}
	return f
}

// unproven counts, by the log alone, the messages without proof from the last attempt. held have no
// answer or an unreadable one. For unanswered the log has no outcome, because the process was killed.
func (w *world) unproven(folder string) (held, unanswered int) {
	w.t.Helper()
	o := w.run("log", "dump", folder, "--json")
	if o.code != 0 {
		w.t.Fatal(o.stderr)
	}
	last := map[uint32]string{}
	for lines := bufio.NewScanner(strings.NewReader(o.stdout)); lines.Scan(); {
		var e struct {
			Record, Result string
			Batch          uint32
		}
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			w.t.Fatal(err)
		}
		switch e.Record {
		case "attempt":
			last[e.Batch] = ""
		case "outcome", "revision":
			last[e.Batch] = e.Record + e.Result
		}
	}
	for _, what := range last {
		switch what {
		case "":
			unanswered++
		case "outcomeheld":
			held++
		}
	}
	return held, unanswered
}

// robbed counts the requests that the simulator's faults left without an answer.
func (w *world) robbed() (n int) {
	struck := w.stats().Faults
	for _, fault := range []faults.Kind{faults.ResetBefore, faults.ResetAfter, faults.Gateway504Before, faults.Gateway504After, faults.Error500After, faults.HTMLError} {
		n += struck[fault.String()]
	}
	return n
}

func (w *world) stats() (s simulator.Stats) {
	w.t.Helper()
	if err := json.Unmarshal(w.ask("stats"), &s); err != nil {
		w.t.Fatal(err)
	}
	return s
}

// ask asks the simulator for one of its own pages.
func (w *world) ask(page string) []byte {
	w.t.Helper()
	resp, err := http.Get("http://" + w.service + "/_simulator/" + page)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var text bytes.Buffer
	if _, err := text.ReadFrom(resp.Body); err != nil {
		w.t.Fatal(err)
	}
	return text.Bytes()
}

// until waits for a condition, or for a process to end.
func (w *world) until(ended <-chan struct{}, holds func() bool) {
	for !holds() {
		select {
		case <-ended:
			return
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// exits runs the binary, which must end with a code.
func (w *world) exits(code int, args ...string) {
	w.t.Helper()
	if o := w.run(args...); o.code != code {
		w.t.Fatalf("cohort %v: exit %d, not %d\n%s", args, o.code, code, o.stderr)
	}
}

// later runs the program as it is three days later: see TestMain.
func (w *world) later(args ...string) {
	w.t.Helper()
	program, err := os.Executable()
	if err == nil {
		err = os.Symlink(program, w.path("later"))
	}
	if err != nil {
		w.t.Fatal(err)
	}
	c := exec.Command(w.path("later"), args...)
	c.Dir = w.dir
	if out, err := c.CombinedOutput(); err != nil {
		w.t.Fatalf("later %v: %v\n%s", args, err, out)
	}
}

// appCampaign writes campaign.yaml for in-app messages.
func (w *world) appCampaign() {
	w.t.Helper()
	w.write("message.md", "Dear ((given_name)),\n\nplease **come** to ((clinic_name)).\n")
	w.write("campaign.yaml", fmt.Sprintf(`campaign: in-app
profile: test
pace: {per_second: 0}
sink:
  nhsapp:
    base_url: http://%s/nhs-app
    token_url: http://%[1]s/oauth2/token
    api_key_file: api-key
    key_id: test-1
    private_key_file: key.pem
    requester_ods_code: X26
    in_app: {content_file: message.md}
`, w.service))
}
