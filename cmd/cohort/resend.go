package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"cohort/engine"
	"cohort/engine/decision"
	"cohort/engine/dispatch"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/register"
	"cohort/shard"
)

const resendHelp = `
With --resend-in-doubt a person has sent again what is in doubt and no receipt names. It
needs a reason, which is recorded. Whom the service has reached all the same, and whose
receipt got lost, gets the message twice: nobody can say that it has not. So it is refused
until the receipts have had the time to come: a message may be sent again when the whole
day after the day of its last attempt is over (UTC, and an hour for clocks that differ),
and all of these reports were read. Never sent again is whom a suppression list names or
has named, and nothing of which only a log that was lost knows. It is also refused where
receipts that did not come prove nothing: for messages that were attempted with another API
key, since an application is shown its own receipts only, and when of the messages that were
accepted on the same day, or of all, less than half have a receipt. It sends nothing: the next
resume does, under the same references. --dry-run shows what would become of them.
`

// resending has messages in doubt sent again because a person has decided so.
//
//	may the run send? ─▶ receipts ─▶ lists ─▶ show ─▶ old enough? ─▶ control record, decisions
type resending struct {
	chosen, dryRun bool
	reason         string
}

func (r *resending) flags(c *cobra.Command) {
	c.Flags().StringVar(&r.reason, "resend-in-doubt", "", "have sent again what is in doubt and no receipt names; the `reason`, in words without personal data, is recorded")
	c.Flags().BoolVar(&r.dryRun, "dry-run", false, "with --resend-in-doubt: show what would be sent again, and change nothing")
}

// check refuses flags that do not belong together.
func (r *resending) check(c *cobra.Command) error {
	r.chosen = c.Flags().Changed("resend-in-doubt")
	switch {
	case r.chosen && strings.TrimSpace(r.reason) == "":
		return refuse("give --resend-in-doubt a reason: why these messages go out again, though people may get them twice; it is recorded")
	case r.chosen && (c.Flags().Changed("json") || c.Flags().Changed("fallback") || c.Flags().Changed("unread") || c.Flags().Changed("daily-report") || c.Flags().Changed("per-second")):
		return refuse("--resend-in-doubt goes with --dry-run alone; reconcile by itself tells of deliveries")
	case r.dryRun && !r.chosen:
		return refuse("--dry-run goes with --resend-in-doubt; reconcile by itself sends nothing again")
	}
	return nil
}

// clockKey is under which a context has another clock than the machine's.
type clockKey struct{}

// clockOf is the clock to go by: the machine's, unless a test has set another.
func clockOf(ctx context.Context) func() time.Time {
	if clock, ok := ctx.Value(clockKey{}).(func() time.Time); ok {
		return clock
	}
	return time.Now
}

// resendInDoubt does it. Nothing is changed unless all of it may be done.
func (s *session) resendInDoubt(ctx context.Context, plan *plan.Plan, r *resending) error {
	if plan.Kind() == engine.Deduplicates {
		return refuse("the run's service knows references: a replay settles what is in doubt, and nobody gets a message twice: %s", command("resume", s.folder.path, "--settle"))
	}
	if err := s.asPlanned(plan); err != nil {
		return err
	}
	if plan.Service == s.campaign.ServiceID(true) {
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
	now := clockOf(ctx)()
	folded, err := ledger.Read(s.folder.path, plan)
	if err == nil {
		err = folded.Take(ledger.Start{At: now, Key: folded.Facts().Key})
	}
	if err != nil {
		return unsound(s.folder.path, err)
	}
	if err := s.mayRetry(plan, folded, "who are in doubt here"); err != nil {
		return err
	}
	found, again, proof, err := s.weigh(ctx, plan, folded, spool, now)
	if end := (*ended)(nil); errors.As(err, &end) {
		return &ended{end.err, end.code, command("reconcile", s.folder.path, "--resend-in-doubt", r.reason)}
	}
	if err != nil {
		return err
	}
	s.showAgain(again)
	switch {
	case again.Again == 0 && again.Due > 0:
		return refuse("nothing more is sent again: of %d messages a person has decided so before, and they are still to be sent; go on with: %s", again.Due, s.goOn())
	case again.Again == 0 && again.Other > 0:
		return refuse("nothing is sent again, and nothing was changed: an application is shown the receipts of its own messages only; put the API key back with which these were attempted")
	case again.Again == 0:
		return refuse("nothing is sent again, and nothing was changed; what receipts name this writes down: %s", s.asks())
	case again.Young > 0:
		return refuse("the receipts of %d messages may still come: from %s on they may be sent again; nothing was changed", again.Young, again.From.Format("Mon 2 Jan 2006 15:04 MST"))
	case proof != nil:
		return proof
	case r.dryRun:
		fmt.Fprintln(s.stdout, "nothing was changed (--dry-run)")
		return nil
	}
	if err := s.decide(plan, found, again, r.reason, now); err != nil {
		return err
	}
	fmt.Fprintf(s.stdout, "%d messages in doubt will be sent again; go on with: %s\n", again.Again, s.goOn())
	return nil
}

// weigh asks the service's receipts and the suppression lists what may become of the
// messages in doubt. proof is why receipts that did not come prove nothing.
func (s *session) weigh(ctx context.Context, planned *plan.Plan, folded *ledger.Ledger, spool *shard.Spool, now time.Time) (found map[plan.FormID]string, again *decision.Resend, proof, err error) {
	if err := s.sink.Check(ctx); err != nil {
		return nil, nil, nil, refuse("%w", err)
	}
	forms, _, err := decision.InDoubt(folded, spool)
	if err != nil {
		return nil, nil, nil, damaged(err)
	}
	receipts := newReceipts(planned, s.log)
	found, err = s.readReceipts(ctx, planned, forms, receipts)
	if err != nil {
		return nil, nil, nil, err
	}
	inDoubt := make(map[plan.FormID]bool, len(forms))
	for _, form := range forms {
		inDoubt[form] = true
	}
	attempted, err := decision.Attempts(s.folder.path, planned, func(form plan.FormID) bool { return inDoubt[form] })
	if err != nil {
		return nil, nil, nil, unsound(s.folder.path, err)
	}
	key, err := s.tokens.Fingerprint()
	if err != nil {
		return nil, nil, nil, refuse("%w", err)
	}
	days := map[time.Time]bool{}
	for form, a := range attempted {
		if found[form] == "" {
			days[dayOf(a.Last)] = true
		}
	}
	proof, err = s.receiptsCome(receipts, eachMessage(s.folder.path, planned, spool), days, now)
	if err != nil {
		return nil, nil, nil, err
	}
	defer func() { _ = os.RemoveAll(s.folder.file(listsFolder)) }()
	var listing dispatch.Listing
	if lists := s.lists(); len(lists.of) > 0 {
		if listing, err = lists.listing(ctx, s.folder.path, spool, folded.Facts().Lists); err != nil {
			return nil, nil, nil, refuse("%w; nothing was changed", err)
		}
	}
	again, err = decision.ResendCandidates(ctx, folded, decision.Evidence{Found: found, Attempts: attempted, Key: key, People: listing.People}, now)
	if ctx.Err() != nil {
		return nil, nil, nil, &ended{errors.New("stopped; nobody's fate was changed"), exitStopped, ""}
	}
	if err != nil {
		return nil, nil, nil, refuse("%w; nothing was changed", err)
	}
	return found, again, proof, nil
}

// showAgain says what becomes of the messages in doubt.
func (s *session) showAgain(again *decision.Resend) {
	for _, line := range []struct {
		words    string
		messages int
	}{
		{"named by a receipt, and so accepted", again.Named},
		{"to be sent again", again.Again},
		{"  of which receipts may still come", again.Young},
		{"listed, and never sent again", again.Listed},
		{"known to a log alone that was lost", again.Lost},
		{"attempted with another API key", again.Other},
		{"decided before, and still to be sent", again.Due},
	} {
		fmt.Fprintf(s.stdout, "%-38s %10d\n", line.words, line.messages)
	}
}

// decide writes down what the receipts tell, and then the decision.
func (s *session) decide(plan *plan.Plan, found map[plan.FormID]string, again *decision.Resend, reason string, now time.Time) (err error) {
	key, err := s.key()
	if err != nil {
		return refuse("%w", err)
	}
	log, err := ledger.Open(s.folder.path, plan)
	if err != nil {
		return roomOr(err, unsound(s.folder.path, err), s.folder.path)
	}
	defer func() {
		if e := log.Close(); err == nil && e != nil {
			err = refuse("the progress log cannot be written: %w", e)
		}
	}()
	err = log.Open(ledger.Start{At: now, Version: version(), Key: key})
	if err == nil {
		err = decision.Found(log, now, found)
	}
	if err == nil {
		err = again.Commit(log, whoAmI(), reason, now)
	}
	if err != nil {
		return refuse("not all of them could be taken up: %w; %s says how many are, and a further --resend-in-doubt takes up the others", err, command("status", s.folder.path))
	}
	if _, err := register.ReachedAll(s.campaign.Registers(), plan.RunID, log.Ledger.Facts().Attempts, uint64(log.Ledger.Facts().Revisions)); err != nil {
		s.log.Warn("the register could not be told how far the run has come", "problem", err.Error())
	}
	return nil
}
