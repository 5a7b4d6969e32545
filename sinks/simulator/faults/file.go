package faults

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// Load reads a file of faults of some kinds.
func Load(path string, of []Kind) (Set, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("faults: %w", err)
	}
	set, err := Parse(data, of)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return set, nil
}

// Parse reads faults of some kinds from YAML in the form of the package comment. An error names
// the line and the fault. Empty YAML is no faults.
func Parse(yaml []byte, of []Kind) (Set, error) {
	file, err := parser.ParseBytes(yaml, 0)
	if err != nil {
		return nil, fmt.Errorf("faults: %w", err)
	}
	set := Set{}
	for _, doc := range file.Docs {
		if doc.Body == nil || doc.Body.Type() == ast.CommentType || doc.Body.Type() == ast.NullType {
			continue
		}
		pairs, ok := pairsOf(doc.Body)
		if !ok {
			return nil, fmt.Errorf("faults: line %d: want a mapping of faults", line(doc.Body))
		}
		for _, pair := range pairs {
			name := pair.Key.GetToken().Value
			at := slices.IndexFunc(of, func(k Kind) bool { return k.String() == name })
			if at < 0 {
				return nil, fmt.Errorf("faults: line %d: unknown fault %q", line(pair.Key), name)
			}
			if set[of[at]], err = parseFault(of[at], pair.Value); err != nil {
				return nil, fmt.Errorf("faults: %w", err)
			}
		}
	}
	return set, nil
}

func parseFault(kind Kind, node ast.Node) (Fault, error) {
	f := Fault{Share: kinds[kind].defaults.Share}
	pairs, ok := pairsOf(node)
	if !ok {
		if kind == Latency {
			return f, fmt.Errorf("line %d: latency: want a mapping with fixed or jitter", line(node))
		}
		if !takes(kind, "share") {
			return f, fmt.Errorf("line %d: %s: want a mapping with fixed", line(node), kind)
		}
		return f, setFault(&f, "share", kind, node)
	}
	shared := kinds[kind].defaults.Share > 0
	for _, pair := range pairs {
		name := pair.Key.GetToken().Value
		if _, known := settings[name]; !known {
			return f, fmt.Errorf("line %d: %s: unknown setting %q", line(pair.Key), kind, name)
		}
		if !takes(kind, name) {
			return f, fmt.Errorf("line %d: %s: takes no %q", line(pair.Key), kind, name)
		}
		if err := setFault(&f, name, kind, pair.Value); err != nil {
			return f, err
		}
		shared = shared || name == "share"
	}
	if !shared {
		return f, fmt.Errorf("line %d: %s: share is missing", line(node), kind)
	}
	return f, nil
}

func takes(kind Kind, setting string) bool {
	return slices.Contains(strings.Fields(kinds[kind].takes), setting)
}

// settings are the keys of a fault's mapping. set reports whether it could read the text.
var settings = map[string]struct {
	want string
	set  func(f *Fault, text string) bool
}{
	"share": {"a share from 0 to 1", func(f *Fault, text string) bool {
		share, err := strconv.ParseFloat(text, 64)
		f.Share = share
		return err == nil && share >= 0 && share <= 1
	}},
	"after":       {wantCount, count(func(f *Fault) *int { return &f.After })},
	"limit":       {wantCount, count(func(f *Fault) *int { return &f.Limit })},
	"retry_after": {wantDuration, duration(func(f *Fault) *time.Duration { return &f.RetryAfter })},
	"hold":        {wantDuration, duration(func(f *Fault) *time.Duration { return &f.Hold })},
	"processing":  {wantDuration, duration(func(f *Fault) *time.Duration { return &f.Processing })},
	"fixed":       {wantDuration, duration(func(f *Fault) *time.Duration { return &f.Fixed })},
	"jitter":      {wantDuration, duration(func(f *Fault) *time.Duration { return &f.Jitter })},
}

const (
	wantCount    = "a whole number"
	wantDuration = "a duration such as 1.5s"
)

func count(field func(*Fault) *int) func(*Fault, string) bool {
	return func(f *Fault, text string) bool {
		n, err := strconv.Atoi(text)
		*field(f) = n
		return err == nil && n >= 0
	}
}

func duration(field func(*Fault) *time.Duration) func(*Fault, string) bool {
	return func(f *Fault, text string) bool {
		d, err := time.ParseDuration(text)
		*field(f) = d
		return err == nil && d >= 0
	}
}

func setFault(f *Fault, name string, kind Kind, node ast.Node) error {
	s, text := settings[name], node.GetToken().Value
	if !s.set(f, text) {
		return fmt.Errorf("line %d: %s: %s must be %s, not %q", line(node), kind, name, s.want, text)
	}
	return nil
}

// pairsOf returns the pairs of a mapping. The parser gives a mapping of one pair as that pair.
func pairsOf(node ast.Node) ([]*ast.MappingValueNode, bool) {
	switch n := node.(type) {
	case *ast.MappingNode:
		return n.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}, true
	}
	return nil, false
}

func line(node ast.Node) int {
	if t := node.GetToken(); t != nil && t.Position != nil {
		return t.Position.Line
	}
	return 0
}
