package format

// Source yields the records of one file, whatever its format: the seam between formats and
// rules. One goroutine at a time may use it.
//
// The caller calls Header first, then Use once, and then Next until it returns an error.
type Source interface {
	// Header describes the columns.
	Header() Header

	// Use says which columns will be read. The values of others need not be there. An error
	// refuses the file: it has no record, or a column cannot be read as text.
	Use(columns []Column) error

	// Next yields the next record and the 1-based line where it starts, or its 1-based
	// number in a format without lines. The record and its values hold until the next call.
	// The error is io.EOF behind the last record, a *FileError when the file is at fault,
	// or an error of reading.
	Next() (record []byte, line int64, err error)

	// Values gives the places of the last record's values. It is always the same pointer.
	Values() *Values

	// Blanks counts the empty lines so far.
	Blanks() int64
}

// Column is a column that is to be read.
type Column struct {
	At     int  // 0-based
	Number bool // it holds NHS numbers
	Day    bool // it holds dates
}
