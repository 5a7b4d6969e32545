package main

import (
	"iter"
	"maps"
	"slices"
	"time"

	"cohort/engine"
	"cohort/engine/decision"
	"cohort/engine/plan"
	"cohort/ingest/person"
)

// dayOf is the day of a moment as the service's receipts count them.
func dayOf(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }

// receiptsCome says why it proves nothing that messages in doubt have no receipt; nil when it
// proves what it can: that those of the messages have come that the service has accepted, in
// all, as far as theirs have had the time at now, and on each of the days on which the ones in
// doubt were attempted.
func (s *session) receiptsCome(r *receipts, messages iter.Seq2[sentMessage, error], days map[time.Time]bool, now time.Time) (proof, err error) {
	type count struct{ accepted, named int }
	var all count
	of := map[time.Time]count{}
	for m, err := range messages {
		if err != nil {
			return nil, err
		}
		if m.fate != person.Accepted || now.Before(decision.ResendFrom(m.accepted)) {
			continue
		}
		day := of[dayOf(m.accepted)]
		all.accepted++
		day.accepted++
		if r.rank(m.row-1) >= 0 {
			all.named++
			day.named++
		}
		of[dayOf(m.accepted)] = day
	}
	few := func(c count, when string) error {
		return refuse("of the %d messages that the service has accepted%s only %d have a receipt: that those in doubt have none proves nothing; nothing was changed", c.accepted, when, c.named)
	}
	if r.unread > 0 {
		return refuse("%d receipts cannot be read, and may be those of messages in doubt; nothing was changed", r.unread), nil
	}
	if 2*all.named < all.accepted {
		return few(all, ""), nil
	}
	for _, day := range slices.SortedFunc(maps.Keys(days), time.Time.Compare) {
		switch c := of[day]; {
		case 2*c.named < c.accepted:
			return few(c, " on "+day.Format(time.DateOnly)), nil
		case c.accepted == 0:
			s.log.Warn("nothing was accepted on a day on which messages in doubt were attempted: nothing shows that the receipts of that day have come", "day", day.Format(time.DateOnly))
		}
	}
	return nil, nil
}

// warnOfKeys warns of messages in doubt of which the present application is shown nothing.
func (s *session) warnOfKeys(planned *plan.Plan, forms map[engine.Reference]plan.FormID, key string) error {
	inDoubt := make(map[plan.FormID]bool, len(forms))
	for _, form := range forms {
		inDoubt[form] = true
	}
	attempted, err := decision.Attempts(s.folder.path, planned, func(form plan.FormID) bool { return inDoubt[form] })
	if err != nil {
		return unsound(s.folder.path, err)
	}
	others := 0
	for _, a := range attempted {
		if slices.ContainsFunc(a.Keys, func(k string) bool { return k != key }) {
			others++
		}
	}
	if others > 0 {
		s.log.Warn("messages in doubt were attempted with another API key; an application is shown the receipts of its own messages only, so ask with that key as well", "messages", others)
	}
	return nil
}
