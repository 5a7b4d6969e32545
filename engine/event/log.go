// Package event names what the lines of a log are about, and makes logs for people and for programs.
package event

import (
	"context"
	"io"
	"log/slog"
	"sync/atomic"

	"github.com/google/uuid"
)

// The keys that only a log for programs shows.
const (
	key            = "event"
	correlationKey = "correlation"
)

const runKey = "run" // the id of the run, as folders have it

// Correlation is the X-Correlation-Id of a request.
func Correlation(id [16]byte) slog.Attr { return slog.String(correlationKey, uuid.UUID(id).String()) }

// Text makes a log for people: without names and correlation ids. shorten may be nil.
func Text(w io.Writer, shorten func([]string, slog.Attr) slog.Attr) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		switch {
		case a.Key == key, a.Key == correlationKey:
			return slog.Attr{}
		case shorten != nil:
			return shorten(groups, a)
		}
		return a
	}}))
}

// JSON makes a log for programs: one object a line.
func JSON(w io.Writer) *slog.Logger { return slog.New(&handler{Handler: slog.NewJSONHandler(w, nil)}) }

// handler adds the run's id to each line, once it is known.
type handler struct {
	slog.Handler
	run atomic.Pointer[string]
}

func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	named := false
	r.Attrs(func(a slog.Attr) bool { named = named || a.Key == runKey; return true })
	if run := h.run.Load(); run != nil && !named {
		r.AddAttrs(slog.String(runKey, *run))
	}
	return h.Handler.Handle(ctx, r)
}

// SetRun says which run the lines of a log for programs are about. Other logs have it in few lines.
func SetRun(log *slog.Logger, run string) {
	if h, ok := log.Handler().(*handler); ok {
		h.run.Store(&run)
	}
}

type contextKey struct{}

// With returns a context whose commands log to a log for programs.
func With(ctx context.Context, log *slog.Logger) context.Context {
	return context.WithValue(ctx, contextKey{}, log)
}

// Programs returns the log of With; nil: there is none.
func Programs(ctx context.Context) *slog.Logger {
	log, _ := ctx.Value(contextKey{}).(*slog.Logger)
	return log
}

// Log returns the log of With, or else a log for people.
func Log(ctx context.Context, w io.Writer) *slog.Logger {
	if log := Programs(ctx); log != nil {
		return log
	}
	return Text(w, nil)
}
