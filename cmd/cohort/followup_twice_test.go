package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// wording is the fingerprint of the words of a run with one route.
func wording(run string) string {
	text := Must(os.ReadFile(filepath.Join(run, "plan.json")))
	return string(regexp.MustCompile(`"template_version": *"([0-9a-f]+)"`).FindSubmatch(text)[1])
}

// A chain brings one campaign to a person once, also behind another step.
func TestAChainBringsACampaignOnce(t *testing.T) {
	t.Parallel()
	c := newChain(t, 200)
	c.files("", "0s")
	sms := c.mustRead("sms.yaml")
	alone := sms[:strings.Index(sms, "followup:")] + "sink:\n" + strings.SplitN(sms, "sink:\n", 2)[1]
	c.write("sms.yaml", alone)
	c.write("correction.yaml", strings.NewReplacer("invitation-sms", "correction", "routing_plan: sms", "routing_plan: app", "sms_body", "body",
		"sink:\n", "followup: [{name: sms, after: 0s, by: sms.yaml}]\nsink:\n").Replace(alone))
	c.exits(0, "send", "-c", "app.yaml", "cohort.csv")
	app := c.runOf("invitation-app")
	c.told()
	c.exits(0, "followup", app, "--rule", "sms")
	first := len(c.step(smsPlan))
	c.spoilFile("correction.yaml", "routing_plan: app", "routing_plan: email")
	c.spoilFile("correction.yaml", `body: `, `email_subject: "A correction", email_body: `)
	c.exits(0, "followup", app, "--received", wording(app), "--reason", "x", "-c", "correction.yaml")
	c.told()
	behind := []string{"followup", c.runOf("correction"), "--rule", "sms"}
	if o := c.run(behind...); !o.refused("sent_to_another_cohort") {
		t.Errorf("exit %d\n%s%s", o.code, o.stdout, o.stderr)
	}
	c.exits(0, append(behind, "--new-cohort")...)
	if n := len(c.step(smsPlan)); n <= first { // it fails the test if somebody is there twice
		t.Errorf("%d people, and %d before", n, first)
	}
}

// The words of a follow-up are wrong, and those of the next one too. The third takes the place of both.
func TestWrongWordsTwice(t *testing.T) {
	t.Parallel()
	c := newChain(t, 300)
	c.files("", "0s")
	c.spoilFile("sms.yaml", "per_second: 0", "per_second: 100")
	c.spoilFile("sms.yaml", "routing_plan: sms", "routing_plan: sms\n    batch: {max_messages: 10}")
	c.exits(0, "send", "-c", "app.yaml", "cohort.csv")
	app := c.runOf("invitation-app")
	c.told()
	due, call := c.unread(app), []string{"followup", app, "--rule", "sms"}
	c.spoilFile("sms.yaml", "/oauth2/token", "/nothing-here")
	if o := c.run(call...); !o.refused("service_not_ready") {
		t.Fatalf("exit %d\n%s", o.code, o.stderr)
	}
	c.spoilFile("sms.yaml", "/nothing-here", "/oauth2/token") // nothing was sent, so other words do no harm
	c.spoilFile("sms.yaml", "come to", "please come to")
	for _, name := range []string{"wrong", "wrong-again"} {
		before := len(c.step(smsPlan))
		c.spoilFile("sms.yaml", "campaign: invitation-sms", "campaign: "+name)
		if !c.killedOnce(func() bool { return len(c.step(smsPlan)) >= before+20 }, call...) {
			t.Fatal("the follow-up was not stopped")
		}
		c.run("resume", c.runOf(name), "--settle")
		c.spoilFile("sms.yaml", "campaign: "+name, "campaign: invitation-sms")
		call = append(call[:4:4], "--rest-of", name)
	}
	c.spoilFile("sms.yaml", "campaign: invitation-sms", "campaign: wrong")
	if o := c.run(call...); !o.refused("followup_same_campaign") {
		t.Errorf("the name of a run that was replaced: exit %d\n%s", o.code, o.stderr)
	}
	c.spoilFile("sms.yaml", "campaign: wrong", "campaign: invitation-sms")
	c.exits(0, call...)
	all := c.step(smsPlan) // it fails the test if somebody is there twice
	for number := range due {
		if _, sent := all[number]; !sent {
			t.Errorf("row of a person due who got nothing: %s", due[number])
		}
	}
	if o := c.run(call[:4]...); o.code != 0 || !strings.Contains(o.stdout, "nobody is due") || len(all) != len(due) {
		t.Errorf("%d of %d people; exit %d\n%s%s", len(all), len(due), o.code, o.stdout, o.stderr)
	}
}

// A follow-up that leaves out whom another chain has reached does not close a run that still has people to send to.
func TestAFollowUpClosesNoRunAtWork(t *testing.T) {
	t.Parallel()
	c := newChain(t, 340)
	c.files("", "0s")
	c.part("cohort.csv", 0, 170)
	c.part("more.csv", 170, 340)
	c.exits(0, "send", "-c", "app.yaml", "cohort.csv")
	c.exits(0, "send", "-c", "app.yaml", "more.csv", "--new-cohort", "--run", "runs/more")
	app := c.runOf("invitation-app")
	c.told()
	c.spoilFile("sms.yaml", "per_second: 0", "per_second: 100")
	c.spoilFile("sms.yaml", "routing_plan: sms", "routing_plan: sms\n    batch: {max_messages: 10}")
	if !c.killedOnce(func() bool { return len(c.step(smsPlan)) >= 20 }, "followup", app, "--rule", "sms") {
		t.Fatal("the follow-up was not stopped")
	}
	stopped := c.runOf("invitation-sms")
	c.run("resume", stopped, "--settle")
	late := []string{"followup", "runs/more", "--rule", "sms", "--new-cohort"}
	if o := c.run(late...); !o.refused("followup_would_close") || !strings.Contains(o.stderr, "cohort resume "+stopped) {
		t.Errorf("exit %d\n%s%s", o.code, o.stdout, o.stderr)
	}
	sent := len(c.step(smsPlan))
	moved := c.path("else/" + filepath.Base(app)) // away from the callbacks, which then are no news
	Must(0, os.Mkdir(c.path("else"), 0o700))
	Must(0, os.Rename(app, moved))
	c.exits(0, "resume", moved)
	if o := c.run("resume", stopped); !o.refused("lists_not_applied") || !strings.Contains(o.stderr, "cohort reconcile "+moved) || len(c.step(smsPlan)) != sent {
		t.Errorf("exit %d\n%s%s", o.code, o.stdout, o.stderr)
	}
	Must(0, os.Rename(moved, app))
	c.exits(0, "resume", stopped)
	c.exits(0, late...)
	all, due := c.step(smsPlan), len(c.unread(app))+len(c.unread(c.path("runs/more")))
	if len(all) < due {
		t.Errorf("%d of %d people", len(all), due)
	}
}

// The parent's folder is brought back from a copy that is older than a follow-up, or than its note. Nobody is sent to
// twice.
func TestFollowUpsAndAnOlderParent(t *testing.T) {
	t.Parallel()
	c := newFaultyChain(t, 200, "poisoned_recipients: {share: 0.05}\n")
	c.files("", "0s")
	c.spoilFile("app.yaml", "profile: test", "profile: test\nstop_if: {of: 0}")
	c.exits(0, "send", "-c", "app.yaml", "cohort.csv")
	app := c.runOf("invitation-app")
	c.told()
	Must(0, copyFolder(c.path("older"), app))
	older := func() {
		t.Helper()
		Must(0, os.RemoveAll(app))
		Must(0, copyFolder(app, c.path("older")))
	}
	if canMount(t) {
		Must(0, syscall.Mount("tmpfs", app, "tmpfs", 0, "size=1m"))
		defer func() { _ = syscall.Unmount(app, syscall.MNT_DETACH) }()
		Must(0, os.CopyFS(app, os.DirFS(c.path("older"))))
		_ = os.WriteFile(app+"/fill", make([]byte, 1<<20), 0o600) // as far as there is room
		Must(0, os.Truncate(app+"/fill", Must(os.Stat(app+"/fill")).Size()-8192))
		if o := c.run("followup", app, "--rule", "sms"); !o.refused("no_room_to_record") {
			t.Errorf("exit %d\n%s", o.code, o.stderr)
		}
		Must(0, syscall.Unmount(app, syscall.MNT_DETACH))
	}
	c.spoilFile("sms.yaml", "/oauth2/token", "/nothing-here")
	if o := c.run("followup", app, "--rule", "sms"); o.code == 0 {
		t.Fatalf("it has no token\n%s", o.stdout)
	}
	planned := c.runOf("invitation-sms")
	c.spoilFile("sms.yaml", "/nothing-here", "/oauth2/token")
	older()
	if o := c.run("resume", planned); !o.refused("followup_not_noted") {
		t.Errorf("exit %d\n%s%s", o.code, o.stdout, o.stderr)
	}
	c.exits(0, "followup", app, "--only", "refused", "-c", "letter.yaml", "--reason", "x")
	older()
	if o := c.run("decide", app, "refused", "again", "--reason", "x"); !o.refused("followed_up") {
		t.Errorf("exit %d\n%s%s", o.code, o.stdout, o.stderr)
	}
}
