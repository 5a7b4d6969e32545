package main

import (
	"encoding/json"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// fieldCase is one input from the field, in testdata/cases, and the right answer to it.
type fieldCase struct {
	name  string
	args  string         // of the built binary, run in a copy of testdata/cases
	exit  int            //
	says  []string       // patterns that standard error and output must match
	never []string       // patterns that they must not match
	fates map[string]int // of cohort check --json; nil: not looked at
	then  func(*testing.T, *world, exited)
}

// fieldCases are all of them. Each file of cases has a list of its own.
var fieldCases = slices.Concat(textCases, columnarCases, listCases, valueCases, serviceCases)

// TestFieldCases runs the built binary on each input from the field.
func TestFieldCases(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, c := range fieldCases {
		t.Run(c.name, func(t *testing.T) {
			w := w.another(t)
			if err := os.CopyFS(w.dir, os.DirFS("testdata/cases")); err != nil {
				t.Fatal(err)
			}
			if err := os.Mkdir(w.path("secrets"), 0o700); err != nil {
				t.Fatal(err)
			}
			w.write("secrets/api-key", "an-application\n")
			w.key("secrets/demo-1.pem")
			o := w.run(strings.Fields(c.args)...)
			said := o.stdout + o.stderr
			if o.code != c.exit {
				t.Errorf("exit %d, not %d\n%s", o.code, c.exit, said)
			}
			for _, pattern := range c.says {
				if !regexp.MustCompile(pattern).MatchString(said) {
					t.Errorf("nothing matches %q in\n%s", pattern, said)
				}
			}
			for _, pattern := range c.never {
				if regexp.MustCompile(pattern).MatchString(said) {
					t.Errorf("something matches %q in\n%s", pattern, said)
				}
			}
			if c.fates != nil {
				var found struct{ Fates map[string]int }
				if err := json.Unmarshal([]byte(o.stdout), &found); err != nil {
					t.Fatalf("%v\n%s", err, said)
				}
				maps.DeleteFunc(found.Fates, func(_ string, n int) bool { return n == 0 })
				if !maps.Equal(found.Fates, c.fates) {
					t.Errorf("fates %v, not %v\n%s", found.Fates, c.fates, said)
				}
			}
			if c.then != nil {
				c.then(t, w, o)
			}
		})
	}
}
