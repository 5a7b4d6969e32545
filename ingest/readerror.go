package ingest

import (
	"errors"

	"cohort/ingest/format"
)

// named puts a file's name on an error.
func named(err error, name string) error {
	if refused, ok := errors.AsType[*format.FileError](err); ok {
		refused.File = name
		return refused
	}
	return &readError{name, err}
}

// readError is an error of reading, with the file's name.
type readError struct {
	name string
	err  error
}

func (e *readError) Error() string { return "reading " + e.name + ": " + e.err.Error() }
func (e *readError) Unwrap() error { return e.err }
