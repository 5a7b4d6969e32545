package ledger

import (
	"cmp"
	"log/slog"
	"slices"
	"strconv"
	"time"

	"cohort/engine"
	"cohort/engine/event"
	"cohort/engine/plan"
	"cohort/engine/record"
	"cohort/ingest/person"
)

// CodeContradicted is the code of a contradiction: the service reports about a message that it does not have by the
// account. Nothing more is sent to the person, as if the person was listed too late. It changes no fate.
const CodeContradicted = "contradicted"

// codeOutside is CodeContradicted for people that the plan suppressed. No form has a message for them.
const codeOutside = "contradicted_suppressed"

// mostAlarms bounds the contradictions that are logged one by one.
const mostAlarms = 20

// CodeBatchReported is the code of a foreign form that no request has found: the service reports about its batch.
const CodeBatchReported = "batch_reported"

// Contradictions finds the contradictions that the ledger does not have yet. It logs an alarm, and has them recorded.
// heard reports whether a service spoke of the message of a row. No request may be on its way. foreign counts the
// forms that are foreign now.
//
//	not sent                            foreign: another copy of the run, or an older log, has sent the batch
//	refused, or listed since the plan   contradicted; forms of the batch that are still to be sent are foreign
//	suppressed by the plan              contradicted
//	held, and the service is not asked  contradicted: nothing else can settle it
//	in doubt otherwise                  no contradiction: a replay or a receipt settles it
func (l *Ledger) Contradictions(
	source engine.Source, heard func(row int64) bool, log *slog.Logger, write func(record.Record) error,
) (foreign int, err error) {
	outsiders, found := l.Plan.Static[string(person.Suppressed)] > 0, l.contradicted
	for b, err := range l.Plan.Each() {
		if err != nil {
			return foreign, err
		}
		if !outsiders && l.isPlain(b.Number) {
			continue
		}
		sentElsewhere, inForms, outside := false, []record.RefusedRow(nil), []record.RefusedRow(nil)
		for r, err := range source.Recipients(b.Lane, b.From, b.To) {
			if err != nil {
				return foreign, err
			}
			if !heard(r.Row) {
				continue
			}
			fate := person.Suppressed
			if !r.Suppressed {
				fate = l.withoutMessage(b.Number, r.Position)
			}
			switch {
			case fate == "", fate != person.NotSent && l.IsContradicted(b.Number, r.Position):
				continue
			case r.Suppressed:
				outside = append(outside, record.RefusedRow{Position: r.Position, Code: codeOutside})
			case fate != person.NotSent:
				inForms = append(inForms, record.RefusedRow{Position: r.Position, Code: CodeContradicted})
			}
			sentElsewhere = sentElsewhere || !r.Suppressed && fate != person.InDoubt
			if found++; found <= mostAlarms {
				log.Error("ALARM: the service reports about a message that it does not have by this run's account; nothing more is sent to the person. "+
					"The first "+strconv.Itoa(mostAlarms)+" are named here, and the report names all", event.Contradicted, "message", l.Plan.References.Message(r.Row).String(), "account", fate)
			}
		}
		n, err := l.recordContradictions(b.Number, sentElsewhere, [][]record.RefusedRow{inForms, outside}, write)
		if foreign += n; err != nil {
			return foreign, err
		}
	}
	return foreign, nil
}

// recordContradictions records what was found in a batch, and returns the number of its forms that are foreign now. A
// batch without some of its people would get another reference. The service takes that one too, though it has the
// batch. So a form comes before the people in it: a start that died between the two sends nothing of the batch.
func (l *Ledger) recordContradictions(
	batch uint32, sentElsewhere bool, people [][]record.RefusedRow, write func(record.Record) error,
) (foreign int, err error) {
	now, clean := time.Now(), []plan.FormID(nil)
	for id, s := range l.Forms(batch) {
		if sentElsewhere && s.isClean() {
			clean = append(clean, id)
		}
	}
	for _, id := range clean {
		err = cmp.Or(err, write(&record.Resolved{Form: id, At: now, Result: record.ResultForeign, Reason: "the service reports about the batch"}))
	}
	for _, of := range people {
		if len(of) > 0 {
			err = cmp.Or(err, write(&record.ListedLate{Batch: batch, At: now, People: of}))
		}
	}
	return len(clean), err
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

// IsOutsider is IsContradicted for a person of a lane whom the plan suppressed.
func (l *Ledger) IsOutsider(lane person.Lane, position uint32) bool {
	from, to := l.Plan.LaneBatches(lane)
	for batch, people := range l.outside {
		if _, is := RowAt(people, position); is && from <= batch && batch < to {
			return true
		}
	}
	return false
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
