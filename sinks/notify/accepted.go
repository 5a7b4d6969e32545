package notify

import (
	"bytes"
	"hash/maphash"
	"math/bits"
	"net/http"
	"strings"
	"sync"

	"cohort/engine"
	"cohort/sinks/exchange"
)

// accepted reads a 201 and joins its ids to the messages of the request. The order of
// the messages in the answer is not promised, so they are joined by reference. An
// answer that is not exactly about this request, or that gives one id to two messages, is
// unreadable, and the request in doubt: a replay settles it.
func accepted(r *engine.Request, body []byte) engine.Answer {
	j := joins.Get().(*join)
	defer j.release()
	j.begin(r)
	if !j.read(body) {
		return engine.Answer{Reply: engine.Unknown, Status: http.StatusCreated, Code: codeUnreadable}
	}
	return engine.Answer{Reply: engine.Accepted, Status: http.StatusCreated, IDs: j.ids()}
}

// acceptedMessage reads the 201 of a single message. One that is not about the request's
// message is unreadable, as one of a batch is.
func acceptedMessage(r *engine.Request, body []byte) engine.Answer {
	c := cursor{b: body}
	var id string
	ours, ids := false, 0
	c.object(func(key []byte) {
		if string(key) != "data" {
			c.skip()
			return
		}
		c.object(func(key []byte) {
			switch string(key) {
			case "id":
				id, ids = string(c.text()), ids+1
			case "attributes":
				c.object(func(key []byte) {
					if string(key) != "messageReference" {
						c.skip()
						return
					}
					ours = len(r.Messages) == 1 && bytes.Equal(c.text(), r.Messages[0][:])
				})
			default:
				c.skip()
			}
		})
	})
	if !c.ended() || !ours || ids != 1 || !exchange.IsID([]byte(id)) {
		return engine.Answer{Reply: engine.Unknown, Status: http.StatusCreated, Code: codeUnreadable}
	}
	return engine.Answer{Reply: engine.Accepted, Status: http.StatusCreated, IDs: []string{id}}
}

// join is an answer that is being joined to its request. Its memory is used again.
type join struct {
	request *engine.Request
	slots   [][]byte // the ids, by message; nil: not yet known
	known   int      // how many are
	table   []uint32 // places of the messages by a key, one higher: 0 is free; empty until it is needed
	batch   bool     // the answer names the request's batch
	listed  bool     // its messages were read
	bad     bool     // it says something that does not fit
}

var joins = sync.Pool{New: func() any { return new(join) }}

func (j *join) begin(r *engine.Request) {
	slots := j.slots[:0]
	if cap(slots) < len(r.Messages) {
		slots = make([][]byte, 0, len(r.Messages))
	}
	*j = join{request: r, slots: slots[:len(r.Messages)], table: j.table[:0]}
}

// release gives the memory back, and with it lets go of the answer's.
func (j *join) release() {
	clear(j.slots)
	j.request = nil
	joins.Put(j)
}

// read reads the whole of an answer, and says whether it is about the request.
func (j *join) read(body []byte) bool {
	c := cursor{b: body}
	c.object(func(key []byte) {
		if string(key) != "data" {
			c.skip()
			return
		}
		c.object(func(key []byte) {
			if string(key) != "attributes" {
				c.skip()
				return
			}
			c.object(func(key []byte) { j.attribute(&c, key) })
		})
	})
	return c.ended() && !j.bad && j.batch && j.listed && j.known == len(j.slots) && j.distinct()
}

// distinct reports whether no two messages have the same id. It takes the table.
func (j *join) distinct() bool {
	j.clearTable()
	for i, id := range j.slots {
		at := j.slot(id, func(i uint32) []byte { return j.slots[i] })
		if *at != 0 {
			return false
		}
		*at = uint32(i + 1)
	}
	return true
}

func (j *join) attribute(c *cursor, key []byte) {
	switch string(key) {
	case "messageBatchReference":
		j.batch = bytes.Equal(c.text(), j.request.Reference[:])
	case "messages":
		j.bad = j.bad || j.listed
		j.listed = true
		c.array(func() { j.message(c) })
	default:
		c.skip()
	}
}

// message reads one message of the answer.
func (j *join) message(c *cursor) {
	var reference, id []byte
	c.object(func(key []byte) {
		switch string(key) {
		case "messageReference":
			reference = c.text()
		case "id":
			id = c.text()
		default:
			c.skip()
		}
	})
	i := j.place(reference)
	if i < 0 || j.slots[i] != nil || !exchange.IsID(id) {
		j.bad = true
		return
	}
	j.slots[i] = id
	j.known++
}

// place finds a message of the request by its reference; -1 when there is none. An answer
// in the request's order needs no table.
func (j *join) place(reference []byte) int {
	messages := j.request.Messages
	if len(reference) != len(engine.Reference{}) {
		return -1
	}
	if len(j.table) == 0 {
		if j.known < len(messages) && bytes.Equal(reference, messages[j.known][:]) {
			return j.known
		}
		j.index()
	}
	return int(*j.slot(reference, j.reference)) - 1
}

func (j *join) reference(i uint32) []byte { return j.request.Messages[i][:] }

// index fills the table with the references of the messages.
func (j *join) index() {
	j.clearTable()
	for i := range j.request.Messages {
		*j.slot(j.request.Messages[i][:], j.reference) = uint32(i + 1)
	}
}

// clearTable makes the table empty, and so large that all messages fill at most half of it.
func (j *join) clearTable() {
	size := 1 << bits.Len(uint(2*len(j.request.Messages)))
	if cap(j.table) < size {
		j.table = make([]uint32, size)
	}
	j.table = j.table[:size]
	clear(j.table)
}

var tableSeed = maphash.MakeSeed()

// slot is where the message of a key is in the table, or belongs. keyOf tells a message's key.
func (j *join) slot(key []byte, keyOf func(i uint32) []byte) *uint32 {
	mask := uint64(len(j.table) - 1)
	for at := maphash.Bytes(tableSeed, key) & mask; ; at = (at + 1) & mask {
		if i := &j.table[at]; *i == 0 || bytes.Equal(keyOf(*i-1), key) {
			return i
		}
	}
}

// ids are the ids in the order of the request, in one piece of memory.
func (j *join) ids() []string {
	size := 0
	for _, id := range j.slots {
		size += len(id)
	}
	var b strings.Builder
	b.Grow(size)
	for _, id := range j.slots {
		b.Write(id)
	}
	all, ids := b.String(), make([]string, len(j.slots))
	for i, id := range j.slots {
		ids[i], all = all[:len(id)], all[len(id):]
	}
	return ids
}
