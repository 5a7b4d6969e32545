package main

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"

	"github.com/parquet-go/parquet-go"
	"github.com/rogpeppe/go-internal/testscript"

	"cohort/engine/runfolder"
	"cohort/sinks/simulator"
	"cohort/sinks/simulator/faults"
	"cohort/sinks/simulator/ledger"
)

// simulated asks the simulator at an address for one of its own pages.
func simulated(ts *testscript.TestScript, address, page string) []byte {
	resp, err := http.Get("http://" + address + "/_simulator/" + page)
	ts.Check(err)
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	ts.Check(err)
	return text
}

// ledgerEmpty makes sure that the simulator at an address has accepted nothing.
func ledgerEmpty(ts *testscript.TestScript, _ bool, args []string) {
	if text := simulated(ts, args[0], "ledger"); len(text) > 0 {
		ts.Fatalf("something was accepted")
	}
}

// unproven are the codes of answers that prove nothing.
var unproven = []string{"no_answer", "unknown", "HTTP_502"}

// proven compares the report in a run's folder with the simulator's ledger: proven DIR ADDRESS. An
// accepted message is in the ledger under the same id, and a refused or unsent one is not. Messages
// without proof are in doubt: those that faults robbed of an answer, and those under way at the kill.
// With a third word, settled, the receipts were read, and every message in the ledger is accepted.
func proven(ts *testscript.TestScript, _ bool, args []string) {
	rows, err := parquet.ReadFile[reportRow](ts.MkAbs(args[0]) + "/" + runfolder.ReportFile)
	ts.Check(err)
	sent := map[string]ledger.Accepted{}
	for rest := simulated(ts, args[1], "ledger"); len(rest) > 0; {
		end := slices.Index(rest, '\n') + 1
		var a ledger.Accepted
		ts.Check(json.Unmarshal(rest[:end], &a))
		if a.Twice() {
			ts.Fatalf("message %s was accepted %d times", a.MessageReference, a.Times.Reference)
		}
		sent[a.MessageReference], rest = a, rest[end:]
	}
	counts, silent := map[string]int{}, 0
	for _, r := range rows {
		counts[r.Outcome]++
		a, there := sent[deref(r.MessageReference)]
		switch r.Outcome {
		case "accepted":
			if !there || a.MessageID != deref(r.MessageID) || a.NHSNumber != deref(r.NHSNumber) {
				ts.Fatalf("row %d is accepted, and the service does not have it so", r.Row)
			}
		case "in_doubt":
			lost := deref(r.ReasonCode) == "log_lost" // and with it how often it was attempted
			if !lost && (!slices.Contains(unproven, deref(r.ReasonCode)) || r.Attempts == 0) {
				ts.Fatalf("row %d is in doubt after %d attempts because of %q", r.Row, r.Attempts, deref(r.ReasonCode))
			}
			if there {
				silent++
			}
		default:
			if there {
				ts.Fatalf("row %d is %s, and the service has it", r.Row, r.Outcome)
			}
		}
	}
	if len(sent) != counts["accepted"]+silent {
		ts.Fatalf("the service has %d messages, but the report has %d accepted, and the service %d of those in doubt", len(sent), counts["accepted"], silent)
	}
	var stats simulator.Stats
	ts.Check(json.Unmarshal(simulated(ts, args[1], "stats"), &stats))
	robbed := 0
	for _, fault := range []faults.Kind{faults.ResetBefore, faults.ResetAfter, faults.Gateway504Before, faults.Gateway504After, faults.Error500After, faults.HTMLError} {
		robbed += stats.Faults[fault.String()]
	}
	if len(args) > 2 {
		if silent > 0 || counts["in_doubt"] == 0 {
			ts.Fatalf("%d are in doubt, and the service has %d of them", counts["in_doubt"], silent)
		}
		return
	}
	if killed := counts["in_doubt"] - robbed; killed < 0 || killed > 32 || robbed == 0 {
		ts.Fatalf("%d are in doubt and %d have no answer", counts["in_doubt"], robbed)
	}
	ts.Logf("%v; %d of those in doubt were accepted; %d answers were lost, and %d were under way at the kill", counts, silent, robbed, counts["in_doubt"]-robbed)
}
