package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"cohort/engine/campaign"
	"cohort/engine/dispatch"
	"cohort/engine/pace"
	"cohort/engine/plan"
	"cohort/engine/reach"
	"cohort/ingest"
	"cohort/ingest/person"
	"cohort/shard"
)

func checkCommand() *cobra.Command {
	var (
		c            check
		campaignPath string
		asJSON       bool
	)
	command := &cobra.Command{
		Use:   "check -c campaign.yaml COHORT...",
		Short: "Read a cohort as a send would, and send nothing",
		Long: `Check reads everything and says what a send would make of it. It needs no keys and no
network. It keeps the records in a temporary folder (TMPDIR) while it works, and removes
it. COHORT can be - for standard input, of which a copy is kept there too.

It says how many of the people the runs of other campaigns have reached. It does not look at
earlier runs of this campaign: where it was sent to another file before, send asks for
--new-cohort. Nor does it try keys and addresses.

Exit codes: 0 a send would go ahead; 10 it would be refused.
`,
		Args: arguments(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := c.prepare(cmd, campaignPath, args, "check"); err != nil {
				return err
			}
			found, err := c.run(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				out := json.NewEncoder(cmd.OutOrStdout())
				out.SetIndent("", "  ")
				err = out.Encode(found)
			} else {
				found.print(cmd.OutOrStdout())
			}
			if err == nil && !found.WouldSend {
				err = refuse("a send would be refused: %s", found.Why)
			}
			return err
		},
	}
	f := command.Flags()
	f.StringVarP(&campaignPath, "campaign", "c", "", "the campaign `file`")
	f.BoolVar(&asJSON, "json", false, "for programs")
	f.BoolVar(&c.strict, "strict", false, "any invalid record is a refusal")
	f.BoolVar(&c.force, "force", false, "with --rejects: "+forceHelp)
	f.StringVar(&c.rejects, "rejects", "", "write the records that would not be sent to this `file`: row, file, line, code, reason")
	return command
}

// check is one reading of a cohort that sends nothing.
type check struct {
	campaign *campaign.Campaign
	paths    []string
	strict   bool
	alone    bool // do not compare the cohort with other runs
	rejects  string
	force    bool // overwrite it
	started  time.Time
	stdin    io.Reader
	screen   *screen
	day      *reach.Day // whose reports of app users count; nil: today's

	// look is shown the spool of a cohort that a send would take; may be nil.
	look func(ctx context.Context, spool *shard.Spool, fields []string, digest [32]byte) error
}

// prepare takes in what a command was called with.
func (c *check) prepare(cmd *cobra.Command, campaignPath string, args []string, verb string) (err error) {
	if campaignPath == "" {
		return refuse("which campaign? name its file: cohort %s -c campaign.yaml %s", verb, shellWord(args[0]))
	}
	if c.campaign, err = campaign.Load(campaignPath); err != nil {
		return refuse("%w", err)
	}
	if c.paths, err = cohortPaths(args); err != nil {
		return err
	}
	c.started, c.stdin, c.screen = time.Now(), cmd.InOrStdin(), newScreen(cmd.ErrOrStderr())
	return nil
}

func (c *check) run(ctx context.Context) (*findings, error) {
	found, err := c.find(ctx)
	if ctx.Err() != nil {
		return nil, &dispatch.Stopped{Why: "stopped while checking; nothing was sent"}
	}
	return found, err
}

func (c *check) find(ctx context.Context) (*findings, error) {
	work, err := newScratch(os.TempDir(), c.screen.log)
	if err != nil {
		return nil, refuse("there is no room to work in: %w; have TMPDIR name a folder that can be written and has some", err)
	}
	defer work.remove()
	return c.read(ctx, work.path)
}

// read reads everything, and keeps the records in dir.
func (c *check) read(ctx context.Context, dir string) (_ *findings, err error) {
	in := input{paths: c.paths}
	if fromStdin(c.paths) {
		if in, err = c.receive(ctx, dir); err != nil {
			return nil, err
		}
	}
	if c.campaign.Reach != nil {
		in.app = &appUsers{}
		if err := c.fixReports(dir, in.app); err != nil {
			return nil, err
		}
		defer in.app.close()
	}
	reader, err := openCohort(ctx, c.campaign, in)
	if err != nil {
		return nil, err
	}
	if c.rejects != "" {
		if err := keepInputs(c.rejects, checkInputs(c.campaign, c.paths, reader)); err != nil {
			return nil, err
		}
		if err := claim(c.rejects, c.force, ingest.RejectHeader); err != nil {
			return nil, err
		}
	}
	fields, err := fieldsOf(c.campaign)
	if err != nil {
		return nil, err
	}
	size := bytesOf(reader)
	suppress := &lists{of: c.campaign.Suppress, log: c.screen.log}
	shown := c.screen.follow("reading the cohort", size, reader.BytesRead)
	manifest, _, err := buildSpool(ctx, dir, reader, c.campaign, fields, plan.Cohort{Bytes: size}, suppress.people(ctx, nil), nil)
	shown()
	if refused := (*refusal)(nil); errors.As(err, &refused) {
		return nil, err
	}
	if full(err) {
		return nil, refuse("there is no room to work in: %w; free some in %s, or have TMPDIR name a folder that has it", err, os.TempDir())
	}
	if err != nil {
		return nil, refuse("the cohort cannot be read: %w", err)
	}
	digest, err := reader.Digest(ctx)
	if err != nil {
		return nil, refuse("the cohort cannot be read: %w", err)
	}
	spool, err := shard.Open(dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = spool.Close() }()
	cohort := cohortOf(reader, digest, in)
	if c.rejects != "" {
		if err := writeRejects(c.rejects, spool.Rejected(), cohort); err != nil {
			return nil, refuse("the rejects cannot be written: %w", err)
		}
	}
	warn(c.screen.log, c.campaign, reader.Summary())
	warnOfRegisters(c.screen.log, c.campaign, false)
	suppress.warnMost(manifest)
	others, err := leftOut(spool)
	if err != nil {
		return nil, err
	}
	found := &findings{Records: manifest.Records, reasons: slices.Concat(reader.Summary().Reasons, others), Lists: suppress.read}
	found.describe(reader.Files(), cohort, manifest)
	if c.campaign.Reach != nil {
		if found.Reach, err = reachedOf(spool, fields, in.app); err != nil {
			return nil, err
		}
		for _, reason := range found.reasons {
			if reason.Code == person.CodeNoRoute {
				found.Reach.NoRoute += reason.Count
			}
		}
	}
	found.Pace = c.expected(manifest.Sendable, fields)
	found.WouldSend, found.Why = c.verdict(reader.Summary(), cohort, in.app)
	found.Routes = foundRoutes(c.campaign, spool)
	if found.samples, err = samples(spool, c.campaign, fields); err != nil {
		return nil, err
	}
	if c.look != nil && found.WouldSend {
		if err := c.look(ctx, spool, fields, digest); err != nil {
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

// expected says at what rate a send of some messages would go, and when it would end.
func (c *check) expected(messages int64, fields []string) string {
	largest := 1
	if sink, _, err := openSink(c.campaign, fields); err == nil {
		largest = int(min(messages, int64(sink.Limits().Messages)))
	}
	p, now := c.campaign.Pace, time.Now()
	return pace.Forecast(pace.Facts{Pace: p, Left: messages, Largest: largest}, now).Text(p.Location, now)
}

// receive copies standard input into the folder of the check.
func (c *check) receive(ctx context.Context, dir string) (input, error) {
	p, err := newPiped(dir)
	if err != nil {
		return input{}, refuse("standard input cannot be kept: %w", err)
	}
	shown := c.screen.follow("taking standard input", 0, p.read.Load)
	defer shown()
	if err := p.take(ctx, c.stdin, "check"); err != nil {
		p.drop()
		return input{}, err
	}
	return input{paths: []string{p.path}, stdin: true}, nil
}

// verdict says whether a send would go ahead.
func (c *check) verdict(s ingest.Summary, cohort plan.Cohort, app *appUsers) (bool, string) {
	err := allowed(c.campaign, s, cohort)
	if want := c.campaign.Cohort.Expect.SHA256; err == nil && want != "" && want != cohort.SHA256 {
		err = errors.New("the cohort is not the one that cohort.expect.sha256 names")
	}
	if err == nil && c.strict && s.Invalid > 0 {
		err = fmt.Errorf("%d records are invalid, and --strict allows none", s.Invalid)
	}
	if err == nil {
		err = inTime(c.campaign)
	}
	if err == nil {
		err = canAlert(c.campaign)
	}
	if err == nil && app != nil && app.reports == nil {
		err = errors.New(unfetched(c.day, c.campaign, c.paths))
	}
	if unasked := app.unasked(c.campaign, c.paths); err == nil && unasked != "" {
		err = errors.New(unasked)
	}
	if err != nil {
		return false, oneLine(err.Error())
	}
	return true, "every record is accounted for and the file keeps to the campaign's limits"
}
