package metrics

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/spf13/pflag"

	"cohort/engine/refusal"
)

// Path is where metrics are served.
const Path = "/metrics"

// fileEvery is the time between two files, and firstLine begins each.
const (
	fileEvery = 15 * time.Second
	firstLine = "# HELP cohort_"
)

// Source sends metrics. Handler and Exporter call it for each scrape.
type Source func(ctx context.Context, out chan<- prometheus.Metric)

// Runs shows several runs. One that cannot be read is left out, and counted.
func Runs(looks func(ctx context.Context) (all []*Run, unread int)) Source {
	return func(ctx context.Context, out chan<- prometheus.Metric) {
		all, unread := looks(ctx)
		for _, r := range all {
			r.collect(out)
		}
		sink{out: out}.gauge("cohort_runs_unread", "Runs whose folder or log cannot be read.", float64(unread))
	}
}

// Folders shows the runs in folders that it is given at each scrape, as the page and the receiver of callbacks do. It
// forgets a folder that is given no longer.
func Folders(dirs func() []string) Source {
	var mu sync.Mutex
	known := map[string]*Folder{}
	return Runs(func(ctx context.Context) (all []*Run, unread int) {
		mu.Lock()
		defer mu.Unlock()
		now := map[string]*Folder{}
		for _, dir := range dirs() {
			f := known[dir]
			if f == nil {
				f = &Folder{Dir: dir}
			}
			now[dir] = f
			r, err := f.WithDelivery(ctx)
			if err != nil {
				unread++
				continue
			}
			all = append(all, r)
		}
		for dir, f := range known {
			if now[dir] == nil {
				_ = f.Close()
			}
		}
		known = now
		return all, unread
	})
}

// collector is a Source as Prometheus asks for it.
type collector struct {
	ctx  context.Context
	from []Source
}

func (collector) Describe(chan<- *prometheus.Desc) {} // each collection decides what there is

func (c collector) Collect(out chan<- prometheus.Metric) {
	for _, s := range c.from {
		s(c.ctx, out)
	}
}

func gatherer(ctx context.Context, from []Source) prometheus.Gatherer {
	g := prometheus.NewRegistry()
	g.MustRegister(collector{ctx, from})
	return g
}

// Handler serves what sources send.
func Handler(from ...Source) http.Handler {
	return promhttp.HandlerFor(gatherer(context.Background(), from), promhttp.HandlerOpts{MaxRequestsInFlight: 4})
}

// Options say where metrics go. The zero value is nowhere.
type Options struct {
	Addr string // to listen on; empty: nowhere
	File string // for the textfile collector of node_exporter; empty: none
}

// Flags adds the flags that fill o.
func (o *Options) Flags(f *pflag.FlagSet) {
	f.StringVar(&o.Addr, "metrics", "", "serve metrics for Prometheus on this `address`, such as 127.0.0.1:9464, under /metrics")
	f.StringVar(&o.File, "metrics-file", "", "write metrics to this `file.prom` every 15 seconds and at the end, for node_exporter's textfile collector")
}

// Words are the flags as they were given, for the command that goes on.
func (o *Options) Words() (all []string) {
	if o.Addr != "" {
		all = append(all, "--metrics", o.Addr)
	}
	if o.File != "" {
		all = append(all, "--metrics-file", o.File)
	}
	return all
}

// Exporter serves and writes metrics until Close. A nil Exporter does nothing.
type Exporter struct {
	o      Options
	log    *slog.Logger
	mu     sync.Mutex
	from   []Source
	server *http.Server
	done   chan struct{}
	work   sync.WaitGroup
	failed bool // the latest file could not be written
}

// Start begins to export. It refuses an address and a file that cannot be used. The result is nil when nothing is asked for.
func (o Options) Start(log *slog.Logger) (*Exporter, error) {
	if o == (Options{}) {
		return nil, nil
	}
	e := &Exporter{o: o, log: log, done: make(chan struct{})}
	if err := o.checkFile(); err != nil {
		return nil, err
	}
	if o.Addr != "" {
		listener, err := net.Listen("tcp", o.Addr)
		if err != nil {
			return nil, refusal.New("metrics_cannot_listen", "address", o.Addr, "cause", err)
		}
		mux := http.NewServeMux()
		mux.Handle("GET "+Path, promhttp.HandlerFor(gatherer(context.Background(), []Source{e.all}), promhttp.HandlerOpts{MaxRequestsInFlight: 4}))
		e.server = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, WriteTimeout: 30 * time.Second, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
		e.work.Go(func() { _ = e.server.Serve(listener) }) // until Close
		log.Info("metrics are served", "address", "http://"+listener.Addr().String()+Path)
	}
	if o.File != "" {
		e.work.Go(e.writeFiles)
	}
	return e, nil
}

// checkFile refuses a file that node_exporter would not read, or that is not ours.
func (o Options) checkFile() error {
	if o.File == "" {
		return nil
	}
	if !strings.HasSuffix(o.File, ".prom") {
		return refusal.New("metrics_file_name", "file", o.File)
	}
	if info, err := os.Stat(filepath.Dir(o.File)); err != nil || !info.IsDir() {
		return refusal.New("metrics_file_folder", "file", o.File, "folder", filepath.Dir(o.File))
	}
	f, err := os.Open(o.File)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return refusal.New("metrics_file_taken", "file", o.File)
	}
	defer func() { _ = f.Close() }()
	begin := make([]byte, len(firstLine))
	if n, _ := io.ReadFull(f, begin); n > 0 && string(begin) != firstLine {
		return refusal.New("metrics_file_taken", "file", o.File)
	}
	return nil
}

// Show exports what sources send from now on.
func (e *Exporter) Show(from ...Source) {
	if e != nil {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.from = from
	}
}

func (e *Exporter) all(ctx context.Context, out chan<- prometheus.Metric) {
	e.mu.Lock()
	from := e.from
	e.mu.Unlock()
	for _, s := range from {
		s(ctx, out)
	}
}

func (e *Exporter) writeFiles() {
	each := time.NewTicker(fileEvery)
	defer each.Stop()
	for {
		select {
		case <-each.C:
			e.write()
		case <-e.done:
			e.write()
			return
		}
	}
}

// write replaces the file as a whole. A run goes on without it.
func (e *Exporter) write() {
	err := prometheus.WriteToTextfile(e.o.File, gatherer(context.Background(), []Source{e.all}))
	if err != nil && !e.failed {
		e.log.Warn("the file of metrics cannot be written", "problem", err.Error())
	}
	e.failed = err != nil
}

// Close writes the last file and ends the server.
func (e *Exporter) Close() {
	if e == nil {
		return
	}
	close(e.done)
	if e.server != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if e.server.Shutdown(ctx) != nil {
			_ = e.server.Close()
		}
	}
	e.work.Wait()
}
