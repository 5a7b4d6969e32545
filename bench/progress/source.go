package progress

import (
	"iter"

	"cohort/ingest/person"
)

// sourceShards is how many shards a source has.
const sourceShards = 4

// source is a cohort that is made up while it is read, which costs less than reading one.
// It is an engine.Source.
type source struct{ messages int64 }

// names are what people are called, in turn.
var names = []string{"Ada", "Zoë", "Mary Jane", "O'Hara", "Siân", "Grace", "Noor", "Li"}

func (s source) Shards() int { return sourceShards }

// first is the row before a shard's first.
func (s source) first(shard int) int64 { return s.messages * int64(shard) / sourceShards }

func (s source) Positions(shard int) uint32 { return uint32(s.first(shard+1) - s.first(shard)) }

func (s source) Recipients(shard int, from, to uint32) iter.Seq2[person.Recipient, error] {
	return func(yield func(person.Recipient, error) bool) {
		r := person.Recipient{Fields: make([]string, 1)}
		for at := from; at < to; at++ {
			row := s.first(shard) + int64(at) + 1
			r.Row, r.Position, r.Number = row, at, person.NHSNumber(9_990_000_000+row)
			r.Fields[0] = names[row%int64(len(names))]
			if !yield(r, nil) {
				return
			}
		}
	}
}
