package intake

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"cohort/cmd/internal/earlier"
	"cohort/cmd/internal/output"
	"cohort/cmd/internal/terminal"
	"cohort/engine"
	"cohort/engine/campaign"
	"cohort/engine/dispatch"
	"cohort/engine/event"
	"cohort/engine/pace"
	"cohort/engine/plan"
	"cohort/engine/reach"
	"cohort/engine/refusal"
	"cohort/engine/register"
	"cohort/engine/runfolder"
	"cohort/ingest"
	"cohort/shard"
	"cohort/sinks"
)

// Check reads a cohort as a send would, and sends nothing.
type Check struct {
	Campaign *campaign.Campaign
	Paths    []string
	Strict   bool // any invalid record is a refusal
	Rejects  string
	Force    bool // overwrite Rejects

	// Look is shown the cohort as a send would cut it into batches, if a send would go ahead.
	// May be nil.
	Look func(context.Context, *Cut) error

	alone   bool   // do not compare the cohort with other runs
	service string // in references; empty: the campaign's
	started time.Time
	stdin   io.Reader
	screen  *terminal.Screen
	day     *reach.Day // the reports of app users of this day count
}

// Cut is a cohort in batches.
type Cut struct {
	Run     engine.RunID
	Spool   *shard.Spool
	Sink    sinks.Service
	Batches *plan.Batches
}

// LoadCampaign reads and checks a campaign file.
func LoadCampaign(path string) (*campaign.Campaign, error) {
	c, err := campaign.Load(path)
	switch {
	case err == nil:
		return c, nil
	case errors.As(err, new(*campaign.FileError)):
		return nil, refusal.New("campaign_invalid", "cause", err)
	}
	return nil, refusal.New("campaign_unreadable", "cause", errors.Unwrap(err))
}

// Prepare takes the campaign, the cohort's paths and the streams from a command.
func (c *Check) Prepare(cmd *cobra.Command, campaignPath string, args []string, verb string) (err error) {
	if campaignPath == "" {
		return refusal.New("campaign_not_named", "verb", verb, "cohort", refusal.ShellWord(args[0]))
	}
	if c.Campaign, err = LoadCampaign(campaignPath); err != nil {
		return err
	}
	if c.Paths, err = CohortPaths(args); err != nil {
		return err
	}
	c.started, c.stdin, c.screen = time.Now(), cmd.InOrStdin(), terminal.NewScreen(cmd.ErrOrStderr(), event.Programs(cmd.Context()))
	return nil
}

// Run checks the cohort in a temporary folder.
func (c *Check) Run(ctx context.Context) (*Findings, error) {
	work, err := newScratch(os.TempDir(), c.screen.Log)
	if err != nil {
		return nil, refusal.New("no_working_folder", "cause", err)
	}
	defer work.remove()
	found, err := c.read(ctx, work.path)
	if ctx.Err() != nil {
		return nil, &dispatch.Stopped{Code: "signal", Why: "stopped while checking; nothing was sent"}
	}
	return found, err
}

// open opens the cohort, with its records to be kept in dir.
func (c *Check) open(ctx context.Context, dir string) (*Reading, error) {
	r := NewReading(c.Campaign, c.screen, c.Paths)
	if runfolder.FromStdin(c.Paths) {
		if err := r.TakeStdin(ctx, dir, c.stdin, "check"); err != nil {
			return nil, err
		}
	}
	if c.Campaign.Reach != nil {
		if c.day == nil {
			c.day = Today(c.Campaign, c.screen.Log)
		}
		if err := r.FixReach(c.day, filepath.Join(dir, runfolder.UsersFile)); err != nil && !errors.Is(err, reach.ErrNone) {
			return nil, refusal.New("reach_unusable", "cause", err)
		}
	}
	return r, r.Open(ctx)
}

// read reads the whole cohort, and keeps its records in dir.
func (c *Check) read(ctx context.Context, dir string) (*Findings, error) {
	r, err := c.open(ctx, dir)
	if err != nil {
		return nil, err
	}
	defer r.App.Close()
	if c.Rejects != "" {
		if err := output.KeepInputs(c.Rejects, output.CheckInputs(c.Campaign, c.Paths, r.Reader)); err != nil {
			return nil, err
		}
		if err := output.Claim(c.Rejects, c.Force, ingest.RejectHeader, ""); err != nil {
			return nil, err
		}
	}
	spool, err := r.Spool(ctx, dir, c.use())
	switch {
	case refusal.Code(err) != "":
		return nil, err
	case full(err):
		return nil, refusal.New("working_folder_full", "cause", err, "folder", os.TempDir())
	case err != nil:
		return nil, refusal.New("cohort_unreadable", "cause", err)
	}
	defer func() { _ = spool.Close() }()
	if c.Rejects != "" {
		if err := writeRejects(c.Rejects, spool.Rejected(), r.Cohort); err != nil {
			return nil, refusal.New("rejects_unwritable", "cause", err)
		}
	}
	runfolder.WarnOfRegisters(c.screen.Log, c.Campaign, false)
	found, err := findingsOf(r, spool)
	if err != nil {
		return nil, err
	}
	if found.Pace, err = r.expected(spool.Manifest.Sendable); err != nil {
		return nil, err
	}
	found.WouldSend, found.Why = true, "every record is accounted for and the file keeps to the campaign's limits"
	if err := c.verdict(r); err != nil {
		found.WouldSend, found.Why = false, refusal.OneLine(err.Error())
	}
	if c.Look != nil && found.WouldSend {
		if err := c.cut(ctx, r, spool, dir); err != nil {
			return nil, err
		}
	}
	if !c.alone {
		if err := c.compare(ctx, found, r, spool, dir); err != nil {
			return nil, err
		}
	}
	found.Peak, found.Seconds = peakMemory(), time.Since(c.started).Seconds()
	return found, nil
}

// use returns what the spool of a check is for. Who has the app, and the words that other campaigns
// have sent, are looked up record by record.
func (c *Check) use() shard.Use {
	if c.Look == nil && c.Campaign.Reach == nil && (c.alone || !earlier.AnyOther(c.Campaign)) {
		return shard.ToCount
	}
	return shard.ToCut
}

// verdict returns why a send would be refused; nil if it would go ahead.
func (c *Check) verdict(r *Reading) error {
	if err := r.allowed(); err != nil {
		return err
	}
	if want := c.Campaign.Cohort.Expect.SHA256; want != "" && want != r.Cohort.SHA256 {
		return errors.New("the cohort is not the one that cohort.expect.sha256 names")
	}
	if invalid := r.Reader.Summary().Invalid; c.Strict && invalid > 0 {
		return fmt.Errorf("%d records are invalid, and --strict allows none", invalid)
	}
	if err := cmp.Or(InTime(c.Campaign), CanAlert(c.Campaign)); err != nil {
		return err
	}
	if c.Campaign.Reach != nil && r.App.Reports == nil {
		return errors.New(Unfetched(c.day, c.Campaign, c.Paths))
	}
	if unasked := r.unasked(); unasked != "" {
		return errors.New(unasked)
	}
	return nil
}

// expected says at what rate a send of some messages would go, and when it would end. It is empty
// where no request goes.
func (r *Reading) expected(messages int64) (string, error) {
	if messages == 0 || r.Campaign.File != nil {
		return "", nil
	}
	sink, err := sinks.Measuring(r.Campaign, r.Fields)
	if err != nil {
		return "", err
	}
	p, now := r.Campaign.Pace, time.Now()
	largest := int(min(messages, int64(sink.Limits().Messages)))
	return pace.Forecast(pace.Facts{Pace: p, Left: messages, Largest: largest}, now).Text(p.Location, now), nil
}

// cut cuts the cohort into batches as a send would, and shows them to c.Look.
func (c *Check) cut(ctx context.Context, r *Reading, spool *shard.Spool, dir string) (err error) {
	cut := &Cut{Run: engine.NewRunID(c.Campaign.Name, r.Digest, cmp.Or(c.service, c.Campaign.ServiceID(false))), Spool: spool}
	if cut.Sink, err = sinks.Measuring(c.Campaign, r.Fields); err != nil {
		return err
	}
	cut.Batches, err = plan.Cut(ctx, cut.Run.References(), spool, cut.Sink, cut.Sink.Limits(), dir)
	switch {
	case errors.As(err, new(*engine.UnfitError)):
		return err
	case err != nil:
		return refusal.New("plan_not_cut", "cause", err)
	}
	defer func() { _ = cut.Batches.Close() }()
	return c.Look(ctx, cut)
}

// compare adds the runs of other campaigns that have reached the same people. They refuse only a
// run that has not begun.
func (c *Check) compare(ctx context.Context, found *Findings, r *Reading, spool *shard.Spool, dir string) error {
	all, err := earlier.Compare(ctx, c.Campaign, "", spool, dir, nil, nil)
	if err != nil {
		return err
	}
	if len(all.Found) > 0 {
		found.Overlap = all
	}
	_, begun := all.Register.Run(engine.NewRunID(c.Campaign.Name, r.Digest, c.Campaign.ServiceID(false)).String())
	if err := register.Admit(register.Standing{SameWords: all, Consented: begun}); err != nil && found.WouldSend {
		found.WouldSend, found.Why = false, err.Error()
	}
	return nil
}

// InTime refuses a campaign after its last day.
func InTime(c *campaign.Campaign) error {
	if until := c.Pace.Until; !until.IsZero() && !time.Now().Before(until) {
		return refusal.New("campaign_is_over", "last_day", until.AddDate(0, 0, -1).Format(time.DateOnly))
	}
	return nil
}

// CanAlert refuses a campaign with an on_halt command that is not on this machine.
func CanAlert(c *campaign.Campaign) error {
	if len(c.OnHalt) == 0 {
		return nil
	}
	_, err := exec.LookPath(c.OnHalt[0])
	if err == nil {
		return nil
	}
	for inner := err; inner != nil; inner = errors.Unwrap(inner) { // the innermost does not repeat the name
		err = inner
	}
	return refusal.New("on_halt_not_runnable", "cause", c.Mistake("on_halt", fmt.Sprintf("names %s, which cannot be run: %v; name a program that is there, or remove on_halt", c.OnHalt[0], err)))
}
