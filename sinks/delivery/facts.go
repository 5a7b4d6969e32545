package delivery

import (
	"cmp"
	"errors"
	"io/fs"
	"iter"
	"path/filepath"
	"slices"
	"time"

	"cohort/engine/build"
	"cohort/engine/plan"
	"cohort/engine/refusal"
	"cohort/engine/report"
	"cohort/shard"
)

// FactsFile is the name of the facts' file in a run's folder.
const FactsFile = "delivery.parquet"

// Facts is the file of facts of a run. The process that uses it holds the run's lock.
type Facts struct {
	Dir   string // the run's folder
	Plan  *plan.Plan
	Spool *shard.Spool // for Known
}

func (d *Facts) Path() string { return filepath.Join(d.Dir, FactsFile) }

// open opens the file. It returns nil when there is none yet.
func (d *Facts) open() (*report.DeliveryReader, error) {
	r, err := report.OpenDelivery(d.Path(), d.Plan.Run)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, refusal.New("delivery_unreadable", "cause", err)
	}
	return r, nil
}

// PollBegan is the time when the unfinished status poll began. When there is none, it is now, and
// again is false. A file that cannot be read is an error.
func (d *Facts) PollBegan() (began time.Time, again bool, err error) {
	r, err := d.open()
	if err != nil {
		return began, false, err
	}
	if r != nil {
		defer func() { _ = r.Close() }()
		if !r.SweepBegan.IsZero() {
			return r.SweepBegan, true, nil
		}
	}
	return time.Now().Truncate(time.Millisecond), false, nil
}

// All yields the facts in the order of their rows.
func (d *Facts) All() iter.Seq2[report.Fact, error] {
	return func(yield func(report.Fact, error) bool) {
		r, err := d.open()
		if err != nil {
			yield(report.Fact{}, err)
		}
		if r == nil {
			return
		}
		defer func() { _ = r.Close() }()
		for {
			f, ok, err := r.Next()
			if err != nil {
				err = refusal.New("delivery_unreadable", "cause", err)
			}
			if err == nil && !ok || !yield(f, err) || err != nil {
				return
			}
		}
	}
}

// Add writes the file anew with new facts, which are in the order of their rows, and counts all
// facts by status. pollBegan is the start of a status poll that has not ended; else zero.
func (d *Facts) Add(news iter.Seq2[report.Fact, error], pollBegan time.Time) (map[string]int64, error) {
	about := report.Delivery{Plan: d.Plan, Version: build.Version(), SweepBegan: pollBegan}
	counts, err := report.WriteDelivery(d.Path(), about, merged(d.All(), news))
	if err != nil && refusal.Code(err) == "" {
		err = refusal.New("delivery_unwritable", "cause", err)
	}
	return counts, err
}

// merged yields the facts of both in the order of their rows. It makes one of two of the same row.
func merged(before, news iter.Seq2[report.Fact, error]) iter.Seq2[report.Fact, error] {
	return func(yield func(report.Fact, error) bool) {
		next, stop := iter.Pull2(before)
		defer stop()
		old, err, there := next()
		for f, e := range news {
			for there && err == nil && old.Row < f.Row && e == nil {
				if !yield(old, nil) {
					return
				}
				old, err, there = next()
			}
			if err = errors.Join(err, e); err != nil {
				yield(report.Fact{}, err)
				return
			}
			if there && old.Row == f.Row {
				f = f.After(old)
				old, err, there = next()
			}
			if !yield(f, nil) {
				return
			}
		}
		for ; there; old, err, there = next() {
			if !yield(old, err) || err != nil {
				return
			}
		}
	}
}

// InOrder sorts facts by row and yields them.
func InOrder(facts []report.Fact) iter.Seq2[report.Fact, error] {
	slices.SortFunc(facts, func(a, b report.Fact) int { return cmp.Compare(a.Row, b.Row) })
	return func(yield func(report.Fact, error) bool) {
		for _, f := range facts {
			if !yield(f, nil) {
				return
			}
		}
	}
}

// Known yields every message of the run in the order of rows, with its fact.
func (d *Facts) Known() iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		next, stop := iter.Pull2(d.All())
		defer stop()
		f, err, there := next()
		for m, e := range EachMessage(d.Dir, d.Plan, d.Spool) {
			for e == nil && err == nil && there && f.Row < m.Row {
				f, err, there = next()
			}
			if e != nil || err != nil {
				yield(Message{}, errors.Join(e, err))
				return
			}
			if there && f.Row == m.Row {
				m.Fact = &f
			}
			if !yield(m, nil) {
				return
			}
		}
	}
}
