package decision

import (
	"slices"
	"time"

	"cohort/engine"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/record"
)

// InDoubt lists the messages in doubt at a service that can be asked, by their references there, and the time of the
// first attempt of any. It is called when the process works on the run (Log.Open, or Ledger.Take), so that no request
// is on its way.
func InDoubt(l *ledger.Ledger, source engine.Source) (forms map[engine.Reference]plan.FormID, since time.Time, err error) {
	forms = map[engine.Reference]plan.FormID{}
	first := int64(0)
	for id, s := range l.Standing() {
		if !l.IsAsked(s) || s.Messages != 1 {
			continue
		}
		if at := int64(s.First); first == 0 || at != 0 && at < first {
			first = at
		}
		if err := addMessages(forms, l, source, id); err != nil {
			return forms, since, err
		}
	}
	if first != 0 {
		since = time.UnixMilli(first)
	}
	return forms, since, nil
}

func addMessages(forms map[engine.Reference]plan.FormID, l *ledger.Ledger, source engine.Source, id plan.FormID) error {
	planned, err := l.Plan.Batch(id.Batch)
	if err != nil {
		return err
	}
	form, err := l.Form(id)
	if err != nil {
		return err
	}
	for person, err := range source.Recipients(planned.Lane, form.From, form.To) {
		if err != nil {
			return err
		}
		if _, dropped := slices.BinarySearch(form.Dropped, person.Position); !dropped && !person.Suppressed {
			forms[l.Plan.References.Message(person.Row)] = id
		}
	}
	return nil
}

// Found records, durably, that receipts name messages that were in doubt, with the service's ids.
func Found(log *ledger.Log, at time.Time, messages map[plan.FormID]string) error {
	for id, messageID := range messages {
		r := &record.Resolved{Form: id, At: at, Result: record.ResultAccepted, Reason: "its receipts", IDs: []string{messageID}}
		if err := log.Append(r); err != nil {
			return err
		}
	}
	return log.Flush()
}
