package ingest

import (
	"errors"
	"strconv"
)

// FileError says why a whole file is refused and what to do about it. It never
// holds a value of the file; header names are told, as they are no personal data,
// unless the first line looks like data.
type FileError struct {
	File    string // as the caller named it
	Line    int64  // 1-based line where the problem is, 0 when it has no line
	Problem string // what is wrong
	Fix     string // what to do
}

// Error returns one line, "file:line: problem; fix".
func (e *FileError) Error() string {
	where := e.File
	if e.Line > 0 {
		where += ":" + strconv.FormatInt(e.Line, 10)
	}
	return where + ": " + e.Problem + "; " + e.Fix
}

// named puts a file's name on an error.
func named(err error, name string) error {
	if refused, ok := errors.AsType[*FileError](err); ok {
		refused.File = name
		return refused
	}
	return &readError{name, err}
}

// readError is an error of the source with the file's name.
type readError struct {
	name string
	err  error
}

func (e *readError) Error() string { return "reading " + e.name + ": " + e.err.Error() }
func (e *readError) Unwrap() error { return e.err }
