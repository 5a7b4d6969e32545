package dispatch

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"cohort/bench"
)

// Options say what is measured.
type Options struct {
	Records   int
	Seed      uint64
	Runs      int             // rounds; each figure is the median over them
	Only      []string        // groups and peers; all when empty
	Latencies []time.Duration // of the service
	Bound     time.Duration   // after which a cell is stopped
	Sources   string          // the folder with the peers' sources
	Profiles  string          // the folder for profiles of the engine; none when empty
	Parent    string          // the folder in which the files are made; the system's temporary one when empty
	Product   Product

	// Child runs a sender in a process of its own, on so many cores; Start a service.
	Child func(ctx context.Context, cores int, t Task) (Result, error)
	Start func(ctx context.Context, cores int, t Task) (*bench.Background, error)
	// Say tells a person what is going on.
	Say func(format string, args ...any)
}

// floorBound is how long a floor posts: its rate does not change.
const floorBound = 5 * time.Second

// Measure makes the material, measures the cells, and removes what it has made. It stops
// at the first that fails; one that has sent something else than it says is a *Miscount.
func Measure(ctx context.Context, o Options) (_ Report, err error) {
	groups, some, err := chosen(o.Only)
	if err != nil {
		return Report{}, err
	}
	folder, err := os.MkdirTemp(o.Parent, "cohort-bench-")
	if err != nil {
		return Report{}, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	if room, needed := free(folder), int64(o.Records)*1000+1<<30; room < needed {
		return Report{}, fmt.Errorf("%d records need %d MB of disk and there are %d MB; say fewer with -n, or another folder with TMPDIR", o.Records, needed/1e6, room/1e6)
	}
	b := &bencher{Options: o, folder: folder, absent: map[string]string{}, cores: bench.ThisMachine().Cores}
	report := Report{Machine: bench.ThisMachine(), Runs: o.Runs, Seed: o.Seed, Bound: o.Bound.Seconds()}
	all := cells(groups, o.Latencies, some)
	o.Say("making a cohort of %d records, its plans, and ready-made requests", o.Records)
	if b.material, err = prepare(ctx, folder, o.Records, o.Seed, shapesOf(all), o.Product); err != nil {
		return Report{}, err
	}
	if slices.Contains(groups, peersGroup) {
		if err := b.build(ctx, some); err != nil {
			return Report{}, err
		}
	}
	rounds := make([][]Outcome, o.Runs)
	for i := range rounds {
		for _, c := range all {
			if b.absent[c.sender] != "" {
				rounds[i] = append(rounds[i], Outcome{})
				continue
			}
			o.Say("round %d of %d: %s", i+1, o.Runs, c)
			r, err := b.run(ctx, c)
			if err != nil {
				return Report{}, fmt.Errorf("%s: %w", c, err)
			}
			rounds[i] = append(rounds[i], r)
		}
	}
	report.Records, report.Messages = b.material.truth[o.Records].records, b.material.truth[o.Records].sendable
	report.Rows = tabulate(all, rounds, b.absent)
	return report, nil
}

// bencher measures in one folder.
type bencher struct {
	Options
	folder   string
	cores    int
	material *material
	absent   map[string]string // why a peer is left out
}

// build makes the peers ready. One that cannot be had is left out.
func (b *bencher) build(ctx context.Context, some []peer) error {
	sources, err := filepath.Abs(b.Sources)
	if err != nil {
		return err
	}
	for _, p := range some {
		b.Say("building %s", p.name)
		err := p.build(ctx, sources, b.peerFolder(p.name))
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			b.absent[p.name] = err.Error()
			b.Say("%s is left out: %v", p.name, err)
		}
	}
	return nil
}

func (b *bencher) peerFolder(name string) string { return filepath.Join(b.folder, "peer-"+name) }

// run starts a service, has a cell's sender send to it, and holds what the one says
// against what the other has counted.
func (b *bencher) run(ctx context.Context, c cell) (o Outcome, err error) {
	kind := serveTask
	if c.strict {
		kind = strictTask
	}
	service, err := b.Start(ctx, b.cores, Task{Kind: kind, Latency: c.latency})
	if err != nil {
		return o, err
	}
	defer service.Stop()
	folder, err := os.MkdirTemp(b.folder, "sender-")
	if err != nil {
		return o, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	records := b.Records
	if c.shape.name == singleShape && (c.group == peersGroup || c.group == wholeGroup) {
		records = fewer(records)
	}
	t := Task{
		Kind: c.sender, Material: b.folder, Shape: c.shape.name, Cohort: cohortFile(b.folder, records), Folder: folder, Address: service.Said,
		InFlight: c.inFlight, Messages: b.material.messages(records), Latency: c.latency, Bound: b.Bound,
	}
	p, isPeer := peerOf(c.sender)
	switch {
	case isPeer:
		o.Result, err = p.run(ctx, b.peerFolder(p.name), b.job(p, c, t))
	default:
		if t.Kind == engineTask || t.Kind == wholeTask {
			t.Profiles = b.Profiles
		} else {
			t.Bound = min(t.Bound, floorBound)
		}
		o.Result, err = b.Child(ctx, b.cores, t)
	}
	if err != nil {
		return o, err
	}
	if o.Counted, err = ask(ctx, service.Said, c.strict); err != nil {
		return o, err
	}
	expected := t.Messages
	switch {
	case isPeer && !p.checks && !p.ready:
		expected = b.material.truth[records].records
	case c.sender == httpTask || c.sender == socketTask || isPeer && p.ready:
		expected = math.MaxInt64 // the same bodies are posted over and over
	}
	return o, o.check(expected, c.sender == wholeTask || o.Sent < 0 && o.Usage.Seconds < b.Bound.Seconds())
}

func (b *bencher) job(p peer, c cell, t Task) job {
	j := job{url: "http://" + t.Address + submitPath, file: t.Cohort, each: c.shape.messages, inFlight: c.inFlight, messages: t.Messages, seconds: b.Bound.Seconds()}
	if p.ready {
		j.file = bodiesFile(b.folder, c.shape.name)
	}
	return j
}

// shapesOf are the shapes for which plans and bodies are needed.
func shapesOf(all []cell) (some []shape) {
	for _, s := range shapes {
		if slices.ContainsFunc(all, func(c cell) bool {
			p, isPeer := peerOf(c.sender)
			return c.shape.name == s.name && c.sender != wholeTask && (!isPeer || p.ready)
		}) {
			some = append(some, s)
		}
	}
	return some
}

// free is how many bytes of disk there are.
func free(folder string) int64 {
	var fs unix.Statfs_t
	if unix.Statfs(folder, &fs) != nil {
		return 1 << 62 // whatever is wrong shows soon enough
	}
	return int64(fs.Bavail) * int64(fs.Bsize) //nolint:unconvert // their widths differ between machines
}
