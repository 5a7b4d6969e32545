package progress

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"cohort/bench"
)

// fake is a child that runs its part in this process, but for what a test changes.
type fake struct {
	ran    []string
	change func(*Result, Task)
}

func (f *fake) child(ctx context.Context, _ int, t Task) (Result, error) {
	name := t.Part
	if t.Prepare {
		name += " prepared"
	}
	f.ran = append(f.ran, name)
	r, err := t.Run(ctx)
	if f.change != nil {
		f.change(&r, t)
	}
	return r, err
}

func (f *fake) measure(t *testing.T, o Options) (Report, error) {
	t.Helper()
	o.Messages, o.Span, o.Parent, o.Child, o.Say = 10_000, time.Millisecond, t.TempDir(), f.child, func(string, ...any) {}
	if o.Peers == "" {
		o.Peers = filepath.Join(o.Parent, "nothing")
	}
	r, err := Measure(t.Context(), o)
	left, e := os.ReadDir(o.Parent)
	if must(t, e); (len(left) > 0) != o.Keep {
		t.Errorf("it left %v", left)
	}
	return r, err
}

// What is replayed is made once; the machine's fsync is in every round.
func TestRoundsGoOverAllPartsInTurn(t *testing.T) {
	var f fake
	r, err := f.measure(t, Options{Runs: 2, Only: []string{"replay", "replay-bytes", "log-100"}, Keep: true})
	must(t, err)
	want := []string{
		plainSync, "fsync-100", "log-100", "replay prepared", "replay", "replay-bytes",
		plainSync, "fsync-100", "log-100", "replay", "replay-bytes",
	}
	if !slices.Equal(f.ran, want) {
		t.Errorf("it ran %v", f.ran)
	}
	var out strings.Builder
	must(t, r.Print(&out))
	for _, words := range []string{"| made durable ", "| read back ", "| cohort "} {
		if !strings.Contains(out.String(), words) {
			t.Errorf("there is no %q in\n%s", words, &out)
		}
	}
}

func TestLostMessagesEndTheMeasurement(t *testing.T) {
	for _, part := range []string{"log-1000", "log-waiting-64", "replay", "send-1000"} {
		f := fake{change: func(r *Result, t Task) {
			if t.Part == part && !t.Prepare {
				r.Found--
			}
		}}
		_, err := f.measure(t, Options{Runs: 1, Only: []string{part}})
		if lost, is := errors.AsType[*Lost](err); !is || lost.Got != lost.Want-1 || !strings.Contains(err.Error(), "the part "+part) {
			t.Errorf("%s: got %v", part, err)
		}
	}
}

func TestPeersThatAreNotThereAreSaidToBeMissing(t *testing.T) {
	broken := t.TempDir()
	must(t, os.Mkdir(filepath.Join(broken, "ledgers"), 0o700))
	for name, text := range map[string]string{"go.mod": "module broken\n", "main.go": "package main\n\nfunc main() { nonsense() }\n"} {
		must(t, os.WriteFile(filepath.Join(broken, "ledgers", name), []byte(text), 0o600))
	}
	for folder, words := range map[string]string{"": "no source in", broken: "undefined: nonsense"} {
		var f fake
		r, err := f.measure(t, Options{Runs: 2, Only: []string{"sqlite-100", "bbolt-rebuild"}, Peers: folder})
		must(t, err)
		absent := 0
		for _, row := range r.Rows {
			if strings.Contains(row.Absent, "not there: ") && strings.Contains(row.Absent, words) {
				absent++
			}
		}
		if absent != 2 {
			t.Errorf("%d of 2 peers are said to be missing: %+v", absent, r.Rows)
		}
		var out strings.Builder
		if must(t, r.Print(&out)); !strings.Contains(out.String(), "(not there: ") {
			t.Errorf("the table does not say so:\n%s", &out)
		}
	}
}

func TestWhatCannotBeMeasuredIsRefused(t *testing.T) {
	var f fake
	if _, err := f.measure(t, Options{Runs: 1, Only: []string{"nonsense"}}); err == nil || !strings.Contains(err.Error(), "there are: fsync") {
		t.Errorf("got %v", err)
	}
	if _, err := (Task{Part: "nonsense"}).Run(t.Context()); err == nil {
		t.Error("a part that is not there has run")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, name := range []string{plainSync, "log-100", "log-waiting-64", "send-100"} {
		task := Task{Part: name, Folder: t.TempDir(), Span: time.Hour, Messages: 10_000}
		if _, err := task.Run(ctx); err == nil {
			t.Errorf("%s was not stopped", name)
		}
	}
}

// A disk that is half as fast in the second round changes the rates and not the ratios.
func TestRatiosAreTakenWithinARound(t *testing.T) {
	some, err := chosen([]string{"bbolt-1000"})
	must(t, err)
	seconds := map[string]float64{plainSync: 1, "fsync-1000": 2, "log-1000": 2.5, "bbolt-1000": 10}
	var rounds [][]Result
	for _, slow := range []float64{1, 8, 2} {
		var round []Result
		for _, p := range some {
			round = append(round, Result{Messages: 100_000, Bytes: 2_800_000, Syncs: 200, Plain: 200 / slow, Usage: bench.Usage{Seconds: seconds[p.name] * slow}})
		}
		rounds = append(rounds, round)
	}
	rows := map[string]Row{}
	for _, row := range tabulate(some, rounds) {
		rows[row.Part] = row
	}
	if len(rows) != len(seconds) {
		t.Fatalf("%d rows: %v", len(rows), rows)
	}
	log, peer := rows["log-1000"], rows["bbolt-1000"]
	if log.PerSecond != 20_000 || log.ToFloor != 0.8 || log.PerSync != 200 || log.Bytes != 28 || math.Abs(log.Design-200/410.0) > 1e-9 {
		t.Errorf("got %+v", log)
	}
	if peer.ToLog != 0.25 || peer.Design != 0 {
		t.Errorf("got %+v", peer)
	}
}

// Each pair is compared by itself, and the pairs of all rounds are one set.
func TestASendIsComparedWithItsNeighbour(t *testing.T) {
	some, err := chosen([]string{"send-1000"})
	must(t, err)
	pair := func(without, slower float64) Pair {
		return Pair{With: bench.Usage{Seconds: without * (1 + slower), CPU: 2.2}, Without: bench.Usage{Seconds: without, CPU: 2}}
	}
	plain := Result{Messages: 1, Syncs: 1, Usage: bench.Usage{Seconds: 1}}
	rounds := [][]Result{
		{plain, {Messages: 8, Pairs: []Pair{pair(1, 0.25), pair(4, 0.5)}}},
		{plain, {Messages: 8, Pairs: []Pair{pair(2, 0), pair(16, 1), pair(8, -0.5)}}},
	}
	row := tabulate(some, rounds)[1]
	if row.Pairs != 5 || !slices.Equal(row.Slower, []float64{0, 0.25, 0.5}) || row.Without != 2 || row.PerSecond != 2 || row.Fastest != 0.25 || math.Abs(row.CPUMore-0.1) > 1e-9 {
		t.Errorf("got %+v", row)
	}
}
