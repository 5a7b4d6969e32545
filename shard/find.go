package shard

import "cohort/ingest/person"

// Of returns the records of a person with any of the numbers, also the invalid ones. It reads only the person's shards.
func (s *Spool) Of(numbers ...person.NHSNumber) (found []person.Record, err error) {
	wanted := map[person.NHSNumber]bool{}
	for _, n := range numbers {
		wanted[n] = true
		c := &shardCursor{spool: s, shard: Index(n, len(s.shards))}
		err := each(c, func() bool {
			if c.page.numbers[c.index()] == n.Uint64() {
				found = append(found, c.record())
			}
			return true
		})
		if err != nil {
			return nil, err
		}
	}
	c, err := s.openInvalid()
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.file.Close() }()
	return found, each(c, func() bool {
		r := c.record()
		if n, err := person.ParseNHSNumber(r.Number); err == nil && wanted[n] {
			found = append(found, r)
		}
		return true
	})
}

// At returns the valid record of a row. It reads shard by shard; false: there is none.
func (s *Spool) At(row int64) (r person.Record, found bool, err error) {
	for shard := range s.shards {
		c := &shardCursor{spool: s, shard: shard}
		err := each(c, func() bool { return c.row() < row })
		if err != nil {
			return r, false, err
		}
		if c.after > 0 && c.row() == row {
			return c.record(), true, nil
		}
	}
	return r, false, nil
}

// each calls fn at each record, until fn returns false.
func each(c cursor, fn func() bool) error {
	for {
		if more, err := c.next(); err != nil || !more || !fn() {
			return err
		}
	}
}
