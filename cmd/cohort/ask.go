package main

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

	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/report"
	"cohort/ingest/person"
	"cohort/sinks/notify"
)

// deliveryOptions say how facts of delivery are come by.
type deliveryOptions struct {
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
func deliveryFlags(c *cobra.Command) *deliveryOptions {
	o := &deliveryOptions{}
	c.Flags().Float64Var(&o.perSecond, "per-second", usualAsking, "messages that NHS Notify is asked for in a second, 20 at most")
	c.Flags().BoolVar(&o.json, "json", false, "for programs")
	c.Flags().StringArrayVar(&o.daily, "daily-report", nil, "a `file` that came back over MESH; may be given several times")
	c.Flags().StringArrayVar(&o.acks, "acknowledgement", nil, "a `file` that came back over MESH and confirms or refuses an upload; may be given several times")
	c.Flags().StringVar(&o.fallback, "fallback", "", "a `file` to list the messages in that have reached nobody (CSV)")
	c.Flags().BoolVar(&o.force, "force", false, "with --fallback: "+forceHelp)
	c.Flags().DurationVar(&o.unread, "unread", 24*time.Hour, "with --fallback: how long a message in the NHS App may stay unread")
	o.given = c.Flags().Changed
	return o
}

func (o *deliveryOptions) unreadGiven() bool { return o.given != nil && o.given("unread") }

// ready makes sure, before anything is asked, that what is known already can be read, and that
// the list may be written where it is wanted.
func (o *deliveryOptions) ready(dir string, c call, plan *plan.Plan) (err error) {
	if r, err := report.OpenDelivery(filepath.Join(dir, deliveryFile), plan.Run); err == nil {
		_ = r.Close()
	} else if !errors.Is(err, fs.ErrNotExist) {
		return unreadableDelivery(err)
	}
	if o.fallback == "" {
		if o.unreadGiven() {
			return refuse("--unread goes with --fallback")
		}
		return nil
	}
	if o.fallback, err = absolute(o.fallback); err != nil {
		return err
	}
	if err := keepInputs(o.fallback, slices.Concat(reportInputs(dir, c, plan), []string{filepath.Join(dir, reportFile)}, o.daily)); err != nil {
		return err
	}
	return claim(o.fallback, o.force, fallbackHeader)
}

// again is the command that goes on.
func (o *deliveryOptions) again(folder string) string {
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
	return command(words...)
}

// deliveries asks NHS Notify what has become of a run's messages, or reads its daily reports.
func (s *session) deliveries(ctx context.Context, plan *plan.Plan, o *deliveryOptions) error {
	if err := s.asPlanned(plan); err != nil {
		return err
	}
	if plan.Service == s.campaign.ServiceID(true) {
		return refuse("this was a rehearsal, and its simulator has forgotten everything")
	}
	ledger, err := ledger.Read(s.folder.path, plan)
	if err != nil {
		return unsound(s.folder.path, err)
	}
	if ledger.Settleable() > 0 {
		return refuse("messages are in doubt, and a replay settles them first: %s", command("resume", s.folder.path, "--settle"))
	}
	spool, err := openSpool(s.folder.file(spoolFolder), plan)
	if err != nil {
		return err
	}
	defer func() { _ = spool.Close() }()
	d := &delivery{folder: s.folder, plan: plan, spool: spool}
	if len(o.acks) > 0 {
		if len(o.daily) > 0 || o.fallback != "" || o.json {
			return refuse("--acknowledgement goes alone: leave out --json, and give daily reports and --fallback to another reconcile")
		}
		return s.acknowledgements(ctx, d, ledger, o.acks)
	}
	if s.campaign.File != nil {
		return s.dailyReports(d, ledger, o)
	}
	if len(o.daily) > 0 {
		return refuse("daily reports are about uploads over MESH (sink.file.mesh); the messages of this run are asked for without --daily-report")
	}
	if !(o.perSecond > 0 && o.perSecond <= mostAsking) {
		return refuse("--per-second must be above 0, and %d at most: the service takes 1200 requests a minute", mostAsking)
	}
	if err := s.connect(); err != nil {
		return err
	}
	if err := s.sink.Check(ctx); err != nil {
		return refuse("%w", err)
	}
	if key, err := s.key(); err == nil && ledger.Facts().Key != "" && key != ledger.Facts().Key {
		s.log.Warn("the API key is another one than when the run was last at work: an application is told of its own messages only")
	}
	return s.sweepStatuses(ctx, d, ledger, o)
}

// questions yields the messages that were accepted and have not come to their end, as far as
// is known, but for those of which the sweep that began at a moment has heard. It counts those
// that nobody can ask for.
func (d *delivery) questions(sweepBegan time.Time, withoutID *int64) iter.Seq2[question, error] {
	return func(yield func(question, error) bool) {
		*withoutID = 0
		for m, err := range d.known() {
			if err != nil {
				yield(question{}, err)
				return
			}
			over := m.fact != nil && (m.fact.Final() || !m.fact.Learned.Before(sweepBegan))
			switch {
			case m.fate != person.Accepted || over:
			case m.id == "":
				*withoutID++
			case !yield(question{m.row, m.id}, nil):
				return
			}
		}
	}
}

// count counts questions.
func count(questions iter.Seq2[question, error]) (n int64, err error) {
	for _, err := range questions {
		if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// sweepStatuses asks the service what has become of the messages that it accepted.
func (s *session) sweepStatuses(ctx context.Context, d *delivery, ledger *ledger.Ledger, o *deliveryOptions) error {
	service, ok := s.sink.(*notify.Sink)
	if !ok {
		return errors.New("nobody is asked for messages but NHS Notify")
	}
	began, again, err := d.sweepBegan()
	if err != nil {
		return err
	}
	var withoutID int64
	n, err := count(d.questions(began, &withoutID))
	if err != nil {
		return err
	}
	words := fmt.Sprintf("at %g a second %d messages take %s", o.perSecond, n, lasts(n, o.perSecond))
	if again {
		words = "going on with the sweep of " + began.In(s.campaign.Pace.Location).Format(time.DateTime+" MST") + "; " + words
	}
	s.log.Info(words + "; Ctrl-C keeps what was learnt")
	partWith(ctx, o.again(s.folder.path))
	sweep := &sweep{ask: service.Message, run: d.plan.Run, pace: newPolite(o.perSecond), total: n, log: s.log}
	sweep.save = func(facts []report.Fact) error {
		_, err := d.add(inOrder(facts), began)
		return err
	}
	why := sweep.all(ctx, d.questions(began, &withoutID))
	left := n - sweep.asked
	if why == nil && left == 0 {
		began = time.Time{} // it has come to its end
	}
	statuses, err := d.add(inOrder(nil), began)
	if err != nil && sweep.asked > 0 {
		return &ended{fmt.Errorf("%w; what was learnt since it was last saved is lost, and asked for again", err), exitStopped, o.again(s.folder.path)}
	}
	if err != nil {
		return err
	}
	sum := d.summary(ledger.Account(), statuses)
	sum.Asked, sum.Unanswered, sum.WithoutID, sum.Left = &sweep.asked, sweep.unanswered, withoutID, left-sweep.unanswered
	if err := s.tell(s.stdout, d, sum, o); err != nil {
		return err
	}
	switch refused := (*refusal)(nil); {
	case ctx.Err() != nil:
		why = fmt.Errorf("stopped; %d messages are still to be asked for", left)
	case errors.As(why, &refused) && sweep.asked == 0:
		return why
	case why != nil:
		why = fmt.Errorf("%w; %d messages are still to be asked for", why, left)
	case left > 0:
		why = fmt.Errorf("the service gave no answer about %d messages", left)
	case sum.Fates[person.InDoubt] > 0:
		return &ended{fmt.Errorf("%d messages are in doubt and no replay can settle them; a person must decide", sum.Fates[person.InDoubt]), exitInDoubt, command("recover", s.folder.path)}
	default:
		return nil
	}
	return &ended{why, exitStopped, o.again(s.folder.path)}
}

// sweepBegan is when the sweep began that is to be gone on with; else now.
func (d *delivery) sweepBegan() (began time.Time, again bool, err error) {
	r, err := d.open()
	if err != nil {
		return began, false, err
	}
	if r != nil {
		defer func() { _ = r.Close() }()
		if !r.SweepBegan.IsZero() {
			return r.SweepBegan, true, nil
		}
	}
	return time.Now().Truncate(time.Millisecond), false, nil
}
