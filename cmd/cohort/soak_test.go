package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"
)

// What breaks around the real binary, bounded. Each part has a folder, a service and a run
// of its own.
func TestRealBinaryThroughMisfortunes(t *testing.T) {
	w := newWorld(t)
	small := canMount(t)
	all := &figures{kinds: map[string]int{}}
	var mu sync.Mutex
	t.Run("parts", func(t *testing.T) {
		const hand = 3
		for n := 0; n*hand < len(misfortunes); n++ {
			of := misfortunes[n*hand : min(len(misfortunes), n*hand+hand)]
			t.Run(fmt.Sprintf("every misfortune befalls a run, seed %d", n+1), func(t *testing.T) {
				t.Parallel()
				full := slices.ContainsFunc(of, func(m misfortune) bool { return m.name == "disk full" })
				l := newLife(t, t.TempDir(), w.binary, uint64(n+1), small && full, "")
				l.live(of)
				mu.Lock()
				defer mu.Unlock()
				all.add(l.done)
			})
		}
		for name, part := range map[string]func(*world){
			"stopped for longer than every timeout it goes on by itself":         (*world).stoppedAndContinued,
			"the service is down for whole windows and back the next day":        (*world).downForWindows,
			"of two started at the same moment one works, and a copy never":      (*world).twoManyTimes,
			"the disk is full while outcomes and revisions are written":          (*world).fullInTheMiddle,
			"the wall clock is stepped in the middle, and past the window's end": (*world).clockStepped,
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				part(w.another(t))
			})
		}
	})
	t.Logf("\n%s", all)
}

// make soak: lives of random seeds, for as many minutes as COHORT_SOAK says. It stops at
// the first broken invariant, names the seed and keeps the folder. COHORT_SOAK_SEED
// repeats the choices of one life; the moments depend on the machine.
func TestSoak(t *testing.T) {
	minutes, err := strconv.ParseFloat(os.Getenv("COHORT_SOAK"), 64)
	if err != nil {
		t.Skip("make soak MINUTES=10 runs this")
	}
	w := newWorld(t)
	small := canMount(t)
	stepping := w.steppingBinary()
	first, lives := rand.Uint64N(1<<32), 1<<30
	if text := os.Getenv("COHORT_SOAK_SEED"); text != "" {
		if first, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
		lives = 1
	}
	end := time.Now().Add(time.Duration(minutes * float64(time.Minute)))
	all := &figures{kinds: map[string]int{}}
	var mu sync.Mutex
	next := 0
	take := func() (seed uint64, more bool) {
		mu.Lock()
		defer mu.Unlock()
		next++
		return first + uint64(next) - 1, next <= lives && time.Now().Before(end) && !t.Failed()
	}
	var workers sync.WaitGroup
	for range min(2, lives) {
		workers.Go(func() {
			for seed, more := take(); more; seed, more = take() {
				t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
					done := soakOnce(t, w.binary, stepping, seed, small)
					mu.Lock()
					defer mu.Unlock()
					all.add(done)
					fmt.Printf("life %d, seed %d: %d people, %d requests, %d starts\n", all.lives, seed, done.accepted+done.refused+done.listed, done.requests, done.starts)
				})
			}
		})
	}
	workers.Wait()
	if !t.Failed() {
		fmt.Printf("\n%g minutes, seeds from %d\n\n%s\n", minutes, first, all)
	}
}

// soakOnce is one life of a seed in a folder that stays when it fails.
func soakOnce(t *testing.T, binary, stepping string, seed uint64, small bool) figures {
	dir, err := os.MkdirTemp("", "cohort-soak-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // after everything that newLife puts down to be cleaned up
		if t.Failed() {
			fmt.Printf("BROKEN: seed %d, folder %s; repeat with COHORT_SOAK_SEED=%d make soak\n", seed, dir, seed)
			return
		}
		_ = os.RemoveAll(dir)
	})
	l := newLife(t, dir, binary, seed, small && seed%3 == 0, "")
	l.long = true
	if stepping != "" && l.random.IntN(4) == 0 {
		l.binary, l.stepped = stepping, true
	}
	var of []misfortune
	for range 3 + l.random.IntN(6) {
		of = append(of, misfortunes[l.random.IntN(len(misfortunes))])
	}
	l.live(of)
	return l.done
}
