// Package run sends a run, and resumes it.
package run

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"cohort/cmd/internal/intake"
	"cohort/cmd/internal/memory"
	"cohort/cmd/internal/metrics"
	"cohort/cmd/internal/terminal"
	"cohort/engine"
	"cohort/engine/campaign"
	"cohort/engine/event"
	"cohort/engine/ledger"
	"cohort/engine/pace"
	"cohort/engine/plan"
	"cohort/engine/refusal"
	"cohort/engine/register"
	"cohort/engine/runfolder"
	"cohort/engine/share"
	"cohort/sinks"
	"cohort/sinks/apim"
)

// Runner is a run as a command works on it: its folder, its campaign, and the command's streams.
type Runner struct {
	// From the command.
	Call      runfolder.Call
	RunFolder string // named by a person; empty: under Runs
	Runs      string
	Network   bool // the folder may be on a network filesystem
	Stdout    io.Writer
	Log       *slog.Logger
	stdin     io.Reader
	stderr    io.Writer
	attended  bool // a person at a terminal sees the output
	programs  bool // programs read standard error
	screen    *terminal.Screen
	exporter  *metrics.Exporter // nil: nobody asked for metrics
	goOnWith  []string          // flags of a resume that goes on with the same options

	// From the folder, or from the call of a send.
	Campaign     *campaign.Campaign
	CampaignText []byte
	Frozen       []campaign.Setting // as the campaign file has them
	Service      string
	Id           engine.RunID
	Folder       *runfolder.Folder // locked by this process

	// From Connect.
	Sink   sinks.Service
	Tokens *apim.Tokens // nil: the service needs no signing in
	share  *share.Share // of the requests of its key; nil: it has them alone
	close  []func()     // what End calls

	chain    string    // id of the first run of the chain of follow-ups that the run is in
	followUp *followUp // of the call; nil: an ordinary send, or a resume
}

// Options are the choices of a start.
type Options struct {
	OneWindow      bool   // end with the window instead of waiting for the next
	Settle         bool   // replay what is in doubt, and send nothing else
	SendAgain      string // the reason that a resume was given for sending the same words again
	Metrics        metrics.Options
	OneApplication bool     // a person says that every API key of the run belongs to one application
	Words          []string // the command and its arguments, to repeat when there is nothing to resume yet
}

// again is the command to repeat.
func (o Options) again() string { return refusal.Command(o.Words...) }

// ClockKey is the key of another clock than the machine's in a context.
type ClockKey struct{}

// ClockOf returns the clock to use: the machine's, unless a test has set another.
func ClockOf(ctx context.Context) func() time.Time {
	if clock, ok := ctx.Value(ClockKey{}).(func() time.Time); ok {
		return clock
	}
	return time.Now
}

// Open connects a runner to the command's streams.
func (r *Runner) Open(c *cobra.Command) {
	memory.Limit()
	r.stdin, r.Stdout, r.stderr = c.InOrStdin(), c.OutOrStdout(), c.ErrOrStderr()
	r.screen, r.attended = terminal.NewScreen(r.stderr, event.Programs(c.Context())), terminal.AtTerminal(r.stdin, r.Stdout, r.stderr)
	r.Log, r.programs = r.screen.Log, event.Programs(c.Context()) != nil
	terminal.OutliveReaders()
}

// ResumeFolder goes on with the run in r.RunFolder.
func (r *Runner) ResumeFolder(ctx context.Context, o Options) (err error) {
	r.goOnAs(o)
	planned, err := plan.Open(r.RunFolder)
	if errors.Is(err, plan.ErrNone) && len(r.Call.FollowUp) > 0 {
		return refusal.New("followup_not_planned", "folder", r.RunFolder, "command", refusal.Command(r.Call.FollowUp...))
	}
	if errors.Is(err, plan.ErrNone) { // it was stopped before there was a plan
		r.Call.SendAgain = cmp.Or(o.SendAgain, r.Call.SendAgain)
		return (&send{run: r, options: o, resumed: true}).do(ctx)
	}
	if err != nil {
		return runfolder.Damaged(err)
	}
	defer func() { _ = planned.Close() }()
	var copied bool
	if r.Campaign, r.CampaignText, copied, err = runfolder.ReadCampaign(r.RunFolder, r.Call); err != nil {
		return err
	}
	if copied {
		r.Log.Warn("the campaign file has gone; the copy in the run's folder is used", event.CampaignGone, "was", r.Call.Campaign)
	}
	if err := intake.CanAlert(r.Campaign); err != nil {
		return err
	}
	r.Service, r.Id, r.Frozen, r.chain = planned.Service, planned.Run, r.Campaign.Frozen(), planned.Root()
	event.SetRun(r.Log, r.Id.Short())
	if r.Folder, err = runfolder.Hold(r.RunFolder, "resume", r.Network, r.Log); err != nil {
		return err
	}
	defer r.Folder.Release()
	defer r.End()
	return (&start{run: r, options: o, plan: planned}).resume(ctx)
}

// Connect makes the sink. If the call says so, the service is a simulator in this process.
func (r *Runner) Connect() error {
	fields, err := sinks.FieldsOf(r.Campaign)
	if err != nil {
		return err
	}
	if r.Call.Simulate {
		stop, err := sinks.Embed(r.Campaign)
		if err != nil {
			return err
		}
		r.close = append(r.close, stop)
	}
	r.Sink, r.Tokens, err = sinks.Open(r.Campaign, fields)
	if f, writes := r.Sink.(sinks.Files); writes {
		r.Sink = f.In(r.Folder.File(runfolder.FilesFolder))
	}
	return err
}

// Permits are those of the requests of the run's key; nil: it has the key alone. The first call takes the run's place
// among those that share the key.
func (r *Runner) Permits() (pace.Permits, error) {
	s := r.Campaign.Pace.Share
	if s.Name == "" || r.Call.Simulate { // a rehearsal has a key of its own
		return nil, nil
	}
	if r.share != nil {
		return r.share, nil
	}
	known, err := register.Look(r.Campaign.Register)
	if err != nil {
		return nil, err
	}
	joined, err := share.Open(r.Campaign.Register, share.Options{
		Name: s.Name, Weight: s.Weight, Urgent: s.Urgent, Quota: r.Campaign.Quota(), Sent: len(known.Runs()) > 0,
	})
	if err != nil {
		return nil, refusal.New("share_unusable", "share", s.Name, "folder", filepath.Join(r.Campaign.Register, share.Folder), "cause", err)
	}
	r.share, r.close = joined, append(r.close, joined.Close)
	use := joined.Use()
	r.Log.Info("the key's requests are shared by all runs of its share", event.KeyShared, "share", use.Share, "runs", use.Runs,
		"requests_last_minute", use.Requests, "quota_per_minute", use.Quota)
	return joined, nil
}

// Check looks if the service admits the run. It is a request of the key.
func (r *Runner) Check(ctx context.Context) error {
	p, err := r.Permits()
	if err != nil {
		return err
	}
	if p != nil {
		if err := pace.Take(ctx, p, func(why string) { r.Log.Info("waiting: "+why, event.Waiting) }); err != nil {
			return err
		}
		defer p.Done(pace.Answered)
	}
	return r.Sink.Check(ctx)
}

// End closes what the runner has opened.
func (r *Runner) End() {
	for _, stop := range r.close {
		stop()
	}
}

// Key returns the fingerprint of the API key, under which the service knows references; empty for a
// service without signing in.
func (r *Runner) Key() (string, error) {
	if r.Tokens == nil {
		return "", nil
	}
	return r.Tokens.Fingerprint()
}

// reachable checks the campaign's last day, the token and the service's address.
func (r *Runner) reachable(ctx context.Context) error {
	if err := intake.InTime(r.Campaign); err != nil {
		return err
	}
	return r.Check(ctx)
}

// Lists returns the suppression lists in the campaign file.
func (r *Runner) Lists() *intake.Lists { return &intake.Lists{Of: r.Campaign.Suppress, Log: r.Log} }

// goOnAs has GoOn repeat options.
func (r *Runner) goOnAs(o Options) {
	if o.OneWindow {
		r.goOnWith = []string{"--one-window"}
	}
	r.goOnWith = append(r.goOnWith, o.Metrics.Words()...)
}

// GoOn is the command that resumes the run.
func (r *Runner) GoOn() string {
	return refusal.Command(slices.Concat([]string{"resume", r.Folder.Path}, r.goOnWith)...)
}

// Asks is the command that asks the service about messages in doubt.
func (r *Runner) Asks() string { return refusal.Command("reconcile", r.Folder.Path) }

// BySettling refuses what a replay has to come before. It names the replay, or says that none can
// settle the messages in doubt any more.
func BySettling(dir string, planned *plan.Plan, now time.Time) error {
	if days := planned.Forgotten(now); days > 0 {
		return register.TooOld(dir, days)
	}
	return refusal.New("replay_settles", "command", refusal.Command("resume", dir, "--settle"))
}

// AsPlanned refuses a campaign file that has changed since the run was planned.
func (r *Runner) AsPlanned(plan *plan.Plan) error {
	err := campaign.Compare(plan.Frozen, r.Frozen)
	if err == nil {
		return nil
	}
	return cmp.Or(runfolder.PlanChanged(r.Folder.Path, plan), refusal.New("setting_changed", "cause", err))
}

// NoteWitness notes in the log that the run is at work in this folder. decided names the person
// who decided so, and the reason; it may be empty.
func (r *Runner) NoteWitness(plan *plan.Plan, decided string) error {
	return runfolder.WithLog(r.Folder.Path, plan, func(log *ledger.Log) error {
		if err := log.NoteWitness(time.Now(), r.Folder.Path, decided); err != nil {
			return runfolder.RoomOr(err, refusal.New("folder_unwritable", "cause", err), r.Folder.Path)
		}
		return nil
	})
}

// OpenRun opens the plan of the run in a folder for reading.
func OpenRun(path string) (dir string, plan *plan.Plan, err error) {
	if dir, _, err = runfolder.Find(path); err != nil {
		return dir, nil, err
	}
	plan, err = runfolder.Plan(dir)
	return dir, plan, err
}

// sweep removes copies of standard input that killed sends left where this one would put its own.
func (r *Runner) sweep() {
	if r.RunFolder == "" {
		intake.SweepStdin(r.Runs, r.Log)
		return
	}
	intake.SweepStdin(filepath.Dir(r.RunFolder), r.Log)
	intake.SweepStdin(r.RunFolder, r.Log)
}
