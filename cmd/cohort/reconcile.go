package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"cohort/engine"
	"cohort/engine/decision"
	"cohort/engine/dispatch"
	"cohort/engine/journal"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/ingest/person"
	"cohort/shard"
	"cohort/sinks/nhsapp"
)

// reconcileVerb is how the command is called.
const reconcileVerb = "reconcile"

func reconcileCommand() *cobra.Command {
	var network bool
	var o *deliveryOptions
	again := &resending{}
	c := &cobra.Command{
		Use:   "reconcile DIR",
		Short: "Ask the service what has become of a run's messages",
		Long: `Reconcile asks the service what it has of a run's messages and what has become of them.
Nothing is sent. What it is told of their way is in delivery.parquet in the run's folder, and
changes nobody's fate.

NHS Notify is asked for each message that was accepted and has not come to its end, so many
in a second. How long that takes is said at the start. Ctrl-C keeps what was learnt, and the
next reconcile goes on with the rest. What is in doubt a replay settles first:
cohort resume DIR --settle.

Of the NHS App it reads the receipts of every day since the run was planned. A message that a receipt names was taken: it is accepted from then on, under the
service's id. One that no receipt names stays in doubt, since its receipt may yet come: ask
again the next day. It needs the report of receipts, which the application must be allowed
to read.

What became of an upload over MESH NHS Notify says in files that come back (workflow
NHS_NOTIFY_DAILY_REPORT, or NHS_NOTIFY_BATCH_REPORT when a batch has ended); each is named with
--daily-report. They may come in any order and
more than once. Rows about messages that are not of this run are counted and said. Nothing is
changed when one of the files cannot be read to its end.

An acknowledgement (workflow NHS_NOTIFY_SEND_REQUEST_ACK) is named with --acknowledgement, with its
control file beside it. When it refuses an upload, the upload's messages are refused from then on,
and cohort retry can put them into a new one. One that cannot be understood beyond doubt, or
contradicts what is known, is refused and changes nothing. When daily reports name messages of an
upload that was refused before, that is noted and ends with 4: nobody of the upload is sent to again.

With --fallback the messages are listed that have reached nobody, so that their people can be
reached in another way: those that failed; and of the NHS App those that were rejected, did not
notify, or were not read within --unread. Whom a suppression list has named since is left out,
and so are messages that failed before any channel was tried, since then the person's record
lets nobody write: the person may have died.

Exit codes: 0 it was all asked, and nothing is in doubt; 3 stopped on the way, and the same
can go on; 4 something is in doubt, or a refused upload was taken all the same; 10 it could
not be asked, and nothing was changed; 1 a defect in cohort.
On 3 and 4 the last line of standard error is the command that goes on; cohort status, when only
a person can.
`,
		Example: `  cohort reconcile runs/autumn-1a2b3c4d
  cohort reconcile runs/autumn-1a2b3c4d --per-second 20 --json
  cohort reconcile runs/upload-1a2b3c4d --daily-report monday.csv --daily-report tuesday.csv`,
		Args: arguments(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			if err := again.check(c); err != nil {
				return err
			}
			path, err := absolute(args[0])
			if err != nil {
				return err
			}
			s := session{network: network, runFolder: path, runs: filepath.Dir(path), words: []string{"reconcile", path}}
			s.open(c)
			if s.call, err = readCall(path); err != nil {
				return err
			}
			plan, err := planned(path)
			if err != nil {
				return err
			}
			defer func() { _ = plan.Close() }()
			if err := o.ready(path, s.call, plan); err != nil {
				return err
			}
			if s.campaign, s.campaignText, _, err = readCampaign(path, s.call); err != nil {
				return err
			}
			s.service, s.id, s.frozen = plan.Service, plan.Run, s.campaign.Frozen()
			if s.folder, err = holdFolder(path, reconcileVerb, s.network, s.log); err != nil {
				return err
			}
			defer s.folder.release()
			defer s.end()
			if again.chosen {
				return s.resendInDoubt(c.Context(), plan, again)
			}
			return s.reconcile(c.Context(), plan, o)
		},
	}
	o = deliveryFlags(c)
	c.Long += resendHelp
	again.flags(c)
	c.Flags().BoolVar(&network, "allow-network-folder", false, networkHelp)
	return c
}

// reconcile settles what the service's receipts name.
func (s *session) reconcile(ctx context.Context, plan *plan.Plan, o *deliveryOptions) error {
	if plan.Kind() == engine.Deduplicates {
		return s.deliveries(ctx, plan, o)
	}
	if o.given != nil && o.given("per-second") {
		return refuse("--per-second is for NHS Notify, which is asked message by message; the NHS App's receipts come in pages")
	}
	if len(o.daily)+len(o.acks) > 0 {
		return refuse("daily reports and acknowledgements are about uploads over MESH (sink.file.mesh); the NHS App's receipts are read without them")
	}
	if err := s.asPlanned(plan); err != nil {
		return err
	}
	if s.call.Simulate = plan.Service == s.campaign.ServiceID(true); s.call.Simulate {
		return refuse("this was a rehearsal, and its simulator has forgotten everything")
	}
	if err := s.connect(); err != nil {
		return err
	}
	spool, err := openSpool(s.folder.file(spoolFolder), plan)
	if err != nil {
		return err
	}
	defer func() { _ = spool.Close() }()
	folded, err := ledger.Read(s.folder.path, plan)
	if err != nil {
		return unsound(s.folder.path, err)
	}
	receipts := newReceipts(plan, s.log)
	if folded.AnyInDoubt() {
		if err := s.mayWrite(plan, folded); err != nil {
			return err
		}
		if err := s.ask(ctx, plan, spool, receipts); err != nil {
			return err
		}
		if folded, err = ledger.Read(s.folder.path, plan); err != nil {
			return unsound(s.folder.path, err)
		}
	} else if folded.Facts().Attempts > 0 {
		if _, err := s.readReceipts(ctx, plan, nil, receipts); err != nil {
			return err
		}
	}
	if receipts.read == 0 && folded.Account().Fates[person.Accepted] > 0 {
		s.log.Warn("the service has no receipt of any day, not even of a message that it has accepted: it may be too early, or this application may not be shown them")
	}
	return s.received(plan, spool, folded, receipts, o, func() error { return s.settledBy(ctx, plan, spool, folded) })
}

// settledBy says how the run stands when the receipts were read.
func (s *session) settledBy(ctx context.Context, plan *plan.Plan, spool *shard.Spool, ledger *ledger.Ledger) error {
	live, held, foreign := ledger.Unsettled()
	summary := dispatch.Summary{
		Account: ledger.Account(), Attempts: ledger.Facts().Attempts, Revisions: uint64(ledger.Facts().Revisions),
		Held: held, Foreign: foreign, ListedLate: ledger.ListedLate(), Finished: live == 0 && foreign == 0,
	}
	err := s.conclude(ctx, plan, spool, summary, nil)
	if end := (*ended)(nil); summary.Finished || !errors.As(err, &end) {
		return err
	}
	doubtful := summary.Account.Fates[person.InDoubt]
	if _, due := ledger.Resent(); due > 0 && ledger.Facts().Superseded == "" {
		return &ended{fmt.Errorf("%d messages are in doubt, and a person has decided that %d of them are sent again", doubtful, due), exitInDoubt, s.goOn()}
	}
	if doubtful > 0 {
		return &ended{fmt.Errorf("%d messages are in doubt: no receipt names them, and only a person may have them sent again (--resend-in-doubt)", doubtful), exitInDoubt, s.asks()}
	}
	s.log.Info("nothing is in doubt, and not everything is sent", "go_on_with", s.goOn())
	return nil
}

// ask reads the receipts and records what they tell.
func (s *session) ask(ctx context.Context, plan *plan.Plan, spool *shard.Spool, receipts *receipts) (err error) {
	key, err := s.tokens.Fingerprint()
	if err != nil {
		return refuse("%w", err)
	}
	if err := s.sink.Check(ctx); err != nil {
		return refuse("%w", err)
	}
	log, err := ledger.Open(s.folder.path, plan)
	if errors.Is(err, journal.ErrFull) {
		return refuse("the progress log cannot be opened: %w; free some room and start again", err)
	}
	if err != nil {
		return unsound(s.folder.path, err)
	}
	defer func() {
		if e := log.Close(); err == nil && e != nil {
			err = refuse("the progress log cannot be written: %w", e)
		}
	}()
	if err := log.Open(ledger.Start{At: time.Now(), Version: version(), Key: key}); err != nil {
		return refuse("%w", err)
	}
	forms, _, err := decision.InDoubt(log.Ledger, spool)
	if err != nil {
		return damaged(err)
	}
	if err := s.warnOfKeys(plan, forms, key); err != nil {
		return err
	}
	found, err := s.readReceipts(ctx, plan, forms, receipts)
	if err != nil {
		return err
	}
	now := time.Now()
	if err := decision.Found(log, now, found); err != nil {
		return refuse("%w", err)
	}
	s.log.Info("the receipts were read", "in_doubt", len(forms), "found", len(found))
	account := log.Ledger.Account()
	if live, held, foreign := log.Ledger.Unsettled(); live == 0 && held == 0 && foreign == 0 && account.Check() == nil {
		if err := log.Finish(now, account); err != nil {
			return refuse("%w", err)
		}
	}
	return nil
}

// readReceipts reads the receipts of every day since the plan was made, once, and looks for
// forms' messages in them.
func (s *session) readReceipts(ctx context.Context, planned *plan.Plan, forms map[engine.Reference]plan.FormID, receipts *receipts) (map[plan.FormID]string, error) {
	found := map[plan.FormID]string{}
	service, ok := s.sink.(*nhsapp.Sink)
	if !ok {
		return found, nil
	}
	// An hour earlier, since clocks differ.
	for day := planned.Created.UTC().Add(-time.Hour).Truncate(24 * time.Hour); !day.After(time.Now().UTC()); day = day.AddDate(0, 0, 1) {
		n := 0
		unread, err := service.Receipts(ctx, day, func(r nhsapp.Receipt) {
			n++
			receipts.add(r)
			var reference engine.Reference
			if copy(reference[:], r.RequestID) != len(r.RequestID) {
				return
			}
			form, ours := forms[reference]
			if !ours {
				return
			}
			if before := found[form]; before != "" && before != r.MessageID {
				return // receipts have said that it was taken twice
			}
			found[form] = r.MessageID
		})
		if ctx.Err() != nil {
			return nil, &ended{errors.New("stopped; nobody's fate was changed"), exitStopped, s.asks()}
		}
		if err != nil {
			return nil, refuse("%w; nothing was changed", err)
		}
		if receipts.unread += unread; unread > 0 {
			s.log.Warn("receipts cannot be read, since they are of another form than the contract's; whom they name stays in doubt", "day", day.Format(time.DateOnly), "receipts", unread)
		}
		receipts.read += n
		s.log.Info("receipts", "day", day.Format(time.DateOnly), "receipts", n, "found_so_far", len(found))
	}
	return found, nil
}

// asks is the command that asks the service what it has of what is in doubt.
func (s *session) asks() string { return command("reconcile", s.folder.path) }
