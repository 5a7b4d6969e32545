// Pacer keeps to a rate as vegeta's attack does, and sends nothing: one goroutine asks the
// pacer how long to sleep and hands out a tick; workers note when they had it. It prints
// their moments, in nanoseconds since the start, and what that took of the processor.
package main

import (
	"encoding/json"
	"flag"
	"log"
	"os"
	"sync"
	"syscall"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"
)

func main() {
	hits := flag.Int("hits", 1, "requests in --per")
	per := flag.Duration("per", time.Second, "see --hits")
	span := flag.Duration("span", time.Second, "how long")
	workers := flag.Int("workers", 32, "how many take ticks")
	flag.Parse()

	pacer := vegeta.ConstantPacer{Freq: *hits, Per: *per}
	expected := pacer.Rate(0) * span.Seconds()
	before, start := processor(), time.Now()
	ticks := make(chan struct{})
	moments := make([][]int64, *workers)
	var pool sync.WaitGroup
	for i := range moments {
		moments[i] = make([]int64, 0, 16+2*int(expected)/(*workers))
		pool.Go(func() {
			for range ticks {
				moments[i] = append(moments[i], int64(time.Since(start)))
			}
		})
	}
	for sent := uint64(0); ; sent++ {
		elapsed := time.Since(start)
		wait, stop := pacer.Pace(elapsed, sent)
		if stop || elapsed+wait >= *span {
			break
		}
		time.Sleep(wait)
		ticks <- struct{}{}
	}
	close(ticks)
	pool.Wait()
	seconds, cpu := time.Since(start).Seconds(), processor()-before
	if err := json.NewEncoder(os.Stdout).Encode(map[string]any{"moments": moments, "seconds": seconds, "cpu_seconds": cpu}); err != nil {
		log.Fatal(err)
	}
}

// processor is how many seconds of it this process has used.
func processor() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		log.Fatal(err)
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}
