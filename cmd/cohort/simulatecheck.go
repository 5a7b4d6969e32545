package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"

	"cohort/engine/refusal"
	"cohort/engine/report"
	"cohort/engine/runfolder"
	"cohort/ingest/person"
	"cohort/sinks/delivery"
	"cohort/sinks/simulator"
)

// checkLedger compares a report with a simulator's ledger, for simulate --check.
func checkLedger(out io.Writer, path, state string, seed uint64) error {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, runfolder.ReportFile)
	}
	f, err := report.OpenReport(path)
	if err != nil {
		return refusal.New("report_unreadable", "cause", err)
	}
	defer func() { _ = f.Close() }()
	r := simulator.Report{Run: f.Run.Short(), Records: f.Records, Complete: f.Complete, Row: delivery.NewRows(f.Run, f.Records).Of}
	for _, fate := range person.Fates {
		r.Fates = append(r.Fates, string(fate))
	}
	r.Outcomes = func(yield func(simulator.Outcome, error) bool) {
		for o, err := range f.Outcomes() {
			if !yield(simulator.Outcome{Row: o.Row, Fate: string(o.Fate), NHSNumber: o.NHSNumber, MessageID: o.MessageID}, err) {
				return
			}
		}
	}
	err = simulator.Check(out, r, state, seed)
	if differ := (*simulator.DifferError)(nil); err != nil && !errors.As(err, &differ) {
		return refusal.New("ledger_unreadable", "cause", err)
	}
	return err
}
