package shard

import (
	"context"
	"iter"

	"cohort/ingest/person"
)

// Reached is one recipient of another run.
type Reached struct {
	Number  person.NHSNumber
	Message uint64 // a digest; 0: it equals no message of this spool
}

// Overlap counts the people that a spool and another run have in common.
type Overlap struct {
	Reached int64
	Same    int64 // those of Reached with the same message
}

// Comparison compares other runs with a spool, one after another. It keeps their people in
// files, one for each shard. So memory holds the people of one shard of the spool, and a byte
// for each record. It is not safe for concurrent use.
type Comparison struct {
	Again int64 // people with the same message in any of the runs so far

	// Due reports whether a record's message is still to be sent. Only those records count. It
	// is called in order, once for each record and run. Nil: all records count.
	Due func(lane person.Lane, position uint32) (bool, error)

	spool   *Spool
	dir     string
	message func(route uint8, fields []string) uint64
	again   [][]bool // by shard and person to send to; nil: nobody yet
}

// Compare begins a comparison, with files in dir, which must exist. message is the digest of the
// message for a route and the values of the spool's fields. It must not keep the values.
func (s *Spool) Compare(dir string, message func(route uint8, fields []string) uint64) *Comparison {
	return &Comparison{spool: s, dir: dir, message: message, again: make([][]bool, len(s.shards))}
}

// With compares the people of one other run. A person may come more than once.
func (c *Comparison) With(ctx context.Context, people iter.Seq2[Reached, error]) (all Overlap, err error) {
	files, err := createKeyFiles(c.dir, "overlap", len(c.spool.shards), true)
	defer files.remove()
	if err != nil {
		return Overlap{}, err
	}
	for p, err := range people {
		if err == nil {
			err = ctx.Err()
		}
		for _, number := range c.spool.superseded.of(p.Number) {
			if err == nil {
				err = files.add(number, 0, int64(p.Message))
			}
		}
		if err != nil {
			return Overlap{}, err
		}
	}
	for shard, f := range files {
		if f.n > 0 && err == nil {
			err = c.count(ctx, shard, f, &all)
		}
	}
	return all, err
}

// count compares one shard.
func (c *Comparison) count(ctx context.Context, shard int, f *keyFile, all *Overlap) error {
	mine, err := c.messages(ctx, shard)
	if err != nil {
		return err
	}
	reached, same := make([]bool, len(mine.orders)), make([]bool, len(mine.orders))
	if c.again[shard] == nil {
		c.again[shard] = make([]bool, len(mine.orders))
	}
	mark := func(person *bool, count *int64) {
		if !*person {
			*person = true
			*count++
		}
	}
	return f.each(func(_ int, number uint64, _ byte, message int64) {
		i := mine.find(number)
		if i < 0 {
			return
		}
		mark(&reached[i], &all.Reached)
		if message != 0 && message == mine.orders[i] {
			mark(&same[i], &all.Same)
			mark(&c.again[shard][i], &c.Again)
		}
	})
}

// messages are the people of a shard to send to, always in the same order. The order of each is
// the digest of the message.
func (c *Comparison) messages(ctx context.Context, shard int) (*dedupe, error) {
	s := c.spool
	d := newDedupe(int(s.Manifest.Shards[shard].Rows), true)
	for route := range s.Routes() {
		lane := person.LaneOf(shard, s.Routes(), uint8(route))
		for p, err := range s.Recipients(lane, 0, s.Positions(lane)) {
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				return nil, err
			}
			due := !p.Suppressed
			if due && c.Due != nil {
				if due, err = c.Due(lane, p.Position); err != nil {
					return nil, err
				}
			}
			if due {
				d.add(p.Number.Uint64(), int64(c.message(p.Route, p.Fields)), First)
			}
		}
	}
	return d, nil
}
