package progress

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"cohort/bench"
)

// Options say what is measured.
type Options struct {
	Messages int64         // of what is replayed; a tenth is sent
	Span     time.Duration // how long each part writes
	Runs     int           // rounds; each figure is the median over them
	Only     []string      // names of parts; all when empty
	Parent   string        // the folder in which the files are made; the system's temporary one when empty
	Keep     bool          // leave the files there
	Peers    string        // the folder of the peers' modules

	// Child runs a task in a process of its own, on so many cores.
	Child func(ctx context.Context, cores int, t Task) (Result, error)
	// Say tells a person what is going on.
	Say func(format string, args ...any)
}

// Measure measures the parts, and removes what it has made. It stops at the first part
// that fails; one that has lost messages is a *Lost.
func Measure(ctx context.Context, o Options) (_ Report, err error) {
	some, err := chosen(o.Only)
	if err != nil {
		return Report{}, err
	}
	folder, err := os.MkdirTemp(o.Parent, "cohort-bench-")
	if err != nil {
		return Report{}, err
	}
	if o.Keep {
		o.Say("the files stay in %s", folder)
	} else {
		defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	}
	b := &bencher{Options: o, folder: folder, cores: bench.ThisMachine().Cores}
	if room, needed := bench.Room(folder), b.needs(some); room < needed {
		return Report{}, fmt.Errorf("it needs %d MB of disk and there are %d MB; say fewer messages with -n, or another folder with --keep or TMPDIR", needed/1e6, room/1e6)
	}
	if err := b.build(ctx, some); err != nil {
		return Report{}, err
	}
	rounds := make([][]Result, o.Runs)
	for i := range rounds {
		for _, p := range some {
			o.Say("round %d of %d: %s", i+1, o.Runs, p.name)
			r, err := b.run(ctx, p)
			if err != nil {
				return Report{}, fmt.Errorf("the part %s: %w", p.name, err)
			}
			rounds[i] = append(rounds[i], r)
		}
	}
	return Report{Machine: bench.ThisMachine(), Runs: o.Runs, Span: o.Span.Seconds(), Rows: tabulate(some, rounds)}, nil
}

// bencher measures in one folder.
type bencher struct {
	Options
	folder string
	cores  int
	peers  peers
}

// needs is about how many bytes of disk are taken.
func (b *bencher) needs(some []part) (sum int64) {
	for _, p := range some {
		if p.kind == replaying {
			sum += b.Messages * p.times * 110
		}
	}
	return sum + int64(b.Span.Seconds()*1e9)
}

// build builds the peers' program if there are parts for it.
func (b *bencher) build(ctx context.Context, some []part) (err error) {
	for _, p := range some {
		if p.peer != nil {
			b.Say("building the peers in %s", b.Peers)
			b.peers, err = buildPeers(ctx, b.Peers, b.folder)
			return err
		}
	}
	return nil
}

// run runs a part once. What it replays is made before the first time and stays.
func (b *bencher) run(ctx context.Context, p part) (Result, error) {
	t := Task{Part: p.name, Folder: filepath.Join(b.folder, p.name), Span: b.Span, Messages: b.Messages / 10}
	do := func(t Task) (r Result, err error) {
		if p.peer != nil {
			r, err = b.peers.run(ctx, b.cores, p, t)
		} else {
			r, err = b.Child(ctx, b.cores, t)
		}
		if p.kind == replaying && err == nil && r.Absent == "" && r.Messages != t.Messages {
			r.Found, r.Messages = r.Messages, t.Messages
		}
		if err == nil && r.Found != r.Messages {
			err = &Lost{Want: r.Messages, Got: r.Found}
		}
		return r, err
	}
	if p.kind == replaying {
		t.Messages = b.Messages * p.times
		t.Messages -= t.Messages % int64(p.group)
		made := "replayed-" + strconv.Itoa(p.group) + "-" + strconv.FormatInt(p.times, 10)
		if p.peer != nil {
			made = p.name
		}
		t.Folder = filepath.Join(b.folder, made)
		err := os.Mkdir(t.Folder, 0o700)
		if err == nil {
			b.Say("making what is replayed: %d messages", t.Messages)
			prepare := t
			prepare.Prepare = true
			_, err = do(prepare)
		} else if errors.Is(err, os.ErrExist) {
			err = nil
		}
		if err != nil {
			return Result{}, err
		}
		return do(t)
	}
	if err := os.Mkdir(t.Folder, 0o700); err != nil {
		return Result{}, err
	}
	r, err := do(t)
	if !b.Keep {
		err = errors.Join(err, os.RemoveAll(t.Folder))
	} else if err == nil {
		err = os.Rename(t.Folder, t.Folder+"-"+strconv.FormatInt(time.Now().UnixNano(), 36))
	}
	return r, err
}
