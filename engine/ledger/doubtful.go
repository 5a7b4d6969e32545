package ledger

import (
	"fmt"
	"slices"
	"time"

	"cohort/engine"
	"cohort/engine/plan"
	"cohort/engine/record"
)

// Doubtful lists the messages in doubt at a service that can be asked, by the references
// under which it knows them, and says when the first of them was attempted. It is called
// when the process has taken the run on (Open, or Take), so that nothing is under way any more.
func (l *Ledger) Doubtful(source engine.Source) (forms map[engine.Reference]plan.FormID, since time.Time, err error) {
	forms = map[engine.Reference]plan.FormID{}
	if !l.Plan.NeverAgain {
		return forms, since, nil
	}
	first := int64(0)
	for b := range l.base {
		l.Forms(uint32(b), func(id plan.FormID, s *State) {
			if err != nil || !l.IsAsked(s) || s.Messages != 1 {
				return
			}
			if at := s.First.UnixMilli(); first == 0 || at != 0 && at < first {
				first = at
			}
			err = l.messages(source, id, func(r engine.Reference) { forms[r] = id })
		})
	}
	if first != 0 {
		since = time.UnixMilli(first)
	}
	return forms, since, err
}

// isAsked reports whether the service's receipts may settle a form: it is in doubt, and
// nothing of it is under way.
func (l *Ledger) IsAsked(s *State) bool {
	return l.Plan.NeverAgain && (s.Phase == Held || s.Phase == Live && s.Resend.IsDue() && !s.Pending)
}

// messages calls yield with the reference of each message of a form.
func (l *Ledger) messages(source engine.Source, id plan.FormID, yield func(engine.Reference)) error {
	planned, err := l.Plan.Batch(id.Batch)
	if err != nil {
		return err
	}
	form, err := l.Form(id)
	if err != nil {
		return err
	}
	for person, err := range source.Recipients(int(planned.Shard), form.From, form.To) {
		if err != nil {
			return err
		}
		if _, dropped := slices.BinarySearch(form.Dropped, person.Position); !dropped && !person.Suppressed {
			yield(l.Plan.Run.MessageReference(person.Row))
		}
	}
	return nil
}

// Found records, durably, that the service has messages that were in doubt, with the ids
// that it knows them by.
func (p *Log) Found(at time.Time, messages map[plan.FormID]string) error {
	for id, messageID := range messages {
		r := &record.Resolved{Form: id, At: at, Result: record.ResultAccepted, Reason: "its receipts", IDs: []string{messageID}}
		if err := p.Answer(record.KindResolved, r, r.Encode); err != nil {
			return err
		}
	}
	if err := p.Log.Flush(); err != nil {
		return fmt.Errorf("progress log: %w", err)
	}
	return nil
}
