package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"cohort/engine/campaign"
	"cohort/engine/disk"
	"cohort/engine/pace"
	"cohort/engine/reach"
	"cohort/engine/refusal"
	"cohort/ingest"
	"cohort/sinks/nhsapp"
	"cohort/sinks/notify"
)

// usualPerSecond is how many reports are asked for: half of what the service takes of an
// application, so that a run at work beside it is still let in.
const usualPerSecond = 10

// mostPractices is more than there are GP practices. A column with more different codes
// holds something else, which is nobody's business.
const mostPractices = 20_000

func reachCommandOf() *cobra.Command {
	var (
		c            check
		campaignPath string
		perSecond    float64
		asJSON       bool
	)
	command := &cobra.Command{
		Use:   "reach -c campaign.yaml COHORT...",
		Short: "Fetch who of a cohort has the NHS App, and say how much of it the app reaches",
		Long: `Reach asks the campaign's service, for each GP practice that the cohort names, which of its
patients have the NHS App and whether notifications are on. The campaign file says under reach
which column holds the practice's ODS code. Nothing is sent to anybody.

The service makes its reports once a day. What was fetched is kept until the next (UTC), in the
folder reach of the register, so that a practice is asked about once a day, whichever
campaign asks, and a fetch that was stopped goes on where it was. It holds personal data. Check and
send then go by it.

Exit codes: 0 everything was fetched; 10 it could not be; 3 stopped, and the last line of
standard error is the command that goes on.
`,
		Args: arguments(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if perSecond <= 0 || perSecond > 400 {
				return refusal.New("--per-second must be above 0, and 400 at most")
			}
			if err := c.prepare(cmd, campaignPath, args, "reach"); err != nil {
				return err
			}
			if c.campaign.Reach == nil {
				return refusal.New("%w", c.campaign.Mistake("reach", "is missing; it names the column of the GP practice's ODS code, such as reach: {practice: gp_ods_code}"))
			}
			if fromStdin(c.paths) {
				return refusal.New("the cohort is read now, and again when it is checked or sent; save it to a file")
			}
			if err := c.fetch(cmd.Context(), perSecond); err != nil {
				return err
			}
			found, err := c.run(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				out := json.NewEncoder(cmd.OutOrStdout())
				out.SetIndent("", "  ")
				return out.Encode(found.Reach)
			}
			found.Reach.print(cmd.OutOrStdout())
			return nil
		},
	}
	f := command.Flags()
	f.StringVarP(&campaignPath, "campaign", "c", "", "the campaign `file`")
	f.Float64Var(&perSecond, "per-second", usualPerSecond, "requests a `second`")
	f.BoolVar(&asJSON, "json", false, "for programs")
	return command
}

// fetch asks the service about each practice of the cohort that it was not asked about today.
func (c *check) fetch(ctx context.Context, perSecond float64) error {
	goOn := reachCommand(c.campaign, c.paths)
	partWith(ctx, goOn)
	stopped := &refusal.Ended{Err: errors.New("stopped while fetching who has the NHS App; what was fetched is kept"), Code: exitStopped, Next: goOn}
	codes, err := c.practices(ctx)
	if ctx.Err() != nil {
		return stopped
	}
	if err != nil {
		return err
	}
	if len(codes) == 0 {
		return refusal.New("%w", c.campaign.Mistake("reach", "names the column "+c.campaign.Reach.Practice+", and no record holds an ODS code there"))
	}
	c.day = today(c.campaign, c.screen.log)
	if err := c.day.Make(); err != nil {
		return refusal.New("what is fetched cannot be kept: %w", err)
	}
	l, err := disk.Acquire(filepath.Join(c.campaign.Register, "reach", lockFile), "")
	if err != nil {
		return refusal.New("the reports of app users are being fetched already: %w", err)
	}
	defer func() { _ = l.Release() }()
	missing := c.day.Without(codes)
	c.screen.log.Info("fetching who has the NHS App", "practices", len(codes), "to_ask_about", len(missing))
	client, tokens, err := signIn(c.campaign, 8)
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	fetching := &reach.Fetching{Day: c.day, PerSecond: perSecond, Backoff: func(n int) time.Duration { return pace.Backoff(n+1, 0.5) }}
	if n := c.campaign.NHSApp; n != nil {
		fetching.Asker = nhsapp.New(nhsapp.Options{BaseURL: n.BaseURL, Client: client, Tokens: tokens})
	} else {
		fetching.Asker = notify.New(notify.Options{BaseURL: c.campaign.Notify.BaseURL, Client: client, Tokens: tokens})
	}
	told := tell(c.screen.log, fetching, len(missing))
	err = fetching.Fetch(ctx, missing)
	told()
	if ctx.Err() != nil {
		return stopped
	}
	if full(err) {
		return refusal.New("what is fetched cannot be kept: %w; free some room in %s", err, c.campaign.Register)
	}
	if err != nil {
		return refusal.New("who has the NHS App cannot be fetched: %w", err)
	}
	return c.believable(codes)
}

// believable refuses reports of which there is none at all: the service has one code for a
// report and an address that are not there.
func (c *check) believable(codes []string) error {
	for _, code := range codes {
		state, err := c.day.State(code)
		if err != nil {
			return refusal.New("%w", err)
		}
		if state == reach.Reported {
			return nil
		}
	}
	if any, err := c.day.AnyReported(); any || err != nil { // of another cohort's practices
		if err != nil {
			err = refusal.New("%w", err)
		}
		return err
	}
	if err := c.day.Forget(codes); err != nil {
		return refusal.New("%w", err)
	}
	return refusal.New("the service has a report of none of the cohort's practices (%d, such as %s): check base_url, and that the column %s holds ODS codes of GP practices", len(codes), codes[0], c.campaign.Reach.Practice)
}

// tell logs now and then how far a fetching has come, until the end is called.
func tell(log *slog.Logger, f *reach.Fetching, of int) (end func()) {
	done := make(chan struct{})
	go func() {
		step := time.NewTicker(readingSpeaks)
		defer step.Stop()
		for {
			select {
			case <-done:
				return
			case <-step.C:
				log.Info("fetching who has the NHS App", "practices", f.Done(), "of", of)
			}
		}
	}()
	return func() { close(done) }
}

// practices lists the ODS codes that the cohort holds, sorted.
func (c *check) practices(ctx context.Context) ([]string, error) {
	reader, err := ingest.Open(ctx, c.paths, practiceOptions(c.campaign))
	if err != nil {
		return nil, refusal.New("the cohort cannot be read: %w", err)
	}
	seen := map[string]bool{}
	shown := c.screen.follow("looking for the practices", bytesOf(reader), reader.BytesRead)
	defer shown()
	for value, err := range reader.Values() {
		if err != nil {
			return nil, refusal.New("the cohort cannot be read: %w", err)
		}
		if code, ok := reach.Code(value); ok && !seen[code] {
			seen[strings.Clone(code)] = true
			if len(seen) > mostPractices {
				return nil, refusal.New("the column %s holds more than %d different codes, which cannot be GP practices; nobody was asked: name the column of the practice's ODS code under reach", c.campaign.Reach.Practice, mostPractices)
			}
		}
	}
	return slices.Sorted(maps.Keys(seen)), nil
}

// practiceOptions read nothing but the column of the practice.
func practiceOptions(c *campaign.Campaign) ingest.Options {
	return ingest.Options{
		Format: ingestFormat(c.Cohort.Format), Columns: c.Cohort.Columns, Fields: []string{c.Reach.Practice},
		Multiline: c.Cohort.Multiline, EncodingChecked: c.Cohort.Checked,
	}
}
