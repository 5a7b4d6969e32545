package journal

// maxPending is how many bytes of frames may collect before appenders have to wait. A
// single larger frame passes alone.
const maxPending = 8 << 20

// group is the frames that are written, and made durable, together. Until the committer
// takes it, it belongs to whoever holds the log's lock; then to the committer; once done
// is closed its errors may be read by anybody.
type group struct {
	buf     []byte
	intents []int // where in buf the frames start that Commit brought
	urgent  bool  // somebody waits

	taken chan struct{} // closed when the committer takes the group; made by the first who waits for that
	done  chan struct{} // closed when the group is durable or has failed

	err       error // why nothing of the group is durable
	intentErr error // why nothing that Commit brought is
}

// newGroup returns an empty group that collects into the given buffers.
func newGroup(buf []byte, intents []int) *group {
	return &group{buf: buf[:0], intents: intents[:0], done: make(chan struct{})}
}

// hasRoom reports whether a frame with this payload may be added now.
func (g *group) hasRoom(payload []byte) bool {
	return len(g.buf) == 0 || len(g.buf)+frameHeader+len(payload) <= maxPending
}

// add adds a frame.
func (g *group) add(t Type, payload []byte, intent bool) {
	if intent {
		g.intents = append(g.intents, len(g.buf))
	}
	g.buf = appendFrame(g.buf, t, payload)
}

// dropIntents takes the frames that Commit brought out of the group.
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
