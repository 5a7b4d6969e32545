package intake

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"cohort/cmd/internal/output"
	"cohort/cmd/internal/terminal"
	"cohort/engine/campaign"
	"cohort/engine/dispatch"
	"cohort/engine/plan"
	"cohort/engine/reach"
	"cohort/engine/refusal"
	"cohort/engine/runfolder"
	"cohort/ingest"
	"cohort/ingest/person"
	"cohort/shard"
	"cohort/sinks"
)

// check is one reading of a cohort that sends nothing.
type Check struct {
	Campaign *campaign.Campaign
	Paths    []string
	Strict   bool
	alone    bool // do not compare the cohort with other runs
	Rejects  string
	Force    bool // overwrite it
	started  time.Time
	stdin    io.Reader
	screen   *terminal.Screen
	day      *reach.Day // whose reports of app users count; nil: today's

	// look is shown the spool of a cohort that a send would take; may be nil.
	Look func(ctx context.Context, spool *shard.Spool, fields []string, digest [32]byte) error
}

// prepare takes in what a command was called with.
func (c *Check) Prepare(cmd *cobra.Command, campaignPath string, args []string, verb string) (err error) {
	if campaignPath == "" {
		return refusal.New("campaign_not_named", "verb", verb, "cohort", refusal.ShellWord(args[0]))
	}
	if c.Campaign, err = campaign.Load(campaignPath); err != nil {
		return refusal.New("campaign_invalid", "cause", err)
	}
	if c.Paths, err = CohortPaths(args); err != nil {
		return err
	}
	c.started, c.stdin, c.screen = time.Now(), cmd.InOrStdin(), terminal.NewScreen(cmd.ErrOrStderr())
	return nil
}

func (c *Check) Run(ctx context.Context) (*Findings, error) {
	found, err := c.findRecords(ctx)
	if ctx.Err() != nil {
		return nil, &dispatch.Stopped{Code: "signal", Why: "stopped while checking; nothing was sent"}
	}
	return found, err
}

func (c *Check) findRecords(ctx context.Context) (*Findings, error) {
	work, err := newScratch(os.TempDir(), c.screen.Log)
	if err != nil {
		return nil, refusal.New("no_working_folder", "cause", err)
	}
	defer work.remove()
	return c.read(ctx, work.path)
}

// read reads everything, and keeps the records in dir.
func (c *Check) read(ctx context.Context, dir string) (_ *Findings, err error) {
	in := Input{Paths: c.Paths}
	if runfolder.FromStdin(c.Paths) {
		if in, err = c.receive(ctx, dir); err != nil {
			return nil, err
		}
	}
	if c.Campaign.Reach != nil {
		in.App = &AppUsers{}
		if err := c.fixReports(dir, in.App); err != nil {
			return nil, err
		}
		defer in.App.Close()
	}
	reader, err := OpenCohort(ctx, c.Campaign, in)
	if err != nil {
		return nil, err
	}
	if c.Rejects != "" {
		if err := output.KeepInputs(c.Rejects, output.CheckInputs(c.Campaign, c.Paths, reader)); err != nil {
			return nil, err
		}
		if err := output.Claim(c.Rejects, c.Force, ingest.RejectHeader); err != nil {
			return nil, err
		}
	}
	fields, err := sinks.FieldsOf(c.Campaign)
	if err != nil {
		return nil, err
	}
	size := terminal.BytesOf(reader)
	suppress := &Lists{Of: c.Campaign.Suppress, Log: c.screen.Log}
	shown := c.screen.Follow("reading the cohort", size, reader.BytesRead)
	manifest, _, err := buildSpool(ctx, dir, reader, c.Campaign, fields, plan.Cohort{Bytes: size}, suppress.people(ctx, nil), nil)
	shown()
	if refusal.Code(err) != "" {
		return nil, err
	}
	if full(err) {
		return nil, refusal.New("working_folder_full", "cause", err, "folder", os.TempDir())
	}
	if err != nil {
		return nil, refusal.New("cohort_unreadable", "cause", err)
	}
	digest, err := reader.Digest(ctx)
	if err != nil {
		return nil, refusal.New("cohort_unreadable", "cause", err)
	}
	spool, err := shard.Open(dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = spool.Close() }()
	cohort := CohortOf(reader, digest, in)
	if c.Rejects != "" {
		if err := writeRejects(c.Rejects, spool.Rejected(), cohort); err != nil {
			return nil, refusal.New("rejects_unwritable", "cause", err)
		}
	}
	warn(c.screen.Log, c.Campaign, reader.Summary())
	runfolder.WarnOfRegisters(c.screen.Log, c.Campaign, false)
	suppress.warnMost(manifest)
	others, err := leftOut(spool)
	if err != nil {
		return nil, err
	}
	found := &Findings{Records: manifest.Records, reasons: slices.Concat(reader.Summary().Reasons, others), Lists: suppress.read}
	found.describe(reader.Files(), cohort, manifest)
	if c.Campaign.Reach != nil {
		if found.Reach, err = reachedOf(spool, fields, in.App); err != nil {
			return nil, err
		}
		for _, reason := range found.reasons {
			if reason.Code == person.CodeNoRoute {
				found.Reach.NoRoute += reason.Count
			}
		}
	}
	found.WouldSend, found.Why = c.verdict(reader.Summary(), cohort, in.App)
	found.Routes = foundRoutes(c.Campaign, spool)
	if found.samples, err = samples(spool, c.Campaign, fields); err != nil {
		return nil, err
	}
	if c.Look != nil && found.WouldSend {
		if err := c.Look(ctx, spool, fields, digest); err != nil {
			return nil, err
		}
	}
	if !c.alone {
		if err := c.compare(ctx, found, spool, dir, digest); err != nil {
			return nil, err
		}
	}
	found.Peak = peakMemory()
	found.Seconds = time.Since(c.started).Seconds()
	return found, nil
}

// receive copies standard input into the folder of the check.
func (c *Check) receive(ctx context.Context, dir string) (Input, error) {
	p, err := NewStdin(dir)
	if err != nil {
		return Input{}, refusal.New("stdin_not_saved", "cause", err)
	}
	shown := c.screen.Follow("taking standard input", 0, p.Read.Load)
	defer shown()
	if err := p.Take(ctx, c.stdin, "check"); err != nil {
		p.Drop()
		return Input{}, err
	}
	return Input{Paths: []string{p.Path}, Stdin: true}, nil
}

// verdict says whether a send would go ahead.
func (c *Check) verdict(s ingest.Summary, cohort plan.Cohort, app *AppUsers) (bool, string) {
	err := allowed(c.Campaign, s, cohort)
	if want := c.Campaign.Cohort.Expect.SHA256; err == nil && want != "" && want != cohort.SHA256 {
		err = errors.New("the cohort is not the one that cohort.expect.sha256 names")
	}
	if err == nil && c.Strict && s.Invalid > 0 {
		err = fmt.Errorf("%d records are invalid, and --strict allows none", s.Invalid)
	}
	if err == nil {
		err = InTime(c.Campaign)
	}
	if err == nil {
		err = CanAlert(c.Campaign)
	}
	if err == nil && app != nil && app.Reports == nil {
		err = errors.New(Unfetched(c.day, c.Campaign, c.Paths))
	}
	if unasked := app.unasked(c.Campaign, c.Paths); err == nil && unasked != "" {
		err = errors.New(unasked)
	}
	if err != nil {
		return false, refusal.OneLine(err.Error())
	}
	return true, "every record is accounted for and the file keeps to the campaign's limits"
}
