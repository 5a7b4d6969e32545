package campaign

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"path/filepath"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// Load reads and checks a campaign file. Relative paths in it start from the file's
// own folder. A mistake in the file is a *FileError.
func Load(path string) (*Campaign, error) {
	text, err := read(path)
	if err != nil {
		return nil, fmt.Errorf("campaign file: %w", err)
	}
	full, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("campaign file: %w", err)
	}
	return Parse(text, full)
}

// Parse reads and checks the text of a campaign file that stands, or stood, at path,
// which must be absolute. The byte order mark that Notepad puts first is no part of it.
func Parse(text []byte, path string) (*Campaign, error) {
	l := loader{file: filepath.Base(path), dir: filepath.Dir(path), lines: map[string]int{}}
	var doc document
	if err := l.decode(bytes.TrimPrefix(text, []byte("\ufeff")), &doc); err != nil {
		return nil, err
	}
	l.written = maps.Clone(l.lines)
	c := &Campaign{Path: path, lines: l.lines}
	l.identity(c, &doc)
	l.cohort(c, &doc.Cohort)
	l.suppress(c, doc.Suppress)
	l.personalisation(c, &doc)
	l.pace(c, doc.Pace, doc.Sink.File == nil) // files are written at any time
	l.limits(c, &doc)
	l.sink(c, &doc)
	l.reach(c, doc.Reach)
	l.routes(c, doc.Route)
	for _, way := range c.ByRoute() {
		if l.err == nil && len(way.Personalisation) > 0 { // otherwise the cohort may bring it
			l.err = way.checkFields()
		}
	}
	if l.err != nil {
		return nil, l.err
	}
	return c, nil
}

// loader turns a document into a Campaign and keeps the first mistake it meets.
type loader struct {
	file    string
	dir     string
	lines   map[string]int // where to look for what is wrong with a key
	written map[string]int // the keys that the file has, by their lines
	err     error

	ownInApp, ownPush bool // a route of the NHS App has a message, or a notification, of its own
}

// wrong notes a mistake in the value of key.
func (l *loader) wrong(key, format string, args ...any) {
	if l.err == nil {
		l.err = &FileError{l.file, l.lines[key], key + " " + fmt.Sprintf(format, args...)}
	}
}

func (l *loader) decode(text []byte, doc *document) error {
	if err := l.bounded(text); err != nil {
		return err
	}
	file, err := parser.ParseBytes(text, 0)
	if err != nil {
		return l.yamlError(err)
	}
	if len(file.Docs) == 0 || file.Docs[0].Body == nil {
		return &FileError{l.file, 0, "the campaign file is empty"}
	}
	if len(file.Docs) > 1 {
		return &FileError{l.file, 0, "the campaign file holds more than one YAML document; keep one campaign to a file"}
	}
	body := file.Docs[0].Body
	switch body.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
	default:
		return &FileError{l.file, body.GetToken().Position.Line, "a campaign file is made of lines such as \"campaign: my-campaign\""}
	}
	if err := keyLines(l.file, body, "", l.lines); err != nil {
		return err
	}
	if err := yaml.NodeToValue(body, doc); err != nil {
		return l.yamlError(err)
	}
	return nil
}

// yamlError keeps the line and the message of the YAML library and leaves out its
// excerpt of the source.
func (l *loader) yamlError(err error) error {
	var e yaml.Error
	if errors.As(err, &e) && e.GetToken() != nil {
		return &FileError{l.file, e.GetToken().Position.Line, "not valid YAML: " + e.GetMessage()}
	}
	return &FileError{l.file, 0, "not valid YAML: " + err.Error()}
}

// absolute resolves a path of the file.
func (l *loader) absolute(path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(l.dir, path)
}
