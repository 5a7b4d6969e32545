package refusal

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Every refusal of the program has a sentence, its facts are those that the sentence names,
// and every sentence is used.
func TestEveryRefusalHasItsSentence(t *testing.T) {
	used := map[string]bool{}
	for _, call := range refusals(t) {
		code, facts := call.code, call.facts
		if code == "" { // a variable: one of the codes in its function
			for _, one := range call.near {
				used[one] = true
			}
			continue
		}
		sentence, ok := sentences[code]
		if !ok {
			t.Errorf("%s: no sentence for %q", call.at, code)
			continue
		}
		used[code] = true
		var wanted []string
		for _, place := range fact.FindAllStringSubmatch(sentence, -1) {
			if !slices.Contains(wanted, place[1]) {
				wanted = append(wanted, place[1])
			}
		}
		slices.Sort(wanted)
		slices.Sort(facts)
		if !slices.Equal(wanted, facts) {
			t.Errorf("%s: %q has the facts %v, and its sentence names %v", call.at, code, facts, wanted)
		}
	}
	for code := range sentences {
		if !used[code] {
			t.Errorf("nothing refuses with %q", code)
		}
	}
	if len(used) < 100 {
		t.Errorf("only %d codes were found", len(used))
	}
}

// found is a call of New in the program.
type found struct {
	at    string
	code  string
	facts []string
	near  []string // where the code is a variable: the texts of its function
}

// refusals lists the calls of New in the files of the program.
func refusals(t *testing.T) (all []found) {
	t.Helper()
	files := token.NewFileSet()
	err := filepath.WalkDir("../..", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(text), "refusal.New(") {
			return err
		}
		file, err := parser.ParseFile(files, path, text, 0)
		if err != nil {
			return err
		}
		for _, decl := range file.Decls {
			var texts []string
			ast.Inspect(decl, func(n ast.Node) bool {
				if l, ok := n.(*ast.BasicLit); ok && l.Kind == token.STRING {
					texts = append(texts, literal(l))
				}
				return true
			})
			ast.Inspect(decl, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok {
					return true
				}
				if f, ok := call.Fun.(*ast.SelectorExpr); ok && f.Sel.Name == "New" && name(f.X) == "refusal" {
					c := found{at: files.Position(call.Pos()).String(), code: literal(call.Args[0])}
					if c.code == "" {
						c.near = texts
					}
					for i := 1; i < len(call.Args); i += 2 {
						c.facts = append(c.facts, literal(call.Args[i]))
					}
					all = append(all, c)
				}
				return true
			})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// name is the name that an expression is; empty when it is none.
func name(x ast.Expr) string {
	if id, ok := x.(*ast.Ident); ok {
		return id.Name
	}
	return ""
}

// literal is the value of a string literal; empty when an expression is none.
func literal(x ast.Expr) string {
	if l, ok := x.(*ast.BasicLit); ok {
		text, _ := strconv.Unquote(l.Value)
		return text
	}
	return ""
}

func TestARefusalWrapsItsCause(t *testing.T) {
	sentences["a_test"] = "{file} has {share:%.1f} % bad records: {cause}"
	defer delete(sentences, "a_test")
	err := New("a_test", "file", "a.csv", "share", 1.25, "cause", os.ErrNotExist)
	missing := fmt.Errorf("cohort: %w", &fs.PathError{Op: "open", Path: "a.csv", Err: os.ErrNotExist})
	if text := New("a_test", "file", "a.csv", "share", 1.0, "cause", missing).Error(); text != "a.csv has 1.0 % bad records: cohort: a.csv: file does not exist" {
		t.Error(text)
	}
	if err.Error() != "a.csv has 1.2 % bad records: file does not exist" || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

var update = os.Getenv("UPDATE") != ""

// The golden file holds every sentence, as a person reads them. UPDATE=1 go test writes it anew.
func TestSentencesAreAsTheyWere(t *testing.T) {
	var codes []string
	for code := range sentences {
		codes = append(codes, code)
	}
	slices.Sort(codes)
	var b strings.Builder
	for _, code := range codes {
		b.WriteString(code + "\n    " + sentences[code] + "\n")
	}
	const golden = "testdata/sentences.golden"
	if update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(golden)
	if err != nil || string(text) != b.String() {
		t.Errorf("the sentences differ from %s (%v); read the change, and run UPDATE=1 go test ./engine/refusal", golden, err)
	}
}

// The codes of docs/operating.md are codes of the program.
func TestThePageNamesCodesThatExist(t *testing.T) {
	text, err := os.ReadFile("../../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "### A start is refused\n")
	table, _, _ = strings.Cut(table, "\n#")
	rows := regexp.MustCompile("(?m)^\\| `(\\w+)` ").FindAllStringSubmatch(table, -1)
	for _, row := range rows {
		if sentences[row[1]] == "" {
			t.Errorf("docs/operating.md names %s, and no refusal has this code", row[1])
		}
	}
	if len(rows) < 10 {
		t.Errorf("only %d codes were found", len(rows))
	}
}
