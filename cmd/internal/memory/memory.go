// Package memory keeps the memory of a process near what is in use.
package memory

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
)

// usualMemory is enough for most sends and reports, in bytes. Tens of millions of requests need more, and so do lists
// of millions of people.
const usualMemory = 100 << 20

// Limit has the collector keep the memory of this process near what is in use, unless GOMEMLIMIT says otherwise.
// By default the heap grows to twice of that. A run of millions of single messages keeps its ledger, and garbage as
// large as the ledger would come on top. The collector is never short of room: when more is in use, the limit rises.
var Limit = sync.OnceFunc(func() {
	if os.Getenv("GOMEMLIMIT") == "" {
		(&limit{live: []metrics.Sample{{Name: "/gc/heap/live:bytes"}}}).adjust()
	}
})

// limit is the limit as it was set last.
type limit struct {
	bytes uint64
	live  []metrics.Sample
}

// adjust sets the limit by what the latest collection found in use. The collector calls it again after each collection,
// since nothing refers to the new limit.
func (l *limit) adjust() {
	metrics.Read(l.live)
	next := &limit{max(usualMemory, l.live[0].Value.Uint64()/5*6), l.live}
	if next.bytes != l.bytes {
		debug.SetMemoryLimit(int64(next.bytes))
	}
	runtime.SetFinalizer(next, (*limit).adjust)
}
