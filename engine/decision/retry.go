package decision

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"cohort/engine"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/record"
)

// Retry has the refused messages that a person may send again.
type Retry struct {
	Counts []RetryCount // for each code that was asked for, in order of the codes
	Rows   map[uint32][]record.RefusedRow
}

// RetryCount counts the refused messages with one code.
type RetryCount struct {
	Code         string
	Again        int // they are sent again
	Listed       int // they are not: a suppression list has named the person
	Contradicted int // they are not: the service reports about them, so it has them
	Unsure       int // they are not: a request with them got no answer, and may have been accepted since
}

func (r *Retry) Sum() (all RetryCount) {
	for _, c := range r.Counts {
		all.Again, all.Listed, all.Unsure = all.Again+c.Again, all.Listed+c.Listed, all.Unsure+c.Unsure
		all.Contradicted += c.Contradicted
	}
	return all
}

// RetryCandidates returns the messages that were refused with one of the codes; no codes mean all.
func RetryCandidates(l *ledger.Ledger, codes []string) *Retry {
	again := &Retry{Rows: map[uint32][]record.RefusedRow{}}
	counts := map[string]*RetryCount{}
	for batch, refused := range l.RefusedBatches() {
		for _, row := range refused {
			if len(codes) > 0 && !slices.Contains(codes, row.Code) {
				continue
			}
			c := counts[row.Code]
			if c == nil {
				c = &RetryCount{Code: row.Code}
				counts[row.Code] = c
			}
			switch {
			case l.IsContradicted(batch, row.Position):
				c.Contradicted++
			case l.IsLate(batch, row.Position):
				c.Listed++
			case l.IsUnsure(batch):
				c.Unsure++
			default:
				c.Again++
				again.Rows[batch] = append(again.Rows[batch], row)
			}
		}
	}
	for _, code := range slices.Sorted(maps.Keys(counts)) {
		again.Counts = append(again.Counts, *counts[code])
	}
	return again
}

// Revisions makes the revisions of a retry and changes nothing. A batch that no longer comes out as it was planned is
// plan.ErrChanged.
func (r *Retry) Revisions(
	l *ledger.Ledger, source engine.Source, sink engine.Sink, now time.Time,
) (all []*record.Revision, err error) {
	bd := plan.Builder{References: l.Plan.References, Source: source, Sink: sink}
	var scratch plan.Body
	for _, batch := range slices.Sorted(maps.Keys(r.Rows)) {
		rows := r.Rows[batch]
		planned, err := l.Plan.Batch(batch)
		if err == nil {
			err = bd.Rebuild(&scratch, &planned, plan.FormID{Batch: batch}, &planned.Form)
		}
		if err != nil {
			return nil, err
		}
		revision := l.SendRefusedAgain(batch, rows, now)
		if err := bd.NewForms(&scratch, &planned, revision.Part(0), revision.Parts); err != nil {
			return nil, err
		}
		if n := revision.Parts[0].Messages; int(n) != len(rows) {
			return nil, fmt.Errorf("batch %d: %w: %d refused messages became %d", batch, ledger.ErrIllegal, len(rows), n)
		}
		all = append(all, revision)
	}
	return all, nil
}

// Commit has the messages sent again by the next run. It records the person and the reason first, and makes the
// revisions durable in the log and the second copy. After a crash some messages are still refused, and another retry
// takes them. The caller holds the run's folder, and the candidates come from this log's ledger.
func (r *Retry) Commit(
	log *ledger.Log, source engine.Source, sink engine.Sink, by, reason string, at time.Time,
) error {
	revisions, err := r.Revisions(log.Ledger, source, sink, at)
	if err != nil {
		return err
	}
	detail := fmt.Sprintf("%d refused messages, by %s: %s", r.Sum().Again, by, reason)
	if err := log.Control(at, record.ControlRetried, detail); err != nil {
		return err
	}
	for _, revision := range revisions {
		if err := log.RevisedByList(revision); err != nil {
			return err
		}
	}
	return log.SettleRevisions()
}
