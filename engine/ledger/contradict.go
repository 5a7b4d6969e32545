package ledger

import (
	"slices"
	"time"

	"cohort/engine"
	"cohort/engine/plan"
	"cohort/engine/record"
	"cohort/ingest/person"
)

// CodeContradicted is the code of a person whose message a service spoke of, though the account says that the service
// does not have it. It counts as a person who was listed too late: nothing more is sent. A contradiction changes no
// fate.
const CodeContradicted = "contradicted"

// codeOutsider is CodeContradicted for a person whom the plan suppressed. No form has a message for the person.
const codeOutsider = "contradicted_suppressed"

// Contradicted has the contradictions of one batch.
type Contradicted struct {
	Messages []engine.Reference
	Fates    []person.Fate        // of Messages
	Records  []*record.ListedLate // for the log
}

// Contradictions calls give with the contradictions that the log does not have yet, batch by batch. heard reports
// whether a service spoke of the message of a row. No request may be on its way.
//
//	refused, not sent, suppressed       contradicted
//	held, and the service is not asked  contradicted: nothing else can settle it
//	in doubt otherwise                  no contradiction: a replay or a receipt settles it
func (l *Ledger) Contradictions(source engine.Source, heard func(row int64) bool, give func(*Contradicted) error) error {
	outsiders := l.Plan.Static[string(person.Suppressed)] > 0
	for b, err := range l.Plan.Each() {
		if err != nil {
			return err
		}
		if !outsiders && l.isPlain(b.Number) {
			continue
		}
		found, err := l.contradictionsOf(&b, source, heard)
		if err == nil && len(found.Messages) > 0 {
			err = give(found)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// isPlain reports whether all messages of a batch were accepted.
func (l *Ledger) isPlain(batch uint32) bool {
	for _, s := range l.Forms(batch) {
		if !s.IsAccepted() {
			return false
		}
	}
	return len(l.refused[batch])+len(l.listed[batch]) == 0
}

func (l *Ledger) contradictionsOf(b *plan.Batch, source engine.Source, heard func(row int64) bool) (*Contradicted, error) {
	c, now := &Contradicted{}, time.Now()
	people := &record.ListedLate{Batch: b.Number, At: now}
	outsiders := &record.ListedLate{Batch: b.Number, At: now}
	for r, err := range source.Recipients(b.Lane, b.From, b.To) {
		if err != nil {
			return nil, err
		}
		if !heard(r.Row) {
			continue
		}
		fate, of, code := person.Suppressed, outsiders, codeOutsider
		if !r.Suppressed {
			fate, of, code = l.withoutMessage(b.Number, r.Position), people, CodeContradicted
		}
		if fate == "" || l.IsContradicted(b.Number, r.Position) {
			continue
		}
		of.People = append(of.People, record.RefusedRow{Position: r.Position, Code: code})
		c.Messages = append(c.Messages, l.Plan.References.Message(r.Row))
		c.Fates = append(c.Fates, fate)
	}
	for _, r := range []*record.ListedLate{people, outsiders} {
		if len(r.People) > 0 {
			c.Records = append(c.Records, r)
		}
	}
	return c, nil
}

// withoutMessage returns the fate of a message that the service does not have, by the account; empty: it has it, or may
// have it.
func (l *Ledger) withoutMessage(batch, position uint32) person.Fate {
	if _, refused := RowAt(l.refused[batch], position); refused {
		return person.Refused
	}
	if _, left := RowAt(l.listed[batch], position); left {
		return person.Suppressed
	}
	for id, s := range l.Forms(batch) {
		form, err := l.Form(id)
		if is, _ := form.Holds(position); err != nil || !is {
			continue
		}
		if s.isClean() || s.Phase == Held && l.doubt() == InDoubt {
			return s.Fate()
		}
		break
	}
	return ""
}

// IsContradicted reports whether the log has a contradiction about a person of a batch.
func (l *Ledger) IsContradicted(batch, position uint32) bool {
	late, _ := RowAt(l.late[batch], position)
	_, outsider := RowAt(l.outside[batch], position)
	return late.Code == CodeContradicted || outsider
}

// listLate folds people who were listed too late, or are contradicted. A contradiction outranks a list.
func (l *Ledger) listLate(r *record.ListedLate) error {
	outsiders := len(r.People) > 0 && r.People[0].Code == codeOutsider
	to := l.late
	if outsiders {
		to = l.outside
	}
	known := slices.DeleteFunc(slices.Clone(to[r.Batch]), func(row record.RefusedRow) bool {
		_, again := RowAt(r.People, row.Position)
		return again
	})
	if to[r.Batch] = inOrder(known, r.People); outsiders {
		return nil
	}
	return l.holdListed(r.Batch, r.People)
}

// CountContradicted counts the people with a contradiction.
func (l *Ledger) CountContradicted() (people int) {
	for _, rows := range l.outside {
		people += len(rows)
	}
	for _, rows := range l.late {
		for _, row := range rows {
			if row.Code == CodeContradicted {
				people++
			}
		}
	}
	return people
}
