package reconcile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"cohort/cmd/internal/output"
	"cohort/cmd/internal/reports"
	"cohort/cmd/internal/run"
	"cohort/cmd/internal/terminal"
	messages "cohort/engine/delivery"
	"cohort/engine/event"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/refusal"
	"cohort/engine/report"
	"cohort/engine/runfolder"
	"cohort/ingest/person"
	"cohort/sinks/delivery"
	"cohort/sinks/notify"
)

// Options are the flags of cohort reconcile.
type Options struct {
	perSecond float64
	json      bool
	sample    int      // messages; 0: no sample
	daily     []string // files of daily reports
	acks      []string // acknowledgements of uploads
	fallback  string   // file for the list of messages that reached nobody; empty: none
	force     bool     // overwrite it
	unread    time.Duration
	flags     *pflag.FlagSet
}

// The rates at which NHS Notify is asked: it takes 1,200 requests a minute of an application,
// and a run may be at work beside.
const (
	usualAsking = 10
	mostAsking  = 20
)

// Flags adds the flags to a command.
func Flags(c *cobra.Command) *Options {
	o := &Options{}
	c.Flags().Float64Var(&o.perSecond, "per-second", usualAsking, "messages that NHS Notify is asked for in a second, 20 at most")
	c.Flags().IntVar(&o.sample, "sample", 0, "ask NHS Notify about so many accepted messages, drawn at random, instead of all")
	c.Flags().BoolVar(&o.json, "json", false, "for programs")
	c.Flags().StringArrayVar(&o.daily, "daily-report", nil, "a `file` that came back over MESH; may be given several times")
	c.Flags().StringArrayVar(&o.acks, "acknowledgement", nil, "a `file` that came back over MESH and confirms or refuses an upload; may be given several times")
	c.Flags().StringVar(&o.fallback, "fallback", "", "a `file` to list the people in who were not reached and may be written to (CSV)")
	c.Flags().BoolVar(&o.force, "force", false, "with --fallback: "+output.ForceHelp)
	c.Flags().DurationVar(&o.unread, "unread", 24*time.Hour, "with --fallback: how long a message in the NHS App may stay unread")
	o.flags = c.Flags()
	return o
}

// Ready checks, before anything is asked, that the fallback list may be written.
func (o *Options) Ready(dir string, c runfolder.Call, plan *plan.Plan) (err error) {
	if o.fallback == "" {
		if o.flags.Changed("unread") {
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
	return output.Claim(o.fallback, o.force, report.UnreachedHeader, dir)
}

// again is the command that goes on after a stop.
func (o *Options) again(folder string) string {
	words := []string{"reconcile", folder}
	o.flags.Visit(func(f *pflag.Flag) { words = append(words, "--"+f.Name+"="+f.Value.String()) })
	return refusal.Command(words...)
}

// deliveries asks NHS Notify about a run's messages, or reads its reports of uploads.
func deliveries(s *run.Runner, ctx context.Context, d *delivery.Run, ledger *ledger.Ledger, o *Options) error {
	if ledger.Settleable() > 0 {
		return run.BySettling(s.Folder.Path, d.Plan, run.ClockOf(ctx)())
	}
	if len(o.acks) > 0 {
		if len(o.daily) > 0 || o.fallback != "" || o.json {
			return refusal.New("acknowledgement_not_alone")
		}
		return acknowledgements(s, ctx, d, ledger, o.acks)
	}
	if s.Campaign.File != nil {
		return dailyReports(s, ctx, d, ledger, o)
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
	if err := s.Check(ctx); err != nil {
		return refusal.New("service_check_failed", "cause", err)
	}
	if key, err := s.Key(); err == nil && ledger.Facts().Key != "" && key != ledger.Facts().Key {
		s.Log.Warn("the API key is another one than when the run was last at work: an application is told of its own messages only", event.OtherKey)
	}
	return pollStatuses(s, ctx, d, ledger, o)
}

func pollStatuses(s *run.Runner, ctx context.Context, d *delivery.Run, ledger *ledger.Ledger, o *Options) error {
	service, ok := s.Sink.(*notify.Sink)
	if !ok {
		return errors.New("only NHS Notify can be asked about messages")
	}
	states, err := d.States()
	if err != nil {
		return err
	}
	defer func() { _ = states.Close() }()
	poll := &delivery.StatusPoll{
		Ask: service.Message, Save: d.Facts.Put, References: d.Plan.References, Limiter: delivery.NewLimiter(o.perSecond), Log: s.Log,
	}
	if poll.Limiter.Permits, err = s.Permits(); err != nil {
		return err
	}
	q, err := ask(s, d, states, o)
	if err != nil {
		return err
	}
	poll.Total = q.total
	s.Log.Info(fmt.Sprintf("%sat %g a second %d messages take %s; Ctrl-C keeps what was learnt",
		q.goingOn, o.perSecond, poll.Total, delivery.Lasts(poll.Total, o.perSecond)), event.Asking)
	if q.recent > 0 {
		s.Log.Info(fmt.Sprintf("%d messages are left out: their last callback is younger than 24 hours", q.recent), event.Asking)
	}
	terminal.PartWith(ctx, o.again(s.Folder.Path))
	why := poll.All(ctx, q.all)
	left := poll.Total - poll.Asked
	if why == nil && left == 0 && q.sample == nil {
		if err := d.Facts.SetPollBegan(time.Time{}); err != nil { // the poll has ended
			return &refusal.Ended{Err: refusal.New("delivery_unwritable", "cause", err), Code: refusal.ExitStopped, Next: o.again(s.Folder.Path)}
		}
	}
	if refusal.Code(why) != "" && poll.Asked == 0 {
		return why
	}
	if err := heard(s, d, ledger); err != nil {
		return errors.Join(err, why)
	}
	sum, err := tell(s, d, ledger, o, func(sum *delivery.Summary) {
		sum.Asked, sum.Unanswered, sum.WithoutID, sum.Left = &poll.Asked, poll.Unanswered, q.withoutID, left-poll.Unanswered
		if sum.Sample = q.sample; q.sample != nil {
			q.sample.Count(poll.Statuses)
		}
	})
	switch {
	case err != nil:
		return errors.Join(err, why)
	case ctx.Err() != nil:
		why = refusal.New("stopped_asking", "left", left)
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

type questions struct {
	all       iter.Seq2[delivery.Question, error]
	total     int64
	withoutID int64            // accepted messages that cannot be asked about
	recent    int64            // accepted messages that are left out because of a recent callback
	sample    *delivery.Sample // nil: they are about all messages that the poll is due to ask about
	goingOn   string           // words, if the poll began earlier
}

// ask draws the questions of a sample, or takes up those of a poll.
func ask(s *run.Runner, d *delivery.Run, states *messages.Sorter, o *Options) (*questions, error) {
	q := &questions{}
	if o.sample > 0 {
		drawn, sample, err := delivery.Draw(d.Known(states), o.sample)
		if err != nil {
			return nil, err
		}
		q.sample, q.total = sample, sample.Drawn
		q.all = func(yield func(delivery.Question, error) bool) {
			for _, each := range drawn {
				if !yield(each, nil) {
					return
				}
			}
		}
		return q, nil
	}
	began, err := d.Facts.PollBegan()
	if err != nil {
		return nil, refusal.New("delivery_unreadable", "cause", err)
	}
	if began.IsZero() {
		began = time.Now()
		err = d.Facts.SetPollBegan(began)
	} else {
		q.goingOn = "going on with the poll of " + began.In(s.Campaign.Pace.Location).Format(time.DateTime+" MST") + "; "
	}
	if err != nil {
		return nil, refusal.New("delivery_unwritable", "cause", err)
	}
	q.all = delivery.Questions(d.Known(states), began, time.Now(), &q.withoutID, &q.recent)
	for _, err := range q.all {
		if err != nil {
			return nil, err
		}
		q.total++
	}
	return q, nil
}

// received saves the NHS App's receipts, and prints what they say after the run's account.
func received(s *run.Runner, ctx context.Context, d *delivery.Run, ledger *ledger.Ledger, r *delivery.Receipts, o *Options, stands func() error) error {
	failed := r.News.Save(ctx)
	if failed == nil && r.Unread == 0 {
		failed = d.Facts.SetReceipts(r.Began)
	}
	if failed != nil {
		failed = refusal.New("delivery_unwritable", "cause", failed)
	} else {
		failed = heard(s, d, ledger)
	}
	out := s.Stdout
	if o.json {
		s.Stdout = io.Discard
	}
	err := stands()
	s.Stdout = out
	if failed == nil {
		_, failed = tell(s, d, ledger, o, nil)
		return errors.Join(err, failed)
	}
	if err != nil {
		s.Log.Error(failed.Error(), event.AskingStopped)
		return err
	}
	return &refusal.Ended{Err: failed, Code: refusal.ExitStopped, Next: s.Asks()} // what the receipts settled stays settled
}

// heard records which events contradict the account.
func heard(s *run.Runner, d *delivery.Run, ledger *ledger.Ledger) error {
	all, err := d.Facts.Heard()
	if err != nil {
		return refusal.New("delivery_unreadable", "cause", err)
	}
	return s.Contradict(all, d.Plan, ledger, false)
}

// tell writes the fallback list, if there is to be one, and prints the summary, which complete completes.
func tell(s *run.Runner, d *delivery.Run, ledger *ledger.Ledger, o *Options, complete func(*delivery.Summary)) (*delivery.Summary, error) {
	states, err := d.States()
	if err != nil {
		return nil, err
	}
	defer func() { _ = states.Close() }()
	sum, err := d.Summary(ledger, states)
	if err != nil {
		return nil, err
	}
	if unread := d.Facts.Unread(); unread != nil {
		sum.Unreadable = unread.Error()
	}
	if complete != nil {
		complete(sum)
	}
	if o.fallback != "" {
		if sum.Fallback, err = fallback(s, d, ledger, o); err != nil {
			return nil, err
		}
	}
	return sum, sum.Print(s.Stdout, o.json)
}

// fallback lists the people whom the run has not reached and who may be written to in another way.
func fallback(s *run.Runner, d *delivery.Run, ledger *ledger.Ledger, o *Options) (*delivery.Fallback, error) {
	now := time.Now()
	of := reports.Report{Dir: d.Dir, Plan: d.Plan, Ledger: ledger, Spool: d.Spool, AsOf: now, Log: s.Log}
	rule := report.Unreached{App: s.Campaign.NHSApp != nil, Unread: o.unread, Now: now, OnlyYes: true}
	var counts report.UnreachedCounts
	if err := output.WriteTo(o.fallback, func(w io.Writer) error { return of.Write(rule.CSV(w, &counts)) }); err != nil {
		return nil, refusal.New("fallback_unwritable", "cause", err)
	}
	return &delivery.Fallback{File: o.fallback, Listed: counts.Yes, Left: counts.No}, nil
}
