package reconcile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"cohort/cmd/internal/cohortspool"
	"cohort/cmd/internal/output"
	"cohort/cmd/internal/run"
	"cohort/cmd/internal/terminal"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/refusal"
	"cohort/engine/report"
	"cohort/engine/runfolder"
	"cohort/ingest/person"
	"cohort/sinks/delivery"
	"cohort/sinks/notify"
)

// deliveryOptions say how facts of delivery are come by.
type Options struct {
	perSecond float64
	json      bool
	daily     []string // files of daily reports
	acks      []string // acknowledgements of uploads
	fallback  string   // file of those whom no message has reached; empty: none is written
	force     bool     // overwrite it
	unread    time.Duration
	given     func(flag string) bool // by a person; nil: nobody knows
}

// The rates at which NHS Notify is asked: it takes 1,200 requests a minute of an application,
// and a run may be at work beside.
const (
	usualAsking = 10
	mostAsking  = 20
)

// deliveryFlags adds the flags.
func Flags(c *cobra.Command) *Options {
	o := &Options{}
	c.Flags().Float64Var(&o.perSecond, "per-second", usualAsking, "messages that NHS Notify is asked for in a second, 20 at most")
	c.Flags().BoolVar(&o.json, "json", false, "for programs")
	c.Flags().StringArrayVar(&o.daily, "daily-report", nil, "a `file` that came back over MESH; may be given several times")
	c.Flags().StringArrayVar(&o.acks, "acknowledgement", nil, "a `file` that came back over MESH and confirms or refuses an upload; may be given several times")
	c.Flags().StringVar(&o.fallback, "fallback", "", "a `file` to list the messages in that have reached nobody (CSV)")
	c.Flags().BoolVar(&o.force, "force", false, "with --fallback: "+output.ForceHelp)
	c.Flags().DurationVar(&o.unread, "unread", 24*time.Hour, "with --fallback: how long a message in the NHS App may stay unread")
	o.given = c.Flags().Changed
	return o
}

func (o *Options) unreadGiven() bool { return o.given != nil && o.given("unread") }

// ready makes sure, before anything is asked, that what is known already can be read, and that
// the list may be written where it is wanted.
func (o *Options) Ready(dir string, c runfolder.Call, plan *plan.Plan) (err error) {
	if r, err := report.OpenDelivery(filepath.Join(dir, delivery.FactsFile), plan.Run); err == nil {
		_ = r.Close()
	} else if !errors.Is(err, fs.ErrNotExist) {
		return delivery.UnreadableDelivery(err)
	}
	if o.fallback == "" {
		if o.unreadGiven() {
			return refusal.New("unread_without_fallback")
		}
		return nil
	}
	if o.fallback, err = runfolder.Absolute(o.fallback); err != nil {
		return err
	}
	if err := output.KeepInputs(o.fallback, slices.Concat(output.ReportInputs(dir, c, plan), []string{filepath.Join(dir, runfolder.ReportFile)}, o.daily)); err != nil {
		return err
	}
	return output.Claim(o.fallback, o.force, delivery.FallbackHeader)
}

// again is the command that goes on.
func (o *Options) again(folder string) string {
	words := []string{"reconcile", folder}
	if o.perSecond != usualAsking {
		words = append(words, "--per-second", strconv.FormatFloat(o.perSecond, 'g', -1, 64))
	}
	if o.json {
		words = append(words, "--json")
	}
	if o.fallback != "" {
		words = append(words, "--fallback", o.fallback)
		if o.force {
			words = append(words, "--force")
		}
	}
	return refusal.Command(words...)
}

// deliveries asks NHS Notify what has become of a run's messages, or reads its daily reports.
func deliveries(s *run.Runner, ctx context.Context, plan *plan.Plan, o *Options) error {
	if err := s.AsPlanned(plan); err != nil {
		return err
	}
	if plan.Service == s.Campaign.ServiceID(true) {
		return refusal.New("rehearsal_forgotten")
	}
	ledger, err := ledger.Read(s.Folder.Path, plan)
	if err != nil {
		return runfolder.Unsound(s.Folder.Path, err)
	}
	if ledger.Settleable() > 0 {
		return run.BySettling(s.Folder.Path, plan, run.ClockOf(ctx)())
	}
	spool, err := cohortspool.Open(s.Folder.File(runfolder.SpoolFolder), plan)
	if err != nil {
		return err
	}
	defer func() { _ = spool.Close() }()
	d := &delivery.Facts{Folder: s.Folder, Plan: plan, Spool: spool}
	if len(o.acks) > 0 {
		if len(o.daily) > 0 || o.fallback != "" || o.json {
			return refusal.New("acknowledgement_not_alone")
		}
		return acknowledgements(s, ctx, d, ledger, o.acks)
	}
	if s.Campaign.File != nil {
		return dailyReports(s, d, ledger, o)
	}
	if len(o.daily) > 0 {
		return refusal.New("daily_report_without_upload")
	}
	if !(o.perSecond > 0 && o.perSecond <= mostAsking) {
		return refusal.New("asking_rate_wrong", "most", mostAsking)
	}
	if err := s.Connect(); err != nil {
		return err
	}
	if err := s.Sink.Check(ctx); err != nil {
		return refusal.New("service_check_failed", "cause", err)
	}
	if key, err := s.Key(); err == nil && ledger.Key != "" && key != ledger.Key {
		s.Log.Warn("the API key is another one than when the run was last at work: an application is told of its own messages only")
	}
	return sweepStatuses(s, ctx, d, ledger, o)
}

// count counts questions.
func count(questions iter.Seq2[delivery.Question, error]) (n int64, err error) {
	for _, err := range questions {
		if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// sweepStatuses asks the service what has become of the messages that it accepted.
func sweepStatuses(s *run.Runner, ctx context.Context, d *delivery.Facts, ledger *ledger.Ledger, o *Options) error {
	service, ok := s.Sink.(*notify.Sink)
	if !ok {
		return errors.New("nobody is asked for messages but NHS Notify")
	}
	began, again, err := d.SweepBegan()
	if err != nil {
		return err
	}
	var withoutID int64
	n, err := count(d.Questions(began, &withoutID))
	if err != nil {
		return err
	}
	words := fmt.Sprintf("at %g a second %d messages take %s", o.perSecond, n, delivery.Lasts(n, o.perSecond))
	if again {
		words = "going on with the sweep of " + began.In(s.Campaign.Pace.Location).Format(time.DateTime+" MST") + "; " + words
	}
	s.Log.Info(words + "; Ctrl-C keeps what was learnt")
	terminal.PartWith(ctx, o.again(s.Folder.Path))
	sweep := &delivery.StatusPoll{Ask: service.Message, Run: d.Plan.Run, Pace: delivery.NewLimiter(o.perSecond), Total: n, Log: s.Log}
	sweep.Save = func(facts []report.Fact) error {
		_, err := d.Add(delivery.InOrder(facts), began)
		return err
	}
	why := sweep.All(ctx, d.Questions(began, &withoutID))
	left := n - sweep.Asked
	if why == nil && left == 0 {
		began = time.Time{} // it has come to its end
	}
	statuses, err := d.Add(delivery.InOrder(nil), began)
	if err != nil && sweep.Asked > 0 {
		return &refusal.Ended{Err: refusal.New("delivery_partly_saved", "cause", err), Code: refusal.ExitStopped, Next: o.again(s.Folder.Path)}
	}
	if err != nil {
		return err
	}
	sum := d.Summary(ledger.Account(), statuses)
	sum.Asked, sum.Unanswered, sum.WithoutID, sum.Left = &sweep.Asked, sweep.Unanswered, withoutID, left-sweep.Unanswered
	if err := tell(s, s.Stdout, d, sum, o); err != nil {
		return err
	}
	switch {
	case ctx.Err() != nil:
		why = refusal.New("stopped_asking", "left", left)
	case refusal.Code(why) != "" && sweep.Asked == 0:
		return why
	case why != nil:
		why = refusal.New("asking_cut_short", "cause", why, "left", left)
	case left > 0:
		why = refusal.New("messages_unanswered", "messages", left)
	case sum.Fates[person.InDoubt] > 0:
		return &refusal.Ended{Err: refusal.New("in_doubt", "messages", sum.Fates[person.InDoubt]), Code: refusal.ExitInDoubt, Next: refusal.Command("decide", s.Folder.Path)}
	default:
		return nil
	}
	return &refusal.Ended{Err: why, Code: refusal.ExitStopped, Next: o.again(s.Folder.Path)}
}
