package format

import "strconv"

// FileError refuses a whole file: the reason and the remedy. It never holds a value
// of the file. It may hold names of columns, unless the first line looks like data.
type FileError struct {
	File    string // as the caller named it
	Line    int64  // 1-based line of the problem; 0 when there is none
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
