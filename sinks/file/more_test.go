package file

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"

	"cohort/engine"
)

// refusedNight is a night whose first upload was joined and refused: its batches are accepted
// again, under new references. The joined files are taken away.
func refusedNight(t *testing.T) (n *night, d *memory, refused map[engine.Reference]bool, join func(*memory) error) {
	n, d = newNight(t), newMemory(t)
	must(t, n.live(t, d))
	m, err := readManifest(d, n.sink.o.Folder)
	must(t, err)
	refused = map[engine.Reference]bool{}
	for i := range n.forms {
		if f := &n.forms[i]; m.Files[0].Batches[0] == f.Reference.String() || m.Files[0].Batches[1] == f.Reference.String() {
			refused[f.Reference] = true
			f.Reference = testRun.References().Batch(0, uint32(i), 1, 0)
		}
	}
	for name := range d.contents() {
		if strings.HasSuffix(name, ".dat") || strings.HasSuffix(name, ".ctl") {
			delete(d.now, name)
			delete(d.synced, name)
		}
	}
	d.steps = 0
	return n, d, refused, func(d *memory) error {
		n.sink.disk, n.sink.ready = d, false
		_, err := n.sink.Join(t.Context(), testRun.References(), "night", n.forms, refused, n.again)
		return err
	}
}

// The batches of a refused upload go into another file, under another reference.
// Wherever the power is cut, no file that was there before is written again, and the new one
// comes out the same.
func TestARefusedUploadGoesIntoMoreFiles(t *testing.T) {
	_, d, _, join := refusedNight(t)
	must(t, join(d))
	want, steps := d.contents(), d.steps
	for _, name := range []string{"files/night-001.dat", "files/night-002.dat", "files/night-003.dat"} {
		if _, there := want[name]; there {
			t.Errorf("%s was written again", name)
		}
	}
	var m Manifest
	must(t, json.Unmarshal([]byte(want["files/manifest.json"]), &m))
	if !m.Whole || m.Earlier != 3 || len(m.Files) != 4 || m.Files[3].Messages != 6 || m.Files[3].Control.Headers.LocalID == m.Files[0].Control.Headers.LocalID || !strings.Contains(want["files/night-004.dat"], "value 0") {
		t.Errorf("%+v", m)
	}
	for cut := range steps {
		for s := nothing; s <= all; s++ {
			_, d, _, join := refusedNight(t)
			d.left = cut
			if err := join(d); err == nil {
				t.Fatalf("cut %d: nothing was cut", cut)
			}
			d = d.after(s)
			must(t, join(d))
			if got := d.contents(); !maps.Equal(got, want) {
				t.Fatalf("cut before step %d, survival %d:\n%v\n%v", cut, s, got, want)
			}
			must(t, join(d)) // nothing more to do
			if got := d.contents(); !maps.Equal(got, want) {
				t.Fatalf("once more, another thing:\n%v", got)
			}
		}
	}
}

// More files are written only for batches that the log calls refused.
func TestMoreFilesAreForRefusedUploadsOnly(t *testing.T) {
	for sentence, spoil := range map[string]func(n *night, d *memory, refused map[engine.Reference]bool){
		"nothing was refused":                    func(_ *night, _ *memory, refused map[engine.Reference]bool) { clear(refused) },
		"another batch is not accepted any more": func(n *night, _ *memory, _ map[engine.Reference]bool) { n.forms = n.forms[:len(n.forms)-1] },
		"the manifest does not say which batches it holds": func(_ *night, d *memory, _ map[engine.Reference]bool) {
			var m Manifest
			must(t, json.Unmarshal([]byte(d.contents()["files/manifest.json"]), &m))
			for i := range m.Files {
				m.Files[i].Batches = nil
			}
			text, err := json.Marshal(m)
			must(t, err)
			d.now["files/manifest.json"] = &inode{now: text, synced: text}
		},
	} {
		n, d, refused, join := refusedNight(t)
		spoil(n, d, refused)
		before := fmt.Sprint(d.contents())
		if err := join(d); !errors.Is(err, ErrOther) || fmt.Sprint(d.contents()) != before {
			t.Errorf("%s: %v", sentence, err)
		}
	}
}

// A manifest of an older version does not list the batches of a file. They are worked out while
// that is possible, and kept.
func TestAnOlderManifestLearnsItsBatches(t *testing.T) {
	n, d := newNight(t), newMemory(t)
	must(t, n.live(t, d))
	whole := d.contents()["files/manifest.json"]
	var m Manifest
	must(t, json.Unmarshal([]byte(whole), &m))
	for i := range m.Files {
		m.Files[i].Batches = nil
	}
	text, err := json.Marshal(m)
	must(t, err)
	d.now["files/manifest.json"] = &inode{now: text, synced: text}
	_, err = n.sink.Written(testRun.References(), "night", n.forms, nil)
	must(t, err)
	if got := d.contents()["files/manifest.json"]; got != whole {
		t.Errorf("%s", got)
	}
}
