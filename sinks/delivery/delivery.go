package delivery

import (
	"errors"
	"io/fs"
	"iter"
	"slices"
	"time"

	"cohort/engine/build"
	"cohort/engine/plan"
	"cohort/engine/refusal"
	"cohort/engine/report"
	"cohort/engine/runfolder"
	"cohort/shard"
)

// deliveryFile holds what is known of the way of the messages that were accepted.
const FactsFile = "delivery.parquet"

// delivery is the file of that name in a run's folder, whose lock this process has.
type Facts struct {
	Folder *runfolder.Folder
	Plan   *plan.Plan
	Spool  *shard.Spool
}

// open opens the file; nil when there is none yet.
func (d *Facts) open() (*report.DeliveryReader, error) {
	r, err := report.OpenDelivery(d.Folder.File(FactsFile), d.Plan.Run)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, UnreadableDelivery(err)
	}
	return r, nil
}

func UnreadableDelivery(err error) error {
	return refusal.New("delivery_unreadable", "cause", err)
}

// facts yields what is known, in the order of the rows.
func (d *Facts) Facts() iter.Seq2[report.Fact, error] {
	return func(yield func(report.Fact, error) bool) {
		r, err := d.open()
		if r == nil {
			if err != nil {
				yield(report.Fact{}, err)
			}
			return
		}
		defer func() { _ = r.Close() }()
		for {
			f, ok, err := r.Next()
			if err != nil {
				err = UnreadableDelivery(err)
			}
			if err == nil && !ok || !yield(f, err) || err != nil {
				return
			}
		}
	}
}

// add writes the file anew with facts that have come, which are in the order of their rows,
// and counts all of them by status. A sweep that has not ended is noted with its beginning.
func (d *Facts) Add(news iter.Seq2[report.Fact, error], sweepBegan time.Time) (map[string]int64, error) {
	counts, err := report.WriteDelivery(d.Folder.File(FactsFile), report.Delivery{Plan: d.Plan, Version: build.Version(), SweepBegan: sweepBegan}, merged(d.Facts(), news))
	if err != nil && refusal.Code(err) == "" {
		err = refusal.New("delivery_unwritable", "cause", err)
	}
	return counts, err
}

// merged yields the facts of both, in the order of their rows; those of one row are one.
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

// inOrder yields facts in the order of their rows, which it puts them in.
func InOrder(facts []report.Fact) iter.Seq2[report.Fact, error] {
	slices.SortFunc(facts, func(a, b report.Fact) int { return int(a.Row - b.Row) })
	return func(yield func(report.Fact, error) bool) {
		for _, f := range facts {
			if !yield(f, nil) {
				return
			}
		}
	}
}

// knownMessage is a message and what is known of it; nil: nothing.
type knownMessage struct {
	Message
	Fact *report.Fact
}

// known yields every message with what is known of it, in the order of their rows.
func (d *Facts) Known() iter.Seq2[knownMessage, error] {
	return func(yield func(knownMessage, error) bool) {
		next, stop := iter.Pull2(d.Facts())
		defer stop()
		f, err, there := next()
		for m, e := range EachMessage(d.Folder.Path, d.Plan, d.Spool) {
			for e == nil && err == nil && there && f.Row < m.Row {
				f, err, there = next()
			}
			if e != nil || err != nil {
				yield(knownMessage{}, errors.Join(e, err))
				return
			}
			known := knownMessage{Message: m}
			if there && f.Row == m.Row {
				known.Fact = &f
			}
			if !yield(known, nil) {
				return
			}
		}
	}
}
