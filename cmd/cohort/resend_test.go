package main

import (
	"bytes"
	"encoding/json"
	"os"
	"strconv"
	"strings"

	"github.com/parquet-go/parquet-go"
	"github.com/rogpeppe/go-internal/testscript"

	"cohort/engine/runfolder"
	"cohort/sinks/simulator/ledger"
)

// ledgerCounts makes sure how many messages the simulator at an address has accepted.
func ledgerCounts(ts *testscript.TestScript, _ bool, args []string) {
	if n := bytes.Count(simulated(ts, args[0], "ledger"), []byte("\n")); strconv.Itoa(n) != args[1] {
		ts.Fatalf("%d messages were accepted", n)
	}
}

// doubtful writes a suppression list of N people in doubt: doubtful DIR ADDRESS N FILE. Their
// messages are in doubt in the run's report, and the simulator at ADDRESS did not accept them.
func doubtful(ts *testscript.TestScript, _ bool, args []string) {
	rows, err := parquet.ReadFile[reportRow](ts.MkAbs(args[0]) + "/" + runfolder.ReportFile)
	ts.Check(err)
	accepted := map[string]bool{}
	for in := json.NewDecoder(bytes.NewReader(simulated(ts, args[1], "ledger"))); in.More(); {
		var a ledger.Accepted
		ts.Check(in.Decode(&a))
		accepted[a.NHSNumber] = true
	}
	n, err := strconv.Atoi(args[2])
	ts.Check(err)
	list := []string{"nhs_number"}
	for _, r := range rows {
		if r.Outcome == "in_doubt" && !accepted[deref(r.NHSNumber)] && len(list) <= n {
			list = append(list, deref(r.NHSNumber))
		}
	}
	if len(list) != n+1 {
		ts.Fatalf("%d are in doubt that were not accepted", len(list)-1)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[3]), []byte(strings.Join(list, "\n")+"\n"), 0o600))
}
