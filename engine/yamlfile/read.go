// Package yamlfile reads a YAML file strictly into a struct: it refuses unknown keys, values of the wrong type, anchors
// and tags. Its errors are plain sentences with file, line and key, and never messages of the YAML library.
package yamlfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// The YAML library takes hours over a deeply nested file, and cannot be interrupted.
const (
	mostFileSize = 256 << 10
	mostLevels   = 100
)

// Read reads a campaign file, and one byte more than it may have.
func Read(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	if info, err := file.Stat(); err == nil && info.IsDir() {
		return nil, fmt.Errorf("%s is a folder; name the campaign file in it, such as %s/campaign.yaml", path, strings.TrimSuffix(path, "/"))
	}
	return io.ReadAll(io.LimitReader(file, mostFileSize+1))
}

type reader struct {
	name  string         // of the file, for errors
	later []string       // keys that are refused as not yet supported
	lines map[string]int // the line of each key
}

// Decode reads the text of a file into doc, a pointer to a struct with yaml tags. It returns the
// line of each key. Keys in later are refused as not yet supported. Its errors are *Error.
func Decode(name string, text []byte, doc any, later []string) (lines map[string]int, err error) {
	l := &reader{name: name, later: later, lines: map[string]int{}}
	return l.lines, l.decode(text, doc)
}

func (l *reader) decode(text []byte, doc any) error {
	if err := l.bounded(text); err != nil {
		return err
	}
	if is := otherFile(text); is != "" {
		return &Error{l.name, 1, is + "; " + wantedFile}
	}
	file, err := parser.ParseBytes(text, 0)
	if err != nil {
		return l.yamlError(err, text)
	}
	if len(file.Docs) == 0 || file.Docs[0].Body == nil {
		return &Error{l.name, 0, "the campaign file is empty"}
	}
	if len(file.Docs) > 1 {
		return &Error{l.name, 0, "the campaign file has more than one YAML document (---); keep one campaign to a file"}
	}
	body := file.Docs[0].Body
	switch body.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
	default:
		return &Error{l.name, body.GetToken().Position.Line, wantedFile}
	}
	if err := l.shape(body, reflect.TypeOf(doc).Elem(), ""); err != nil {
		return err
	}
	if err := yaml.NodeToValue(body, doc); err != nil {
		return l.yamlError(err, text)
	}
	return nil
}

// bounded refuses a text that is too large, or nested too deeply. It counts brackets everywhere, also in quotes.
func (l *reader) bounded(text []byte) error {
	if len(text) > mostFileSize {
		return &Error{l.name, 0, fmt.Sprintf("the file is larger than %d KiB; is it a campaign file?", mostFileSize>>10)}
	}
	line, open := 0, 0
	for text := range bytes.Lines(text) {
		line++
		deepest := 0
		for _, c := range text {
			switch c {
			case '[', '{':
				open++
				deepest = max(deepest, open)
			case ']', '}':
				open = max(0, open-1)
			}
		}
		indent := text[:len(text)-len(bytes.TrimLeft(text, " -?\t"))]
		if max(deepest, bytes.Count(indent, []byte("- "))+bytes.Count(indent, []byte("? "))) > mostLevels {
			return &Error{l.name, line, fmt.Sprintf("there are more than %d levels of brackets or lists; is it a campaign file?", mostLevels)}
		}
	}
	return nil
}

const wantedFile = "a campaign file is YAML, made of lines such as \"campaign: my-campaign\""

// otherFile recognises a file that is no campaign. It shows none of its text: a cohort names people.
func otherFile(text []byte) string {
	start := bytes.TrimSpace(text)
	first, _, _ := bytes.Cut(start, []byte("\n"))
	switch {
	case bytes.HasPrefix(text, []byte("\xff\xfe")), bytes.HasPrefix(text, []byte("\xfe\xff")):
		return "this file is in UTF-16: save it as UTF-8"
	case bytes.IndexByte(text, 0) >= 0:
		return "this is not a text file"
	case bytes.HasPrefix(start, []byte("<")):
		return "this is an HTML or XML page"
	case bytes.ContainsAny(start[:min(1, len(start))], "{[") && !bytes.Contains(text, []byte("campaign")):
		return "this is JSON, and not a campaign"
	case bytes.ContainsAny(first, ",;|\t") && !bytes.ContainsAny(first, ":#") && !bytes.HasPrefix(first, []byte("- ")):
		return "this looks like a CSV file, perhaps the cohort"
	}
	return ""
}

// yamlMistakes translates messages of the YAML library. The first row counts that matches
// the message, and the line of the file. Indentation is noted behind the message: see yamlError.
var yamlMistakes = []struct{ message, line, says string }{
	{`mapping key ("[^"]*") already defined at \[(\d+)`, ``, `the key $1 is written twice; it is on line $2 already`},
	{``, `^ *\t`, `the line begins with a tab; use spaces`},
	{`tab`, ``, `there is a tab; use spaces`},
	{`'(.)' is a reserved character|alias|flow map content|flow map`, `: *([@*&!%{` + "`" + `])`, `a text that begins with $L needs quotes`},
	{`end character of`, ``, `the quote that opens here is not closed`},
	{`or '\]'|'\[' character|sequence end`, ``, `a square bracket above or here has no partner: write [a, b]`},
	{`or '}'|'{' character|mapping end`, ``, `a curly bracket above or here has no partner: write {key: value}`},
	{`escape`, ``, `a backslash in double quotes is special: write \\, or use single quotes`},
	{`not allowed.*<next deeper>`, ``, `the next line is indented deeper, but this line has a value already`},
	{`mapping value is not allowed`, `: .*: `, `a text with a colon needs quotes`},
	{`pre-defined|value is not allowed`, `[\]}"'] *[^\s,\]}#:"']|[\]}] *[\]}]`, `there is a text behind the closing quote or bracket; put the whole value in quotes`},
	{`entries are not allowed`, ``, `a list begins on the next line, or is written in brackets: [a, b]`},
	{`not allowed.*<indented>`, ``, `the line is indented differently from the lines above`},
	{`non-map|key name`, `^ *- `, `a list item cannot follow a key of the same section; look at the indentation`},
	{`non-map|key name`, `^ *[\w.]+:\S`, `there must be a space behind the colon`},
	{`non-map|key name`, `^[^:]*$`, `the line has no colon; write key: value`},
	{``, ``, `this cannot be read as YAML; look at the quotes, brackets and indentation of this line and the line above`},
}

func (l *reader) yamlError(err error, text []byte) error {
	var e yaml.Error
	if !errors.As(err, &e) || e.GetToken() == nil {
		return &Error{l.name, 0, "this cannot be read as YAML"}
	}
	lines := strings.Split(strings.ReplaceAll(strings.ReplaceAll(string(text), "\r\n", "\n"), "\r", "\n"), "\n")
	at := min(max(e.GetToken().Position.Line, 1), len(lines))
	line, message := lines[at-1], e.GetMessage()
	hasText := func(s string) bool { return strings.TrimSpace(s) != "" }
	if next := slices.IndexFunc(lines[at:], hasText); next >= 0 && indent(lines[at+next]) > indent(line) {
		message += " <next deeper>"
	}
	above := at - 2
	for above >= 0 && !hasText(lines[above]) {
		above--
	}
	if above >= 0 && indent(lines[above]) != indent(line) {
		message += " <indented>"
	}
	for _, m := range yamlMistakes {
		found := regexp.MustCompile(m.message).FindStringSubmatchIndex(message)
		inLine := regexp.MustCompile(m.line).FindStringSubmatch(line)
		if found == nil || inLine == nil {
			continue
		}
		says := m.says
		if len(inLine) > 1 {
			says = strings.ReplaceAll(says, "$L", inLine[1])
		}
		return &Error{l.name, at, string(regexp.MustCompile(m.message).ExpandString(nil, says, message, found))}
	}
	return &Error{l.name, at, "this cannot be read as YAML"}
}

func indent(line string) int { return len(line) - len(strings.TrimLeft(line, " ")) }
