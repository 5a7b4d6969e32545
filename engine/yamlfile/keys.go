package yamlfile

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
)

// notYet says of a key that it belongs to the format, and is not acted on.
const notYet = "is not yet supported by this version of cohort; take it out"

// KeysOf lists the keys of a section and the types of their values, as its yaml tags name them.
func KeysOf(section reflect.Type) (names []string, types []reflect.Type) {
	for f := range section.Fields() {
		switch name, inline := strings.CutSuffix(f.Tag.Get("yaml"), ",inline"); {
		case inline:
			n, t := KeysOf(f.Type)
			names, types = append(names, n...), append(types, t...)
		case name != "":
			names, types = append(names, name), append(types, f.Type)
		}
	}
	return names, types
}

// Either is a value that is written in one of several forms, and reads itself.
type Either interface {
	Section() any // the struct whose keys a mapping has; nil if it cannot be a mapping
	Wanted() string
}

// shape refuses unknown keys and values of the wrong type. It notes the line of each key.
// node is the value of the key at path, and t is the type it is read into.
func (l *reader) shape(node ast.Node, t reflect.Type, path string) error {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	choice, isEither := reflect.Zero(t).Interface().(Either)
	var pairs []*ast.MappingValueNode
	switch n := node.(type) {
	case *ast.NullNode: // as if the key were missing
		return nil
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode: // the keys behind it would not be checked
		return l.mistake(node, path, "holds a YAML anchor (&), alias (*) or tag (!); write the value itself, or put a text in quotes")
	case *ast.MappingNode:
		pairs = n.Values
	case *ast.MappingValueNode:
		pairs = []*ast.MappingValueNode{n}
	case *ast.SequenceNode:
		if t.Kind() != reflect.Slice || isEither {
			break
		}
		for i, value := range n.Values {
			if err := l.shape(value, t.Elem(), path+"["+strconv.Itoa(i)+"]"); err != nil {
				return err
			}
		}
		return nil
	}
	if section := t; pairs != nil {
		if isEither && choice.Section() != nil {
			section = reflect.TypeOf(choice.Section())
		}
		if kind := section.Kind(); kind == reflect.Struct || kind == reflect.Map {
			if err := l.pairs(pairs, section, path); err != nil || !isEither {
				return err
			}
		}
	}
	if err := yaml.NodeToValue(node, reflect.New(t).Interface()); err != nil {
		return l.mistake(node, path, "must be "+wanted(t, node)+", not "+found(node))
	}
	return nil
}

// pairs checks the keys of a section, which is a struct, or a map that may have any key.
func (l *reader) pairs(pairs []*ast.MappingValueNode, section reflect.Type, path string) error {
	for _, pair := range pairs {
		key := pair.Key.GetToken().Value
		full := strings.TrimPrefix(path+"."+key, ".")
		l.lines[full] = pair.Key.GetToken().Position.Line
		if slices.Contains(l.later, full) && !strings.Contains(key, ".") {
			return l.mistake(pair.Key, full, notYet)
		}
		var value reflect.Type
		if section.Kind() == reflect.Map {
			value = section.Elem()
		} else {
			names, types := KeysOf(section)
			i := slices.Index(names, key)
			if i < 0 {
				return l.mistake(pair.Key, "unknown key", full+"; allowed here: "+strings.Join(names, ", "))
			}
			value = types[i]
		}
		if err := l.shape(pair.Value, value, full); err != nil {
			return err
		}
	}
	return nil
}

func (l *reader) mistake(at ast.Node, key, problem string) error {
	return &Error{l.name, at.GetToken().Position.Line, key + " " + problem}
}

// wanted is the form that a value of a type has. A list is shown with the value that was found.
func wanted(t reflect.Type, node ast.Node) string {
	if choice, ok := reflect.Zero(t).Interface().(Either); ok {
		return choice.Wanted()
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int64:
		return "a whole number"
	case reflect.Float64:
		return "a number"
	case reflect.Slice:
		if _, single := node.(ast.ScalarNode); single && t.Elem().Kind() == reflect.String {
			return "a list, such as [" + found(node) + "]"
		}
		return "a list"
	case reflect.Struct:
		names, _ := KeysOf(t)
		return "a section with keys (" + strings.Join(names, ", ") + ")"
	case reflect.Map:
		return "a section with a name and a value on each line"
	}
	return "a text"
}

// found describes the value that the file has.
func found(node ast.Node) string {
	const most = 40
	switch n := node.(type) {
	case *ast.SequenceNode:
		return "a list"
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a section with keys"
	case *ast.LiteralNode:
		return "a text of several lines"
	default:
		text := n.GetToken().Value
		if len(text) > most {
			text = strings.ToValidUTF8(text[:most], "") + "…"
		}
		return strconv.Quote(text)
	}
}

// Error is a mistake in a campaign file.
type Error struct {
	File    string
	Line    int // 0 if the mistake has no line, such as a missing key
	Problem string
}

func (e *Error) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("%s: %s", e.File, e.Problem)
	}
	return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Problem)
}
