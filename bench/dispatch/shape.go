package dispatch

import (
	"slices"
	"time"
)

// shape is how messages are packed into requests.
type shape struct {
	name     string
	words    string
	messages int // at most, in one request
	inFlight int // requests at once, when not said otherwise: as many as the engine has of this size
}

// The shapes that peers are measured with too.
const (
	singleShape   = "1"
	thousandShape = "1000"
)

// shapes are all of them. A request of any has at most 5,000,000 bytes.
var shapes = []shape{
	{"100", "100 a request", 100, 16},
	{thousandShape, "1,000 a request", 1000, 16},
	{"10000", "10,000 a request", 10_000, 10},
	{"packed", "5 MB a request", 45_000, 6},
	{singleShape, "1 a request", 1, 32},
}

// shapeOf finds a shape by its name; one of nothing when there is none.
func shapeOf(name string) shape {
	if i := slices.IndexFunc(shapes, func(s shape) bool { return s.name == name }); i >= 0 {
		return shapes[i]
	}
	return shape{}
}

// cell is one sender with one shape of requests to one service.
type cell struct {
	group    string
	sender   string // a kind of Task, or the name of a peer
	shape    shape
	inFlight int
	latency  time.Duration
	strict   bool
}

// The groups of cells, by which a person chooses.
const (
	batchedGroup = "batched"
	singleGroup  = "single"
	strictGroup  = "strict"
	wholeGroup   = "whole"
	peersGroup   = "peers"
)

// Groups are the names of the groups, in their order.
func Groups() []string {
	return []string{batchedGroup, singleGroup, strictGroup, wholeGroup, peersGroup}
}

// singles are how many requests of one message are under way at once.
var singles = []int{8, 64, 512}

// cells are those of some groups; every engine stands beside its floors.
func cells(groups []string, latencies []time.Duration, peers []peer) (all []cell) {
	three := func(group string, s shape, inFlight int, latency time.Duration) {
		for _, sender := range []string{engineTask, httpTask, socketTask} {
			all = append(all, cell{group: group, sender: sender, shape: s, inFlight: inFlight, latency: latency})
		}
	}
	for _, group := range groups {
		switch group {
		case batchedGroup:
			for _, s := range shapes {
				for _, latency := range latencies {
					if s.name != singleShape {
						three(group, s, s.inFlight, latency)
					}
				}
			}
		case singleGroup:
			for _, n := range singles {
				for _, latency := range latencies {
					three(group, shapeOf(singleShape), n, latency)
				}
			}
		case strictGroup:
			s := shapeOf(thousandShape)
			all = append(all, cell{group: group, sender: engineTask, shape: s, inFlight: s.inFlight, strict: true})
		case wholeGroup:
			for _, name := range []string{thousandShape, singleShape} {
				all = append(all, cell{group: group, sender: wholeTask, shape: shapeOf(name)})
			}
		case peersGroup:
			for _, name := range []string{thousandShape, singleShape} {
				for _, p := range peers {
					s := shapeOf(name)
					all = append(all, cell{group: group, sender: p.name, shape: s, inFlight: 32})
				}
			}
		}
	}
	return all
}
