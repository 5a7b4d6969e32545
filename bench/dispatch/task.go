package dispatch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"time"

	"cohort/bench"
	"cohort/engine/campaign"
	"cohort/engine/dispatch"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/ingest/person"
	"cohort/shard"
	"cohort/sinks/notify"
	"cohort/sinks/simulator"
)

// Product is the product's own code, as a send has it.
type Product struct {
	// Spool reads a cohort into a sealed spool in folder.
	Spool func(ctx context.Context, c *campaign.Campaign, cohort, folder string) error
	// Sink makes the campaign's sink, for so many requests at once.
	Sink func(c *campaign.Campaign, connections int) (*notify.Sink, error)
	// Send does the whole of a send into a run's folder, and says how many messages were
	// accepted.
	Send func(ctx context.Context, campaign, cohort, folder string) (accepted func() (int64, error), err error)
}

// What a process can be.
const (
	serveTask  = "service"   // answers until it is stopped
	strictTask = "simulator" // the same, strictly
	engineTask = "engine"
	wholeTask  = "send"
	httpTask   = "net/http"
	socketTask = "sockets"
)

// Task is what one process of a measurement does.
type Task struct {
	Kind     string
	Material string        // the folder that everything was made in
	Shape    string        // of the requests
	Cohort   string        // the file, for the whole of a send
	Folder   string        // an empty one
	Address  string        // of the service
	InFlight int           // requests at once; 0: as the product has it
	Messages int64         // to send
	Latency  time.Duration // of a service
	Bound    time.Duration // after which it stops
	Profiles string        // the folder for profiles; none when empty
}

// Result is what a sender says it has sent, and what it took.
type Result struct {
	Sent  int64       `json:"sent"`
	Syncs int64       `json:"syncs"`
	Usage bench.Usage `json:"usage"`
}

// Serve runs a service in this process until ctx ends, and writes its address to out.
func (t Task) Serve(ctx context.Context, out io.Writer) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(out, listener.Addr()); err != nil {
		return err
	}
	if t.Kind != strictTask {
		return (&service{latency: t.Latency}).serve(ctx, listener)
	}
	server := &http.Server{Handler: simulator.New(simulator.Options{ForgetPersonalisation: true}), ReadHeaderTimeout: time.Minute}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Serves says whether the task is a service.
func (t Task) Serves() bool { return t.Kind == serveTask || t.Kind == strictTask }

// Run sends in this process, which should do nothing else.
func (t Task) Run(ctx context.Context, p Product) (Result, error) {
	switch t.Kind {
	case engineTask:
		return t.engine(ctx, p)
	case wholeTask:
		return t.whole(ctx, p)
	case httpTask, socketTask:
		return t.floor(ctx)
	}
	return Result{}, fmt.Errorf("there is no task %q", t.Kind)
}

func (t Task) floor(ctx context.Context) (r Result, err error) {
	s, err := readStock(bodiesFile(t.Material, t.Shape), t.Messages)
	if err != nil {
		return r, err
	}
	post := s.throughLibrary
	if t.Kind == socketTask {
		post = s.throughSockets
	}
	r.Usage, err = bench.Measure(func() error { return post(ctx, t) })
	r.Sent = s.sent.Load()
	return r, err
}

// engine dispatches a prepared cohort: from the first attempt to the log's last byte on
// disk. Opening spool and plan, and signing in, come before.
func (t Task) engine(ctx context.Context, p Product) (r Result, err error) {
	plan, err := plan.Open(planFolder(t.Material, t.Shape))
	if err != nil {
		return r, err
	}
	defer func() { _ = plan.Close() }()
	spool, err := shard.Open(spoolFolder(t.Material))
	if err != nil {
		return r, err
	}
	defer func() { _ = spool.Close() }()
	c, err := parsed(t.Material, t.Address, shapeOf(t.Shape).messages)
	if err != nil {
		return r, err
	}
	sink, err := p.Sink(c, t.InFlight)
	if err != nil {
		return r, err
	}
	if err := sink.Check(ctx); err != nil {
		return r, err
	}
	disk := newSyncCounter()
	log, err := ledger.OpenOn(disk, t.Folder, plan)
	if err != nil {
		return r, err
	}
	finish, err := t.profile()
	if err != nil {
		return r, err
	}
	before := disk.syncs.Load()
	r.Usage, err = bench.Measure(func() error {
		bounded, cancel := context.WithTimeout(ctx, t.Bound)
		defer cancel()
		summary, err := dispatch.Run(bounded, dispatch.Job{
			Plan: plan, Log: log, Source: spool, Sink: sink, Ceiling: t.InFlight,
			Start: ledger.Start{At: time.Now(), Version: "bench", Key: "bench"}, Pace: c.Pace, StopIf: c.StopIf, GiveUpAfter: c.GiveUpAfter,
		})
		if stopped, ok := errors.AsType[*dispatch.Stopped](err); ok && !stopped.Halt && bounded.Err() != nil && ctx.Err() == nil {
			err = nil // its time was over
		}
		r.Sent = summary.Account.Fates[person.Accepted]
		return errors.Join(err, log.Close())
	})
	r.Syncs = disk.syncs.Load() - before
	return r, errors.Join(err, finish())
}

// profile begins a profile of the processor; finish writes it, and one of what was
// allocated.
func (t Task) profile() (finish func() error, err error) {
	if t.Profiles == "" {
		return func() error { return nil }, nil
	}
	name := fmt.Sprintf("%s-%s-%d-%s.", t.Kind, t.Shape, t.InFlight, t.Latency)
	cpu, err := os.Create(filepath.Join(t.Profiles, name+"cpu.prof"))
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(cpu); err != nil {
		return nil, err
	}
	return func() error {
		pprof.StopCPUProfile()
		allocated, err := os.Create(filepath.Join(t.Profiles, name+"allocs.prof"))
		if err != nil {
			return err
		}
		runtime.GC()
		return errors.Join(pprof.Lookup("allocs").WriteTo(allocated, 0), allocated.Close(), cpu.Close())
	}, nil
}

// whole is everything that the command send does.
func (t Task) whole(ctx context.Context, p Product) (r Result, err error) {
	path := filepath.Join(t.Folder, "campaign.yaml")
	if err := os.CopyFS(filepath.Join(t.Folder, secretsFolder), os.DirFS(filepath.Join(t.Material, secretsFolder))); err != nil {
		return r, err
	}
	if err := os.WriteFile(path, campaignFor(t.Address, shapeOf(t.Shape).messages), 0o600); err != nil {
		return r, err
	}
	finish, err := t.profile()
	if err != nil {
		return r, err
	}
	var accepted func() (int64, error)
	r.Usage, err = bench.Measure(func() (err error) {
		accepted, err = p.Send(ctx, path, t.Cohort, filepath.Join(t.Folder, "run"))
		return err
	})
	if err == nil {
		r.Sent, err = accepted()
	}
	return r, errors.Join(err, finish())
}
