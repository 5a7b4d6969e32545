package ledger

import (
	"cmp"
	"log/slog"
	"slices"
	"strconv"
	"time"

	"cohort/engine"
	"cohort/engine/record"
	"cohort/ingest/person"
)

// CodeContradicted is the code of a person whose message a service spoke of, though the account says that the service
// does not have it. It counts as a person who was listed too late: nothing more is sent. A contradiction changes no
// fate.
const CodeContradicted = "contradicted"

// codeOutside is CodeContradicted for a person whom the plan suppressed. No form has a message for the person.
const codeOutside = "contradicted_suppressed"

// mostAlarms bounds the contradictions that are logged one by one.
const mostAlarms = 20

// Contradictions finds the contradictions that the ledger does not have yet. It logs an alarm, and has them recorded.
// heard reports whether a service spoke of the message of a row. No request may be on its way. unsent counts the
// messages that were still to be sent.
//
//	refused, not sent, suppressed       contradicted
//	held, and the service is not asked  contradicted: nothing else can settle it
//	in doubt otherwise                  no contradiction: a replay or a receipt settles it
func (l *Ledger) Contradictions(
	source engine.Source, heard func(row int64) bool, log *slog.Logger, write func(*record.ListedLate) error,
) (unsent int, err error) {
	outsiders := l.Plan.Static[string(person.Suppressed)] > 0
	for b, err := range l.Plan.Each() {
		if err != nil {
			return unsent, err
		}
		if !outsiders && l.isPlain(b.Number) {
			continue
		}
		now, inForms, outside := time.Now(), []record.RefusedRow(nil), []record.RefusedRow(nil)
		for r, err := range source.Recipients(b.Lane, b.From, b.To) {
			if err != nil {
				return unsent, err
			}
			if !heard(r.Row) || l.IsContradicted(b.Number, r.Position) {
				continue
			}
			fate := person.Suppressed
			if r.Suppressed {
				outside = append(outside, record.RefusedRow{Position: r.Position, Code: codeOutside})
			} else if fate = l.withoutMessage(b.Number, r.Position); fate != "" {
				inForms = append(inForms, record.RefusedRow{Position: r.Position, Code: CodeContradicted})
			} else {
				continue
			}
			if fate == person.NotSent {
				unsent++
			}
			if n := l.contradicted + len(inForms) + len(outside); n <= mostAlarms {
				log.Error("ALARM: the service reports about a message that it does not have by this run's account; nothing more is sent to the person. "+
					"The first "+strconv.Itoa(mostAlarms)+" are named here, and the report names all", "message", l.Plan.References.Message(r.Row).String(), "account", fate)
			}
		}
		for _, people := range [][]record.RefusedRow{inForms, outside} {
			if len(people) > 0 {
				err = cmp.Or(err, write(&record.ListedLate{Batch: b.Number, At: now, People: people}))
			}
		}
		if err != nil {
			return unsent, err
		}
	}
	return unsent, nil
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
	to, code := l.late, ""
	if len(r.People) > 0 {
		code = r.People[0].Code
	}
	if code == codeOutside {
		to = l.outside
	}
	if code == codeOutside || code == CodeContradicted {
		l.contradicted += len(r.People)
	}
	known := slices.DeleteFunc(slices.Clone(to[r.Batch]), func(row record.RefusedRow) bool {
		_, again := RowAt(r.People, row.Position)
		return again
	})
	if to[r.Batch] = inOrder(known, r.People); code == codeOutside {
		return nil // no form has a message for them
	}
	return l.holdListed(r.Batch, r.People)
}

// CountContradicted counts the people with a contradiction.
func (l *Ledger) CountContradicted() int { return l.contradicted }
