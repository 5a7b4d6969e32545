package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"cohort/sinks/simulator/callbacks"
)

// The plans of NHS Notify that the steps of a chain go by.
const (
	appPlan = "00000000-0000-0000-0000-000000000001"
	smsPlan = "00000000-0000-0000-0000-000000000003"
)

// chain is a world with a campaign of three steps: a message in the NHS App, a text message for those who have not
// read it, and a letter for those whom neither has reached. A receiver takes the callbacks.
type chain struct {
	*world
	numbers []string // of the cohort, in its order
}

func newChain(t *testing.T, people int) *chain {
	t.Helper()
	c := &chain{world: newWorld(t)}
	receiver := freeAddress(t)
	c.write("target.yaml", "application_id: app-1\n")
	c.simulate("{}\n", "--hasten", "1e9", "--callbacks", "http://"+receiver, "--callback-target", c.path("target.yaml"))
	sink := fmt.Sprintf(`    base_url: http://%s/comms
    token_url: http://%[1]s/oauth2/token
    api_key_file: api-key
    key_id: test-1
    private_key_file: key.pem
`, c.service)
	head := "profile: test\npace: {per_second: 0}\nsuppress: [{file: list.csv, reason: opted_out}]\ncallbacks: {application_id: app-1}\n"
	c.write("app.yaml", "campaign: invitation-app\n"+head+`personalisation: {body: "Dear ((given_name)), come on ((appointment_date))."}
followup:
  - {name: sms, after: 24h, unless: [read], not_after: appointment_date, by: sms.yaml}
sink:
  notify:
    routing_plan: app
`+sink)
	c.write("sms.yaml", "campaign: invitation-sms\n"+head+`personalisation: {sms_body: "((given_name)), come to ((clinic_name))."}
followup:
  - {name: letter, after: 24h, unless: [read, delivered], by: letter.yaml}
sink:
  notify:
    routing_plan: sms
`+sink)
	c.write("letter.yaml", `campaign: invitation-letter
profile: test
suppress: [{file: list.csv, reason: opted_out}]
sink:
  file:
    letters:
      columns: [given_name, street, town, postcode]
      address_lines: [street, town]
      postcode: postcode
`)
	c.write("list.csv", "nhs_number\n9990000018\n")
	c.people(people)
	var log bytes.Buffer
	r := exec.Command(c.binary, "callbacks", "-c", "app.yaml", "--runs", "runs", "--listen", receiver)
	r.Dir, r.Stderr = c.dir, &log
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Process.Kill(); _ = r.Wait() })
	waitFor(t, func() bool { return answerAt(receiver, "/readyz") == http.StatusOK })
	return c
}

// people writes a cohort of people with addresses. The appointments of the first ten are over.
func (c *chain) people(n int) {
	c.t.Helper()
	c.generate(n, 0)
	in := Must(csv.NewReader(Must(os.Open(c.path("cohort.csv")))).ReadAll())
	var text strings.Builder
	out := csv.NewWriter(&text)
	for i, row := range in {
		street, town, day := fmt.Sprint(i, " High Street"), "Leeds", "2099-01-31"
		if i == 0 {
			street, town, day = "street", "town", "appointment_date"
		} else {
			row[0] = strings.NewReplacer(" ", "", "-", "").Replace(row[0])
			c.numbers = append(c.numbers, row[0])
		}
		if i >= 1 && i <= 10 {
			day = "2020-01-31"
		}
		Must(0, out.Write([]string{row[0], row[1], day, row[7], street, town, row[4]}))
	}
	out.Flush()
	c.write("cohort.csv", text.String())
}

// told waits until the service has called back about everything.
func (c *chain) told() {
	c.t.Helper()
	waitFor(c.t, func() bool {
		var counts callbacks.Counts
		Must(0, json.Unmarshal(c.ask("callbacks"), &counts))
		return counts.Pending == 0
	})
}

// step is what the service knows of the messages of one plan, by NHS number.
func (c *chain) step(plan string) map[string]concluded {
	c.t.Helper()
	all := map[string]concluded{}
	for line := range strings.Lines(string(c.ask("ledger?statuses=1"))) {
		var a concluded
		Must(0, json.Unmarshal([]byte(line), &a))
		if a.RoutingPlanID != plan {
			continue
		}
		if _, twice := all[a.NHSNumber]; twice {
			c.t.Fatalf("a person has two messages by plan %s", plan)
		}
		all[a.NHSNumber] = a
	}
	return all
}

type concluded struct {
	NHSNumber, RoutingPlanID, Status, FailureReasonCode string
	AcceptedAt                                          time.Time
	ReadAt                                              *time.Time
}

// forbidden reports whether the service says that the person's record allows no message.
func (a concluded) forbidden() bool {
	return strings.HasPrefix(a.FailureReasonCode, "MFR_PDSV_") && !slices.Contains([]string{"MFR_PDSV_0001", "MFR_PDSV_0002", "MFR_PDSV_0004"}, a.FailureReasonCode)
}

// days runs the program as it is three days later.
func (c *chain) days(code int, args ...string) string {
	c.t.Helper()
	if _, err := os.Lstat(c.path("later")); err != nil {
		Must(0, os.Symlink(Must(os.Executable()), c.path("later")))
	}
	r := exec.Command(c.path("later"), args...)
	r.Dir = c.dir
	out, _ := r.CombinedOutput()
	if got := r.ProcessState.ExitCode(); got != code {
		c.t.Fatalf("later %v: exit %d, not %d\n%s", args, got, code, out)
	}
	return string(out)
}

// runOf is the only run of a campaign.
func (c *chain) runOf(campaign string) string {
	c.t.Helper()
	found := Must(filepath.Glob(c.path("runs/" + campaign + "-*")))
	if len(found) != 1 {
		c.t.Fatalf("runs of %s: %v", campaign, found)
	}
	return found[0]
}

// A chain of three on an accelerated clock. Nobody gets a later step who has read an earlier one, or whose record
// allows no message. A second call of each step sends nothing.
func TestAChainOfThree(t *testing.T) {
	t.Parallel()
	c := newChain(t, 400)
	c.exits(0, "send", "-c", "app.yaml", "cohort.csv")
	app := c.runOf("invitation-app")
	c.told()
	if out := c.days(0, "followup", app, "--rule", "sms", "--due"); !strings.Contains(out, "next due  now") {
		t.Error(out)
	}
	if o := c.run("followup", app, "--rule", "sms", "--due"); o.code != 0 || !strings.Contains(o.stdout, "nobody is due") || !strings.Contains(o.stdout, "next due") {
		t.Errorf("exit %d: %s%s", o.code, o.stdout, o.stderr)
	}
	c.write("list.csv", "nhs_number\n9990000018\n"+strings.Join(c.numbers[10:40], "\n")+"\n") // that day's list
	out := c.days(0, "followup", app, "--rule", "sms")
	inApp, texts := c.step(appPlan), c.step(smsPlan)
	want, listed := 0, 0
	for i, number := range c.numbers {
		a := inApp[number]
		due := a.ReadAt == nil && !a.forbidden() && i >= 10
		switch {
		case due && i < 40:
			due, listed = false, listed+1
		case due:
			want++
		}
		if _, sent := texts[number]; sent != due {
			t.Errorf("person %d, %+v: sent %v", i+1, a, sent)
		}
	}
	if want < 100 || want > 300 || !strings.Contains(out, fmt.Sprintf("due%30d\n", want+listed)) {
		t.Fatalf("%d people were due\n%s", want, out)
	}
	if out := c.days(0, "followup", app, "--rule", "sms"); !strings.Contains(out, "nobody is due") || !strings.Contains(out, "followed_up") {
		t.Error(out)
	}
	sms := c.runOf("invitation-sms")
	c.told()
	c.days(0, "followup", sms, "--rule", "letter")
	letters := c.letters()
	texts = c.step(smsPlan)
	for number, a := range texts {
		due := a.Status != "delivered" && !a.forbidden()
		if letters[number] != due {
			t.Errorf("%+v: letter %v", a, letters[number])
		}
		delete(letters, number)
	}
	if len(letters) > 0 {
		t.Errorf("%d letters to people without a text message", len(letters))
	}
	c.days(0, "followup", sms, "--rule", "letter")
	c.runOf("invitation-letter")
}

// letters are the people in the rows of the letter files, by what the files have of them: their names and addresses.
func (c *chain) letters() map[string]bool {
	c.t.Helper()
	all := map[string]bool{}
	street := map[string]string{}
	for _, row := range Must(csv.NewReader(Must(os.Open(c.path("cohort.csv")))).ReadAll())[1:] {
		street[row[4]] = row[0]
	}
	for _, name := range Must(filepath.Glob(c.runOf("invitation-letter") + "/files/*.csv")) {
		for _, row := range Must(csv.NewReader(Must(os.Open(name))).ReadAll())[1:] {
			i := slices.IndexFunc(row, func(v string) bool { return strings.HasSuffix(v, " High Street") })
			if i < 0 || all[street[row[i]]] {
				c.t.Fatalf("%v", row)
			}
			all[street[row[i]]] = true
		}
	}
	return all
}
