package shard

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"cohort/ingest/person"
)

// Ranges reads the records of a spool, a range of rows at a time, and within a range shard by
// shard. It is faster than Records, which merges the shards by row. It is not safe for
// concurrent use, but several Ranges may read a spool at once.
type Ranges struct {
	spool   *Spool
	after   []uint32   // by shard: the next position
	pages   []lastPage // by shard
	columns []string   // of Stretch.Kept
	keep    []int      // their places among the spool's texts
	invalid *invalidCursor
	left    bool // the invalid cursor stands on the next record
}

// Ranges begins to read at the first row, with the columns to keep for reports. Close must be called.
func (s *Spool) Ranges() (*Ranges, error) { return s.RangesOf(s.Manifest.Keep) }

// RangesOf is Ranges with some of the spool's texts for Stretch.Kept.
func (s *Spool) RangesOf(columns []string) (*Ranges, error) {
	invalid, err := s.openInvalid()
	if err != nil {
		return nil, err
	}
	r := &Ranges{spool: s, after: make([]uint32, len(s.shards)), pages: make([]lastPage, len(s.shards)), columns: columns, invalid: invalid}
	for _, column := range columns {
		at := slices.Index(s.Manifest.Texts(), column)
		if r.keep = append(r.keep, at); at < 0 {
			err = fmt.Errorf("%s has no column %s", s.dir, column)
		}
	}
	if err == nil {
		r.left, err = invalid.next()
	}
	if err != nil {
		_ = r.Close()
		return nil, err
	}
	return r, nil
}

// Close closes what Ranges opened.
func (r *Ranges) Close() error { return r.invalid.file.Close() }

// Verdicts explains the verdicts of stretches.
func (r *Ranges) Verdicts() []person.Verdict {
	m := &r.spool.Manifest
	all := make([]person.Verdict, suppressed+len(m.Reasons))
	for v := range all {
		w := &all[v]
		w.Fate, w.Code = verdictWords(uint8(v), m.Reasons)
		w.Reason = m.Words(w.Code)
	}
	return all
}

// Keep names the columns of Stretch.Kept.
func (r *Ranges) Keep() []string { return r.columns }

// Below reads the next records, up to the row before end. The first error ends it, also one of
// valid or invalid.
func (r *Ranges) Below(end int64, valid func(*person.Stretch) error, invalid func(*person.Record) error) error {
	for shard := range r.after {
		if err := r.shardBelow(shard, end, valid); err != nil {
			return err
		}
	}
	for r.left && r.invalid.row() < end {
		record := r.invalid.record()
		if err := invalid(&record); err != nil {
			return err
		}
		var err error
		if r.left, err = r.invalid.next(); err != nil {
			return err
		}
	}
	return nil
}

func (r *Ranges) shardBelow(shard int, end int64, valid func(*person.Stretch) error) error {
	s, sh, size := r.spool, r.spool.shards[shard], uint32(r.spool.Manifest.BatchRows)
	for int(r.after[shard]) < len(sh.verdicts) {
		at := r.after[shard]
		last := &r.pages[shard]
		if n := int(at / size); last.page == nil || last.number != n {
			page, err := sh.bare(n, r.keep...)
			if err != nil {
				return fmt.Errorf("%s: %w", filepath.Join(s.dir, s.Manifest.Shards[shard].File), err)
			}
			*last = lastPage{page, n}
		}
		page := last.page
		from := int(at % size)
		n, _ := slices.BinarySearch(page.rows[from:], end)
		if n == 0 {
			return nil
		}
		part := person.Stretch{
			Shard: shard, Position: at,
			Rows: page.rows[from : from+n], Lines: page.lines[from : from+n], Files: page.files[from : from+n], Numbers: page.numbers[from : from+n],
			Verdicts: sh.verdicts[at:][:n],
		}
		if sh.routes != nil {
			part.Routes, part.RouteCount = sh.routes[at:][:n], s.Routes()
		}
		for _, column := range page.texts {
			part.Kept = append(part.Kept, func(i int) string { return strings.TrimFunc(column.Value(from+i), person.Invisible) })
		}
		if page.references.NullN() < page.references.Len() {
			part.Reference = func(i int) string { return text(page.references, from+i) }
		}
		if err := valid(&part); err != nil {
			return err
		}
		r.after[shard] += uint32(n)
	}
	return nil
}
