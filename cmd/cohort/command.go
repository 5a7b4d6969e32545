package main

import (
	"context"
	"sync/atomic"
)

// parting is what a person is told who leaves at once: the command that goes on.
type parting struct{ line atomic.Pointer[string] }

type partingKey struct{}

// partWith sets the parting words of the process that ctx belongs to.
func partWith(ctx context.Context, line string) {
	if p, ok := ctx.Value(partingKey{}).(*parting); ok {
		p.line.Store(&line)
	}
}
