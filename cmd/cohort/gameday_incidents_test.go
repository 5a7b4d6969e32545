package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
)

// A template refuses one message in five, until it is corrected.
func (g *game) refusals() {
	g.serve("poisoned_recipients: 0.2\n")
	g.campaign("pace: {per_second: 0}\nstop_if: {refused: 5%, of: 200}")
	g.generate(600, 0)
	c, _, stderr := g.start("send", "-c", "campaign.yaml", "cohort.csv")
	g.halts(c, stderr, 3, "stop_if")
	dir := g.folder()
	g.at(dir)
	corrected := func() { g.serve("{}\n") }
	g.follow(
		taken{"cohort status DIR", 0, `state +halted\n(.*\n)*Runbook: cohort runbook halted-by-the-service\n`, nil},
		taken{"cohort decide DIR", 0, "CM_INVALID_NHS_NUMBER", nil},
		taken{"cohort auth check", 0, "ok +permission", corrected},
		taken{"cohort decide DIR refused again --dry-run", 0, "in all +[1-9]", nil},
		taken{"cohort decide DIR refused again --reason", 0, "", nil},
		taken{"cohort resume DIR", 0, `accepted +600\n`, nil},
	)
	g.over(dir, 600)
}

// Somebody puts another private key in the file, and the token is no longer taken.
func (g *game) wrongKey() {
	g.serve("token_revoked: {share: 1, limit: 1}\n")
	g.slowly(2, "give_up_after: 4s") // the token is void after five answers: time enough to spoil the key before
	g.generate(200, 0)
	right := g.mustRead("key.pem")
	c, _ := g.sending(10)
	g.key("key.pem")
	g.await("the run has no token", func() bool { return g.state(g.folder()).State != "sending" })
	dir := g.folder()
	g.at(dir)
	mended := func() { g.write("key.pem", right) }
	g.follow(
		taken{"cohort auth check", 10, "WRONG +private key", nil},
		taken{"cohort auth check", 0, "ok +private key", mended},
		taken{"cohort status DIR", 0, "state +(halted|sending|waiting_service|finished)", func() { _ = c.Wait() }},
		taken{"cohort resume DIR", 0, `accepted +200\n`, nil},
	)
	g.over(dir, 200)
}

// Two runs of one key are more than the service takes. One makes room for the other.
func (g *game) tooManyRequests() {
	g.serve("quota_429: {share: 1, after: 10, limit: 8, retry_after: 1s}\n")
	g.slowly(10, "")
	g.generate(400, 0)
	rows := strings.SplitAfter(g.mustRead("cohort.csv"), "\n")
	g.write("cohort.csv", strings.Join(rows[:251], ""))
	g.write("others.csv", rows[0]+strings.Join(rows[251:], ""))
	g.write("other.yaml", strings.Replace(g.mustRead("campaign.yaml"), "autumn-invitation", "less-urgent", 1))
	other, _, otherSaid := g.start("send", "-c", "other.yaml", "others.csv", "--run", "runs/other")
	c, stderr := g.sending(30, "--run", "runs/urgent")
	g.await("the service asks for quiet", func() bool { return g.state("runs/urgent").State == "waiting_service" })
	g.fill = append(g.fill, "OTHER-DIR", "runs/other", "DIR", "runs/urgent")
	g.follow(
		taken{"cohort status DIR", 0, `state +waiting_service|429`, nil},
		taken{"cohort runs", 0, "less-urgent", nil},
		taken{"cohort pause OTHER-DIR", 0, "paused", nil},
		taken{"cohort pace DIR --per-second 20", 0, "", nil},
		taken{"cohort pace DIR --campaign", 0, "", func() {
			g.await("the service keeps up", func() bool {
				return g.service.stats().ByStatus["429"] >= 8 && g.state("runs/urgent").State == "sending"
			})
		}},
		taken{"cohort continue OTHER-DIR", 0, "", nil},
	)
	g.endsWith(c, stderr, 0)
	g.endsWith(other, otherSaid, 0)
	everybody := g.ledger() // fails if somebody is there twice
	for _, dir := range []string{"runs/urgent", "runs/other"} {
		s := g.state(dir)
		if s.State != "finished" || !s.AddsUp || s.Fates["accepted"] != s.Records {
			g.t.Errorf("%s is %s: %v", dir, s.State, s.Fates)
		}
	}
	if len(everybody) != 400 {
		g.t.Errorf("%d of 400 people", len(everybody))
	}
}

// Answers of the NHS App are lost: some messages were accepted, and some were not.
func (g *game) doubtInTheApp() {
	g.serve("reset_after: {share: 0.1, limit: 5}\nreset_before: {share: 0.1, limit: 5}\n", "--hasten", "100000")
	g.appCampaign()
	g.single = true
	g.generate(200, 0)
	c, _, stderr := g.start("send", "-c", "campaign.yaml", "cohort.csv")
	g.halts(c, stderr, 4, "in_doubt")
	dir := g.folder()
	g.at(dir)
	inDoubt := func() int64 { return g.state(dir).Fates["in_doubt"] }
	g.follow(
		taken{"cohort status DIR", 0, `state +in_doubt\n(.*\n)*Runbook: cohort runbook in-doubt\n`, nil},
		taken{"cohort resume DIR --settle", 4, "", nil},
		taken{"cohort reconcile DIR", 4, "accepted +195", func() {
			g.await("receipts are there", func() bool {
				return g.service.accepted() == 195 && strings.Count(string(g.ask("ledger?statuses=1")), `"status":"`) == 195
			})
		}},
		taken{"cohort decide DIR", 0, "in doubt", nil},
		taken{"cohort decide DIR in-doubt again --dry-run", 0, `to be sent again +5\n`, func() {
			if said, code := g.takes("cohort decide DIR in-doubt again --dry-run"); code != 10 || inDoubt() != 5 {
				g.t.Fatalf("on the same day: exit %d, %d in doubt\n%s", code, inDoubt(), said)
			}
			g.ahead = true
		}},
		taken{"cohort decide DIR in-doubt again --reason", 0, "", nil},
		taken{"cohort resume DIR", 0, `accepted +200\n`, nil},
	)
	g.over(dir, 200)
}

// An older copy of folder and register is put back, and the newer one had sent more.
func (g *game) sentByACopy() {
	g.serve("latency: {fixed: 20ms}\n")
	g.slowly(4, "")
	g.generate(200, 0)
	first, _ := g.sending(60)
	dir := g.folder()
	g.at(dir)
	g.copies("backup", dir, ".cohort")
	g.await("more is accepted", func() bool { return g.service.accepted() >= 80 })
	g.kills(first)
	g.putsBack("backup", dir, ".cohort")
	c, _, stderr := g.start("resume", dir)
	g.halts(c, stderr, 3, "foreign_batches")
	for round := 0; g.state(dir).State != "finished"; round++ { // what is under way at once is found at once
		if round == 10 {
			g.t.Fatal("the run halts again and again")
		}
		g.follow(
			taken{"cohort status DIR", 0, "Runbook: cohort runbook foreign-batch\n(.*\n)*.*batches are known to the service", nil},
			taken{"cohort runs", 0, "batches are known to the service and were not sent by this run", nil},
			taken{"cohort stop OTHER-DIR", notHere, "", nil},
			taken{"cohort decide DIR", 0, "foreign accepted", nil},
			taken{"cohort decide DIR foreign accepted", 0, "", nil},
			taken{"cohort decide DIR foreign in-doubt", notHere, "", nil},
			taken{"cohort resume DIR", goesOn, `not sent|\[foreign_batches\]`, nil},
		)
	}
	g.over(dir, 200)
}

// The disk fills up while the run sends.
func (g *game) diskFull() {
	if !canMount(g.t) {
		g.t.Skip("no small filesystem can be mounted here")
	}
	small := g.path("small")
	Must(0, os.Mkdir(small, 0o700))
	Must(0, syscall.Mount("tmpfs", small, "tmpfs", 0, "size=40m"))
	g.t.Cleanup(func() { _ = syscall.Unmount(small, syscall.MNT_DETACH) })
	g.serve("latency: {fixed: 20ms}\n")
	g.slowly(20, "")
	g.generate(2000, 0)
	dir := filepath.Join(small, "run")
	g.at(dir)
	c, stderr := g.sending(100, "--run", dir)
	room := (&life{world: g.world, small: small}).fillUp(0)
	g.halts(c, stderr, 3, "full_disk")
	g.follow(
		taken{"cohort status DIR", 0, `make at least [0-9]+ MB free there and go on: .* \[full_disk\]\n(.*\n)*Runbook: cohort runbook disk-full\n`, nil},
		taken{"df -h DIR", 0, "tmpfs", nil},
		taken{"cohort log verify DIR", 0, "is sound", room},
		taken{"cohort resume DIR", 0, `accepted +2000\n`, func() { g.spoil("per_second: 200", "per_second: 0") }},
	)
	g.over(dir, 2000)
}

// The machine is lost in the middle of the night. There is a copy of the folder of some moments before, and the
// register is on other storage.
func (g *game) machineLost() {
	g.serve("latency: {fixed: 20ms}\n")
	g.slowly(10, "register: elsewhere\n")
	g.generate(400, 0)
	c, _ := g.sending(50)
	dir := g.folder()
	g.at(dir)
	g.copies("backup", dir)
	g.await("more is accepted", func() bool { return g.service.accepted() >= 150 })
	g.kills(c)
	g.putsBack("backup", dir)
	g.follow(
		taken{"cohort status DIR", 0, "state +died", nil},
		taken{"cohort log verify DIR", 0, "", nil},
		taken{"cohort recover DIR", 0, "put aside", nil},
		taken{"cohort decide DIR latest", notHere, "", nil},
		taken{"cohort resume DIR", 0, `accepted +400\n`, func() { g.spoil("per_second: 100", "per_second: 0") }},
	)
	g.over(dir, 400)
}

// The receiver of callbacks is away for longer than the service repeats them.
func (g *game) noCallbacks() {
	address := freeAddress(g.t)
	g.write("target.yaml", "application_id: app-1\nretry: {first: 50ms, most: 100ms, for: 500ms}\n")
	g.serve("{}\n", "--hasten", "1e9", "--callbacks", "http://"+address, "--callback-target", g.path("target.yaml"))
	g.campaign("pace: {per_second: 0}\ncallbacks: {application_id: app-1}\n")
	g.generate(60, 0)
	g.exits(0, "send", "-c", "campaign.yaml", "cohort.csv")
	dir := g.folder()
	g.at(dir)
	g.await("the service gives up", func() bool {
		return bytes.Contains(g.ask("callbacks"), []byte(`"pending":0`)) && bytes.Contains(g.ask("callbacks"), []byte(`"lost"`))
	})
	g.fill = append(g.fill, "https://RECEIVER", "http://"+address, ":8443 --tls-cert cert.pem --tls-key key.pem", address)
	var said bytes.Buffer
	started := func() {
		receiver := g.shell(commandsOf(runbookText(g.t, g.name))[1], &said)
		g.t.Cleanup(func() { _ = receiver.Process.Kill(); _ = receiver.Wait() })
		g.await("the receiver is ready", func() bool { return answerAt(address, "/readyz") == http.StatusOK })
		if text, code := g.takes(commandsOf(runbookText(g.t, g.name))[0]); code != 0 {
			g.t.Fatal(text)
		}
	}
	g.follow(
		taken{"curl -fsS https://RECEIVER/readyz", 7, "", nil},
		taken{"cohort callbacks -c campaign.yaml", notHere, "", nil},
		taken{"openssl x509", notHere, "", nil},
		taken{"cohort reconcile DIR", 0, "", started},
		taken{"cohort report DIR", 0, "", nil},
	)
	g.over(dir, 60)
	out := g.run("report", dir, "--only", "accepted", "-o", "outcomes.csv")
	rows := strings.Split(strings.TrimSpace(g.mustRead("outcomes.csv")), "\n")
	told := regexp.MustCompile(`,(delivered|failed|sending|enriched|pending_enrichment|created),`)
	for i, row := range rows[1:] {
		if !told.MatchString(row) {
			g.t.Fatalf("row %d has no outcome\n%s", i+1, out.stderr)
		}
	}
	if len(rows) != 61 {
		g.t.Errorf("%d rows", len(rows))
	}
}

// The telephone number in an invitation is wrong.
func (g *game) wrongWords() {
	g.serve("latency: {fixed: 20ms}\n")
	g.slowly(5, "")
	g.generate(300, 0)
	const invitation, correction = "b838b13c-f98c-4def-93f0-515d4e4f4ee1", "49e43b98-70cb-47a9-a55e-fe70c9a6f77c"
	c, stderr := g.sending(80)
	dir := g.folder()
	g.fill = append(g.fill, "DIR", dir, "OLD-NAME", "autumn-invitation", "COHORT.csv", "cohort.csv", "FINGERPRINT", g.fingerprint(dir))
	corrected := strings.NewReplacer("per_second: 50", "per_second: 0", "autumn-invitation", "autumn-corrected",
		" at ((clinic_name))", " in ((clinic_name))").Replace(g.mustRead("campaign.yaml"))
	g.write("corrected.yaml", corrected)
	g.write("correction.yaml", strings.NewReplacer("autumn-corrected", "autumn-correction", invitation, correction,
		"  required: [appointment_date]\n", "", "cohort:\n", "").Replace(corrected))
	had := map[string]bool{}
	g.follow(
		taken{"cohort stop DIR", 0, "", nil},
		taken{"cohort resume DIR --settle", 3, "", func() { g.endsWith(c, stderr, 3) }},
		taken{"cohort send -c corrected.yaml COHORT.csv --rest-of OLD-NAME", 0, "", func() {
			for number := range g.ledger() {
				had[number] = true
			}
		}},
		taken{"cohort report DIR", 0, "", nil},
		taken{"cohort followup DIR --received FINGERPRINT -c correction.yaml --reason \"WHY\" --dry-run", 0, `due +[1-9][0-9]+\n`, nil},
		taken{"cohort followup DIR --received FINGERPRINT -c correction.yaml --reason \"WHY\"", 0, "", nil},
	)
	got := map[string]map[string]int{invitation: {}, correction: {}}
	for line := range strings.Lines(string(g.ask("ledger"))) {
		var a accepted
		Must(0, json.Unmarshal([]byte(line), &a))
		got[a.RoutingPlanID][a.NHSNumber]++
	}
	for number, times := range got[invitation] {
		if isCorrected := got[correction][number]; times != 1 || isCorrected > 1 || isCorrected == 1 != had[number] {
			g.t.Fatalf("%d invitations, %d corrections, had the wrong words: %v", times, isCorrected, had[number])
		}
	}
	if len(got[invitation]) != 300 || len(got[correction]) != len(had) || len(had) < 80 {
		g.t.Errorf("%d invitations, and %d corrections to %d people with the wrong words", len(got[invitation]), len(got[correction]), len(had))
	}
	for _, dir := range Must(filepath.Glob(g.path("runs/[^.]*"))) {
		if s := g.state(dir); !s.AddsUp || s.State != "finished" && s.State != "superseded" {
			g.t.Errorf("%s is %s: %v", dir, s.State, s.Fates)
		}
	}
}

// copies copies folders of the world into another one, with their times and inodes changed.
func (g *game) copies(to string, folders ...string) {
	g.t.Helper()
	Must(0, os.Mkdir(g.path(to), 0o700))
	for _, folder := range folders {
		if out, err := exec.Command("cp", "-a", g.inWorld(folder), g.path(to)).CombinedOutput(); err != nil {
			g.t.Fatalf("%v\n%s", err, out)
		}
	}
}

// putsBack puts what was copied in the place of what is lost.
func (g *game) putsBack(from string, folders ...string) {
	g.t.Helper()
	for _, folder := range folders {
		Must(0, os.RemoveAll(g.inWorld(folder)))
		Must(0, os.Rename(filepath.Join(g.path(from), filepath.Base(folder)), g.inWorld(folder)))
	}
}

func (g *game) inWorld(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return g.path(name)
}

func (g *game) kills(c *exec.Cmd) {
	_ = c.Process.Kill()
	_ = c.Wait()
}
