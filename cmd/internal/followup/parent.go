package followup

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"cohort/cmd/internal/cohortspool"
	"cohort/cmd/internal/earlier"
	"cohort/engine/delivery"
	"cohort/engine/facts"
	"cohort/engine/ledger"
	"cohort/engine/outcome"
	"cohort/engine/plan"
	"cohort/engine/refusal"
	"cohort/engine/runfolder"
	"cohort/ingest"
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

// Cohort is the cohort of a run, read once more for columns that its spool does not have. It may be nil.
type Cohort iter.Seq2[ingest.Kept, error]

// rowsAtOnce bounds the memory of a pass.
const rowsAtOnce = 1 << 14

// each calls fn with every record, in blocks of neighbouring rows, and done after each block. Within a block the
// records come shard by shard. Columns that the spool does not have come from cohort.
func (p *Parent) each(
	ctx context.Context, columns []string, cohort Cohort, fn func(*record) error, done func() error,
) error {
	trail, err := outcome.Open(p.Dir, p.Plan, p.Ledger)
	if err != nil {
		return err
	}
	defer func() { _ = trail.Close() }()
	b := &pass{trail: trail, templates: earlier.TemplatesOf(p.Plan), fn: fn, kept: columns}
	if cohort != nil {
		defer b.open(cohort, columns, p.Spool.Manifest.Texts())()
	}
	ranges, err := p.Spool.RangesOf(b.kept)
	if err != nil {
		return err
	}
	defer func() { _ = ranges.Close() }()
	next, stop := iter.Pull2(p.states.All())
	defer stop()
	b.verdicts = ranges.Verdicts()
	held, err, more := next()
	for b.first = 1; b.first <= p.Plan.Records; b.first += rowsAtOnce {
		clear(b.states[:])
		for ; more && err == nil && held.Row < b.first+rowsAtOnce; held, err, more = next() {
			state := held.State
			b.states[held.Row-b.first] = &state
		}
		err = errors.Join(err, ctx.Err())
		if err == nil && cohort != nil {
			err = b.readCohort(min(rowsAtOnce, p.Plan.Records-b.first+1))
		}
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
	return b.end()
}

// pass reads a block.
type pass struct {
	trail     *outcome.Reader
	verdicts  []person.Verdict
	templates []string // by route
	first     int64    // the first row of the block
	states    [rowsAtOnce]*delivery.State
	fn        func(*record) error

	kept    []string                          // columns that the spool has
	next    func() (ingest.Kept, error, bool) // of the cohort; nil: all columns are in the spool
	columns []string                          // of the cohort
	block   []ingest.Kept
}

// open begins to read the cohort for the columns that are not among texts. The caller calls what it returns.
func (b *pass) open(cohort Cohort, columns, texts []string) (end func()) {
	b.next, end = iter.Pull2(iter.Seq2[ingest.Kept, error](cohort))
	b.kept = slices.DeleteFunc(slices.Clone(columns), func(c string) bool { return !slices.Contains(texts, c) })
	b.columns = columns
	return end
}

// end reads the cohort to its end, where its digest is known.
func (b *pass) end() error {
	if b.next == nil {
		return nil
	}
	_, err, more := b.next()
	if more && err == nil {
		err = errReadOtherwise
	}
	return err
}

// readCohort reads what the cohort has of the rows of the block.
func (b *pass) readCohort(rows int64) error {
	b.block = b.block[:0]
	for range rows {
		k, err, more := b.next()
		if err != nil || !more {
			return cmp.Or(err, errReadOtherwise)
		}
		for i, value := range k.Values {
			k.Values[i] = strings.Clone(value)
		}
		b.block = append(b.block, k)
	}
	return nil
}

// fill lets a record have the columns of the cohort, too. It compares the record's place in the cohort.
func (b *pass) fill(r *record, file uint16, line int64) error {
	k, kept := &b.block[r.row-b.first], r.value
	if k.Values == nil || k.File != int(file) || k.Line != line {
		return errReadOtherwise
	}
	r.value = func(column int) string {
		if at := slices.Index(b.kept, b.columns[column]); at >= 0 {
			return kept(at)
		}
		return k.Values[column]
	}
	return nil
}

var errReadOtherwise = refusal.New("followup_read_otherwise")

func (b *pass) valid(s *person.Stretch) error {
	for i, row := range s.Rows {
		r := record{
			row: row, number: person.NHSNumber(s.Numbers[i]), state: b.states[row-b.first], template: b.templates[0],
			value: func(column int) string { return s.Kept[column](i) },
		}
		if b.next != nil {
			if err := b.fill(&r, s.Files[i], s.Lines[i]); err != nil {
				return err
			}
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
// the runs above it has come, or the person's last day has passed. The follow-up is in dir. day is the day of the
// messages. It reads the runs above as they are now, in the folders that folderOf gives, and sorts events in tmp.
func Overtaken(
	ctx context.Context, of *plan.Plan, dir, tmp string, day int64, folderOf FolderOf,
) iter.Seq2[shard.Exclusion, error] {
	return func(yield func(shard.Exclusion, error) bool) {
		enough := false
		found := func(n person.NHSNumber, v Verdict) error {
			if enough = !yield(shard.Exclusion{Number: n, Reason: plan.Overtaken + string(v)}, nil); enough {
				return errEnough
			}
			return nil
		}
		for of.FollowUp != nil && !enough {
			above, err := folderOf(of.FollowUp.Parent)
			var p *Parent
			if err == nil {
				p, err = Open(above, tmp)
			}
			if err == nil {
				err = p.overtaken(ctx, of.FollowUp, found)
				p.Close()
			}
			if err == nil && of.FollowUp.NotAfter != "" {
				err = tooLate(of, dir, day, found)
			}
			if err != nil && !enough {
				yield(shard.Exclusion{}, err)
				return
			}
			if err == nil {
				of, dir = p.Plan, above
			}
		}
	}
}

var errEnough = errors.New("enough")

// overtaken finds the people of one run with news. It refuses when less is known than when the follow-up was planned.
func (p *Parent) overtaken(ctx context.Context, f *plan.FollowUp, found func(person.NHSNumber, Verdict) error) error {
	known := int64(0)
	err := p.each(ctx, nil, nil, func(r *record) error {
		if r.outcome.Fate == person.Accepted && r.state != nil {
			known++
		}
		if v := r.news(f.Unless); v != Due && r.number != 0 {
			return found(r.number, v)
		}
		return nil
	}, func() error { return nil })
	if err == nil && known < f.WithNews {
		err = refusal.New("followup_news_missing", "run", p.Plan.RunID, "known", known, "were", f.WithNews,
			"command", refusal.Command("reconcile", p.Dir))
	}
	return err
}

// tooLate finds the people of a follow-up who have passed their last day. Its own spool has the column.
func tooLate(of *plan.Plan, dir string, day int64, found func(person.NHSNumber, Verdict) error) error {
	spool, err := cohortspool.Open(filepath.Join(dir, runfolder.SpoolFolder), of)
	if err != nil {
		return err
	}
	defer func() { _ = spool.Close() }()
	ranges, err := spool.RangesOf([]string{of.FollowUp.NotAfter})
	if err != nil {
		return err
	}
	defer func() { _ = ranges.Close() }()
	return ranges.Below(math.MaxInt64, func(s *person.Stretch) error {
		for i, number := range s.Numbers {
			if v := lastDay(s.Kept[0](i), day); v != Due {
				if err := found(person.NHSNumber(number), v); err != nil {
					return err
				}
			}
		}
		return nil
	}, func(*person.Record) error { return nil })
}
