package shard

import (
	"context"
	"fmt"
	"iter"

	"cohort/ingest/person"
)

// Reached is one person to whom another run sends a message.
type Reached struct {
	Number  person.NHSNumber
	Message uint64 // equal only for equal messages; 0: no message of this spool equals it
}

// Overlap counts the people to whom both a spool and another run send.
type Overlap struct {
	Reached int64
	Same    int64 // of Reached: it is the same message
}

// Comparison holds other runs against a spool, one after another. It puts their people
// aside in files, one a shard. So memory holds the people of one shard of the spool, and a
// byte for each record. It is not safe for concurrent use.
type Comparison struct {
	Again int64 // people to whom the runs so far send the same message, each once

	// Due says whether a record's message is still to be sent: only those count. It is asked in
	// order, once a record for each run. Nil: all are.
	Due func(lane person.Lane, position uint32) (bool, error)

	spool   *Spool
	dir     string
	message func(route uint8, fields []string) uint64
	again   [][]bool // by shard, and by person to send to; nil: nobody yet
}

// Compare begins a comparison, with files in dir, which must exist. message is the digest of
// the message that goes by a route with the values of the spool's fields. It keeps no value.
func (s *Spool) Compare(dir string, message func(route uint8, fields []string) uint64) *Comparison {
	return &Comparison{spool: s, dir: dir, message: message, again: make([][]bool, len(s.shards))}
}

// With compares the people of one other run. A person may come more than once.
func (c *Comparison) With(ctx context.Context, people iter.Seq2[Reached, error]) (all Overlap, err error) {
	files := make([]*keyFile, len(c.spool.shards))
	defer func() {
		for _, f := range files {
			if f != nil {
				f.remove()
			}
		}
	}()
	for p, err := range people {
		if err == nil {
			err = ctx.Err()
		}
		if err == nil {
			err = c.putAside(files, p)
		}
		if err != nil {
			return Overlap{}, err
		}
	}
	for shard, f := range files {
		if f != nil && err == nil {
			err = c.count(ctx, shard, f, &all)
		}
	}
	return all, err
}

func (c *Comparison) putAside(files []*keyFile, p Reached) (err error) {
	for _, number := range c.spool.superseded.of(p.Number) {
		shard := Of(person.NHSNumber(number), len(files))
		if files[shard] == nil {
			files[shard], err = createKeyFile(c.dir, fmt.Sprintf("overlap-%03d.tmp", shard), true)
		}
		if err == nil {
			err = files[shard].add(number, 0, int64(p.Message))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// count compares one shard.
func (c *Comparison) count(ctx context.Context, shard int, f *keyFile, all *Overlap) error {
	mine, err := c.messages(ctx, shard)
	if err != nil {
		return err
	}
	reached, same := make([]bool, len(mine.numbers)), make([]bool, len(mine.numbers))
	if c.again[shard] == nil {
		c.again[shard] = make([]bool, len(mine.numbers))
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

// messages are the people of a shard who are to be sent to, in an order that does not
// change. The order of each is the digest of the message.
func (c *Comparison) messages(ctx context.Context, shard int) (*winners, error) {
	s := c.spool
	w := newWinners(int(s.Manifest.Shards[shard].Rows), true)
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
				w.add(len(w.numbers), p.Number.Uint64(), int64(c.message(p.Route, p.Fields)), First)
			}
		}
	}
	return w, nil
}
