package shard

import (
	"context"
	"fmt"
	"iter"
	"path/filepath"
	"slices"

	"cohort/ingest/person"
)

// Listed is one record of a spool that a list suppresses.
type Listed struct {
	Lane     person.Lane
	Position uint32
	Reason   string
}

// Match compares a list with a spool. It is not safe for concurrent use.
type Match struct {
	spool   *Spool
	files   keyFiles // the list's entries
	reasons []string // tags of entries are indices into them
}

// Match reads a list to its end, and keeps its entries in files in dir, which must exist,
// until Close. Memory holds the entries of one shard at a time. The error is the list's,
// ctx's, or the file system's.
func (s *Spool) Match(ctx context.Context, dir string, people iter.Seq2[Exclusion, error]) (m *Match, err error) {
	m = &Match{spool: s}
	m.files, err = createKeyFiles(dir, "listed", len(s.shards), false)
	if err == nil {
		err = m.read(ctx, people)
	}
	if err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

// Close removes the files.
func (m *Match) Close() {
	m.files.remove()
	m.files = nil
}

// Listed yields the records to send that the list suppresses, lane by lane in ascending
// positions. Of several entries for a person the first counts. The first error ends the
// sequence. It can be ranged over once.
func (m *Match) Listed(ctx context.Context) iter.Seq2[Listed, error] {
	return func(yield func(Listed, error) bool) {
		for shard := range m.files {
			if !m.find(ctx, shard, yield) {
				return
			}
		}
	}
}

// read writes the entries of a list to the files.
func (m *Match) read(ctx context.Context, people iter.Seq2[Exclusion, error]) error {
	for e, err := range people {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		tag := slices.Index(m.reasons, e.Reason)
		if tag < 0 {
			if tag = len(m.reasons); tag == 256 {
				return fmt.Errorf("more than 256 reasons to leave people out")
			}
			m.reasons = append(m.reasons, e.Reason)
		}
		for _, number := range m.spool.superseded.of(e.Number) {
			if err := m.files.add(number, byte(tag), 0); err != nil {
				return err
			}
		}
	}
	return nil
}

// find yields the records of one shard. It returns false when the sequence has ended.
func (m *Match) find(ctx context.Context, number int, yield func(Listed, error) bool) bool {
	if m.files[number].n == 0 {
		return true
	}
	named := map[person.NHSNumber]byte{}
	err := m.files[number].each(func(_ int, n uint64, tag byte, _ int64) {
		if _, known := named[person.NHSNumber(n)]; !known {
			named[person.NHSNumber(n)] = tag
		}
	})
	sh, size := m.spool.shards[number], m.spool.Manifest.BatchRows
	others := make([][]Listed, m.spool.Routes()) // records of the lanes behind the first
	for at := 0; at < len(sh.verdicts) && err == nil; {
		if err = ctx.Err(); err != nil {
			break
		}
		var p *page
		if p, err = sh.page(at/size, 0); err != nil {
			err = fmt.Errorf("%s: %w", filepath.Join(m.spool.dir, m.spool.Manifest.Shards[number].File), err)
			break
		}
		for i := range p.numbers {
			if sh.verdicts[at+i] != sendable {
				continue
			}
			tag, is := named[person.NHSNumber(p.numbers[i])]
			if !is {
				continue
			}
			found := Listed{m.spool.lane(number, uint32(at+i)), uint32(at + i), m.reasons[tag]}
			if route := int(found.Lane) % len(others); route > 0 {
				others[route] = append(others[route], found)
			} else if !yield(found, nil) {
				return false
			}
		}
		at += len(p.numbers)
	}
	for _, found := range slices.Concat(others...) {
		if err == nil && !yield(found, nil) {
			return false
		}
	}
	if err != nil {
		yield(Listed{}, err)
		return false
	}
	return true
}
