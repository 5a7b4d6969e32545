package reconcile

import (
	"iter"
	"maps"
	"slices"
	"time"

	"cohort/cmd/internal/run"
	"cohort/engine"
	"cohort/engine/decision"
	"cohort/engine/plan"
	"cohort/engine/refusal"
	"cohort/engine/runfolder"
	"cohort/ingest/person"
	"cohort/sinks/delivery"
)

// ReceiptsCome says why a missing receipt proves nothing about a message in doubt. proof is nil when
// enough accepted messages have their receipts: at least half of all whose receipts are due at
// now, and at least half of those accepted on each of days. On these days messages in doubt were
// attempted.
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
		if r.Rank(m.Row-1) >= 0 {
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
			s.Log.Warn("messages in doubt were attempted on a day when nothing was accepted, so nothing shows that the receipts of that day have come", "day", day.Format(time.DateOnly))
		}
	}
	return nil, nil
}

// warnOfKeys warns of messages in doubt that were attempted with another API key than key.
func warnOfKeys(s *run.Runner, planned *plan.Plan, forms map[engine.Reference]plan.FormID, key string) error {
	inDoubt := make(map[plan.FormID]bool, len(forms))
	for _, form := range forms {
		inDoubt[form] = true
	}
	attempted, err := decision.Attempts(s.Folder.Path, planned, func(form plan.FormID) bool { return inDoubt[form] })
	if err != nil {
		return runfolder.Unsound(s.Folder.Path, err)
	}
	others := 0
	for _, a := range attempted {
		if slices.ContainsFunc(a.Keys, func(k string) bool { return k != key }) {
			others++
		}
	}
	if others > 0 {
		s.Log.Warn("messages in doubt were attempted with another API key; an application is shown the receipts of its own messages only, so ask with that key as well", "messages", others)
	}
	return nil
}
