package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cohort/engine/refusal"
)

// steppingBinary builds the product once more, with one thing changed: the standard
// library's time.Now adds a step to the wall clock, and to that alone, from the moment on
// that the environment names. The machine's own clock stays as it is: setting that needs
// privileges, and disturbs everybody on the machine. Empty when this version of Go has
// another time.Now than the one that is known here.
func (w *world) steppingBinary() string {
	w.t.Helper()
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		w.t.Fatal(err)
	}
	file := filepath.Join(strings.TrimSpace(string(root)), "src", "time", "time.go")
	text, err := os.ReadFile(file)
	if err != nil {
		w.t.Fatal(err)
	}
	const reads = "func Now() Time {\n\tsec, nsec, mono := runtimeNow()\n"
	if strings.Count(string(text), reads) != 1 {
		return ""
	}
	// Only whole seconds are stepped, so that the nanoseconds stay within theirs. mono
	// counts from about the start of the process.
	w.write("time.go", strings.Replace(string(text), reads, reads+"\tif step.by != 0 && mono-startNano > step.after {\n\t\tsec += step.by\n\t}\n", 1)+`
var step = readStep()

func readStep() (s struct{ after, by int64 }) {
	after, _ := syscall.Getenv("COHORT_TEST_STEP_AFTER")
	by, _ := syscall.Getenv("COHORT_TEST_STEP_BY")
	a, _ := ParseDuration(after)
	b, _ := ParseDuration(by)
	s.after, s.by = int64(a), int64(b/Second)
	return s
}
`)
	changed, err := os.ReadFile(w.path("time.go"))
	if err != nil {
		w.t.Fatal(err)
	}
	w.write("time.go", strings.Replace(string(changed), "\t_ \"unsafe\"", "\t\"syscall\"\n\t_ \"unsafe\"", 1))
	return w.overlaid("cohort-stepping", file, "time.go")
}

// stepAfter is the environment that steps the wall clock of a process.
func stepAfter(after, by time.Duration) []string {
	return []string{fmt.Sprint("COHORT_TEST_STEP_AFTER=", after), fmt.Sprint("COHORT_TEST_STEP_BY=", by)}
}

// clockStepped steps the wall clock of the process, at length only: the standard library
// is built again for it.
func (w *world) clockStepped() {
	if os.Getenv("COHORT_PROVE") == "" {
		w.t.Skip("make prove steps the clock: it takes a build of everything")
	}
	stepping := w.steppingBinary()
	if stepping == "" {
		w.t.Skip("this version of Go has another time.Now: the clock cannot be stepped")
	}
	for _, by := range []time.Duration{time.Hour, -time.Hour, 25 * time.Hour, -25 * time.Hour} {
		w.t.Run(by.String(), func(t *testing.T) {
			t.Parallel()
			w := w.another(t)
			w.binary = stepping
			// Nothing here asks for a wait: what a clock that was ahead wrote down as the end of
			// one is far off when the clock is right again.
			s := w.standIn("latency: {fixed: 30ms}\nreset_after: 0.1\ntruncated_201: 0.1\n", 9)
			w.paced("pace: {per_second: 400}")
			truth := w.generate(2000, 0.01)
			for range 3 { // each start has the right time first, as long as it takes to sign in
				c, _, stderr := w.startIn(stepAfter(1500*time.Millisecond, by), "send", "-c", "campaign.yaml", "cohort.csv", "--run", "run")
				time.Sleep(2200 * time.Millisecond)
				_ = c.Process.Kill()
				_ = c.Wait()
				// On a machine that is slow to sign in the service sees a wrong clock, and refuses.
				if code := c.ProcessState.ExitCode(); code > 0 && code != refusal.ExitRefused && code != refusal.ExitStopped {
					t.Fatalf("exit %d\n%s", code, stderr)
				}
			}
			if s.accepted() == 0 {
				t.Error("nothing was sent: the test has lost its point")
			}
			w.paced("pace: {per_second: 0}")
			w.run("continue", "run")                      // a clock that was set has paused the run
			if o := w.run("resume", "run"); o.code != 0 { // with the right time again
				t.Fatalf("exit %d\n%s", o.code, o.stderr)
			}
			w.onceEach(truth)
		})
	}
	w.t.Run("past the window's end", func(t *testing.T) {
		t.Parallel()
		w := w.another(t)
		w.binary = stepping
		s := w.standIn(slow, 9)
		w.paced("pace: " + windowUntil(time.Now().Add(time.Minute), 200))
		truth := w.generate(2000, 0.01)
		c, _, stderr := w.startIn(stepAfter(2500*time.Millisecond, time.Hour), "send", "-c", "campaign.yaml", "cohort.csv", "--run", "run", "--one-window")
		w.endsWith(c, stderr, 3)
		if n := s.accepted(); !strings.Contains(stderr.String(), "[window_over]") || n == 0 || n >= truth.Sendable {
			t.Fatalf("%d accepted\n%s", n, stderr)
		}
		w.paced("pace: {per_second: 0}")
		w.run("continue", "run")
		if o := w.run("resume", "run"); o.code != 0 {
			t.Fatalf("exit %d\n%s", o.code, o.stderr)
		}
		w.onceEach(truth)
	})
}
