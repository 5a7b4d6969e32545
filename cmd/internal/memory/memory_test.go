package memory

import (
	"runtime"
	"runtime/debug"
	"testing"
)

// The limit rises with what is in use, so that the collector is never short of room, and falls again.
func TestTheLimitFollowsWhatIsInUse(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	t.Setenv("GOMEMLIMIT", "") // as good as none
	Limit()
	defer debug.SetMemoryLimit(before)
	until := func(holds func(limit int64) bool) {
		for !holds(debug.SetMemoryLimit(-1)) { // go test ends a loop without end
			runtime.GC()
			runtime.Gosched()
		}
	}
	until(func(limit int64) bool { return limit == usualMemory })
	large := make([]byte, 2*usualMemory)
	until(func(limit int64) bool { return limit >= int64(len(large))/5*6 })
	runtime.KeepAlive(large)
	large = nil
	until(func(limit int64) bool { return limit == usualMemory })
}
