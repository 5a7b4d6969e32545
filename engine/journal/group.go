package journal

// maxPending is the number of bytes that a group may collect before appenders have to wait. A
// single larger frame is a group of its own.
const maxPending = 8 << 20

// group has the frames that are written and made durable together. The holder of the log's
// lock owns it until the committer takes it. Anybody may read its errors after done is closed.
type group struct {
	buf     []byte
	intents []int // where the frames of Commit start in buf
	urgent  bool  // a caller waits for it

	taken chan struct{} // closed when the committer takes the group; made by the first that waits for it
	done  chan struct{} // closed when the group is durable or has failed

	err       error // why the group is not durable
	intentErr error // why the frames of Commit are not durable
}

func newGroup(buf []byte, intents []int) *group {
	return &group{buf: buf[:0], intents: intents[:0], done: make(chan struct{})}
}

func (g *group) hasRoom(payload []byte) bool {
	return len(g.buf) == 0 || len(g.buf)+frameHeader+len(payload) <= maxPending
}

func (g *group) add(t Type, payload []byte, intent bool) {
	if intent {
		g.intents = append(g.intents, len(g.buf))
	}
	g.buf = appendFrame(g.buf, t, payload)
}

func (g *group) dropIntents(why error) {
	if len(g.intents) == 0 {
		return
	}
	kept := g.buf[:g.intents[0]]
	for i, at := range g.intents {
		from, to := at+frameSize(g.buf[at:]), len(g.buf)
		if i+1 < len(g.intents) {
			to = g.intents[i+1]
		}
		kept = append(kept, g.buf[from:to]...)
	}
	g.buf, g.intents, g.intentErr = kept, g.intents[:0], why
}
