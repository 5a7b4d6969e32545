package intake

import (
	"context"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"cohort/cmd/internal/terminal"
	"cohort/engine/disk"
	"cohort/engine/event"
	"cohort/engine/pace"
	"cohort/engine/reach"
	"cohort/engine/refusal"
	"cohort/engine/runfolder"
	"cohort/ingest"
	"cohort/sinks"
	"cohort/sinks/nhsapp"
	"cohort/sinks/notify"
)

// UsualPerSecond is the usual rate of requests for reports. It is half of what the service allows an
// application, to leave room for a run.
const UsualPerSecond = 10

// mostPractices is more than there are GP practices. A column with more codes holds something else.
const mostPractices = 20_000

// Fetch asks the service for the report of each practice in the cohort, once a day.
func (c *Check) Fetch(ctx context.Context, perSecond float64) error {
	goOn := ReachCommand(c.Campaign, c.Paths)
	terminal.PartWith(ctx, goOn)
	stopped := &refusal.Ended{Err: refusal.New("stopped_fetching"), Code: refusal.ExitStopped, Next: goOn}
	codes, err := c.practices(ctx)
	if ctx.Err() != nil {
		return stopped
	}
	if err != nil {
		return err
	}
	if len(codes) == 0 {
		return refusal.New("reach_column_empty", "cause", c.Campaign.Mistake("reach", "names the column "+c.Campaign.Reach.Practice+", and no record holds an ODS code there"))
	}
	c.day = Today(c.Campaign, c.screen.Log)
	if err := c.day.Make(); err != nil {
		return refusal.New("fetched_not_saved", "cause", err)
	}
	l, err := disk.Acquire(filepath.Join(c.Campaign.Register, "reach", runfolder.LockFile), "")
	if err != nil {
		return refusal.New("fetch_under_way", "cause", err)
	}
	defer func() { _ = l.Release() }()
	missing := c.day.Without(codes)
	c.screen.Log.Info("fetching who has the NHS App", event.FetchingAppUsers, "practices", len(codes), "to_ask_about", len(missing))
	client, tokens, err := sinks.SignIn(c.Campaign, 8)
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	fetching := &reach.Fetching{Day: c.day, PerSecond: perSecond, Backoff: func(n int) time.Duration { return pace.Backoff(n+1, 0.5) }}
	if n := c.Campaign.NHSApp; n != nil {
		fetching.Asker = nhsapp.New(nhsapp.Options{BaseURL: n.BaseURL, Client: client, Tokens: tokens})
	} else {
		fetching.Asker = notify.New(notify.Options{BaseURL: c.Campaign.Notify.BaseURL, Client: client, Tokens: tokens})
	}
	told := tell(c.screen.Log, fetching, len(missing))
	err = fetching.Fetch(ctx, missing)
	told()
	if ctx.Err() != nil {
		return stopped
	}
	if full(err) {
		return refusal.New("no_room_for_fetched", "cause", err, "folder", c.Campaign.Register)
	}
	if err != nil {
		return refusal.New("fetch_failed", "cause", err)
	}
	return c.believable(codes)
}

// believable refuses when the service has no report at all. It answers alike for a missing report
// and for a wrong address.
func (c *Check) believable(codes []string) error {
	for _, code := range codes {
		state, err := c.day.State(code)
		if err != nil {
			return refusal.New("reach_unreadable", "cause", err)
		}
		if state == reach.Reported {
			return nil
		}
	}
	if any, err := c.day.AnyReported(); any || err != nil { // of another cohort's practices
		if err != nil {
			err = refusal.New("reach_unreadable", "cause", err)
		}
		return err
	}
	if err := c.day.Forget(codes); err != nil {
		return refusal.New("reach_not_forgotten", "cause", err)
	}
	return refusal.New("no_practice_reported", "practices", len(codes), "practice", codes[0], "column", c.Campaign.Reach.Practice)
}

// tell logs the progress of a fetch now and then, until end is called.
func tell(log *slog.Logger, f *reach.Fetching, of int) (end func()) {
	done := make(chan struct{})
	go func() {
		step := time.NewTicker(terminal.ReadingSpeaks)
		defer step.Stop()
		for {
			select {
			case <-done:
				return
			case <-step.C:
				log.Info("fetching who has the NHS App", event.FetchingAppUsers, "practices", f.Done(), "of", of)
			}
		}
	}()
	return func() { close(done) }
}

// practices lists the ODS codes that the cohort holds, sorted.
func (c *Check) practices(ctx context.Context) ([]string, error) {
	reader, err := ingest.Open(ctx, c.Paths, baseOptions(c.Campaign, []string{c.Campaign.Reach.Practice}))
	if err != nil {
		return nil, refusal.New("cohort_unreadable", "cause", err)
	}
	seen := map[string]bool{}
	shown := c.screen.Follow("looking for the practices", terminal.BytesOf(reader), reader.BytesRead)
	defer shown()
	for value, err := range reader.Values() {
		if err != nil {
			return nil, refusal.New("cohort_unreadable", "cause", err)
		}
		if code, ok := reach.Code(value); ok && !seen[code] {
			seen[strings.Clone(code)] = true
			if len(seen) > mostPractices {
				return nil, refusal.New("too_many_practices", "column", c.Campaign.Reach.Practice, "most", mostPractices)
			}
		}
	}
	return slices.Sorted(maps.Keys(seen)), nil
}
