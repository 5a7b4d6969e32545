package shard

import (
	"context"
	"fmt"
	"iter"
	"path/filepath"
	"slices"

	"cohort/ingest/person"
)

// Listed is one record of a spool whose person a list names.
type Listed struct {
	Lane     person.Lane
	Position uint32
	Reason   string
}

// Match is a list held against a spool. It is not safe for concurrent use.
type Match struct {
	spool   *Spool
	files   []*keyFile // one a shard; nil where the list names nobody
	reasons []string   // as the entries' tags number them
}

// Match reads a list to its end and puts its entries aside in files in dir, which must
// exist, until Close. So memory holds the entries for one shard at a time. The error is
// the list's, ctx's, or the file system's.
func (s *Spool) Match(ctx context.Context, dir string, people iter.Seq2[Exclusion, error]) (*Match, error) {
	m := &Match{spool: s}
	if err := m.deal(ctx, dir, people); err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

// Close removes the files.
func (m *Match) Close() {
	for _, k := range m.files {
		if k != nil {
			k.remove()
		}
	}
	m.files = nil
}

// Listed finds the records whose persons the list names, among those that may be sent
// to: lane by lane in ascending positions. Of a person who came more than once the
// first reason counts. The first error ends the sequence. It can be ranged over once.
func (m *Match) Listed(ctx context.Context) iter.Seq2[Listed, error] {
	return func(yield func(Listed, error) bool) {
		for shard := range m.files {
			if !m.find(ctx, shard, yield) {
				return
			}
		}
	}
}

func (m *Match) deal(ctx context.Context, dir string, people iter.Seq2[Exclusion, error]) error {
	m.files = make([]*keyFile, len(m.spool.shards))
	tags := map[string]byte{}
	for e, err := range people {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		tag, known := tags[e.Reason]
		if !known {
			if len(m.reasons) == 256 {
				return fmt.Errorf("more than 256 reasons to leave people out")
			}
			tag = byte(len(m.reasons))
			tags[e.Reason] = tag
			m.reasons = append(m.reasons, e.Reason)
		}
		for _, number := range m.spool.superseded.of(e.Number) {
			shard := Of(person.NHSNumber(number), len(m.files))
			if m.files[shard] == nil {
				if m.files[shard], err = createKeyFile(dir, fmt.Sprintf("listed-%03d.tmp", shard), false); err != nil {
					return err
				}
			}
			if err := m.files[shard].add(number, tag, 0); err != nil {
				return err
			}
		}
	}
	return nil
}

// find yields the records of one shard; false when that was the last that is wanted.
func (m *Match) find(ctx context.Context, number int, yield func(Listed, error) bool) bool {
	if m.files[number] == nil {
		return true
	}
	named := map[person.NHSNumber]byte{}
	err := m.files[number].each(func(_ int, n uint64, tag byte, _ int64) {
		if _, known := named[person.NHSNumber(n)]; !known {
			named[person.NHSNumber(n)] = tag
		}
	})
	sh, size := m.spool.shards[number], m.spool.Manifest.BatchRows
	others := make([][]Listed, m.spool.Routes()) // of the lanes behind the first
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
