package main

import (
	"cmp"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"cohort/cmd/internal/cohortspool"
	"cohort/cmd/internal/commandline"
	"cohort/cmd/internal/output"
	"cohort/cmd/internal/reports"
	"cohort/engine/delivery"
	"cohort/engine/event"
	"cohort/engine/ledger"
	"cohort/engine/refusal"
	"cohort/engine/report"
	"cohort/engine/runfolder"
	"cohort/ingest/person"
)

// reportFlags are the flags of cohort report.
type reportFlags struct {
	out, format string
	only        []string
	force       bool
	by          string
	asJSON      bool
	counts      report.UnreachedCounts
	log         *slog.Logger
}

// reportFormats are the formats of a report.
var reportFormats = map[string]func(io.Writer) report.Output{parquetFormat: report.Parquet, "csv": report.CSV}

const (
	parquetFormat = "parquet"
	htmlFormat    = "html" // the summary, which has no rows
)

func reportCommand() *cobra.Command {
	var f reportFlags
	c := &cobra.Command{
		Use:   "report DIR",
		Short: "Write the outcome report of a run, at any moment",
		Long: `Report writes the outcome report: a file with one row for each record of the cohort, and with what
the service has said of each message until now. It does not disturb a run at work. Its metadata then
has complete = false.

The report of a finished run is final. Later reports go beside it, as report-delivery.parquet. Each
report comes with channels.parquet, which has a row for each channel attempt, and unreached.csv,
which lists the people whom the run has not reached. With -o, --format csv or --only, report writes
one file only.

With --format html, report writes summary.html: a page of figures to print and forward, without
personal data. A run writes it too when it ends.

With --by, report writes nothing and prints how many people of each group have each fate. A group is
a value of one of the campaign's keep_columns. It does not tell counts of one to four people.

` + showCodes,
		Args: commandline.Arguments(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			var groups *report.Groups
			if f.by != "" {
				groups = &report.Groups{Column: f.by}
			}
			f.log = event.Log(c.Context(), c.ErrOrStderr())
			written, err := f.write(args[0], groups)
			if err != nil && refusal.Code(err) == "" {
				err = refusal.New("report_not_written", "cause", err)
			}
			for _, path := range written {
				if err == nil && output.IsFile(path) { // a pipe gets the report only, without a name
					fmt.Fprintln(c.OutOrStdout(), path)
				}
			}
			if err == nil {
				f.tell(c.ErrOrStderr(), args[0])
			}
			if err == nil && groups != nil {
				return commandline.Show(c, f.asJSON, groups)
			}
			return err
		},
	}
	c.Flags().StringVar(&f.by, "by", "", "print counts for each value of a kept `column`, and write no file")
	c.Flags().BoolVar(&f.asJSON, "json", false, "with --by: for programs")
	c.Flags().BoolVar(&f.force, "force", false, output.ForceHelp)
	c.Flags().StringVarP(&f.out, "output", "o", "", "the report's `file` (default: in the run's folder)")
	c.Flags().StringVar(&f.format, "format", "", "parquet, csv, or html: a summary to print (default: by the ending of -o, or parquet)")
	c.Flags().StringSliceVar(&f.only, "only", nil, "only records with these `fates`, such as refused,in_doubt")
	return c
}

// tell prints two warnings about the people not reached: nothing is known, or the service contradicts the account.
func (f *reportFlags) tell(out io.Writer, folder string) {
	reconcile := refusal.Command("reconcile", folder)
	if n := f.counts.No[delivery.NoNews]; n > 0 {
		fmt.Fprintf(out, "of %d people nobody knows whether they have read the message, so %s says no: run %s first, and then this command again\n",
			n, runfolder.UnreachedFile, reconcile)
	}
	if n := f.counts.No[ledger.CodeContradicted]; n > 0 {
		fmt.Fprintf(out, "%d contradictions: the service reports about records that by this account have no accepted message; %s names them. "+
			"The next start of the run, or %s, records them. Then: cohort runbook foreign-batch\n", n, runfolder.UnreachedFile, reconcile)
	}
}

// write writes the report of the run in a folder, and returns the files. With groups it counts them instead.
func (f *reportFlags) write(folder string, groups *report.Groups) ([]string, error) {
	format, only, err := f.check()
	if err != nil {
		return nil, err
	}
	dir, call, err := runfolder.Find(folder)
	if err != nil {
		return nil, err
	}
	plan, err := runfolder.Plan(dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = plan.Close() }()
	spool, err := cohortspool.Open(filepath.Join(dir, runfolder.SpoolFolder), plan)
	if err != nil {
		return nil, err
	}
	defer func() { _ = spool.Close() }()
	folded, err := runfolder.Ledger(dir, plan)
	if err != nil {
		return nil, err
	}
	of := &reports.Report{Dir: dir, Plan: plan, Ledger: folded, Spool: spool, AsOf: time.Now(), Only: only, Log: f.log}
	if groups != nil {
		return nil, of.Count(groups)
	}
	final := filepath.Join(dir, runfolder.ReportFile)
	if f.out != "" {
		if err := output.KeepInputs(f.out, output.ReportInputs(dir, call, plan)); err != nil {
			return nil, err
		}
		isOwn := runfolder.Same(f.out, final)
		if isOwn && folded.Facts().Closed {
			return nil, refusal.New("report_final", "file", final)
		}
		if err := output.Claim(f.out, f.force || isOwn, "", dir); err != nil {
			return nil, err
		}
	}
	one := func(path string) ([]string, error) {
		return []string{path}, output.WriteTo(path, func(w io.Writer) error { return of.Write(format(w)) })
	}
	switch {
	case f.format == htmlFormat:
		path := cmp.Or(f.out, filepath.Join(dir, runfolder.SummaryFile))
		return []string{path}, of.WriteSummary(path)
	case f.out != "":
		return one(f.out)
	case f.format != parquetFormat, len(only) > 0:
		name := "report"
		for _, fate := range only {
			name += "-" + string(fate)
		}
		return one(filepath.Join(dir, name+"-"+of.AsOf.UTC().Format("20060102T1504Z")+"."+f.format))
	default:
		return of.WriteAll(&f.counts)
	}
}

// check returns the format and the fates that the flags name.
func (f *reportFlags) check() (func(io.Writer) report.Output, []person.Fate, error) {
	if ending := strings.TrimPrefix(filepath.Ext(f.out), "."); f.format == "" && (ending == htmlFormat || reportFormats[ending] != nil) {
		f.format = ending
	}
	f.format = cmp.Or(f.format, parquetFormat)
	format, known := reportFormats[f.format]
	switch {
	case f.by != "" && (f.out != "" || f.format != parquetFormat):
		return nil, nil, refusal.New("by_with_file")
	case f.by == "" && f.asJSON:
		return nil, nil, refusal.New("json_without_by")
	case !known && f.format != htmlFormat:
		return nil, nil, refusal.New("report_format_unknown", "format", f.format)
	case f.format == htmlFormat && len(f.only) > 0:
		return nil, nil, refusal.New("report_html_of_all")
	}
	var only []person.Fate
	for _, name := range f.only {
		name = strings.ReplaceAll(name, " ", "_")
		if !slices.Contains(person.Fates, person.Fate(name)) {
			var all []string
			for _, fate := range person.Fates {
				all = append(all, string(fate))
			}
			return nil, nil, refusal.New("fate_unknown", "fate", cmp.Or(name, "\"\""), "fates", strings.Join(all, ", "))
		}
		only = append(only, person.Fate(name))
	}
	return format, only, nil
}
