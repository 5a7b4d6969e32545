package crashfs

import (
	"maps"
	"math/rand/v2"
	"slices"
)

// How a process ends.
const (
	Killed     = iota // the machine goes on: everything written is there, durable or not
	PowerCut          // of the unsynced bytes of a file a beginning stays, perhaps garbled at its end
	SectorsCut        // of the unsynced sectors any stay, and the others were never written
	StaleCut          // the same, and where they were not written something else stands
)

// After returns the filesystem that the next process finds.
func (c *FS) After(end int, r *rand.Rand) *FS {
	c.Mu.Lock()
	defer c.Mu.Unlock()
	c.cut = true // whatever still runs is dead
	next := New()
	next.Capacity, next.Failed = c.Capacity, c.Failed
	next.Root = survive(c.Root, end, r, map[*Node]*Node{})
	return next
}

// survive copies what is left of a node. A node with two names is copied once.
func survive(n *Node, end int, r *rand.Rand, seen map[*Node]*Node) *Node {
	if s := seen[n]; s != nil {
		return s
	}
	s := &Node{alloc: n.alloc}
	seen[n] = s
	if n.Live == nil {
		s.Data, s.Synced, s.lost = slices.Clone(n.Data), n.Synced, slices.Clone(n.lost)
		if end != Killed {
			s.dropCache()
			s.Data = surviveBytes(s.Data, n.Synced, end, r)
			s.Synced = len(s.Data)
		}
		return s
	}
	copied := func(m map[string]*Node) map[string]*Node {
		out := map[string]*Node{}
		for _, name := range slices.Sorted(maps.Keys(m)) {
			out[name] = survive(m[name], end, r, seen)
		}
		return out
	}
	if end != Killed {
		found := maps.Clone(n.durable)
		for _, ch := range n.pending {
			if r.IntN(2) == 0 {
				ch.apply(found)
			}
		}
		s.durable = copied(found)
		s.Live = maps.Clone(s.durable)
		return s
	}
	s.Live, s.durable = copied(n.Live), copied(n.durable)
	for _, ch := range n.pending {
		if ch.node != nil {
			ch.node = survive(ch.node, end, r, seen)
		}
		s.pending = append(s.pending, ch)
	}
	return s
}

func surviveBytes(data []byte, synced int, end int, r *rand.Rand) []byte {
	loose := len(data) - synced
	if loose == 0 {
		return data
	}
	if end == SectorsCut || end == StaleCut {
		if r.IntN(4) == 0 { // the file had not grown to its end
			data = data[:synced+r.IntN(loose+1)]
		}
		for at := synced; at < len(data); {
			next := min((at/sector+1)*sector, len(data))
			if r.IntN(2) == 0 {
				for i := at; i < next; i++ {
					data[i] = 0
					if end == StaleCut {
						data[i] = byte(r.Uint32())
					}
				}
			}
			at = next
		}
		return data
	}
	switch r.IntN(4) {
	case 0:
		return data[:synced]
	case 1:
		return data
	}
	data = data[:synced+r.IntN(loose+1)]
	if garbled := min(len(data)-synced, r.IntN(40)); r.IntN(2) == 0 {
		for i := len(data) - garbled; i < len(data); i++ {
			data[i] = byte(r.Uint32())
		}
	}
	return data
}
