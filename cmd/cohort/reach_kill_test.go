package main

import (
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"cohort/cmd/internal/intake"
	"cohort/engine/campaign"
	"cohort/engine/reach"
	"cohort/engine/runfolder"
	"cohort/ingest/person"
	"cohort/shard"
)

// The set of app users is fixed before the cohort is read. A preparation repeated after a kill uses
// the same set, whatever the service has said since.
func TestAppUsersStayTheSameAfterAKill(t *testing.T) {
	t.Parallel()
	for now := time.Now().UTC(); now.Hour() == 23 && now.Minute() == 59; now = time.Now().UTC() {
		time.Sleep(time.Second) // the reports' days are UTC's, and this is about one of them
	}
	w := newWorld(t)
	const records = 20_000
	var text strings.Builder
	var everybody []reach.User
	text.WriteString("nhs_number,given_name,appointment_date,clinic_name,practice\n")
	for n := 9_990_000_000; len(everybody) < records; n++ {
		if number, err := person.ParseNHSNumber(strconv.Itoa(n)); err == nil {
			fmt.Fprintf(&text, "%d,Ann,2027-01-31,a clinic,A81001\n", n)
			everybody = append(everybody, reach.User{Number: number, Notifications: true})
		}
	}
	w.write("cohort.csv", text.String())
	w.life()
	w.campaign("pace: {per_second: 0}\nreach: {practice: practice}")
	c, err := campaign.Load(w.path("campaign.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	day := intake.Today(c, slog.New(slog.DiscardHandler))
	says := func(users []reach.User) {
		t.Helper()
		if err := day.Make(); err != nil {
			t.Fatal(err)
		}
		if err := day.Put("A81001", reach.Reported, users); err != nil {
			t.Fatal(err)
		}
	}
	// all says of everybody in the run's spool the same.
	all := func(want reach.Answer) {
		t.Helper()
		spool, err := shard.Open(w.path("run/spool"))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = spool.Close() }()
		column, n := slices.Index(spool.Manifest.Fields, campaign.AppColumn), 0
		for i := range person.Lane(spool.Lanes()) {
			for p, err := range spool.Recipients(i, 0, spool.Positions(i)) {
				if err != nil || reach.Answer(p.Fields[column]) != want {
					t.Fatalf("%s, %v", p.Fields[column], err)
				}
				n++
			}
		}
		if n != records {
			t.Errorf("%d people", n)
		}
	}
	kill := func() {
		t.Helper()
		says(everybody)
		w.killedWhen(func(_ int, name string) bool { return name == "shard-000.arrow" }, "send", "-c", "campaign.yaml", "cohort.csv", "--run", "run")
		if _, err := os.Stat(w.path("run/plan.json")); err == nil {
			t.Fatal("it was killed too late")
		}
		says(nil)
	}
	const known = "who has the NHS App is known from the preparation that was stopped"

	kill()
	if o := w.run("resume", "run"); o.code != 0 || !strings.Contains(o.stderr, known) {
		t.Fatalf("exit %d\n%s", o.code, o.stderr)
	}
	all(reach.Notifications)

	// What was fixed is damaged: nothing was sent by it, so today's word is taken anew.
	w.life()
	w.campaign("pace: {per_second: 0}\nreach: {practice: practice}")
	if c, err = campaign.Load(w.path("campaign.yaml")); err != nil {
		t.Fatal(err)
	}
	day = intake.Today(c, slog.New(slog.DiscardHandler))
	kill()
	if err := os.Truncate(w.path("run/"+runfolder.UsersFile), 100); err != nil {
		t.Fatal(err)
	}
	if o := w.run("send", "-c", "campaign.yaml", "cohort.csv", "--run", "run"); o.code != 0 || strings.Contains(o.stderr, known) {
		t.Fatalf("exit %d\n%s", o.code, o.stderr)
	}
	all(reach.No)
	if _, err := os.Stat(w.path("run/" + runfolder.UsersFile)); err == nil {
		t.Error("who has the app still lies about")
	}
}
