package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	"cohort/engine/disk"
	"cohort/ingest/person"
	"cohort/sinks/simulator/callbacks"
)

// The plans of NHS Notify that the steps of a chain go by.
const (
	appPlan = "00000000-0000-0000-0000-000000000001"
	smsPlan = "00000000-0000-0000-0000-000000000003"
)

// chain is a world with a campaign of three steps: a message in the NHS App, a text message if it stays unread, and
// a letter if neither reaches the person. A receiver takes the callbacks.
type chain struct {
	*world
	receiver string   // the address of the receiver of callbacks
	numbers  []string // of the cohort, in its order
	rows     [][]string
}

func newChain(t *testing.T, people int) *chain {
	t.Helper()
	return newFaultyChain(t, people, "{}\n")
}

func newFaultyChain(t *testing.T, people int, faults string) *chain {
	t.Helper()
	receiver := freeAddress(t)
	c := &chain{world: newWorld(t), receiver: receiver}
	c.write("target.yaml", "application_id: app-1\n")
	c.simulate(faults, "--hasten", "1e9", "--callbacks", "http://"+receiver, "--callback-target", c.path("target.yaml"))
	c.files("", "24h")
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

// files writes the campaigns of a chain. The names of the first two end with end.
func (c *chain) files(end, after string) {
	c.t.Helper()
	sink := fmt.Sprintf(`    base_url: http://%s/comms
    token_url: http://%[1]s/oauth2/token
    api_key_file: api-key
    key_id: test-1
    private_key_file: key.pem
`, c.service)
	head := "profile: test\npace: {per_second: 0}\nsuppress: [{file: list.csv, reason: opted_out}]\ncallbacks: {application_id: app-1}\n"
	c.write("app"+end+".yaml", "campaign: invitation-app"+end+"\n"+head+`personalisation: {body: "Dear ((given_name)), come on ((appointment_date))."}
followup:
  - {name: sms, after: `+after+`, unless: [read], not_after: appointment_date, by: sms`+end+`.yaml}
sink:
  notify:
    routing_plan: app
`+sink)
	c.write("sms"+end+".yaml", "campaign: invitation-sms"+end+"\n"+head+`personalisation: {sms_body: "((given_name)), come to ((clinic_name))."}
followup:
  - {name: letter, after: `+after+`, unless: [read, delivered], by: letter.yaml}
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
}

// people writes a cohort of people with addresses. The appointments of the first ten are over.
func (c *chain) people(n int) {
	c.t.Helper()
	c.generate(n, 0)
	in := Must(csv.NewReader(Must(os.Open(c.path("cohort.csv")))).ReadAll())
	for i, row := range in {
		street, town, day := fmt.Sprint(i, " High Street"), "Leeds", "2099-01-31"
		if i == 0 {
			street, town, day = "street", "town", "appointment_date"
		} else {
			row[0] = Must(person.ParseNHSNumber(row[0])).Digits()
			c.numbers = append(c.numbers, row[0])
		}
		if i >= 1 && i <= 10 {
			day = "2020-01-31"
		}
		c.rows = append(c.rows, []string{row[0], row[1], day, row[7], street, town, row[4]})
	}
	c.part("cohort.csv", 0, n)
}

// part writes a file with a part of the people.
func (c *chain) part(name string, from, to int) {
	var text strings.Builder
	out := csv.NewWriter(&text)
	Must(0, out.WriteAll(append(c.rows[:1:1], c.rows[1+from:1+to]...)))
	c.write(name, text.String())
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

// step returns the messages of one plan as the service has them, by NHS number.
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
	for number := range letters {
		o := c.run("find", "--runs", "runs", "--nhs-number", number, "--reason", "the steps of the chain")
		steps := regexp.MustCompile(`(?m)^(?:run|follow-up) .*?(invitation-[a-z]+ |of run .* by .*$)`).FindAllStringSubmatch(o.stdout, -1)
		if want := "[invitation-app invitation-sms of run " + app[len(app)-8:] + " by sms invitation-letter of run " + sms[len(sms)-8:] + " by letter]"; join(steps) != want {
			t.Errorf("%s, want %s\n%s", join(steps), want, o.stdout)
		}
		break
	}
	if page := c.mustRead("runs/" + filepath.Base(sms) + "/summary.html"); !strings.Contains(page, "of run "+app[len(app)-8:]+" by sms") {
		t.Error("the summary does not say what it follows up")
	}
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
	linked(t, sms, app, "sms", app)
	linked(t, c.runOf("invitation-letter"), sms, "letter", app)
}

// join shows the second of each match.
func join(matches [][]string) string {
	all := []string{}
	for _, m := range matches {
		all = append(all, strings.TrimSpace(m[1]))
	}
	return fmt.Sprint(all)
}

// linked checks that the report of a follow-up names its parent, its rule and the first run.
func linked(t *testing.T, run, parent, rule, root string) {
	t.Helper()
	in := Must(os.Open(filepath.Join(run, "report.parquet")))
	defer func() { _ = in.Close() }()
	file := Must(parquet.OpenFile(in, Must(in.Stat()).Size()))
	for key, want := range map[string]string{"parent": parent, "rule": rule, "root": root} {
		got, there := file.Lookup(key)
		if short, isRun := strings.CutPrefix(filepath.Base(want), "invitation-"); isRun {
			want, got = short[strings.LastIndex(short, "-")+1:], got[:min(8, len(got))]
		}
		if !there || got != want {
			t.Errorf("%s: %s is %q, want %q", run, key, got, want)
		}
	}
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

// killedOnce kills a call as soon as something holds. It reports whether it did.
func (c *chain) killedOnce(holds func() bool, args ...string) bool {
	c.t.Helper()
	p, _, stderr := c.start(args...)
	ended := make(chan struct{})
	go func() { _ = p.Wait(); close(ended) }()
	for {
		select {
		case <-ended:
			if code := p.ProcessState.ExitCode(); code != 0 {
				c.t.Fatalf("exit %d\n%s", code, stderr)
			}
			return false
		default:
		}
		if holds() {
			_ = p.Process.Kill()
			<-ended
			return true
		}
		time.Sleep(100 * time.Microsecond)
	}
}

// A follow-up is killed at each step between the decision who is due and its end. The same call again, and the
// command that it names, bring everybody who is due one message, and nobody two.
func TestAFollowUpIsKilledAtEachStep(t *testing.T) {
	t.Parallel()
	c := newChain(t, 2100)
	steps := []string{
		"runs/invitation-appN-*/followups/*.note", "runs/invitation-smsN-*/run.json", "runs/invitation-smsN-*/cohort.stdin",
		"runs/invitation-smsN-*/spool/manifest.json", "runs/invitation-smsN-*/plan.json", "runs/invitation-smsN-*/log/*.log", "",
	}
	for n, step := range steps {
		end := fmt.Sprint(n)
		c.files(end, "0s")
		c.spoilFile("sms"+end+".yaml", "per_second: 0", "per_second: 100")
		c.spoilFile("sms"+end+".yaml", "routing_plan: sms", "routing_plan: sms\n    batch: {max_messages: 10}")
		c.part("cohort"+end+".csv", 300*n, 300*(n+1))
		c.exits(0, "send", "-c", "app"+end+".yaml", "cohort"+end+".csv")
		c.told()
		app := c.runOf("invitation-app" + end)
		before := len(c.step(smsPlan))
		due := 0
		inApp := c.step(appPlan)
		for i, number := range c.numbers[300*n : 300*(n+1)] {
			if a, sent := inApp[number]; sent && a.ReadAt == nil && !a.forbidden() && (n > 0 || i >= 10) {
				due++
			}
		}
		holds := func() bool {
			return len(Must(filepath.Glob(c.path(strings.ReplaceAll(step, "N-", end+"-"))))) > 0
		}
		if step == "" {
			holds = func() bool { return len(c.step(smsPlan)) > before }
		}
		call := []string{"followup", app, "--rule", "sms"}
		if !c.killedOnce(holds, call...) {
			t.Errorf("%q: it was not killed", step)
		}
		began := len(Must(filepath.Glob(c.path("runs/invitation-sms"+end+"-*/plan.json")))) > 0
		if n >= 4 && !began {
			t.Errorf("%q: there is no plan", step)
		}
		if left := Must(filepath.Glob(c.path("runs/invitation-sms" + end + "-*"))); !began && len(left) > 0 {
			if o := c.run("resume", left[0]); !o.refused("followup_not_planned") && !o.refused("not_a_run_but") {
				t.Errorf("%q: exit %d\n%s", step, o.code, o.stderr)
			}
		}
		o := c.run(call...)
		switch {
		case began && !o.refused("followup_unfinished"), !began && o.code != 0:
			t.Errorf("%q, plan %v: exit %d\n%s", step, began, o.code, o.stderr)
		case began:
			c.exits(0, "resume", c.runOf("invitation-sms"+end))
		}
		if o = c.run(call...); o.code != 0 || !strings.Contains(o.stdout, "nobody is due") {
			t.Errorf("%q: exit %d\n%s%s", step, o.code, o.stdout, o.stderr)
		}
		if sent := len(c.step(smsPlan)) - before; sent != due {
			t.Errorf("%q: %d of %d people were sent to\n%s", step, sent, due, o.stdout)
		}
		c.runOf("invitation-sms" + end)
		if left := Must(filepath.Glob(c.path("runs/*/cohort.stdin"))); len(left) > 0 {
			t.Errorf("%q: personal data is left in %v", step, left)
		}
	}
}

// spoilFile replaces a text in a file.
func (c *chain) spoilFile(name, old, new string) {
	c.t.Helper()
	text := c.mustRead(name)
	if !strings.Contains(text, old) {
		c.t.Fatalf("%s does not hold %q", name, old)
	}
	c.write(name, strings.Replace(text, old, new, 1))
}

// call posts a callback about a message to the receiver.
func (c *chain) call(reference, status string) {
	c.t.Helper()
	body := fmt.Sprintf(`{"data":[{"type":"ChannelStatus","attributes":{"messageReference":%q,"channel":"nhsapp","channelStatus":"delivered","supplierStatus":%q,"timestamp":%q},"meta":{"idempotencyKey":"k"}}]}`,
		reference, status, time.Now().UTC().Format(time.RFC3339))
	if got := beginCallbackAt(c.t, "/callbacks/notify/channels", c.receiver, "an-application", body).finish(); got != "202" {
		c.t.Fatalf("a callback gets %s", got)
	}
}

// unread returns references of messages in the app that are not read, by NHS number.
func (c *chain) unread(run string) map[string]string {
	c.t.Helper()
	inApp, all := c.step(appPlan), map[string]string{}
	for _, r := range c.report(run) {
		if r.Outcome == "accepted" && inApp[*r.NHSNumber].ReadAt == nil && !inApp[*r.NHSNumber].forbidden() && r.Row > 10 {
			all[*r.NHSNumber] = *r.MessageReference
		}
	}
	return all
}

// News that comes after the plan leaves people out, at the next start. It also reaches through a step to the one
// behind it. What an older copy of the parent's folder would send again is refused, as a second call at once is.
func TestLateNewsCopiesAndTwoCalls(t *testing.T) {
	t.Parallel()
	c := newChain(t, 200)
	c.files("", "0s")
	closed, open := hoursFrom(6), hoursFrom(-6)
	c.spoilFile("sms.yaml", "per_second: 0", "per_second: 0, window: \""+closed+"\", timezone: UTC")
	c.exits(0, "send", "-c", "app.yaml", "cohort.csv")
	app := c.runOf("invitation-app")
	c.told()
	Must(0, copyFolder(c.path("copy"), app))
	due := c.unread(app)
	waits := []string{"followup", app, "--rule", "sms", "--one-window"}
	if !c.killedOnce(func() bool { return len(Must(filepath.Glob(c.path("runs/invitation-sms-*/log/*.log")))) > 0 }, waits...) {
		t.Fatal("it does not wait for its window")
	}
	sms := c.runOf("invitation-sms")
	var late []string
	for number, reference := range due {
		if late = append(late, number); len(late) <= 3 {
			c.call(reference, "read")
		}
	}
	if o := c.run(waits...); !o.refused("followup_unfinished") || !strings.Contains(o.stderr, "cohort resume "+sms) {
		t.Errorf("exit %d\n%s", o.code, o.stderr)
	}
	c.spoilFile("sms.yaml", closed, open)
	c.exits(0, "resume", sms)
	texts := c.step(smsPlan)
	for i, number := range late {
		if _, sent := texts[number]; sent != (i >= 3) {
			t.Errorf("person %d: sent %v", i, sent)
		}
	}
	counts := map[string]int{}
	for _, r := range c.report(sms) {
		counts[r.Outcome]++
	}
	if len(texts) != len(due)-3 || counts["suppressed"] != 3 || counts["accepted"] != len(texts) {
		t.Errorf("%d texts to %d people, %v", len(texts), len(due), counts)
	}
	if o := c.run(waits...); o.code != 0 || !strings.Contains(o.stdout, "nobody is due") {
		t.Errorf("exit %d\n%s", o.code, o.stderr)
	}

	c.told()
	var readLater string // by a person who has no text message delivered
	for number, a := range c.step(smsPlan) {
		if a.Status != "delivered" && !a.forbidden() {
			readLater = number
		}
	}
	c.call(due[readLater], "read")
	c.exits(0, "followup", sms, "--rule", "letter")
	if letters := c.letters(); readLater == "" || letters[readLater] || len(letters) == 0 {
		t.Errorf("%d letters; one to a person who read the first message: %v", len(letters), letters[readLater])
	}

	lock := Must(disk.Acquire(filepath.Join(app, "followups", "lock"), "followup"))
	if o := c.run("followup", app, "--rule", "sms"); !o.refused("followup_busy") {
		t.Errorf("two at once: exit %d\n%s", o.code, o.stderr)
	}
	Must(0, lock.Release())
	Must(0, os.Rename(app, c.path("moved")))
	Must(0, os.Rename(c.path("copy"), app))
	if o := c.run("followup", app, "--rule", "sms"); !o.refused("followup_unknown") {
		t.Errorf("an older copy: exit %d\n%s", o.code, o.stderr)
	}
}

// Two runs are followed up by one campaign at once. The one that comes later has a plan, and is refused. It is forgotten,
// so that its people can be sent to with --new-cohort.
func TestAFollowUpThatAnotherOvertook(t *testing.T) {
	t.Parallel()
	c := newChain(t, 340)
	c.files("", "0s")
	c.part("cohort.csv", 0, 170)
	c.part("more.csv", 170, 340)
	c.exits(0, "send", "-c", "app.yaml", "cohort.csv")
	c.exits(0, "send", "-c", "app.yaml", "more.csv", "--new-cohort", "--run", "runs/more")
	app := c.runOf("invitation-app")
	c.told()
	c.spoilFile("sms.yaml", "/oauth2/token", "/nothing-here")
	late := []string{"followup", "runs/more", "--rule", "sms"}
	if o := c.run(late...); o.code == 0 {
		t.Fatalf("it has no token\n%s", o.stdout)
	}
	planned := c.runOf("invitation-sms")
	if _, err := os.Stat(planned + "/plan.json"); err != nil {
		t.Fatal(err)
	}
	c.spoilFile("sms.yaml", "/nothing-here", "/oauth2/token")
	if o := c.run(late...); !o.refused("followup_unfinished") {
		t.Errorf("it can still begin: exit %d\n%s", o.code, o.stderr)
	}
	c.exits(0, "followup", app, "--rule", "sms")
	for _, call := range [][]string{{"resume", planned}, late} {
		if o := c.run(call...); !o.refused("sent_to_another_cohort") {
			t.Errorf("%v: exit %d\n%s", call, o.code, o.stderr)
		}
	}
	c.exits(0, append(late, "--new-cohort")...)
	all := c.step(smsPlan) // fails the test if somebody is there twice
	due := c.unread(app)
	for number := range c.unread(c.path("runs/more")) {
		due[number] = ""
	}
	for number := range all {
		delete(due, number)
	}
	if len(all) < 50 || len(due) > 0 {
		t.Errorf("%d people were sent to, and %d more were due", len(all), len(due))
	}
}

// hoursFrom are twelve hours of the day that begin some hours from now.
func hoursFrom(hours int) string {
	at := time.Now().UTC().Add(time.Duration(hours) * time.Hour)
	return at.Format("15:04") + "-" + at.Add(12*time.Hour).Format("15:04")
}

// The telephone number in an invitation is wrong, and the run is stopped half way. The rest get corrected words, and
// exactly those with the wrong words get a correction: everybody one invitation and, where due, one correction.
func TestAContentIncident(t *testing.T) {
	t.Parallel()
	c := newChain(t, 300)
	c.files("", "0s")
	c.spoilFile("app.yaml", "per_second: 0", "per_second: 100")
	c.spoilFile("app.yaml", "routing_plan: app", "routing_plan: app\n    batch: {max_messages: 10}")
	if !c.killedOnce(func() bool { return len(c.step(appPlan)) >= 50 }, "send", "-c", "app.yaml", "cohort.csv") {
		t.Fatal("the run was not stopped")
	}
	wrong := c.runOf("invitation-app")
	fingerprint := regexp.MustCompile(`"template_version": *"([0-9a-f]+)"`).FindStringSubmatch(string(Must(os.ReadFile(filepath.Join(wrong, "plan.json")))))[1]
	c.write("correction.yaml", strings.NewReplacer("invitation-sms", "correction", `"((given_name)), come to ((clinic_name))."`, `"((given_name)), the number is 020 7946 0000."`).
		Replace(c.mustRead("sms.yaml")[:strings.Index(c.mustRead("sms.yaml"), "followup:")]+"sink:\n"+strings.SplitN(c.mustRead("sms.yaml"), "sink:\n", 2)[1]))
	correct := []string{"followup", wrong, "--received", fingerprint, "-c", "correction.yaml", "--reason", "wrong number"}
	if o := c.run(append(slices.Clone(correct), "--dry-run")...); o.code != 0 {
		t.Fatalf("exit %d\n%s", o.code, o.stderr)
	}
	for code, args := range map[string][]string{
		"followup_wording_unknown":  {"followup", wrong, "--received", "0123456789ab", "-c", "correction.yaml", "--reason", "x"},
		"followup_without_reason":   correct[:6],
		"find_reason_with_number":   append(slices.Clone(correct[:7]), "she is 999 000 0018"),
		"followup_without_campaign": {"followup", wrong, "--received", fingerprint, "--reason", "x"},
		"followup_of_whom":          {"followup", wrong, "--received", fingerprint, "--rule", "sms"},
		"followup_fate_wrong":       {"followup", wrong, "--only", "not_sent", "-c", "correction.yaml", "--reason", "x"},
		"followup_rule_unknown":     {"followup", wrong, "--rule", "email"},
		"followup_same_campaign":    {"followup", wrong, "--received", fingerprint, "-c", "app.yaml", "--reason", "x"},
	} {
		if o := c.run(args...); !o.refused(code) {
			t.Errorf("%s: exit %d\n%s", code, o.code, o.stderr)
		}
	}
	if o := c.run("followup", wrong, "--only", "", "-c", "correction.yaml", "--reason", "x"); !o.refused("followup_of_whom") {
		t.Errorf("exit %d\n%s", o.code, o.stderr)
	}
	c.run("resume", wrong, "--settle")
	had := c.step(appPlan)
	c.write("corrected.yaml", strings.NewReplacer("invitation-app", "corrected", "come on", "please come on").Replace(c.mustRead("app.yaml")))
	c.exits(0, "send", "-c", "corrected.yaml", "cohort.csv", "--rest-of", "invitation-app")
	correct[7] = "[urgent] a wrong [number]"
	c.exits(0, correct...)
	if call := string(Must(os.ReadFile(c.runOf("correction") + "/run.json"))); !strings.Contains(call, `--reason=[urgent] a wrong [number]`) {
		t.Errorf("the call is kept as %s", call)
	}
	if o := c.run("status", c.runOf("correction")); !strings.Contains(o.stdout, "follow-up of run "+wrong[len(wrong)-8:]+" by received:"+fingerprint+"\n") {
		t.Error(o.stdout)
	}
	if o := c.run(correct...); o.code != 0 || !strings.Contains(o.stdout, "nobody is due") {
		t.Errorf("the second call: exit %d\n%s", o.code, o.stderr)
	}
	invited, corrected := c.step(appPlan), c.step(smsPlan) // each fails the test if somebody is there twice
	forbidden := 0
	for _, number := range c.numbers {
		_, isInvited := invited[number]
		a, wasWrong := had[number]
		_, isCorrected := corrected[number]
		if wasWrong && a.forbidden() {
			forbidden++
		}
		if !isInvited || isCorrected != (wasWrong && !a.forbidden()) {
			t.Errorf("%+v: invited %v, had the wrong words %v, corrected %v", a, isInvited, wasWrong, isCorrected)
		}
	}
	if len(had) < 50 || len(had) > 250 || len(corrected) != len(had)-forbidden {
		t.Errorf("%d had the wrong words, and %d a correction", len(had), len(corrected))
	}
}

// The words of a follow-up are wrong, and it is stopped half way. Another follow-up by the rule takes its place: it
// reaches those who are still due and were not sent to. A cohort file is refused, since it has people who were not due.
func TestAContentIncidentInAFollowUp(t *testing.T) {
	t.Parallel()
	c := newChain(t, 300)
	c.files("", "0s")
	c.spoilFile("sms.yaml", "per_second: 0", "per_second: 100")
	c.spoilFile("sms.yaml", "routing_plan: sms", "routing_plan: sms\n    batch: {max_messages: 10}")
	c.exits(0, "send", "-c", "app.yaml", "cohort.csv")
	app := c.runOf("invitation-app")
	c.told()
	due := c.unread(app)
	if !c.killedOnce(func() bool { return len(c.step(smsPlan)) >= 30 }, "followup", app, "--rule", "sms") {
		t.Fatal("the follow-up was not stopped")
	}
	wrong := c.runOf("invitation-sms")
	c.run("resume", wrong, "--settle")
	had, reads := c.step(smsPlan), map[string]bool{}
	for number, reference := range due {
		if _, sent := had[number]; !sent && len(reads) < 3 {
			c.call(reference, "read")
			reads[number] = true
		}
	}
	c.write("old.yaml", c.mustRead("sms.yaml"))
	c.spoilFile("sms.yaml", "campaign: invitation-sms", "campaign: corrected")
	c.spoilFile("sms.yaml", "come to", "please come to")
	c.write("circle.yaml", strings.NewReplacer("invitation-app", "circle", "sms.yaml", "back.yaml").Replace(c.mustRead("app.yaml")))
	c.write("back.yaml", strings.NewReplacer("invitation-sms", "back", "letter.yaml", "circle.yaml").Replace(c.mustRead("sms.yaml")))
	c.write("siblings.yaml", strings.NewReplacer("invitation-app", "siblings", "followup:", "followup:\n  - {name: also, by: sms.yaml}").Replace(c.mustRead("app.yaml")))
	for _, file := range []string{"circle.yaml", "siblings.yaml"} {
		if o := c.run("send", "-c", file, "cohort.csv"); !o.refused("followup_campaign_twice") {
			t.Errorf("%s: exit %d\n%s", file, o.code, o.stderr)
		}
	}
	if o := c.run("followup", wrong, "--only", "refused", "-c", "app.yaml", "--reason", "x"); !o.refused("followup_same_campaign") {
		t.Errorf("back to the first message: exit %d\n%s", o.code, o.stderr)
	}
	instead := []string{"followup", app, "--rule", "sms", "--rest-of", "invitation-sms"}
	if o := c.run("resume", wrong); !o.refused("setting_changed_since_plan") || !strings.Contains(o.stderr, "cohort "+strings.Join(instead, " ")) {
		t.Errorf("exit %d\n%s", o.code, o.stderr)
	}
	for _, call := range [][]string{
		{"sent_as_follow_up", "send", "-c", "sms.yaml", "cohort.csv", "--rest-of", "invitation-sms"},
		{"sent_as_follow_up", "send", "-c", "old.yaml", "cohort.csv", "--new-cohort"},
		{"followup_rest_of_none", "followup", app, "--rule", "sms", "--rest-of", "invitation-app"},
		append([]string{"followup_unfinished"}, instead[:4]...),
	} {
		if o := c.run(call[1:]...); !o.refused(call[0]) {
			t.Errorf("%s: exit %d\n%s", call[0], o.code, o.stderr)
		}
	}
	c.exits(0, instead...)
	all := c.step(smsPlan) // fails the test if somebody is there twice
	for _, number := range c.numbers {
		_, isDue := due[number]
		if _, sent := all[number]; sent != (isDue && !reads[number]) {
			t.Errorf("due %v, read since %v, sent %v", isDue, reads[number], sent)
		}
	}
	if len(had) < 30 || len(all) < len(had)+10 || len(reads) != 3 {
		t.Errorf("%d people had the wrong words, and %d have a message", len(had), len(all))
	}
	if o := c.run(instead[:4]...); o.code != 0 || !strings.Contains(o.stdout, "nobody is due") {
		t.Errorf("exit %d\n%s%s", o.code, o.stdout, o.stderr)
	}
	if o := c.run("resume", wrong); o.code == 0 {
		t.Errorf("the run whose place was taken goes on\n%s", o.stdout)
	}
}

// People whom the service refused get a letter. From then on neither the run itself nor a new cohort sends to them.
func TestAFollowUpOfTheRefused(t *testing.T) {
	t.Parallel()
	c := newFaultyChain(t, 400, "poisoned_recipients: {share: 0.03}\n")
	c.spoilFile("app.yaml", "profile: test", "profile: test\nstop_if: {of: 0}")
	c.exits(0, "send", "-c", "app.yaml", "cohort.csv")
	app := c.runOf("invitation-app")
	refused := map[string]bool{}
	for _, r := range c.report(app) {
		if r.Outcome == "refused" {
			refused[*r.NHSNumber] = true
		}
	}
	letters := []string{"followup", app, "--only", "refused", "-c", "letter.yaml", "--reason", "the app does not take them"}
	c.exits(0, letters...)
	if got := c.letters(); len(got) < 3 || !maps.Equal(got, refused) {
		t.Errorf("%d letters to %d people", len(got), len(refused))
	}
	if o := c.run(letters...); o.code != 0 || !strings.Contains(o.stdout, "nobody is due") {
		t.Errorf("again: exit %d\n%s%s", o.code, o.stdout, o.stderr)
	}
	c.runOf("invitation-letter")
	if o := c.run("decide", app, "refused", "again", "--reason", "x"); !o.refused("followed_up") {
		t.Errorf("exit %d\n%s", o.code, o.stderr)
	}
	c.rows = append(c.rows[:1:1], c.rows[11:]...)
	c.part("rest.csv", 0, len(c.rows)-1)
	o := c.run("send", "-c", "app.yaml", "rest.csv", "--new-cohort")
	if o.code != 0 || !regexp.MustCompile(`accepted +0\n`).MatchString(o.stdout) {
		t.Errorf("exit %d\n%s%s", o.code, o.stdout, o.stderr)
	}
	if o := c.run(letters...); !o.refused("followup_of_replaced_run") {
		t.Errorf("exit %d\n%s", o.code, o.stderr)
	}
}

// A run is followed up while it is half way, and again when it is done. The second follow-up is another run of the same
// campaign, for the others. The rules about campaign names hold against a run outside of the chain.
func TestFollowUpsOfARunThatGoesOn(t *testing.T) {
	t.Parallel()
	c := newChain(t, 340)
	c.part("cohort.csv", 0, 300)
	c.files("", "0s")
	c.spoilFile("app.yaml", "per_second: 0", "per_second: 100")
	c.spoilFile("app.yaml", "routing_plan: app", "routing_plan: app\n    batch: {max_messages: 10}")
	half := func() bool { return len(c.step(appPlan)) >= 100 }
	if !c.killedOnce(half, "send", "-c", "app.yaml", "cohort.csv") {
		t.Fatal("the run was not stopped")
	}
	app := c.runOf("invitation-app")
	c.told()
	first := len(c.step(appPlan))
	c.exits(0, "followup", app, "--rule", "sms")
	early := len(c.step(smsPlan))
	c.exits(0, "resume", app)
	c.told()
	dry := c.run("followup", app, "--rule", "sms", "--dry-run", "--json")
	var counts struct {
		Due     int            `json:"due"`
		LeftOut map[string]int `json:"left_out"`
	}
	if err := json.Unmarshal([]byte(dry.stdout), &counts); err != nil || counts.LeftOut["followed_up"] != early || counts.Due == 0 {
		t.Errorf("%v: %s", err, dry.stdout)
	}
	before := c.mustRead(".cohort/register.jsonl")
	one, _, said := c.start("followup", app, "--rule", "sms") // two at once
	other := c.run("followup", app, "--rule", "sms")
	_ = one.Wait()
	codes := []int{one.ProcessState.ExitCode(), other.code}
	if slices.Sort(codes); codes[0] != 0 || codes[1] != 0 && !strings.Contains(said.String()+other.stderr, "[followup_") {
		t.Errorf("two at once: exits %v\n%s%s", codes, said, other.stderr)
	}
	all := c.step(smsPlan) // fails the test if somebody is there twice
	if due := c.unread(app); early == 0 || early >= first || len(all) != len(due) || len(all) != early+counts.Due {
		t.Errorf("%d of %d people first, and %d of %d in all", early, first, len(all), len(due))
	}
	if n := len(Must(filepath.Glob(c.path("runs/invitation-sms-*")))); n != 2 || before == c.mustRead(".cohort/register.jsonl") {
		t.Errorf("%d follow-ups", n)
	}
	if o := c.run("send", "-c", "sms.yaml", "cohort.csv"); !o.refused("sent_as_follow_up") {
		t.Errorf("an ordinary run of the campaign: exit %d\n%s", o.code, o.stderr)
	}
	c.part("more.csv", 0, 340)
	c.exits(0, "send", "-c", "app.yaml", "more.csv", "--new-cohort", "--run", "runs/more")
	c.told()
	if o := c.run("followup", "runs/more", "--rule", "sms"); !o.refused("sent_to_another_cohort") {
		t.Errorf("the follow-up of another run: exit %d\n%s", o.code, o.stderr)
	}
	c.exits(0, "followup", "runs/more", "--rule", "sms", "--new-cohort")
	more, due := len(c.step(smsPlan))-len(all), 0
	for _, r := range c.report(c.path("runs/more")) {
		if a, sent := c.step(appPlan)[*r.NHSNumber]; sent && r.Outcome == "accepted" && a.ReadAt == nil && !a.forbidden() {
			due++
		}
	}
	if due == 0 || more != due {
		t.Errorf("%d of %d people of another run were sent to", more, due)
	}
}

// The first message goes to the NHS App itself. Its receipts say who has read it. While a process works on such a run,
// nobody can see if its folder is the latest, and a follow-up is refused.
func TestAFollowUpOfARunInTheApp(t *testing.T) {
	t.Parallel()
	c := newChain(t, 200)
	c.appCampaign()
	text := c.mustRead("campaign.yaml")
	c.write("in-app.yaml", text[:strings.Index(text, "sink:")]+"suppress: [{file: list.csv, reason: opted_out}]\n"+
		"followup: [{name: sms, after: 24h, unless: [read], by: sms.yaml}]\n"+text[strings.Index(text, "sink:"):])
	c.exits(0, "send", "-c", "in-app.yaml", "cohort.csv")
	app := c.runOf("in-app")
	if out := c.days(10, "followup", app, "--rule", "sms", "--due", "--json"); !strings.Contains(out, `"due": 200`) || !strings.Contains(out, "[followup_unknown_outcomes]") {
		t.Errorf("nothing is known\n%s", out)
	}
	time.Sleep(6 * time.Second) // each step of a message takes the simulator a second at least
	c.days(0, "reconcile", app)
	inApp := map[string]concluded{}
	for line := range strings.Lines(string(c.ask("ledger?statuses=1"))) {
		var a concluded
		Must(0, json.Unmarshal([]byte(line), &a))
		inApp[a.NHSNumber] = a
	}
	lock := Must(disk.Acquire(filepath.Join(app, "lock"), "resume"))
	if o := c.run("followup", app, "--rule", "sms"); !o.refused("run_busy") {
		t.Errorf("the run is at work: exit %d\n%s", o.code, o.stderr)
	}
	Must(0, lock.Release())
	c.days(0, "followup", app, "--rule", "sms")
	texts := c.step(smsPlan)
	for number, a := range inApp {
		if _, sent := texts[number]; sent != (a.ReadAt == nil) {
			t.Errorf("%+v: sent %v", a, sent)
		}
	}
	if len(texts) == 0 || len(texts) == len(inApp) {
		t.Errorf("%d of %d people were sent to", len(texts), len(inApp))
	}
}

// A rule is added after the run was planned. The columns that its message needs come from the cohort, and from exactly
// those bytes. The last day holds without them in the run's own folder.
func TestAFollowUpByARuleAddedLater(t *testing.T) {
	t.Parallel()
	c := newChain(t, 300)
	c.files("", "0s")
	whole := strings.Replace(c.mustRead("app.yaml"), ", come on ((appointment_date))", "", 1)
	whole = strings.Replace(whole, "profile: test", "profile: test\ncohort: {required: [clinic_name], max_invalid: 10%}", 1)
	rules := regexp.MustCompile(`(?s)followup:.*by: sms.yaml}\n`)
	c.write("app.yaml", rules.ReplaceAllString(whole, ""))
	for i := range 20 {
		c.rows[1+i][2] = "2020-01-31"                                       // the last day of the first is over
		c.rows[21+i][2] = time.Now().AddDate(0, 0, 1).Format(time.DateOnly) // of these it comes
		c.rows[281+i][3] = ""                                               // without a clinic
	}
	c.part("cohort.csv", 0, 300)
	c.exits(0, "send", "-c", "app.yaml", "cohort.csv")
	app := c.runOf("invitation-app")
	c.told()
	closed, open := hoursFrom(6), hoursFrom(-6)
	c.spoilFile("sms.yaml", "per_second: 0", "per_second: 0, window: \""+closed+"\", timezone: UTC")
	c.write("app.yaml", whole)
	c.rows[1], c.rows[2] = c.rows[2], c.rows[1]
	c.part("order.csv", 0, 300)
	c.rows[1], c.rows[2] = c.rows[2], c.rows[1]
	c.write("other.csv", strings.Replace(c.mustRead("cohort.csv"), "High Street", "Hugh Street", 1))
	call := []string{"followup", app, "--rule", "sms", "--one-window"}
	for _, refused := range [][]string{
		append([]string{"followup_columns_missing"}, call...),
		{"followup_fate_wrong", "followup", app, "--only", "invalid", "-c", "letter.yaml", "--reason", "no clinic"},
		append([]string{"followup_other_cohort", "--cohort", "order.csv"}, call...),
		append([]string{"followup_other_cohort", "--cohort", "other.csv"}, call...),
		append([]string{"followup_other_cohort", "--cohort", "cohort.csv", "--cohort", "other.csv"}, call...),
		append([]string{"cohort_unreadable", "--cohort", "sms.yaml"}, call...),
	} {
		args := append(slices.Clone(refused[slices.Index(refused, "followup"):]), refused[1:slices.Index(refused, "followup")]...)
		if o := c.run(args...); !o.refused(refused[0]) {
			t.Errorf("%v: exit %d\n%s", refused, o.code, o.stderr)
		}
	}
	c.write("app.yaml", strings.Replace(whole, "max_invalid: 10%", `max_invalid: 10%, format: {header: false},
  columns: {nhs_number: "1", given_name: "2", appointment_date: "3", clinic_name: "4", street: "5", town: "6", postcode: "7"}`, 1))
	if o := c.run(append(call, "--cohort", "cohort.csv")...); !o.refused("followup_read_otherwise") {
		t.Errorf("the records come out otherwise: exit %d\n%s", o.code, o.stderr)
	}
	c.write("app.yaml", whole)
	inApp, due := c.step(appPlan), map[string]bool{}
	for i, number := range c.numbers[:280] {
		due[number] = i >= 40 && inApp[number].ReadAt == nil && !inApp[number].forbidden()
	}
	call = append(call, "--cohort", "cohort.csv")
	for _, step := range []string{"runs/invitation-app-*/followups/*.note", "runs/invitation-sms-*/spool/manifest.json", "runs/invitation-sms-*/log/*.log"} {
		if !c.killedOnce(func() bool { return len(Must(filepath.Glob(c.path(step)))) > 0 }, call...) {
			t.Errorf("%q: it was not killed", step)
		}
	}
	if o := c.run(call...); !o.refused("followup_unfinished") {
		t.Errorf("exit %d\n%s", o.code, o.stderr)
	}
	sms := c.runOf("invitation-sms")
	c.spoilFile("sms.yaml", closed, open)
	Must(0, os.Rename(c.path("cohort.csv"), c.path("gone.csv"))) // a planned follow-up does not need it
	c.days(0, "resume", sms)
	texts, late := c.step(smsPlan), 0
	for i, number := range c.numbers {
		if _, sent := texts[number]; sent != due[number] {
			t.Errorf("person %d: sent %v", i+1, sent)
		}
		if (i < 20 || i >= 40) && (!due[number] || i%20 != 0) {
			continue
		}
		for _, said := range c.find(sms, "--nhs-number", number).Records {
			row := c.rows[1+i]
			if said.Code == "overtaken_too_late" {
				late++
			} else if !said.Message.Proven || said.Message.Fields[0].Text != row[1]+", come to "+row[3]+"." {
				t.Errorf("person %d: %+v", i+1, said)
			}
		}
	}
	if len(texts) < 50 || late == 0 {
		t.Errorf("%d texts, %d too late", len(texts), late)
	}
	Must(0, os.Rename(c.path("gone.csv"), c.path("cohort.csv")))
	c.spoilFile("app.yaml", "name: sms", "name: again")
	if o := c.days(0, "followup", app, "--rule", "again", "--cohort", "cohort.csv"); !strings.Contains(o, "nobody is due") {
		t.Errorf("the same campaign by another name of the rule\n%s", o)
	}
}
