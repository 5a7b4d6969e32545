package shard

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/ipc"

	"cohort/ingest/person"
)

// invalidCursor walks over the invalid records.
type invalidCursor struct {
	file  *os.File
	name  string
	ipc   *ipc.FileReader
	batch int          // the next one
	at    arrow.Record // the current one; nil before the first
	i     int          // the current record in it
}

// openArrow opens an Arrow file, and checks its metadata.
func openArrow(name string, o ...ipc.Option) (*os.File, *ipc.FileReader, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, nil, fmt.Errorf("spool: %w", err)
	}
	r, err := ipc.NewFileReader(f, o...)
	if err != nil {
		_ = f.Close()
		return nil, nil, fmt.Errorf("%s is damaged: %w", name, err)
	}
	return f, r, nil
}

func (s *Spool) openInvalid() (*invalidCursor, error) {
	name := filepath.Join(s.dir, invalidFile)
	f, r, err := openArrow(name)
	return &invalidCursor{file: f, name: name, ipc: r}, err
}

func (c *invalidCursor) next() (bool, error) {
	c.i++
	for c.at == nil || c.i >= int(c.at.NumRows()) {
		if c.batch == c.ipc.NumRecords() {
			return false, nil
		}
		record, err := c.ipc.RecordAt(c.batch)
		if err != nil {
			return false, fmt.Errorf("%s is damaged: %w", c.name, err)
		}
		c.batch++
		c.i, c.at = 0, record
	}
	return true, nil
}

func (c *invalidCursor) row() int64 { return c.at.Column(invalidRow).(*array.Int64).Value(c.i) }

func (c *invalidCursor) record() person.Record {
	words := func(column int) string { return text(c.at.Column(column).(*array.String), c.i) }
	return person.Record{
		Row: c.row(), File: int(c.at.Column(invalidFileIndex).(*array.Uint16).Value(c.i)),
		Line: c.at.Column(invalidLine).(*array.Int64).Value(c.i), Reference: words(invalidReference),
		Number: words(invalidFound), Fate: person.Invalid, Code: words(invalidCode), Reason: words(invalidReason), Shard: -1,
	}
}
