package main

import (
	"encoding/csv"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"cohort/engine/delivery"
	"cohort/engine/facts"
	"cohort/engine/inbox"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/runfolder"
)

// The report of a finished run is final. What the service says later goes beside it, and whoever spoils the final report
// gets it back.
func TestTheReportsOfAFinishedRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.simulate("{}\n")
	w.campaign("pace: {per_second: 0}")
	w.generate(300, 0.05)
	if o := w.run("send", "-c", "campaign.yaml", "cohort.csv"); o.code != 0 {
		t.Fatalf("exit %d\n%s", o.code, o.stderr)
	}
	dir := w.folder()
	final := filepath.Join(dir, runfolder.ReportFile)
	text := string(Must(os.ReadFile(final)))
	w.prints("report.parquet has the digest", "log", "verify", dir)

	rows := w.report(dir)
	events := eventsOf(rows)
	shared := Must(inbox.Open(filepath.Join(filepath.Dir(dir), facts.SharedFolder), "a test"))
	Must(0, shared.Put(t.Context(), events))
	Must(0, shared.Close())
	for range 2 {
		w.prints("report-delivery.parquet\n", "report", dir)
		w.prints("this run is finished", "send", "-c", "campaign.yaml", "cohort.csv")
	}
	if string(Must(os.ReadFile(final))) != text {
		t.Error("a later report has changed the final one")
	}
	later := w.reportAt(filepath.Join(dir, runfolder.LaterReportFile))
	if len(later) != len(rows) || len(rows) != 300 {
		t.Errorf("%d rows, and %d later", len(rows), len(later))
	}
	list := Must(csv.NewReader(Must(os.Open(filepath.Join(dir, runfolder.UnreachedFile)))).ReadAll())
	may := map[string]int{}
	for _, line := range list[1:] {
		may[line[3]+" "+line[4]+" "+line[7]]++
	}
	if may["accepted MFR_PDSV_0112 no"] == 0 || may["accepted MFR_SUPE_0007 yes"] == 0 || may["invalid bad_number no"] == 0 || may["accepted  yes"] > 0 {
		t.Errorf("not reached: %v", may)
	}
	queries(t, dir)

	for line, code := range map[string]string{
		"--format pdf": "report_format_unknown", "--only accepted,unread": "fate_unknown", "-o " + final: "report_final",
		"-o " + filepath.Join(dir, "plan.json") + " --force": "output_is_input",
	} {
		if o := w.run(append([]string{"report", dir}, strings.Fields(line)...)...); !o.refused(code) {
			t.Errorf("%s: %s", line, o.stderr)
		}
	}
	w.prints("report-invalid-20", "report", dir, "--format", "csv", "--only", "invalid")
	named := Must(filepath.Glob(filepath.Join(dir, "report-invalid-*Z.csv")))
	invalid := Must(csv.NewReader(Must(os.Open(named[0]))).ReadAll())
	if n := len(invalid) - 1; n == 0 || n != may["invalid bad_number no"]+may["invalid wrong_columns no"]+may["invalid empty_required no"]+may["invalid bad_encoding no"] {
		t.Errorf("%d invalid rows; %v", n, may)
	}

	for name, begin := range map[string]string{"x.csv": "row,", "x.html": "<!", "x.parquet": "PAR1", "x": "PAR1"} {
		path := filepath.Join(t.TempDir(), name)
		w.prints(path, "report", dir, "-o", path)
		if got := string(Must(os.ReadFile(path))); !strings.HasPrefix(got, begin) {
			t.Errorf("%s begins with %.9q", name, got)
		}
	}
	w.prints("report-not_sent-20", "report", dir, "--only", "not sent")

	for _, spoil := range []func() error{
		func() error { return os.Remove(final) },
		func() error { return os.WriteFile(final, []byte(text+"x"), 0o600) },
	} {
		Must(0, spoil())
		if o := w.run("log", "verify", dir); !o.refused("final_report_changed") || strings.Contains(o.stdout, "is sound") {
			t.Errorf("a spoilt report is verified: exit %d\n%s%s", o.code, o.stdout, o.stderr)
		}
		w.prints("finished", "status", dir)
		w.prints("is written again", "resume", dir)
		if string(Must(os.ReadFile(final))) != text {
			t.Error("the final report was not written again as it was")
		}
		w.prints("report.parquet has the digest", "log", "verify", dir)
	}
	before := w.recorded(dir)
	w.prints("finished", "resume", dir) // nothing is recorded that is there
	if after := w.recorded(dir); after != before {
		t.Errorf("%d digests of the report were recorded, and then %d", before, after)
	}

	// A run that ended once more, and was killed before it recorded its report.
	planned := Must(plan.Open(dir))
	defer func() { _ = planned.Close() }()
	log := Must(ledger.Open(dir, planned))
	Must(0, log.Finish(time.Now(), log.Ledger.Account()))
	Must(0, log.Close())
	if o := w.run("log", "verify", dir); o.code != 0 || strings.Contains(o.stdout, "digest that the run recorded") {
		t.Errorf("exit %d\n%s%s", o.code, o.stdout, o.stderr)
	}
	w.prints("finished", "resume", dir)
	w.prints("report.parquet has the digest", "log", "verify", dir)
	if after := w.recorded(dir); after != before+1 {
		t.Errorf("%d digests of the report were recorded, and then %d", before, after)
	}
}

// recorded counts the digests of reports in a run's log.
func (w *world) recorded(dir string) int {
	w.t.Helper()
	return strings.Count(w.run("log", "dump", dir).stdout, " control reported ")
}

// eventsOf reports on the accepted messages of a run in turn: delivered, died, failed by the supplier, under way.
func eventsOf(rows []reportRow) (events []delivery.Event) {
	at := time.Now().UTC().Truncate(time.Second)
	for i, row := range rows {
		if row.MessageReference == nil {
			continue
		}
		e := delivery.Event{Source: delivery.Callback, Kind: delivery.OfMessage, Reference: *row.MessageReference, At: at, Received: at, RoutingVersion: "v7"}
		channel := e
		channel.Kind, channel.Channel, channel.Cascade, channel.Order, channel.Status = delivery.OfChannel, "sms", "primary", 1, "failed"
		switch i % 4 {
		case 0:
			e.Status, channel.Status = "delivered", "delivered"
		case 1:
			e.Status, e.Code = "failed", "MFR_PDSV_0112"
		case 2:
			e.Status, e.Code, channel.Code = "failed", "MFR_SUPE_0007", "CFR_SUPE_0007"
		case 3:
			e.Status, channel.Status = "sending", "sending"
		}
		events = append(events, e, channel)
	}
	return events
}

// prints runs the binary, and looks for a text in what it prints.
func (w *world) prints(want string, args ...string) {
	w.t.Helper()
	if o := w.run(args...); o.code != 0 || !strings.Contains(o.stdout+o.stderr, want) {
		w.t.Fatalf("%q: exit %d\n%s%s", args, o.code, o.stdout, o.stderr)
	}
}

// queries runs the queries of docs/report.md in a run's folder, if there is a DuckDB.
func queries(t *testing.T, dir string) {
	page := string(Must(os.ReadFile("../../docs/report.md")))
	var all []string
	for _, block := range regexp.MustCompile("(?s)```sql\n(.*?)```").FindAllStringSubmatch(page, -1) {
		for query := range strings.SplitSeq(block[1], ";\n") {
			if strings.TrimSpace(query) != "" {
				all = append(all, query)
			}
		}
	}
	if len(all) < 10 {
		t.Errorf("docs/report.md has %d queries", len(all))
	}
	t.Run("queries", func(t *testing.T) {
		duckdb, err := exec.LookPath("duckdb")
		if err != nil {
			t.Skip("there is no duckdb in the PATH, so the queries of docs/report.md are not run")
		}
		for _, query := range all {
			c := exec.Command(duckdb, "-c", query)
			c.Dir = dir
			out, err := c.CombinedOutput()
			empty := len(strings.TrimSpace(string(out))) == 0 && !strings.Contains(query, "in_doubt") && !strings.Contains(query, "nhs_number")
			if err != nil || empty {
				t.Errorf("%s: %v\n%s", query, err, out)
			}
		}
	})
}
