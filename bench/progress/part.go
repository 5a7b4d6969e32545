package progress

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"cohort/bench"
)

// Task is one part to run in one folder.
type Task struct {
	Part     string
	Folder   string        // empty; of a part that replays, with what its preparation has made
	Span     time.Duration // how long to write
	Messages int64         // of what is replayed, or sent
	Prepare  bool          // make what is replayed, instead of replaying it
}

// Result is what a part has done and taken. Absent says why there is none.
type Result struct {
	Messages int64       `json:"messages"`
	Found    int64       `json:"found"`            // messages that were read back; they must be all
	Bytes    int64       `json:"bytes,omitempty"`  // on disk
	Syncs    int64       `json:"fsyncs,omitempty"` // 0: not counted
	Usage    bench.Usage `json:"usage"`
	Plain    float64     `json:"plain_fsyncs_per_second,omitempty"` // of the machine, right before and right after
	Pairs    []Pair      `json:"pairs,omitempty"`                   // of sends
	Absent   string      `json:"absent,omitempty"`
}

// Run runs one part in this process, which should run nothing else.
func (t Task) Run(ctx context.Context) (Result, error) {
	i := slices.IndexFunc(parts, func(p part) bool { return p.name == t.Part })
	if i < 0 {
		return Result{}, unknownPart(t.Part)
	}
	p := parts[i]
	if t.Prepare {
		return p.prepare(ctx, t)
	}
	return p.run(ctx, t)
}

// kind is which table a part is in.
type kind uint8

const (
	writing kind = iota
	replaying
	sending
)

// work is what a part does in this process.
type work func(ctx context.Context, t Task) (Result, error)

// part is one thing to measure.
type part struct {
	name    string
	words   string
	kind    kind
	group   int     // messages of a batch
	waiting int     // goroutines that each wait for their own fsync
	floor   string  // the part that writes the same bytes to a plain file
	design  float64 // messages a second for each fsync a second of the machine: the figure to reach
	times   int64   // Task.Messages is so many times what was asked for

	run     work
	prepare work     // what must be there before run; nil: nothing
	peer    []string // the arguments of the peers' program, which does this part; nil: this program does
	against string   // the part of the same shape that a peer is held against
}

// plainSync is the part that the machine's fsync is taken from.
const plainSync = "fsync"

// designSyncs is how many fsyncs a second the machine made on which the figures to reach
// were measured.
const designSyncs = 10_000

// parts are all parts, in the order of a round.
var parts = makeParts()

func makeParts() []part {
	all := []part{
		{name: plainSync, words: "64 bytes to a plain file, fdatasync", kind: writing, run: plainFile(1, false)},
		{name: "fsync-over", words: "the same over bytes that are there, fdatasync", kind: writing, run: plainFile(1, true)},
	}
	design := map[int]float64{100: 631_000, 1000: 4_100_000, 10_000: 14_200_000, 64: 200_000, 512: 670_000}
	for _, group := range []int{100, 1000, 10_000} {
		shape := "-" + strconv.Itoa(group)
		all = append(all,
			part{name: "fsync" + shape, words: "the same bytes to a plain file, fdatasync", kind: writing, group: group, run: plainFile(group, false)},
			part{name: "log" + shape, words: "cohort", kind: writing, group: group, floor: "fsync" + shape, design: design[group] / designSyncs, run: logGroups(group)},
			part{name: "bbolt" + shape, words: "bbolt, a row a message", kind: writing, group: group, against: "log" + shape},
			part{name: "bbolt-batches" + shape, words: "bbolt, the log's records", kind: writing, group: group, against: "log" + shape},
			part{name: "sqlite" + shape, words: "SQLite, a row a message", kind: writing, group: group, against: "log" + shape},
			part{name: "sqlite-batches" + shape, words: "SQLite, the log's records", kind: writing, group: group, against: "log" + shape})
	}
	for _, waiting := range []int{64, 512} {
		shape := "-waiting-" + strconv.Itoa(waiting)
		all = append(all,
			part{name: "log" + shape, words: "cohort", kind: writing, group: 1, waiting: waiting, design: design[waiting] / designSyncs, run: logWaiting(waiting)},
			part{name: "bbolt" + shape, words: "bbolt, one committer", kind: writing, group: 1, waiting: waiting, against: "log" + shape},
			part{name: "sqlite" + shape, words: "SQLite, one committer", kind: writing, group: 1, waiting: waiting, against: "log" + shape})
	}
	all = append(all,
		part{name: "replay", words: "cohort: the ledger", kind: replaying, group: 1000, times: 1, run: replayLedger, prepare: makeLog(1000)},
		part{name: "replay-bytes", words: "cohort: the bytes alone", kind: replaying, group: 1000, times: 1, run: replayBytes, prepare: makeLog(1000)},
		part{name: "replay-singles", words: "cohort: the ledger", kind: replaying, group: 1, times: 1, run: replayLedger, prepare: makeLog(1)},
		part{name: "bbolt-rebuild", words: "bbolt, a row a message", kind: replaying, group: 1, times: 1, against: "replay"},
		part{name: "sqlite-rebuild", words: "SQLite, a row a message", kind: replaying, group: 1, times: 1, against: "replay"},
		part{name: "replay-tenfold", words: "cohort: the ledger", kind: replaying, group: 1000, times: 10, run: replayLedger, prepare: makeLog(1000)})
	for _, group := range []int{100, 1000, 10_000} {
		all = append(all,
			part{name: "send-" + strconv.Itoa(group), words: "a sink that only answers", kind: sending, group: group, run: sendPairs(group, false)},
			part{name: "send-http-" + strconv.Itoa(group), words: "HTTP to a server that only answers", kind: sending, group: group, run: sendPairs(group, true)})
	}
	for i := range all {
		if engine, layout, is := peerOf(all[i].name); is {
			all[i].peer = []string{"-engine", engine, "-layout", layout, "-group", strconv.Itoa(max(1, all[i].group)), "-waiting", strconv.Itoa(all[i].waiting)}
		}
	}
	return all
}

// peerOf tells a peer's engine and layout from the name of its part.
func peerOf(name string) (engine, layout string, is bool) {
	engine, rest, _ := strings.Cut(name, "-")
	layout = "rows"
	if strings.HasPrefix(rest, "batches") {
		layout = "batches"
	}
	return engine, layout, engine == "bbolt" || engine == "sqlite"
}

// Names are the names of the parts, in their order.
func Names() []string {
	var names []string
	for _, p := range parts {
		names = append(names, p.name)
	}
	return names
}

func unknownPart(name string) error {
	return fmt.Errorf("there is no part %s; there are: %s", name, strings.Join(Names(), ", "))
}

// chosen are the parts of some names, in their order; all of no names. The machine's
// fsync is always among them, and so is what a part is held against.
func chosen(names []string) ([]part, error) {
	wanted := map[string]bool{plainSync: true}
	for _, name := range names {
		if !slices.Contains(Names(), name) {
			return nil, unknownPart(name)
		}
		wanted[name] = true
	}
	for range 2 { // a peer asks for the log, and that for its floor
		for _, p := range parts {
			if len(names) == 0 || wanted[p.name] {
				wanted[p.name], wanted[p.floor], wanted[p.against] = true, true, true
			}
		}
	}
	var some []part
	for _, p := range parts {
		if wanted[p.name] {
			some = append(some, p)
		}
	}
	return some, nil
}
