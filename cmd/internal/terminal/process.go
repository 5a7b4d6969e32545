package terminal

import (
	"context"
	"os"
	"os/signal"
	"slices"
	"sync/atomic"
	"syscall"

	"golang.org/x/term"
)

// Parting holds the command that goes on, for a person who leaves at once.
type Parting struct{ Line atomic.Pointer[string] }

// PartingKey is the key of a *Parting in a context.
type PartingKey struct{}

// PartWith sets the command that goes on for the process of ctx.
func PartWith(ctx context.Context, line string) {
	if p, ok := ctx.Value(PartingKey{}).(*Parting); ok {
		p.Line.Store(&line)
	}
}

// AtTerminal reports whether one of the streams is a terminal.
func AtTerminal(streams ...any) bool {
	return slices.ContainsFunc(streams, func(s any) bool {
		f, ok := s.(*os.File)
		return ok && term.IsTerminal(int(f.Fd()))
	})
}

// OutliveReaders lets a run go on when the reader of its output has gone. By default, the write to
// a broken pipe would kill the process with requests under way.
func OutliveReaders() { signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) }
