package terminal

import (
	"context"
	"sync/atomic"
)

// parting is what a person is told who leaves at once: the command that goes on.
type Parting struct{ Line atomic.Pointer[string] }

type PartingKey struct{}

// partWith sets the parting words of the process that ctx belongs to.
func PartWith(ctx context.Context, line string) {
	if p, ok := ctx.Value(PartingKey{}).(*Parting); ok {
		p.Line.Store(&line)
	}
}
