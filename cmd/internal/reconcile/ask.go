package reconcile

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

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

// Options are the flags of cohort reconcile.
type Options struct {
	perSecond float64
	json      bool
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
	c.Flags().BoolVar(&o.json, "json", false, "for programs")
	c.Flags().StringArrayVar(&o.daily, "daily-report", nil, "a `file` that came back over MESH; may be given several times")
	c.Flags().StringArrayVar(&o.acks, "acknowledgement", nil, "a `file` that came back over MESH and confirms or refuses an upload; may be given several times")
	c.Flags().StringVar(&o.fallback, "fallback", "", "a `file` to list the messages in that have reached nobody (CSV)")
	c.Flags().BoolVar(&o.force, "force", false, "with --fallback: "+output.ForceHelp)
	c.Flags().DurationVar(&o.unread, "unread", 24*time.Hour, "with --fallback: how long a message in the NHS App may stay unread")
	o.flags = c.Flags()
	return o
}

// Ready checks, before anything is asked, that the known facts can be read and that the fallback
// list may be written.
func (o *Options) Ready(dir string, c runfolder.Call, plan *plan.Plan) (err error) {
	known := &delivery.Facts{Dir: dir, Plan: plan}
	if _, _, err := known.PollBegan(); err != nil {
		return err
	}
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
	return output.Claim(o.fallback, o.force, delivery.FallbackHeader)
}

// again is the command that goes on after a stop.
func (o *Options) again(folder string) string {
	words := []string{"reconcile", folder}
	o.flags.Visit(func(f *pflag.Flag) { words = append(words, "--"+f.Name+"="+f.Value.String()) })
	return refusal.Command(words...)
}

// deliveries asks NHS Notify about a run's messages, or reads its reports of uploads.
func deliveries(s *run.Runner, ctx context.Context, d *delivery.Facts, ledger *ledger.Ledger, o *Options) error {
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
	if key, err := s.Key(); err == nil && ledger.Facts().Key != "" && key != ledger.Facts().Key {
		s.Log.Warn("the API key is another one than when the run was last at work: an application is told of its own messages only")
	}
	return pollStatuses(s, ctx, d, ledger, o)
}

// pollStatuses asks NHS Notify for the statuses of the messages that it accepted.
func pollStatuses(s *run.Runner, ctx context.Context, d *delivery.Facts, ledger *ledger.Ledger, o *Options) error {
	service, ok := s.Sink.(*notify.Sink)
	if !ok {
		return errors.New("only NHS Notify can be asked about messages")
	}
	began, again, err := d.PollBegan()
	if err != nil {
		return err
	}
	var n, withoutID int64
	for _, err := range d.Questions(began, &withoutID) {
		if err != nil {
			return err
		}
		n++
	}
	words := fmt.Sprintf("at %g a second %d messages take %s", o.perSecond, n, delivery.Lasts(n, o.perSecond))
	if again {
		words = "going on with the poll of " + began.In(s.Campaign.Pace.Location).Format(time.DateTime+" MST") + "; " + words
	}
	s.Log.Info(words + "; Ctrl-C keeps what was learnt")
	terminal.PartWith(ctx, o.again(s.Folder.Path))
	poll := &delivery.StatusPoll{Ask: service.Message, References: d.Plan.References, Limiter: delivery.NewLimiter(o.perSecond), Total: n, Log: s.Log}
	poll.Save = func(facts []report.Fact) error {
		_, err := d.Add(delivery.InOrder(facts), began)
		return err
	}
	why := poll.All(ctx, d.Questions(began, &withoutID))
	left := n - poll.Asked
	if why == nil && left == 0 {
		began = time.Time{} // the poll has ended
	}
	statuses, err := d.Add(delivery.InOrder(nil), began)
	if err != nil && poll.Asked > 0 {
		return &refusal.Ended{Err: refusal.New("delivery_partly_saved", "cause", err), Code: refusal.ExitStopped, Next: o.again(s.Folder.Path)}
	}
	if err != nil {
		return err
	}
	sum := d.Summary(ledger.Account(), statuses)
	sum.Asked, sum.Unanswered, sum.WithoutID, sum.Left = &poll.Asked, poll.Unanswered, withoutID, left-poll.Unanswered
	if err := tell(s, s.Stdout, d, sum, o); err != nil {
		return err
	}
	switch {
	case ctx.Err() != nil:
		why = refusal.New("stopped_asking", "left", left)
	case refusal.Code(why) != "" && poll.Asked == 0:
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

// received saves the facts of the NHS App's receipts, and prints them after the run's account.
func received(s *run.Runner, d *delivery.Facts, ledger *ledger.Ledger, r *delivery.Receipts, o *Options,
	stands func() error) error {
	learned := time.Now().Truncate(time.Millisecond)
	statuses, failed := d.Add(r.Facts(delivery.EachMessage(d.Dir, d.Plan, d.Spool), learned), time.Time{})
	out := s.Stdout
	if o.json {
		s.Stdout = io.Discard
	}
	err := stands()
	switch {
	case failed == nil:
		sum := d.Summary(ledger.Account(), statuses)
		sum.Twice = int64(len(r.Twice))
		return errors.Join(err, tell(s, out, d, sum, o))
	case err != nil:
		s.Log.Error(failed.Error())
		return err
	}
	return &refusal.Ended{Err: failed, Code: refusal.ExitStopped, Next: s.Asks()} // what the receipts settled stays settled
}

// tell writes the fallback list, if there is to be one, and prints the summary.
func tell(s *run.Runner, w io.Writer, d *delivery.Facts, sum *delivery.Summary, o *Options) error {
	if o.fallback != "" {
		rule := delivery.FallbackRule{App: s.Campaign.NHSApp != nil, Unread: o.unread, Now: time.Now()}
		var err error
		if sum.Fallback, err = fallback(d, o.fallback, rule); err != nil {
			return err
		}
	}
	return sum.Print(w, o.json)
}

// fallback lists the messages of people who are to be reached in another way, in the order of the
// cohort. The list names people by row and reference only.
func fallback(d *delivery.Facts, path string, rule delivery.FallbackRule) (*delivery.FallbackSummary, error) {
	sum := &delivery.FallbackSummary{File: path, Messages: map[string]int64{}}
	err := output.WriteTo(path, func(w io.Writer) error {
		out := csv.NewWriter(w)
		_ = out.Write(strings.Split(delivery.FallbackHeader, ",")) // out keeps the error
		for m, err := range d.Known() {
			if err != nil {
				return err
			}
			if reason := sum.Take(rule, &m); reason != "" {
				code := ""
				if m.Fact != nil {
					code = m.Fact.Code
				}
				_ = out.Write([]string{strconv.FormatInt(m.Row, 10), d.Plan.References.Message(m.Row).String(), reason, code})
			}
		}
		out.Flush()
		return out.Error()
	})
	if err != nil {
		return nil, refusal.New("fallback_unwritable", "cause", err)
	}
	return sum, nil
}
