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
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/spf13/pflag"

	"cohort/engine/event"
	"cohort/engine/refusal"
)

const (
	fileEvery = 15 * time.Second
	firstLine = "# HELP cohort_" // begins each file
	lookTime  = 5 * time.Second  // for a process that does not answer
)

// Source is something to show. It is asked at each scrape what metrics there are.
type Source = prometheus.Collector

type source func(out chan<- prometheus.Metric)

func (source) Describe(chan<- *prometheus.Desc)       {} // that is decided at each scrape
func (s source) Collect(out chan<- prometheus.Metric) { s(out) }

// Runs shows several runs, and counts those that cannot be read. A copy of a run's folder is the same run, and is left
// out: Prometheus takes nothing at all when a series comes twice.
func Runs(looks func(ctx context.Context) (all []*Run, unread int)) Source {
	return source(func(out chan<- prometheus.Metric) {
		ctx, cancel := context.WithTimeout(context.Background(), lookTime)
		defer cancel()
		all, unread := looks(ctx)
		shown := map[string]bool{}
		for _, live := range []bool{true, false} { // rather the one at work
			for _, r := range all {
				if id := r.label(); r.Live == live && !shown[id] {
					shown[id] = true
					r.collect(out)
				}
			}
		}
		sink{out: out}.gauge("cohort_runs_unread", "Runs whose folder or log cannot be read.", float64(unread))
	})
}

// Folders shows the runs in the folders that dirs returns at a scrape, also those that nobody works on. The page and the
// receiver of callbacks show their runs so.
func Folders(dirs func() []string) Source {
	var mu sync.Mutex
	known := map[string]*Folder{}
	return Runs(func(ctx context.Context) (all []*Run, unread int) {
		mu.Lock()
		defer mu.Unlock()
		was := known
		known = map[string]*Folder{}
		for _, dir := range dirs() {
			f := was[dir]
			if delete(was, dir); f == nil {
				f = &Folder{Dir: dir}
			}
			known[dir] = f
			if r, err := f.WithDelivery(ctx); err == nil {
				all = append(all, r)
			} else {
				unread++
			}
		}
		for _, f := range was {
			_ = f.Close()
		}
		return all, unread
	})
}

// Handler serves what sources show.
func Handler(from ...Source) http.Handler {
	all := prometheus.NewRegistry()
	all.MustRegister(from...)
	return promhttp.HandlerFor(all, promhttp.HandlerOpts{MaxRequestsInFlight: 4, DisableCompression: true})
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
	o     Options
	log   *slog.Logger
	all   *prometheus.Registry
	shows atomic.Bool // there is something in all
	at    net.Listener
	done  chan struct{}
	work  sync.WaitGroup
}

// Start begins to export. It refuses an address and a file that cannot be used. The Exporter is nil when nothing is asked for.
func (o Options) Start(log *slog.Logger) (*Exporter, error) {
	if o == (Options{}) {
		return nil, nil
	}
	if err := o.checkFile(); err != nil {
		return nil, err
	}
	e := &Exporter{o: o, log: log, all: prometheus.NewRegistry(), done: make(chan struct{})}
	if o.Addr != "" {
		var err error
		if e.at, err = net.Listen("tcp", o.Addr); err != nil {
			return nil, refusal.New("metrics_cannot_listen", "address", o.Addr, "cause", err)
		}
		e.work.Go(e.serve)
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
	begin := make([]byte, len(firstLine))
	if err == nil {
		_, err = io.ReadFull(f, begin)
		_ = f.Close()
	}
	if err != nil && err != io.EOF || err == nil && string(begin) != firstLine {
		return refusal.New("metrics_file_taken", "file", o.File)
	}
	return nil
}

// Show exports what sources show from now on. It is called once.
func (e *Exporter) Show(from ...Source) {
	if e != nil {
		e.all.MustRegister(from...)
		e.shows.Store(true)
	}
}

func (e *Exporter) serve() {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", Handler(source(e.all.Collect)))
	server := &http.Server{
		Handler: mux, ReadHeaderTimeout: lookTime, WriteTimeout: 6 * lookTime, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	}
	e.log.Info("metrics are served", event.MetricsServed, "address", "http://"+e.at.Addr().String()+"/metrics")
	e.work.Go(func() {
		<-e.done
		_ = server.Close() // a scrape is made again
	})
	_ = server.Serve(e.at) // until it is closed
}

func (e *Exporter) writeFiles() {
	each := time.NewTicker(fileEvery)
	defer each.Stop()
	for failed, over := false, false; !over; {
		select {
		case <-each.C:
		case <-e.done:
			over = true
		}
		if !e.shows.Load() {
			continue // the figures of an earlier run stay
		}
		err := prometheus.WriteToTextfile(e.o.File, e.all)
		if err != nil && !failed {
			e.log.Warn("the file of metrics cannot be written", event.NotWritten, "problem", err.Error())
		}
		failed = err != nil
	}
}

// Close writes the last file and ends the server.
func (e *Exporter) Close() {
	if e != nil {
		close(e.done)
		e.work.Wait()
	}
}
