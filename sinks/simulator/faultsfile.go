package simulator

import (
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// LoadFaults reads a faults file.
func LoadFaults(path string) (Faults, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("faults: %w", err)
	}
	f, err := ParseFaults(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}

// ParseFaults reads faults from YAML in the form the package comment draws. An
// unknown fault, an unknown setting, a setting that its fault does not take and
// a value out of range are refused by name and line. Empty YAML is no faults.
func ParseFaults(yaml []byte) (Faults, error) {
	file, err := parser.ParseBytes(yaml, 0)
	if err != nil {
		return nil, fmt.Errorf("faults: %w", err)
	}
	faults := Faults{}
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
			kind, ok := kindNamed(name)
			if !ok {
				return nil, fmt.Errorf("faults: line %d: unknown fault %q", line(pair.Key), name)
			}
			if faults[kind], err = parseFault(kind, pair.Value); err != nil {
				return nil, fmt.Errorf("faults: %w", err)
			}
		}
	}
	return faults, nil
}

func kindNamed(name string) (Kind, bool) {
	for k := range kindCount {
		if kinds[k].name == name {
			return k, true
		}
	}
	return 0, false
}

func parseFault(kind Kind, node ast.Node) (Fault, error) {
	f := Fault{Share: kinds[kind].defaults.Share}
	pairs, ok := pairsOf(node)
	if !ok {
		if kind == Latency {
			return f, fmt.Errorf("line %d: latency: want a mapping with fixed or jitter", line(node))
		}
		if kinds[kind].takes&setShare == 0 {
			return f, fmt.Errorf("line %d: %s: want a mapping with fixed", line(node), kind)
		}
		return f, setFault(&f, setShare, "share", kind, node)
	}
	given := setting(0)
	for _, pair := range pairs {
		name := pair.Key.GetToken().Value
		key, ok := settingNamed(name)
		if !ok {
			return f, fmt.Errorf("line %d: %s: unknown setting %q", line(pair.Key), kind, name)
		}
		if kinds[kind].takes&key == 0 {
			return f, fmt.Errorf("line %d: %s: takes no %q", line(pair.Key), kind, name)
		}
		if err := setFault(&f, key, name, kind, pair.Value); err != nil {
			return f, err
		}
		given |= key
	}
	if given&setShare == 0 && kinds[kind].defaults.Share == 0 {
		return f, fmt.Errorf("line %d: %s: share is missing", line(node), kind)
	}
	return f, nil
}

func settingNamed(name string) (setting, bool) {
	for i, known := range []string{"share", "after", "limit", "retry_after", "hold", "processing", "fixed", "jitter"} {
		if known == name {
			return 1 << i, true
		}
	}
	return 0, false
}

func setFault(f *Fault, key setting, name string, kind Kind, node ast.Node) error {
	text := node.GetToken().Value
	bad := func(want string) error {
		return fmt.Errorf("line %d: %s: %s must be %s, not %q", line(node), kind, name, want, text)
	}
	switch key {
	case setShare:
		v, err := strconv.ParseFloat(text, 64)
		if err != nil || !(v >= 0 && v <= 1) {
			return bad("a share from 0 to 1")
		}
		f.Share = v
	case setAfter, setLimit:
		v, err := strconv.Atoi(text)
		if err != nil || v < 0 {
			return bad("a whole number")
		}
		if key == setAfter {
			f.After = v
		} else {
			f.Limit = v
		}
	default:
		v, err := time.ParseDuration(text)
		if err != nil || v < 0 {
			return bad("a duration such as 1.5s")
		}
		switch key {
		case setRetryAfter:
			f.RetryAfter = v
		case setHold:
			f.Hold = v
		case setProcessing:
			f.Processing = v
		case setFixed:
			f.Fixed = v
		case setJitter:
			f.Jitter = v
		}
	}
	return nil
}

// pairsOf is a mapping's pairs. The parser gives a mapping of one pair as that
// pair.
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
