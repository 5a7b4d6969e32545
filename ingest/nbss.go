package ingest

import (
	"bytes"
	"io"
	"strconv"
	"strings"
)

// nbss is an extract of the breast screening system: every value in quotes, pipes
// between them, and four kinds of record.
//
//	"NBSSAPPT_HDR"|"extract id"|"yyyymmdd"|"HHMMSS"|"records"
//	"NBSSAPPT_FLDS"|"Sequence"|"BSO"|…|"NHS Num"|…
//	"NBSSAPPT_DATA"|…
//	"NBSSAPPT_END"|…
//
// The header says how many DATA records there are and END says that they have all come:
// a file without either is cut short, and refused.
type nbss struct {
	*sheet
	prefix   string // NBSSAPPT
	sequence int64  // the extract id
	declared int64
	rows     int64
	ended    bool
}

// nbssNumber is the heading of the NHS number.
const nbssNumber = "NHS Num"

// nbssPrefix finds what the markers of such a file begin with, "" for another file.
func nbssPrefix(start []byte) string {
	line, _, _ := bytes.Cut(bytes.TrimLeft(start, "\r\n"), []byte{'\n'})
	marker, _, found := bytes.Cut(line, []byte{'|'})
	marker = bytes.Trim(marker, `"`)
	prefix, is := bytes.CutSuffix(marker, []byte("_HDR"))
	if !found || !is || len(prefix) == 0 || len(prefix) > 32 || !plain(prefix) {
		return ""
	}
	return string(prefix)
}

// nbssHeading is a heading without what has changed between editions of the extract:
// case, spaces, and words misspelt in some of them.
func nbssHeading(name string) string {
	name = strings.ToLower(strings.NewReplacer(" ", "", "_", "", "-", "").Replace(name))
	name = strings.Replace(name, "epsiode", "episode", 1)
	if rest, found := strings.CutSuffix(name, "orasses"); found {
		name = rest + "orassess"
	}
	return name
}

// newNBSS reads the header and the headings.
func newNBSS(t *sheet, prefix string) (*nbss, error) {
	n := &nbss{sheet: t, prefix: prefix}
	record, err := t.first()
	if err != nil {
		return nil, err
	}
	damaged := &FileError{Line: t.line, Problem: "the " + prefix + "_HDR record does not say its extract id and how many records follow", Fix: "ask the sender for the file again"}
	if t.split.count < 5 {
		return nil, damaged
	}
	id, known := whole(bytes.TrimSpace(t.split.value(record, 1)))
	count, counted := whole(bytes.TrimSpace(t.split.value(record, 4)))
	if !known || !counted || count < 0 {
		return nil, damaged
	}
	n.sequence, n.declared = id, count
	t.consume(record)
	if _, err := t.peek(); err == io.EOF {
		return nil, n.short()
	}
	record, err = t.first()
	if err == nil && string(t.split.value(record, 0)) != prefix+"_FLDS" {
		err = &FileError{Line: t.line, Problem: "there is no " + prefix + "_FLDS record behind the header", Fix: "ask the sender for the file again"}
	}
	if err != nil {
		return nil, err
	}
	t.head = header{line: t.line, kind: typeNBSS, named: true}
	if t.head.names, err = t.names(record); err != nil {
		return nil, err
	}
	t.consume(record)
	return n, nil
}

// use lets the file be: a day without a record is a day.
func (n *nbss) use([]int) error { return nil }

func (n *nbss) short() *FileError {
	return &FileError{Problem: "the file is cut short: there is no " + n.prefix + "_END record", Fix: "ask the sender for the file again"}
}

func (n *nbss) next() (record []byte, line int64, err error) {
	record, line, err = n.sheet.next()
	if err == io.EOF && !n.ended {
		return nil, 0, n.short()
	}
	if err != nil {
		return nil, 0, err
	}
	marker, found := strings.CutPrefix(string(n.split.value(record, 0)), n.prefix)
	switch {
	case n.ended:
		return nil, 0, &FileError{Line: line, Problem: "there is a record behind " + n.prefix + "_END", Fix: "ask the sender for the file again"}
	case found && marker == "_DATA":
		n.rows++
		return record, line, nil
	case !found || marker != "_END":
		return nil, 0, &FileError{Line: line, Problem: "there is a record that is neither " + n.prefix + "_DATA nor " + n.prefix + "_END", Fix: "ask the sender for the file again"}
	case n.rows != n.declared:
		return nil, 0, &FileError{
			Line:    line,
			Problem: "the header promises " + strconv.FormatInt(n.declared, 10) + " records and the file holds " + strconv.FormatInt(n.rows, 10),
			Fix:     "ask the sender for the file again",
		}
	}
	n.ended = true
	return n.next() // what follows is the file's end, or wrong
}
