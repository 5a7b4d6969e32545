package reconcile

import (
	"context"
	"errors"
	"iter"
	"maps"
	"slices"
	"time"

	"cohort/cmd/internal/cohortspool"
	"cohort/cmd/internal/run"
	"cohort/engine"
	"cohort/engine/build"
	"cohort/engine/decision"
	"cohort/engine/dispatch"
	"cohort/engine/event"
	"cohort/engine/facts"
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

// Verb is the name of the command.
const Verb = "reconcile"

// Reconcile asks the service about a run's messages. Receipts of the NHS App settle the messages in
// doubt that they name.
func Reconcile(s *run.Runner, ctx context.Context, plan *plan.Plan, o *Options) error {
	if plan.NeverAgain && o.flags.Changed("per-second") {
		return refusal.New("asking_rate_for_nhsapp")
	}
	if plan.NeverAgain && len(o.daily)+len(o.acks) > 0 {
		return refusal.New("upload_reports_for_nhsapp")
	}
	if err := s.AsPlanned(plan); err != nil {
		return err
	}
	if o.flags.Changed("sample") && (o.sample < 1 || plan.NeverAgain || s.Campaign.File != nil) {
		return refusal.New("sample_wrong")
	}
	if s.Call.Simulate = plan.Service == s.Campaign.ServiceID(true); s.Call.Simulate {
		return refusal.New("rehearsal_forgotten")
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
	d := &delivery.Run{Dir: s.Folder.Path, Plan: plan, Spool: spool}
	if d.Facts, err = facts.Hold(d.Dir, plan, Verb); err == nil {
		err = d.Facts.Ready()
	}
	switch {
	case errors.As(err, new(*journal.CorruptError)):
		return refusal.New("delivery_unreadable", "cause", err)
	case err != nil:
		return refusal.New("delivery_unwritable", "cause", err)
	}
	defer func() { _ = d.Facts.Close() }()
	d.Facts.Partial()
	if err := d.Facts.Collect(ctx, nil); errors.Is(err, facts.ErrUnread) {
		s.Log.Error("ALARM: callbacks about this run are missing here; see \"The inbox is damaged\" in docs/callbacks.md", event.CallbacksUnreadable, "cause", err)
	} else if err != nil {
		return refusal.New("delivery_unwritable", "cause", err)
	}
	s.Tidy(d.Facts)
	if !plan.NeverAgain {
		return deliveries(s, ctx, d, folded, o)
	}
	if err := s.Connect(); err != nil {
		return err
	}
	receipts := delivery.NewReceipts(plan, s.Log)
	if receipts.News, err = d.Learn(); err != nil {
		return err
	}
	defer receipts.News.Close()
	if folded.AnyInDoubt() {
		if err := s.MayWrite(plan, folded); err != nil {
			return err
		}
		if err := askService(s, ctx, d, receipts); err != nil {
			return err
		}
		if folded, err = ledger.Read(s.Folder.Path, plan); err != nil {
			return runfolder.Unsound(s.Folder.Path, err)
		}
	} else if folded.Facts().Attempts > 0 {
		if _, err := ReadReceipts(s, ctx, plan, nil, receipts); err != nil {
			return err
		}
	}
	if receipts.Read == 0 && folded.Account().Fates[person.Accepted] > 0 {
		s.Log.Warn("the service has no receipt of any day, not even of a message that it accepted: it may be too early, or this application may not see them", event.ReceiptsProveLittle)
	}
	return received(s, ctx, d, folded, receipts, o, func() error { return settledBy(s, ctx, plan, spool, folded) })
}

// settledBy writes the report, and says what is still in doubt after the receipts were read.
func settledBy(s *run.Runner, ctx context.Context, plan *plan.Plan, spool *shard.Spool, ledger *ledger.Ledger) error {
	live, held, foreign := ledger.Unsettled()
	summary := dispatch.Summary{
		Account: ledger.Account(), Attempts: ledger.Facts().Attempts, Revisions: uint64(ledger.Facts().Revisions),
		Held: held, Foreign: foreign, ListedLate: ledger.ListedLate(), Contradicted: ledger.CountContradicted(), Finished: live == 0 && foreign == 0,
	}
	err := s.Conclude(ctx, plan, spool, ledger, summary, nil)
	end := (*refusal.Ended)(nil)
	switch isEnd := errors.As(err, &end); {
	case isEnd && end.Code == refusal.ExitInDoubt: // the service was asked just now
		end.Next = refusal.Command("decide", s.Folder.Path)
		return err
	case summary.Finished || !isEnd:
		return err
	}
	doubtful := summary.Account.Fates[person.InDoubt]
	if _, due := ledger.Resent(); due > 0 && ledger.Facts().Superseded == "" {
		return &refusal.Ended{Err: refusal.New("in_doubt_partly_decided", "messages", doubtful, "again", due), Code: refusal.ExitInDoubt, Next: s.GoOn()}
	}
	if doubtful > 0 {
		return &refusal.Ended{Err: refusal.New("in_doubt_unnamed", "messages", doubtful, "command", refusal.Command("decide", s.Folder.Path, "in-doubt", "again", "--dry-run")), Code: refusal.ExitInDoubt, Next: refusal.Command("decide", s.Folder.Path)}
	}
	s.Log.Info("nothing is in doubt, and the run has more to send", event.NothingInDoubt, "go_on_with", s.GoOn())
	return nil
}

// askService reads the receipts and records which messages in doubt they name.
func askService(s *run.Runner, ctx context.Context, d *delivery.Run, receipts *delivery.Receipts) error {
	key, err := s.Tokens.Fingerprint()
	if err != nil {
		return refusal.New("api_key_unusable", "cause", err)
	}
	if err := s.Sink.Check(ctx); err != nil {
		return refusal.New("service_check_failed", "cause", err)
	}
	return runfolder.WithLog(d.Dir, d.Plan, func(log *ledger.Log) error {
		if err := log.Open(ledger.Start{At: time.Now(), Version: build.Version(), Key: key}); err != nil {
			return refusal.New("start_not_recorded", "cause", err)
		}
		forms, _, err := decision.InDoubt(log.Ledger, d.Spool)
		if err != nil {
			return runfolder.Damaged(err)
		}
		if err := warnOfKeys(s, d.Plan, forms, key); err != nil {
			return err
		}
		heard, err := facts.Of(s.Folder.Path, d.Plan).Partial().Heard() // it only settles what is named
		if err != nil {
			return refusal.New("callbacks_unreadable", "cause", err)
		}
		named, err := Named(s, ctx, d.Plan, forms, heard, receipts)
		if err != nil {
			return err
		}
		now := time.Now()
		if err := decision.Found(log, now, named); err != nil {
			return refusal.New("receipts_not_recorded", "cause", err)
		}
		s.Log.Info("the receipts were read", event.ReceiptsRead, "in_doubt", len(forms), "found", len(named))
		account := log.Ledger.Account()
		if live, held, foreign := log.Ledger.Unsettled(); live == 0 && held == 0 && foreign == 0 && account.Check() == nil {
			if err := log.Finish(now, account); err != nil {
				return refusal.New("finish_unrecorded", "cause", err)
			}
		}
		return nil
	})
}

// Named reads the receipts. It returns the service's ids of the forms that receipts or callbacks name.
func Named(s *run.Runner, ctx context.Context, planned *plan.Plan, forms map[engine.Reference]plan.FormID,
	heard *facts.Heard, receipts *delivery.Receipts) (map[plan.FormID]string, error) {
	found, err := ReadReceipts(s, ctx, planned, forms, receipts)
	if err != nil {
		return nil, err
	}
	named, err := heard.Names(forms)
	if err != nil {
		return nil, refusal.New("callbacks_unreadable", "cause", err)
	}
	maps.Copy(named, found) // these have ids
	return named, nil
}

// ReadReceipts reads the receipts of every day since the plan was made. It returns the service's
// ids of the forms that they name.
func ReadReceipts(s *run.Runner, ctx context.Context, planned *plan.Plan, forms map[engine.Reference]plan.FormID, receipts *delivery.Receipts) (map[plan.FormID]string, error) {
	found := map[plan.FormID]string{}
	service, ok := s.Sink.(*nhsapp.Sink)
	if !ok {
		return found, nil
	}
	// It starts an hour earlier, because clocks differ.
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
				return // receipts.Add has logged that it was taken twice
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
			s.Log.Warn("receipts do not have the form of the contract, and cannot be read; the people in them stay in doubt", event.ReceiptsUnreadable, "day", day.Format(time.DateOnly), "receipts", unread)
		}
		receipts.Read += n
		s.Log.Info("receipts", event.ReceiptsRead, "day", day.Format(time.DateOnly), "receipts", n, "found_so_far", len(found))
	}
	return found, nil
}

// ReceiptsCome checks whether a missing receipt proves something about a message in doubt. proof is
// nil when at least half of the accepted messages with a due receipt have one, in all and on each
// of days. On these days messages in doubt were attempted. Otherwise proof is a refusal.
func ReceiptsCome(s *run.Runner, r *delivery.Receipts, messages iter.Seq2[delivery.Message, error], days map[time.Time]bool, now time.Time) (proof, err error) {
	type count struct{ accepted, named int }
	var all count
	of := map[time.Time]count{}
	for m, err := range messages {
		if err != nil {
			return nil, err
		}
		if m.Fate != person.Accepted || now.Before(decision.ResendFrom(m.Accepted)) {
			continue
		}
		day := of[delivery.DayOf(m.Accepted)]
		all.accepted++
		day.accepted++
		if r.Named(m.Row) {
			all.named++
			day.named++
		}
		of[delivery.DayOf(m.Accepted)] = day
	}
	few := func(c count, when string) error {
		return refusal.New("too_few_receipts", "accepted", c.accepted, "when", when, "receipts", c.named)
	}
	if r.Unread > 0 {
		return refusal.New("receipts_not_understood", "receipts", r.Unread), nil
	}
	if 2*all.named < all.accepted {
		return few(all, ""), nil
	}
	for _, day := range slices.SortedFunc(maps.Keys(days), time.Time.Compare) {
		switch c := of[day]; {
		case 2*c.named < c.accepted:
			return few(c, " on "+day.Format(time.DateOnly)), nil
		case c.accepted == 0:
			s.Log.Warn("of a day with messages in doubt, no accepted message must have its receipt yet, so nothing shows that the receipts of this day have come", event.ReceiptsProveLittle, "day", day.Format(time.DateOnly))
		}
	}
	return nil, nil
}

// AttemptsOf returns the attempts of forms.
func AttemptsOf(dir string, planned *plan.Plan, forms map[engine.Reference]plan.FormID) (
	map[plan.FormID]decision.Attempted, error) {
	asked := make(map[plan.FormID]bool, len(forms))
	for _, form := range forms {
		asked[form] = true
	}
	attempted, err := decision.Attempts(dir, planned, func(form plan.FormID) bool { return asked[form] })
	if err != nil {
		return nil, runfolder.Unsound(dir, err)
	}
	return attempted, nil
}

// warnOfKeys warns of messages in doubt that were attempted with another API key than key.
func warnOfKeys(s *run.Runner, planned *plan.Plan, forms map[engine.Reference]plan.FormID, key string) error {
	attempted, err := AttemptsOf(s.Folder.Path, planned, forms)
	if err != nil {
		return err
	}
	others := 0
	for _, a := range attempted {
		if slices.ContainsFunc(a.Keys, func(k string) bool { return k != key }) {
			others++
		}
	}
	if others > 0 {
		s.Log.Warn("messages in doubt were attempted with another API key; an application is shown the receipts of its own messages only, so ask with that key as well", event.OtherKey, "messages", others)
	}
	return nil
}
