package run

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"cohort/cmd/internal/intake"
	"cohort/cmd/internal/output"
	"cohort/cmd/internal/reports"
	"cohort/cmd/internal/terminal"
	"cohort/docs/runbooks"
	"cohort/engine"
	"cohort/engine/decision"
	"cohort/engine/dispatch"
	"cohort/engine/event"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/refusal"
	"cohort/engine/register"
	"cohort/engine/runfolder"
	"cohort/ingest/person"
	"cohort/shard"
	"cohort/sinks"
)

// Conclude writes the report, prints the account, tells the register, and returns how the run ended.
// err is the error of dispatch. folded is the log, or nil to read it.
func (r *Runner) Conclude(ctx context.Context, plan *plan.Plan, spool *shard.Spool, folded *ledger.Ledger, summary dispatch.Summary, err error) error {
	stopped := (*dispatch.Stopped)(nil)
	if err != nil && !errors.As(err, &stopped) {
		return err
	}
	log, reported := (*ledger.Folded)(nil), error(nil)
	if folded == nil {
		if log, reported = runfolder.Fold(r.Folder.Path, plan); reported == nil {
			folded = log.Ledger
		}
	}
	if reported == nil {
		reported = r.report(plan, spool, folded, log, summary)
	}
	r.printAccount(plan, summary)
	if reported == nil {
		fmt.Fprintf(r.Stdout, "report   %s\n", r.Folder.File(runfolder.ReportFile))
	}
	fates := summary.Account.Fates
	if fates[person.Invalid]+fates[person.Duplicate]+fates[person.Suppressed] > 0 {
		fmt.Fprintf(r.Stdout, "rejects  %s\n", r.Folder.File(runfolder.RejectsFile))
	}
	if e := summary.Account.Check(); e != nil {
		return e
	}
	if reported == nil && stopped == nil {
		r.summarise(plan, spool, folded)
	}
	end := r.end(ctx, plan, spool, folded, summary, err, reported)
	switch {
	case stopped == nil && reported != nil: // the next start writes the report, and tells the register
	case end == nil:
		r.note(plan, register.Finished, summary)
	default:
		r.note(plan, register.Begun, summary)
	}
	if stopped != nil && stopped.Halt {
		r.onHalt(stopped)
	}
	return end
}

// summarise writes the summary. A run ends as it ended, also without one.
func (r *Runner) summarise(plan *plan.Plan, spool *shard.Spool, folded *ledger.Ledger) {
	path := r.Folder.File(runfolder.SummaryFile)
	of := reports.Report{Dir: r.Folder.Path, Plan: plan, Ledger: folded, Spool: spool, AsOf: time.Now(), Log: r.Log}
	if err := of.WriteSummary(path); err != nil {
		r.Log.Warn("the summary could not be written", event.NotWritten, "problem", err.Error(), "command", refusal.Command("report", r.Folder.Path)+" --format html")
		return
	}
	fmt.Fprintf(r.Stdout, "summary  %s\n", path)
}

// end returns how the run ended; nil: every record has its final fate.
func (r *Runner) end(ctx context.Context, plan *plan.Plan, spool *shard.Spool, folded *ledger.Ledger, summary dispatch.Summary, stopped, reported error) error {
	inDoubt := summary.Account.Fates[person.InDoubt]
	switch {
	case stopped != nil && reported != nil:
		r.Log.Warn("the report could not be written", event.NotWritten, "problem", reported.Error())
		fallthrough
	case stopped != nil:
		if summary.Foreign > 0 {
			return &refusal.Ended{Err: stopped, Code: refusal.ExitStopped, Next: refusal.Command("decide", r.Folder.Path)}
		}
		return r.stopped(stopped)
	case reported != nil:
		return r.stopped(refusal.New("report_not_written_at_end", "cause", reported))
	case !summary.Finished:
		return r.stopped(refusal.New("only_settled"))
	case inDoubt > 0:
		next := r.GoOn()
		if !plan.NeverAgain { // a recovery or a 413 holds it
			next = refusal.Command("decide", r.Folder.Path)
		} else if !r.Call.Simulate {
			next = r.Asks()
		}
		return &refusal.Ended{Err: refusal.New("in_doubt", "messages", inDoubt), Code: refusal.ExitInDoubt, Next: next}
	}
	if err := r.join(ctx, plan, spool, folded); err != nil {
		return r.stopped(err)
	}
	return nil
}

// stopped is the end of a run that can go on.
func (r *Runner) stopped(err error) error {
	return &refusal.Ended{Err: err, Code: refusal.ExitStopped, Next: r.GoOn()}
}

// printAccount prints the fates of all records, and whether they add up.
func (r *Runner) printAccount(plan *plan.Plan, summary dispatch.Summary) {
	w, a := r.Stdout, summary.Account
	fmt.Fprintf(w, "\n%s, run %s, %s\n  %-12s %12d\n", plan.Campaign, plan.Run.Short(), plan.Service, "records", a.Records)
	terminal.PrintFates(w, "  ", a, false)
	intake.PrintRoutes(w, "  ", summary.Routes, a)
	PrintBlocked(w, "  ", summary.ListedLate, summary.Contradicted)
}

// PrintBlocked says how many people were listed after their messages were attempted, and how many are contradicted.
func PrintBlocked(w io.Writer, indent string, late, contradicted int) {
	if late > 0 {
		fmt.Fprintf(w, "%s%d people were named by a suppression list when their messages had been attempted already (listed_too_late in the report)\n", indent, late)
	}
	if contradicted > 0 {
		fmt.Fprintf(w, "%s%d people are contradicted: the service reports about their messages, and this account calls them refused, suppressed or held. "+
			"Nothing more is sent to these people. Find out who sent the messages: cohort runbook foreign-batch\n", indent, contradicted)
	}
}

// PrintLoss says that a log replaced a lost one, if it did.
func PrintLoss(out io.Writer, l *ledger.Ledger) {
	if l.Facts().Recovered.IsZero() {
		return
	}
	fmt.Fprintf(out, "recovered   at %s in the place of a log that was lost\n", l.Facts().Recovered.UTC().Format(time.DateTime+" MST"))
	if l.Facts().Hold != "" {
		fmt.Fprintf(out, "            what was lost is held in doubt and not replayed: %s\n", HoldWords(l.Facts().Hold))
	}
}

// HoldWords describes a hold, which forbids to replay anything; empty: there is none.
func HoldWords(hold string) string {
	switch hold {
	case ledger.HoldRevisionsLost:
		return "the second copy of the revisions was lost too, so people might be sent to in a batch and again in its replacement"
	case ledger.HoldForgotten:
		return "the plan is so old that the service may no longer know the references"
	}
	return hold
}

// FilesStatus describes a run's files for status.
type FilesStatus struct {
	Folder   string `json:"folder"`
	Whole    bool   `json:"whole"` // they may be handed over
	Count    int    `json:"count"`
	Messages int    `json:"messages"`
}

// InFiles lists the batches that belong in a run's files, and those in uploads that the service has
// refused.
func InFiles(folded *ledger.Ledger) (forms []plan.AcceptedForm, refused map[engine.Reference]bool, err error) {
	for f, err := range decision.Accepted(folded) {
		if err != nil {
			return nil, nil, runfolder.Damaged(err)
		}
		forms = append(forms, f)
	}
	uploads, err := decision.RefusedUploads(folded)
	refused = map[engine.Reference]bool{}
	for reference := range uploads {
		refused[reference] = true
	}
	return forms, refused, err
}

// NameOfFiles begins the names of a run's files.
func NameOfFiles(plan *plan.Plan) string { return plan.Campaign + "-" + plan.Run.Short() }

// join puts the files of a finished run together. Only sinks that write files have any.
func (r *Runner) join(ctx context.Context, planned *plan.Plan, spool *shard.Spool, folded *ledger.Ledger) error {
	sink, writes := r.Sink.(sinks.Files)
	if !writes {
		return nil
	}
	if folded.Facts().Superseded != "" {
		return refusal.New("files_of_superseded_run", "run", folded.Facts().Superseded)
	}
	forms, refused, err := InFiles(folded)
	if err != nil {
		return err
	}
	renderer, mended := plan.NewRenderer(planned.References, spool, sink), 0
	again := func(f *plan.AcceptedForm) ([]byte, error) {
		mended++
		request, err := renderer.Render(&f.Planned, f.ID, &f.Form)
		if err != nil {
			return nil, err
		}
		return request.Body, nil
	}
	m, err := sink.Join(ctx, planned.References, NameOfFiles(planned), forms, refused, again)
	if mended > 0 {
		r.Log.Warn("parts were missing or changed, and were made again from the sealed plan", event.PartsMadeAgain, "parts", mended)
	}
	if ctx.Err() != nil {
		return refusal.New("stopped_making_files")
	}
	if err != nil {
		return refusal.New("files_not_made", "cause", err)
	}
	fmt.Fprintf(r.Stdout, "files    %s: %d of them, with %d messages, as manifest.json lists them; accepted means that a message stands in one, and handing them over is yours to do\n",
		r.Folder.File(runfolder.FilesFolder), len(m.Files), m.Messages)
	if m.Earlier > 0 {
		fmt.Fprintf(r.Stdout, "         hand over %s and those behind it; the ones before it were there to be handed over already\n", m.Files[m.Earlier].Name)
	}
	return nil
}

// Alert runs on_halt for a start that was refused, or met a defect, if no person sees it. A halt has
// run it already. It returns err.
func (r *Runner) Alert(err error) error {
	end, stopped := (*refusal.Ended)(nil), (*dispatch.Stopped)(nil)
	if err == nil || r.attended || errors.As(err, &end) || errors.As(err, &stopped) {
		return err
	}
	if r.Campaign == nil { // nothing else was read yet
		r.Campaign, _, _, _ = runfolder.ReadCampaign(r.RunFolder, r.Call)
	}
	if r.Campaign != nil {
		r.onHalt(err)
	}
	return err
}

// onHalt runs the campaign's command for halts with two arguments: the run's folder, empty if there
// is none, and the reason with its runbook. The command does not see the campaign's secrets.
func (r *Runner) onHalt(reason error) {
	why, code := reason.Error(), refusal.Code(reason)
	if stopped := (*dispatch.Stopped)(nil); errors.As(reason, &stopped) {
		code = stopped.Code
	}
	if line := runbooks.Line(code); line != "" {
		why += ". " + line
	}
	command := r.Campaign.OnHalt
	if len(command) == 0 {
		return
	}
	folder := r.RunFolder
	if r.Folder != nil {
		folder = r.Folder.Path
	}
	if !output.IsFile(filepath.Join(folder, runfolder.RunFile)) {
		folder = ""
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	c := exec.CommandContext(ctx, command[0], append(slices.Clone(command[1:]), folder, refusal.OneLine(why))...)
	var said bytes.Buffer // must not be among the lines of a log for programs
	c.Stdout, c.Stderr = r.stderr, r.stderr
	if r.programs {
		c.Stdout, c.Stderr = &said, &said
	}
	secret := r.Campaign.SecretVariables()
	c.Env = slices.DeleteFunc(os.Environ(), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return slices.Contains(secret, name)
	})
	err := c.Run()
	if said.Len() > 0 {
		r.Log.Info("the on_halt command says", event.OnHaltSays, "output", strings.ToValidUTF8(string(said.Bytes()[:min(said.Len(), 4096)]), ""))
	}
	if err != nil {
		r.Log.Error("the on_halt command failed", event.OnHaltFailed, "command", command[0], "problem", err.Error())
	}
}
