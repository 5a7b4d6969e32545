package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// A mutant is the product with one line of it broken on purpose.
type mutant struct {
	name       string
	file       string // below the module
	old, new   string
	misfortune string // that must catch it
}

var mutants = []mutant{
	{
		"a request that broke off is said to be unsent", "sinks/wire/transport.go",
		"if c.socket.sent.Load() == 0 {", "if true {",
		"the line breaks at any byte",
	},
	{
		"a torn line of the register is damage", "engine/register/register.go",
		"if !whole { // a power cut", "if false { // a power cut",
		"the register is lost or torn",
	},
	{
		"a folder is known by its name", "cmd/internal/run/locate.go",
		"case r.holds(at.folder): // it was moved", "case false:",
		"the folder is moved",
	},
}

// Every mutant's line stands in the code once, so that make prove finds it.
func TestMutantsFitTheCode(t *testing.T) {
	for _, m := range mutants {
		text, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(m.file)))
		if err != nil || strings.Count(string(text), m.old) != 1 {
			t.Errorf("%s: %s has its line %d times, %v", m.name, m.file, strings.Count(string(text), m.old), err)
		}
	}
}

// Each new misfortune catches the mutant that was made for it, and lets the honest product be.
func TestMisfortunesCatchTheirMutants(t *testing.T) {
	if os.Getenv("COHORT_PROVE") == "" {
		t.Skip("make prove builds the mutants")
	}
	w := newWorld(t)
	const lives = 8
	for _, m := range mutants {
		t.Run(m.name, func(t *testing.T) {
			broken := w.mutant(m)
			for seed := 1; seed <= lives; seed++ {
				if said, ok := oneLife(w.binary, m.misfortune, seed); !ok {
					t.Fatalf("the honest product, seed %d\n%s", seed, said)
				}
			}
			for seed := 1; seed <= lives; seed++ {
				if _, ok := oneLife(broken, m.misfortune, seed); !ok {
					t.Logf("caught in life %d", seed)
					return
				}
			}
			t.Fatalf("not caught in %d lives", lives)
		})
	}
}

// oneLife leads a life in a process of its own, since one that is caught fails its test.
func oneLife(binary, misfortune string, seed int) (said string, ok bool) {
	c := exec.Command(os.Args[0], "-test.run=^TestOneLife$", "-test.v")
	c.Env = append(os.Environ(), "COHORT_LIFE_BINARY="+binary, "COHORT_LIFE_MISFORTUNE="+misfortune, fmt.Sprint("COHORT_LIFE_SEED=", seed))
	out, err := c.CombinedOutput()
	return string(out), err == nil
}

// TestOneLife runs one life in the process that oneLife starts.
func TestOneLife(t *testing.T) {
	binary := os.Getenv("COHORT_LIFE_BINARY")
	if binary == "" {
		t.Skip("TestMisfortunesCatchTheirMutants runs this")
	}
	seed, err := strconv.ParseUint(os.Getenv("COHORT_LIFE_SEED"), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	l := newLife(t, t.TempDir(), binary, seed, false, "latency: {fixed: 20ms, jitter: 20ms}\n")
	for _, m := range misfortunes {
		if m.name == os.Getenv("COHORT_LIFE_MISFORTUNE") {
			l.live([]misfortune{m, m})
			return
		}
	}
	t.Fatal("no such misfortune")
}

// mutant builds the product with a mutant's line in it.
func (w *world) mutant(m mutant) string {
	w.t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		w.t.Fatal(err)
	}
	file := filepath.Join(root, m.file)
	text, err := os.ReadFile(file)
	if err != nil {
		w.t.Fatal(err)
	}
	if strings.Count(string(text), m.old) != 1 {
		w.t.Fatalf("%s has no %q, or more than one", m.file, m.old)
	}
	w.write("mutant.go", strings.Replace(string(text), m.old, m.new, 1))
	return w.overlaid("cohort-mutant", file, "mutant.go")
}

// overlaid builds the product with another file in the place of one of its own.
func (w *world) overlaid(name, file, by string) string {
	w.t.Helper()
	overlay := fmt.Sprintf(`{"Replace": {%q: %q}}`, file, w.path(by))
	w.write("overlay.json", overlay)
	binary := w.path(name)
	if out, err := exec.Command("go", "build", "-overlay", w.path("overlay.json"), "-o", binary, ".").CombinedOutput(); err != nil {
		w.t.Fatalf("go build: %v\n%s", err, out)
	}
	return binary
}
