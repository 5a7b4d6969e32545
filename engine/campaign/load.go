package campaign

import (
	"bytes"
	"fmt"
	"maps"
	"path/filepath"

	"cohort/engine/yamlfile"
)

// Load reads and checks a campaign file. Relative paths in it start from its folder. A mistake in
// the file is a *FileError.
func Load(path string) (*Campaign, error) {
	text, err := yamlfile.Read(path)
	if err != nil {
		return nil, fmt.Errorf("the campaign file cannot be read: %w", err)
	}
	full, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("campaign file: %w", err)
	}
	return Parse(text, full)
}

// Parse reads and checks the text of the campaign file at path, which must be absolute. The file
// need not exist. A byte order mark is ignored.
func Parse(text []byte, path string) (*Campaign, error) { return read(text, path, nil) }

// ParsePlanned is Parse for the campaign of a plan. It takes the texts of content files from the plan's frozen keys:
// the files may have gone, or have other words now. If another frozen key differs, the error is a *DifferenceError.
func ParsePlanned(text []byte, path string, frozen []Setting) (*Campaign, error) {
	planned := map[string]string{}
	for _, s := range frozen {
		planned[s.Key] = s.Value
	}
	c, err := read(text, path, planned)
	if err == nil {
		err = Compare(frozen, c.Frozen())
	}
	return c, err
}

func read(text []byte, path string, planned map[string]string) (*Campaign, error) {
	l := loader{file: filepath.Base(path), dir: filepath.Dir(path), planned: planned}
	var doc document
	var err error
	if l.lines, err = yamlfile.Decode(l.file, bytes.TrimPrefix(text, []byte("\ufeff")), &doc, laterKeys); err != nil {
		return nil, err
	}
	l.written = maps.Clone(l.lines)
	c := &Campaign{Path: path, lines: l.lines}
	l.identity(c, &doc)
	l.heading(c, doc.Heading)
	l.cohort(c, &doc.Cohort)
	l.keepColumns(c, doc.KeepColumns)
	l.suppress(c, doc.Suppress)
	l.personalisation(c, &doc)
	l.pace(c, doc.Pace, doc.Sink.File == nil) // files are written at any time
	l.limits(c, &doc)
	l.sink(c, &doc)
	l.callbacks(c, doc.Callbacks)
	l.reach(c, doc.Reach)
	l.routes(c, doc.Route)
	for _, way := range c.ByRoute() {
		if l.err == nil && len(way.Personalisation) > 0 { // if it is empty, the cohort may bring it
			l.err = way.checkFields()
		}
	}
	if l.err != nil {
		return nil, l.err
	}
	return c, nil
}

// FileError is a mistake in a campaign file.
type FileError = yamlfile.Error

// laterKeys belong to the format, but this version does not act on them. It refuses them.
var laterKeys = []string{"followup"}

// loader turns a document into a Campaign and keeps the first mistake.
type loader struct {
	file    string
	dir     string
	lines   map[string]int // the line of each key; a missing key may have the line of its section
	written map[string]int // the line of each key that the file has
	err     error
	planned map[string]string // frozen keys with the texts of content files; nil: the files have them

	ownInApp, ownPush bool // a route of the NHS App has its own message, or notification
}

// wrong records a mistake in the value of key, unless there is an earlier one.
func (l *loader) wrong(key, format string, args ...any) {
	if l.err == nil {
		l.err = &FileError{File: l.file, Line: l.lines[key], Problem: key + " " + fmt.Sprintf(format, args...)}
	}
}

func (l *loader) has(key string) bool { return l.written[key] != 0 }

func (l *loader) absolute(path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(l.dir, path)
}
