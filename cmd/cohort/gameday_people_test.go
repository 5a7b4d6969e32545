package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// Last month's list is sent. Half of its people are on the right list, too.
func (g *game) wrongList() {
	g.serve("latency: {fixed: 20ms}\n")
	g.slowly(5, "")
	g.generate(450, 0)
	rows := strings.SplitAfter(strings.TrimSpace(g.mustRead("cohort.csv"))+"\n", "\n")
	g.write("cohort.csv", strings.Join(rows[:301], ""))
	g.write("right.csv", rows[0]+strings.Join(rows[51:451], ""))
	c, stderr := g.sending(80)
	dir := g.folder()
	g.fill = append(g.fill, "DIR", dir, "RIGHT.csv", "right.csv", "FINGERPRINT", g.fingerprint(dir))
	g.write("apology.yaml", strings.NewReplacer("autumn-invitation", "apology", "cohort:\n  required: [appointment_date]\n", "", " at ((clinic_name))", ", which was an error").
		Replace(g.mustRead("campaign.yaml"))+"suppress: [{file: right.csv, reason: rightly_invited}]\n")
	g.follow(
		taken{"cohort stop DIR", 0, "", nil},
		taken{"cohort resume DIR --settle", 3, "", func() { g.endsWith(c, stderr, 3) }},
		taken{"cohort status DIR", 0, `in_doubt +0\n`, nil},
		taken{"cohort report DIR --only accepted,in_doubt", 0, "", nil},
		taken{"cohort check -c campaign.yaml RIGHT.csv", 0, "", func() { g.spoil("per_second: 50", "per_second: 0") }},
		taken{"cohort send -c campaign.yaml RIGHT.csv --new-cohort", 0, "already_sent|suppressed +[1-9]", nil},
		taken{"cohort followup DIR --received FINGERPRINT -c apology.yaml", 0, `due +[1-9][0-9]+\n`, nil},
	)
	wrong := 0
	everybody := g.ledger() // fails if somebody is there twice
	for _, r := range g.reportAt(g.path("wrong-list.parquet")) {
		if _, sent := everybody[*r.NHSNumber]; !sent {
			g.t.Error("the list for information governance has a person who got nothing")
		}
		if wrong++; r.Row <= 50 {
			delete(everybody, *r.NHSNumber)
		}
	}
	if wrong < 80 || wrong > 290 || len(everybody) != 400 {
		g.t.Errorf("%d people of the wrong list, and %d of 400 of the right one", wrong, len(everybody))
	}
}

// The service is not there for longer than give_up_after.
func (g *game) stalls() {
	g.serve("latency: {fixed: 20ms}\n")
	g.slowly(10, "give_up_after: 3s")
	g.generate(300, 0)
	c, stderr := g.sending(50)
	g.service.die()
	g.halts(c, stderr, 3, "give_up_after")
	dir := g.folder()
	g.at(dir)
	g.follow(
		taken{"cohort status DIR", 0, `state +halted\n(.*\n)*Runbook: cohort runbook stalled\n`, nil},
		taken{"cohort auth check -c campaign.yaml", 10, "WRONG", nil},
		taken{"cohort pause DIR", 0, "", nil},
		taken{"cohort continue DIR", 0, "", g.service.start},
		taken{"cohort resume DIR", 0, `accepted +300\n`, nil},
	)
	g.over(dir, 300)
}

// The process is killed.
func (g *game) dies() {
	g.serve("latency: {fixed: 100ms}\n")
	g.slowly(10, "")
	g.generate(300, 0)
	c, _ := g.sending(50)
	g.kills(c)
	dir := g.folder()
	g.at(dir)
	g.follow(
		taken{"cohort status DIR", 0, `state +died .*; safe to go on\n(.*\n)*Runbook: cohort runbook died\n`, nil},
		taken{"journalctl", notHere, "", nil},
		taken{"cohort log verify DIR", 0, "is sound", nil},
		taken{"cohort resume DIR", 0, `accepted +300\n`, nil},
	)
	g.over(dir, 300)
}

// The list of people who have died is not there at a start.
func (g *game) listIsMissing() {
	g.serve("latency: {fixed: 20ms}\n")
	g.slowly(10, "suppress: [{file: died.csv, reason: deceased}]\n")
	g.generate(300, 0)
	numbers := regexp.MustCompile(`(?m)^9\d{9}`).FindAllString(g.mustRead("cohort.csv"), -1)
	g.write("died.csv", "nhs_number\n"+strings.Join(numbers[:5], "\n")+"\n")
	c, _ := g.sending(50)
	g.kills(c)
	dir := g.folder()
	g.fill = append(g.fill, "DIR", dir, "COHORT.csv", "cohort.csv")
	list := g.mustRead("died.csv")
	Must(0, os.Remove(g.path("died.csv")))
	if o := g.run("resume", dir); !o.refused("lists_not_applied") || !strings.HasSuffix(o.stderr, "\nRunbook: cohort runbook list-missing\n") {
		g.t.Fatalf("exit %d\n%s", o.code, o.stderr)
	}
	g.follow(
		taken{"cohort status DIR", 0, "", nil},
		taken{"cohort check -c campaign.yaml COHORT.csv", 0, `suppressed +5\b`, func() { g.write("died.csv", list) }},
		taken{"cohort resume DIR", 0, `accepted +295\n`, nil},
	)
	g.over(dir, 295)
}

// Somebody calls who wants no message, and her message has not gone out yet.
func (g *game) aPersonComplains() {
	g.serve("latency: {fixed: 20ms}\n")
	g.slowly(5, "suppress: [{file: optout.csv, reason: opted_out}]\n")
	g.generate(300, 0)
	numbers := regexp.MustCompile(`(?m)^9\d{9}`).FindAllString(g.mustRead("cohort.csv"), -1)
	caller := numbers[len(numbers)-1]
	g.write("optout.csv", "nhs_number\n"+numbers[0]+"\n")
	c, stderr := g.sending(50)
	dir := g.folder()
	for _, number := range numbers { // anybody whose turn is not yet
		if _, sent := g.ledger()[number]; !sent && number != numbers[0] {
			caller = number
		}
	}
	g.fill = append(g.fill, "DIR", dir, "--nhs-number -", "--nhs-number "+caller)
	g.follow(
		taken{"cohort find --runs runs --nhs-number -", 0, "outcome", nil},
		taken{"cohort stop DIR", 0, "", func() { g.write("optout.csv", fmt.Sprintf("nhs_number\n%s\n%s\n", numbers[0], caller)) }},
		taken{"cohort resume DIR", 0, `suppressed +[12]\n`, func() { g.endsWith(c, stderr, 3) }},
	)
	if _, sent := g.ledger()[caller]; sent {
		g.t.Error("she got the message all the same")
	}
	g.over(dir, 298)
}

// fingerprint is that of the words of a run.
func (g *game) fingerprint(dir string) string {
	plan := g.mustRead(filepath.Join("runs", filepath.Base(dir), "plan.json"))
	return regexp.MustCompile(`"template_version": *"([0-9a-f]+)"`).FindStringSubmatch(plan)[1]
}
