package event_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"cohort/engine/event"
)

const root = "../.."

// facts are keys that functions add to lines of an event. The test of the sources does not see them.
var facts = map[string][]string{
	"Receiving": {"public_key_sha256", "certificate_ends"},
	"Renewed":   {"public_key_sha256", "certificate_ends"},
}

// sources yields every file of the program, but not the simulator: it has a log of its own.
func sources(t *testing.T, yield func(path string, file *ast.File)) {
	t.Helper()
	for _, folder := range []string{"cmd", "engine", "ingest", "shard", "sinks"} {
		err := filepath.WalkDir(filepath.Join(root, folder), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.Contains(path, "sinks/simulator/") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
			if err == nil {
				yield(path, file)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// named returns the name that an expression is, as event.Progress; empty: it is none.
func named(e ast.Expr) string {
	if s, ok := e.(*ast.SelectorExpr); ok {
		if pkg, ok := s.X.(*ast.Ident); ok && pkg.Name == "event" {
			return s.Sel.Name
		}
	}
	return ""
}

// keysOf are the keys of arguments of a line: texts in front of values, and correlation ids.
func keysOf(args []ast.Expr) (keys []string) {
	for i := 0; i < len(args); i++ {
		switch a := args[i].(type) {
		case *ast.BasicLit:
			key, _ := strconv.Unquote(a.Value)
			keys = append(keys, key)
			i++ // its value
		case *ast.CallExpr:
			if named(a.Fun) == "Correlation" {
				keys = append(keys, "correlation")
			}
		}
	}
	return keys
}

// inCode returns the keys of each name, from the sources.
func inCode(t *testing.T) map[string]map[string]bool {
	t.Helper()
	all := map[string]map[string]bool{}
	add := func(name string, keys ...string) {
		if all[name] == nil {
			all[name] = map[string]bool{}
		}
		for _, key := range keys {
			all[name][key] = true
		}
	}
	level := []string{"Debug", "Info", "Warn", "Error"}
	sources(t, func(path string, file *ast.File) {
		ast.Inspect(file, func(n ast.Node) bool {
			decl, ok := n.(*ast.FuncDecl)
			if !ok || decl.Body == nil {
				return true
			}
			var lists []string // names in lists of arguments
			ast.Inspect(decl, func(n ast.Node) bool {
				if list, ok := n.(*ast.CompositeLit); ok && len(list.Elts) > 0 && named(list.Elts[0]) != "" {
					lists = append(lists, named(list.Elts[0]))
					add(named(list.Elts[0]), keysOf(list.Elts[1:])...)
				}
				return true
			})
			ast.Inspect(decl, func(n ast.Node) bool {
				c, ok := n.(*ast.CallExpr)
				if !ok {
					return true
				}
				if f, ok := c.Fun.(*ast.Ident); ok && f.Name == "append" && len(lists) > 0 && len(c.Args) > 2 {
					add(lists[0], keysOf(c.Args[1:])...)
				}
				f, ok := c.Fun.(*ast.SelectorExpr)
				if !ok || !slices.Contains(level, f.Sel.Name) || !isLog(f.X) {
					return true
				}
				switch {
				case len(c.Args) > 1 && named(c.Args[1]) != "":
					add(named(c.Args[1]), keysOf(c.Args[2:])...)
				case len(c.Args) > 1 && c.Ellipsis.IsValid() && len(lists) > 0:
				case len(c.Args) > 1 && path == filepath.Join(root, "cmd/cohort/exit.go"): // the name is chosen by the exit code
				default:
					t.Errorf("%s: a line of the log in %s has no event behind its sentence", path, decl.Name.Name)
				}
				return true
			})
			return true
		})
		ast.Inspect(file, func(n ast.Node) bool {
			if e, ok := n.(ast.Expr); ok && named(e) != "" && all[named(e)] == nil {
				add(named(e))
			}
			return true
		})
	})
	for _, end := range []string{"Halted", "Stopped", "EndedInDoubt", "Refused", "Defect", "LeftAtOnce"} {
		add(end, "exit", "code", "command", "runbook")
	}
	for name, keys := range facts {
		add(name, keys...)
	}
	return all
}

func isLog(e ast.Expr) bool {
	name := ""
	switch x := e.(type) {
	case *ast.Ident:
		name = x.Name
	case *ast.SelectorExpr:
		name = x.Sel.Name
	}
	name = strings.ToLower(name)
	return name == "log" || name == "logger" || name == "say"
}

// names maps each Go name of names.go to the name in the log.
func names(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("names.go")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^\t(\w+) += name\("([a-z_]+)"\)$`).FindAllStringSubmatch(string(text), -1) {
		all[m[1]] = m[2]
	}
	return all
}

// docs/logs.md has a row for each name: | `name` | `key`, `key` | meaning |
func TestThePageListsEveryEventAndItsKeys(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(root, "docs/logs.md"))
	if err != nil {
		t.Fatal(err)
	}
	documented, code := map[string]string{}, inCode(t)
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| ([^|]*) \\| [^|]+ \\|$").FindAllStringSubmatch(string(page), -1) {
		if documented[row[1]] != "" {
			t.Errorf("docs/logs.md has %s twice", row[1])
		}
		documented[row[1]] = row[2]
	}
	known := names(t)
	if len(known) < 50 {
		t.Fatalf("only %d names were found", len(known))
	}
	for variable, name := range known {
		var keys []string
		for _, key := range slices.Sorted(maps.Keys(code[variable])) {
			keys = append(keys, "`"+key+"`")
		}
		want := strings.Join(keys, ", ")
		if want == "" {
			want = "–"
		}
		if code[variable] == nil {
			t.Errorf("no line of the log is about %s", name)
		} else if documented[name] != want {
			t.Errorf("docs/logs.md has for %s the keys %q, and the code %s", name, documented[name], want)
		}
		delete(documented, name)
	}
	for name := range documented {
		t.Errorf("docs/logs.md has %s, which is no event", name)
	}
}

// A log for people is as it was before there were names. One for programs has the run in every line, once it is known.
func TestTextAndJSON(t *testing.T) {
	var said bytes.Buffer
	event.Text(&said, nil).Warn("a request is in doubt", event.AnswerInDoubt, event.Correlation([16]byte{1}), "batch", "b")
	if text := said.String(); !strings.HasSuffix(text, " level=WARN msg=\"a request is in doubt\" batch=b\n") {
		t.Error(text)
	}
	said.Reset()
	log := event.JSON(&said)
	log.Info("one", event.Reading)
	event.SetRun(log, "1a2b3c4d")
	log.Info("two", event.Sending, "run", "1a2b3c4d")
	log.Warn("three", event.AnswerInDoubt, event.Correlation([16]byte{1}), "batch", "b")
	lines := strings.Split(said.String(), "\n")
	for i, want := range []string{
		`"level":"INFO","msg":"one","event":"reading"}`,
		`"level":"INFO","msg":"two","event":"sending","run":"1a2b3c4d"}`,
		`"level":"WARN","msg":"three","event":"answer_in_doubt","correlation":"01000000-0000-0000-0000-000000000000","batch":"b","run":"1a2b3c4d"}`,
	} {
		if !strings.HasPrefix(lines[i], `{"time":"`) || !strings.HasSuffix(lines[i], want) {
			t.Errorf("%s\nwants %s", lines[i], want)
		}
	}
	event.SetRun(event.Text(&said, nil), "1a2b3c4d") // does nothing
}
