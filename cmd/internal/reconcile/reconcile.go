package reconcile

import (
	"context"
	"errors"
	"time"

	"cohort/cmd/internal/cohortspool"
	"cohort/cmd/internal/run"
	"cohort/engine"
	"cohort/engine/build"
	"cohort/engine/dispatch"
	"cohort/engine/journal"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/refusal"
	"cohort/engine/runfolder"
	"cohort/ingest/person"
	"cohort/shard"
	"cohort/sinks/delivery"
	"cohort/sinks/nhsapp"
)

// reconcileVerb is how the command is called.
const Verb = "reconcile"

// reconcile settles what the service's receipts name.
func Reconcile(s *run.Runner, ctx context.Context, plan *plan.Plan, o *Options) error {
	if !plan.NeverAgain {
		return deliveries(s, ctx, plan, o)
	}
	if o.given != nil && o.given("per-second") {
		return refusal.New("asking_rate_for_nhsapp")
	}
	if len(o.daily)+len(o.acks) > 0 {
		return refusal.New("upload_reports_for_nhsapp")
	}
	if err := s.AsPlanned(plan); err != nil {
		return err
	}
	if s.Call.Simulate = plan.Service == s.Campaign.ServiceID(true); s.Call.Simulate {
		return refusal.New("rehearsal_forgotten")
	}
	if err := s.Connect(); err != nil {
		return err
	}
	spool, err := cohortspool.Open(s.Folder.File(runfolder.SpoolFolder), plan)
	if err != nil {
		return err
	}
	defer func() { _ = spool.Close() }()
	folded, err := ledger.Read(s.Folder.Path, plan)
	if err != nil {
		return runfolder.Unsound(s.Folder.Path, err)
	}
	receipts := delivery.NewReceipts(plan, s.Log)
	if folded.AnyInDoubt() {
		if err := s.MayWrite(plan, folded); err != nil {
			return err
		}
		if err := AskService(s, ctx, plan, spool, receipts); err != nil {
			return err
		}
		if folded, err = ledger.Read(s.Folder.Path, plan); err != nil {
			return runfolder.Unsound(s.Folder.Path, err)
		}
	} else if folded.Attempts > 0 {
		if _, err := ReadReceipts(s, ctx, plan, nil, receipts); err != nil {
			return err
		}
	}
	if receipts.Read == 0 && folded.Account().Fates[person.Accepted] > 0 {
		s.Log.Warn("the service has no receipt of any day, not even of a message that it has accepted: it may be too early, or this application may not be shown them")
	}
	return received(s, plan, spool, folded, receipts, o, func() error { return settledBy(s, ctx, plan, spool, folded) })
}

// settledBy says how the run stands when the receipts were read.
func settledBy(s *run.Runner, ctx context.Context, plan *plan.Plan, spool *shard.Spool, ledger *ledger.Ledger) error {
	live, held, foreign := ledger.Unsettled()
	summary := dispatch.Summary{
		Account: ledger.Account(), Attempts: ledger.Attempts, Revisions: uint64(ledger.Revisions),
		Held: held, Foreign: foreign, ListedLate: ledger.ListedLate(), Finished: live == 0 && foreign == 0,
	}
	err := s.Conclude(ctx, plan, spool, summary, nil)
	end := (*refusal.Ended)(nil)
	switch isEnd := errors.As(err, &end); {
	case isEnd && end.Code == refusal.ExitInDoubt: // the service was asked just now
		end.Next = refusal.Command("decide", s.Folder.Path)
		return err
	case summary.Finished || !isEnd:
		return err
	}
	doubtful := summary.Account.Fates[person.InDoubt]
	if _, due := ledger.Resent(); due > 0 && ledger.Superseded == "" {
		return &refusal.Ended{Err: refusal.New("in_doubt_partly_decided", "messages", doubtful, "again", due), Code: refusal.ExitInDoubt, Next: s.GoOn()}
	}
	if doubtful > 0 {
		return &refusal.Ended{Err: refusal.New("in_doubt_unnamed", "messages", doubtful, "command", refusal.Command("decide", s.Folder.Path, "in-doubt", "again", "--dry-run")), Code: refusal.ExitInDoubt, Next: refusal.Command("decide", s.Folder.Path)}
	}
	s.Log.Info("nothing is in doubt, and not everything is sent", "go_on_with", s.GoOn())
	return nil
}

// ask reads the receipts and records what they tell.
func AskService(s *run.Runner, ctx context.Context, plan *plan.Plan, spool *shard.Spool, receipts *delivery.Receipts) (err error) {
	key, err := s.Tokens.Fingerprint()
	if err != nil {
		return refusal.New("api_key_unusable", "cause", err)
	}
	if err := s.Sink.Check(ctx); err != nil {
		return refusal.New("service_check_failed", "cause", err)
	}
	log, err := ledger.Open(s.Folder.Path, plan)
	if errors.Is(err, journal.ErrFull) {
		return refusal.New("no_room_for_log", "cause", err)
	}
	if err != nil {
		return runfolder.Unsound(s.Folder.Path, err)
	}
	defer func() {
		if e := log.Close(); err == nil && e != nil {
			err = refusal.New("log_unwritable", "cause", e)
		}
	}()
	if err := log.Open(ledger.Start{At: time.Now(), Version: build.Version(), Key: key}); err != nil {
		return refusal.New("start_not_recorded", "cause", err)
	}
	forms, _, err := log.Ledger.Doubtful(spool)
	if err != nil {
		return runfolder.Damaged(err)
	}
	if err := warnOfKeys(s, plan, forms, key); err != nil {
		return err
	}
	found, err := ReadReceipts(s, ctx, plan, forms, receipts)
	if err != nil {
		return err
	}
	now := time.Now()
	if err := log.Found(now, found); err != nil {
		return refusal.New("receipts_not_recorded", "cause", err)
	}
	s.Log.Info("the receipts were read", "in_doubt", len(forms), "found", len(found))
	account := log.Ledger.Account()
	if live, held, foreign := log.Ledger.Unsettled(); live == 0 && held == 0 && foreign == 0 && account.Check() == nil {
		if err := log.Finish(now, account); err != nil {
			return refusal.New("finish_unrecorded", "cause", err)
		}
	}
	return nil
}

// readReceipts reads the receipts of every day since the plan was made, once, and looks for
// forms' messages in them.
func ReadReceipts(s *run.Runner, ctx context.Context, planned *plan.Plan, forms map[engine.Reference]plan.FormID, receipts *delivery.Receipts) (map[plan.FormID]string, error) {
	found := map[plan.FormID]string{}
	service, ok := s.Sink.(*nhsapp.Sink)
	if !ok {
		return found, nil
	}
	// An hour earlier, since clocks differ.
	for day := planned.Created.UTC().Add(-time.Hour).Truncate(24 * time.Hour); !day.After(time.Now().UTC()); day = day.AddDate(0, 0, 1) {
		n := 0
		unread, err := service.Receipts(ctx, day, func(r nhsapp.Receipt) {
			n++
			receipts.Add(r)
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
			return nil, &refusal.Ended{Err: refusal.New("stopped_changing_nothing"), Code: refusal.ExitStopped, Next: s.Asks()}
		}
		if err != nil {
			return nil, refusal.New("receipts_unreadable", "cause", err)
		}
		if receipts.Unread += unread; unread > 0 {
			s.Log.Warn("receipts cannot be read, since they are of another form than the contract's; whom they name stays in doubt", "day", day.Format(time.DateOnly), "receipts", unread)
		}
		receipts.Read += n
		s.Log.Info("receipts", "day", day.Format(time.DateOnly), "receipts", n, "found_so_far", len(found))
	}
	return found, nil
}
