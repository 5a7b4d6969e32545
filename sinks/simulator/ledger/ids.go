package ledger

import (
	"encoding/binary"
	"hash/fnv"
	"math/rand/v2"
	"time"

	"github.com/segmentio/ksuid"
)

// IDs yields the ids of one accepted request: first the batch's own, then those of its
// messages in the order sent. The same seed, request and time yield the same ids, so the
// ledger keeps none of them.
type IDs struct {
	at     time.Time
	random *rand.PCG
}

func (l *Ledger) IDs(r *Request) IDs {
	h := fnv.New64a()
	_, _ = h.Write([]byte(r.key()))
	return IDs{at: r.AcceptedAt, random: rand.NewPCG(l.o.Seed, h.Sum64())}
}

// Next returns the next id, a KSUID.
func (s IDs) Next() string { return s.next().String() }

func (s IDs) next() ksuid.KSUID {
	var payload [16]byte
	binary.BigEndian.PutUint64(payload[:8], s.random.Uint64())
	binary.BigEndian.PutUint64(payload[8:], s.random.Uint64())
	id, _ := ksuid.FromParts(s.at, payload[:]) // 16 bytes never fail
	return id
}

// index finds an id among the next n.
func (s IDs) index(id ksuid.KSUID, n int) (int, bool) {
	for i := range n {
		if s.next() == id {
			return i, true
		}
	}
	return 0, false
}

// second is the timestamp of the ids of a request accepted at a time.
func second(at time.Time) uint32 {
	id, _ := ksuid.FromParts(at, make([]byte, 16))
	return id.Timestamp()
}
