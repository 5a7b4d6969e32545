package followup

import (
	"context"
	"errors"
	"iter"
	"path/filepath"

	"cohort/cmd/internal/cohortspool"
	"cohort/cmd/internal/earlier"
	"cohort/engine/delivery"
	"cohort/engine/facts"
	"cohort/engine/ledger"
	"cohort/engine/outcome"
	"cohort/engine/plan"
	"cohort/engine/refusal"
	"cohort/engine/runfolder"
	"cohort/ingest/person"
	"cohort/shard"
)

// Parent is a run as it stands at one moment, open for reading. A process may be at work on it.
type Parent struct {
	Dir    string
	Plan   *plan.Plan
	Ledger *ledger.Ledger
	Spool  *shard.Spool
	states *delivery.Sorter
}

// Open reads the state of the run in dir. It sorts the run's events in a temporary file in tmp. The caller
// calls Close.
func Open(dir, tmp string) (_ *Parent, err error) {
	p := &Parent{Dir: dir}
	defer func() {
		if err != nil {
			p.Close()
		}
	}()
	if p.Plan, err = runfolder.Plan(dir); err != nil {
		return nil, err
	}
	if p.Spool, err = cohortspool.Open(filepath.Join(dir, runfolder.SpoolFolder), p.Plan); err != nil {
		return nil, err
	}
	// The events come before the log. Else an event about a message that is sent meanwhile would contradict the log.
	if p.states, err = facts.Of(dir, p.Plan).States(tmp); err != nil {
		return nil, runfolder.RoomOr(err, refusal.New("events_unreadable", "cause", err), tmp)
	}
	p.Ledger, err = runfolder.Ledger(dir, p.Plan)
	return p, err
}

// Close closes what Open opened.
func (p *Parent) Close() {
	if p.states != nil {
		_ = p.states.Close()
	}
	if p.Spool != nil {
		_ = p.Spool.Close()
	}
	if p.Plan != nil {
		_ = p.Plan.Close()
	}
}

// rowsAtOnce bounds the memory of a pass.
const rowsAtOnce = 1 << 14

// each calls fn with every record, in blocks of neighbouring rows, and done after each block. Within a block the
// records come shard by shard.
func (p *Parent) each(ctx context.Context, columns []string, fn func(*record) error, done func() error) error {
	trail, err := outcome.Open(p.Dir, p.Plan, p.Ledger)
	if err != nil {
		return err
	}
	defer func() { _ = trail.Close() }()
	ranges, err := p.Spool.RangesOf(columns)
	if err != nil {
		return err
	}
	defer func() { _ = ranges.Close() }()
	next, stop := iter.Pull2(p.states.All())
	defer stop()
	b := &pass{trail: trail, verdicts: ranges.Verdicts(), templates: earlier.TemplatesOf(p.Plan), fn: fn}
	held, err, more := next()
	for b.first = 1; b.first <= p.Plan.Records; b.first += rowsAtOnce {
		clear(b.states[:])
		for ; more && err == nil && held.Row < b.first+rowsAtOnce; held, err, more = next() {
			state := held.State
			b.states[held.Row-b.first] = &state
		}
		err = errors.Join(err, ctx.Err())
		if err == nil {
			err = ranges.Below(b.first+rowsAtOnce, b.valid, b.invalid)
		}
		if err == nil {
			err = done()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// pass reads a block.
type pass struct {
	trail     *outcome.Reader
	verdicts  []person.Verdict
	templates []string // by route
	first     int64    // the first row of the block
	states    [rowsAtOnce]*delivery.State
	fn        func(*record) error
}

func (b *pass) valid(s *person.Stretch) error {
	for i, row := range s.Rows {
		r := record{
			row: row, number: person.NHSNumber(s.Numbers[i]), state: b.states[row-b.first], template: b.templates[0],
			value: func(column int) string { return s.Kept[column](i) },
		}
		if s.Routes != nil {
			r.template = b.templates[s.Routes[i]]
		}
		if v := &b.verdicts[s.Verdicts[i]]; v.Fate != "" {
			r.outcome = &outcome.Message{Fate: v.Fate, Code: v.Code}
		} else if m, _, err := b.trail.At(s.Lane(i), s.Position+uint32(i)); err == nil {
			r.outcome = m
		} else {
			return err
		}
		if err := b.fn(&r); err != nil {
			return err
		}
	}
	return nil
}

func (b *pass) invalid(found *person.Record) error {
	number, _ := person.ParseNHSNumber(found.Number) // 0 if nobody can be meant
	return b.fn(&record{
		row: found.Row, number: number, state: b.states[found.Row-b.first],
		outcome: &outcome.Message{Fate: person.Invalid, Code: found.Code, Reason: found.Reason},
	})
}

// Overtaken yields the people of a follow-up who are not due any more: since it was planned, news of a message of
// the runs above it has come, or the person's last day has passed. day is the day of the messages. It reads
// those runs as they are now, in the folders that folderOf gives, and sorts events in tmp.
func Overtaken(ctx context.Context, f *plan.FollowUp, tmp string, day int64, folderOf FolderOf) iter.Seq2[shard.Exclusion, error] {
	return func(yield func(shard.Exclusion, error) bool) {
		for enough := false; f != nil && !enough; {
			dir, err := folderOf(f.Parent)
			var p *Parent
			if err == nil {
				p, err = Open(dir, tmp)
			}
			if err == nil {
				err = p.overtaken(ctx, f, day, func(x shard.Exclusion) error {
					if enough = !yield(x, nil); enough {
						return errEnough
					}
					return nil
				})
				f = p.Plan.FollowUp
				p.Close()
			}
			if err != nil && !enough {
				yield(shard.Exclusion{}, err)
				return
			}
		}
	}
}

var errEnough = errors.New("enough")

// overtaken yields the people of one run.
func (p *Parent) overtaken(ctx context.Context, f *plan.FollowUp, day int64, yield func(shard.Exclusion) error) error {
	var columns []string
	if f.NotAfter != "" {
		columns = append(columns, f.NotAfter)
	}
	news := int64(0)
	err := p.each(ctx, columns, func(r *record) error {
		if r.outcome.Fate == person.Accepted && r.state != nil {
			news++
		}
		v := r.news(f.Unless)
		if v == Due && f.NotAfter != "" && r.outcome.Fate == person.Accepted {
			v = lastDay(r.value(0), day)
		}
		if v == Due || r.number == 0 {
			return nil
		}
		return yield(shard.Exclusion{Number: r.number, Reason: plan.Overtaken + string(v)})
	}, func() error { return nil })
	if err == nil && news < f.WithNews {
		err = refusal.New("followup_news_missing", "run", p.Plan.RunID, "known", news, "were", f.WithNews, "command", refusal.Command("reconcile", p.Dir))
	}
	return err
}
