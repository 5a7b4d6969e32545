package file

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"cohort/engine"
	"cohort/engine/plan"
)

// night is a run of some batches on a disk, with its log.
type night struct {
	sink     *Sink
	forms    []plan.AcceptedForm
	bodies   [][]byte
	accepted map[engine.Reference]bool
}

func newNight(t testing.TB) *night {
	s := New(Options{Folder: "files", Layout: &Mesh{RoutingPlanID: "plan", Fields: fields(t, "((a))")}, Limits: Limits{Messages: 7, Bytes: 1 << 20}})
	var p people
	for i := range 16 {
		p = append(p, []string{fmt.Sprint("value ", i), ""})
	}
	n := &night{sink: s, accepted: map[engine.Reference]bool{}}
	n.forms, n.bodies = batches(t, s, p, 3)
	return n
}

// live is one process. It sends the batches that the log does not call accepted, and then joins.
// A log entry about a part is durable before anything else happens.
func (n *night) live(t testing.TB, d *memory) error {
	n.sink.disk, n.sink.ready = d, false
	for i := range n.forms {
		reference := n.forms[i].Reference
		if n.accepted[reference] {
			continue
		}
		answer := n.sink.Send(t.Context(), &engine.Request{Reference: reference, Body: n.bodies[i], Messages: make([]engine.Reference, n.forms[i].Messages)})
		if answer.Reply != engine.Accepted {
			if answer.Halt == "" || answer.NoIDs || answer.Reply != engine.Unknown && answer.Reply != engine.Unsent {
				t.Errorf("a write that failed: %+v", answer)
			}
			return errCut
		}
		n.accepted[reference] = true
	}
	_, err := n.sink.Join(t.Context(), testRun.References(), "night", n.forms, nil, nil)
	return err
}

// check fails the test if the files differ from want.
func (n *night) check(t *testing.T, d *memory, want map[string]string, when string) {
	t.Helper()
	if got := d.contents(); !maps.Equal(got, want) {
		t.Fatalf("%s: other files than without a cut:\n%v\n%v", when, got, want)
	}
}

// The power is cut before every step, and before every step of the next process. Unsynced data is
// lost, or not. The files are those of a night without a cut. An accepted part is never missing,
// and no file is overwritten with another.
func TestThePowerIsCutAnywhere(t *testing.T) {
	calm := newNight(t)
	d := newMemory(t)
	must(t, calm.live(t, d))
	want := d.contents()
	if len(want) != 7 || !strings.Contains(want["files/manifest.json"], `"messages": 16`) {
		t.Fatalf("the files of a night without a cut: %v", want)
	}
	steps := d.steps
	for first := range steps {
		for second := -1; second < steps; second += 1 + first%3 {
			for s := nothing; s <= all; s++ {
				when := fmt.Sprintf("cut before steps %d and %d, survival %d", first, second, s)
				n := newNight(t)
				d := newMemory(t)
				d.left = first
				if err := n.live(t, d); err == nil {
					t.Fatalf("%s: nothing was cut", when)
				}
				d = d.after(s)
				d.left = second
				if err := n.live(t, d); err != nil && second < 0 {
					t.Fatalf("%s: %v", when, err)
				} else if err != nil {
					d = d.after(s)
					if err := n.live(t, d); err != nil {
						t.Fatalf("%s: %v", when, err)
					}
				}
				n.check(t, d, want, when)
				n.check(t, d.after(nothing), want, when)
			}
		}
	}
}

// Somebody takes every file as soon as it has its name, wherever the power was cut. No taken file
// is written again: the next process reports it as missing, or allows for it. Before the manifest
// there is nothing to take.
func TestAFileTakenEarlyIsNotWrittenAgain(t *testing.T) {
	calm, steps := newNight(t), newMemory(t)
	must(t, calm.live(t, steps))
	taken := 0
	for cut := range steps.steps {
		for s := nothing; s <= all; s++ {
			n, d := newNight(t), newMemory(t)
			d.left = cut
			_ = n.live(t, d)
			d = d.after(s)
			var gone []string
			for name := range d.contents() {
				if strings.HasSuffix(name, ".dat") || strings.HasSuffix(name, ".ctl") {
					gone = append(gone, name)
					delete(d.now, name)
					delete(d.synced, name)
				}
			}
			if len(gone) > 0 && d.now["files/manifest.json"] == nil {
				t.Errorf("cut before step %d, survival %d: %q are there and no manifest", cut, s, gone)
			}
			err := n.live(t, d)
			if err != nil && (len(gone) == 0 || !strings.Contains(err.Error(), "is missing, and not all files were whole")) {
				t.Errorf("cut before step %d, survival %d: %v", cut, s, err)
			}
			for _, name := range gone {
				taken++
				if d.now[name] != nil {
					t.Errorf("cut before step %d, survival %d: %s was written again", cut, s, name)
				}
			}
		}
	}
	if taken == 0 {
		t.Error("nothing was ever there to be taken")
	}
}
