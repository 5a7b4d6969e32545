package notify

import (
	"bytes"
	"net/http"
	"strings"
	"sync"

	"cohort/engine"
	"cohort/sinks/exchange"
)

// accepted reads a 201 and joins its ids to the messages of the request. The service promises
// no order, so they are joined by reference. An answer that does not match the request
// exactly, or that gives one id to two messages, is unreadable. The request is then in doubt,
// and a replay settles it.
func accepted(r *engine.Request, body []byte) engine.Answer {
	j := joins.Get().(*join)
	defer j.release()
	j.begin(r)
	if j.read(body) {
		if ids := j.ids(); ids != nil {
			return engine.Answer{Reply: engine.Accepted, Status: http.StatusCreated, IDs: ids}
		}
	}
	return engine.Answer{Reply: engine.Unknown, Status: http.StatusCreated, Code: codeUnreadable}
}

// acceptedMessage reads the 201 of a single message. An answer about another message is
// unreadable.
func acceptedMessage(r *engine.Request, body []byte) engine.Answer {
	c := exchange.NewCursor(body)
	var id string
	ours, ids := false, 0
	c.In("data", func() {
		c.Object(func(key []byte) {
			switch string(key) {
			case "id":
				id, ids = string(c.Text()), ids+1
			case "attributes":
				c.In("messageReference", func() {
					ours = len(r.Messages) == 1 && bytes.Equal(c.Text(), r.Messages[0][:])
				})
			default:
				c.Skip()
			}
		})
	})
	if !c.Ended() || !ours || ids != 1 || !exchange.IsID([]byte(id)) {
		return engine.Answer{Reply: engine.Unknown, Status: http.StatusCreated, Code: codeUnreadable}
	}
	return engine.Answer{Reply: engine.Accepted, Status: http.StatusCreated, IDs: []string{id}}
}

// join joins one answer to its request. Its memory is used again.
type join struct {
	request *engine.Request
	slots   [][]byte // the ids, by message; nil: not yet known
	known   int      // number of known ids
	batch   bool     // the answer names the request's batch
	listed  bool     // its messages were read
	bad     bool     // it contradicts the request
	places  map[engine.Reference]int
	seen    map[string]struct{} // ids
}

var joins = sync.Pool{New: func() any {
	return &join{places: map[engine.Reference]int{}, seen: map[string]struct{}{}}
}}

func (j *join) begin(r *engine.Request) {
	slots := j.slots[:0]
	if cap(slots) < len(r.Messages) {
		slots = make([][]byte, 0, len(r.Messages))
	}
	*j = join{request: r, slots: slots[:len(r.Messages)], places: j.places, seen: j.seen}
}

// release gives the memory back, without the answer's.
func (j *join) release() {
	clear(j.slots)
	clear(j.places)
	clear(j.seen)
	j.request = nil
	joins.Put(j)
}

// read reads a whole answer, and reports whether it matches the request.
func (j *join) read(body []byte) bool {
	c := exchange.NewCursor(body)
	c.In("data", func() {
		c.In("attributes", func() {
			c.Object(func(key []byte) { j.attribute(&c, key) })
		})
	})
	return c.Ended() && !j.bad && j.batch && j.listed && j.known == len(j.slots)
}

func (j *join) attribute(c *exchange.Cursor, key []byte) {
	switch string(key) {
	case "messageBatchReference":
		j.batch = bytes.Equal(c.Text(), j.request.Reference[:])
	case "messages":
		j.bad = j.bad || j.listed
		j.listed = true
		c.Array(func() { j.message(c) })
	default:
		c.Skip()
	}
}

func (j *join) message(c *exchange.Cursor) {
	reference, id := c.Texts("messageReference", "id")
	i := j.place(reference)
	if i < 0 || j.slots[i] != nil || !exchange.IsID(id) {
		j.bad = true
		return
	}
	j.slots[i] = id
	j.known++
}

// place finds a message of the request by its reference; -1 when there is none. An answer in
// the request's order needs no map.
func (j *join) place(text []byte) int {
	messages := j.request.Messages
	if len(text) != len(engine.Reference{}) {
		return -1
	}
	reference := engine.Reference(text)
	if len(j.places) == 0 {
		if j.known < len(messages) && reference == messages[j.known] {
			return j.known
		}
		for i, m := range messages {
			j.places[m] = i
		}
	}
	if i, found := j.places[reference]; found {
		return i
	}
	return -1
}

// ids are the ids in the order of the request, in one piece of memory; nil when two messages
// have the same id.
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
		j.seen[ids[i]] = struct{}{}
	}
	if len(j.seen) < len(ids) {
		return nil
	}
	return ids
}
