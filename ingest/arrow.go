package ingest

import (
	"bytes"
	"io"
	"os"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/apache/arrow/go/v15/arrow/memory"
)

// arrowFile reads an Arrow IPC file, a record batch at a time.
type arrowFile struct {
	file   *ipc.FileReader
	wanted []int
	at     int
}

func newArrowFile(handle *os.File, mem memory.Allocator) (*arrowFile, error) {
	info, err := handle.Stat()
	if err != nil {
		return nil, err
	}
	file, err := ipc.NewFileReader(io.NewSectionReader(handle, 0, info.Size()), ipc.WithAllocator(mem))
	return &arrowFile{file: file}, err
}

func (a *arrowFile) fields() []arrow.Field     { return a.file.Schema().Fields() }
func (a *arrowFile) choose(wanted []int) error { a.wanted = wanted; return nil }
func (a *arrowFile) close()                    { _ = a.file.Close() }

func (a *arrowFile) next() ([]chunks, int, error) {
	if a.at == a.file.NumRecords() {
		return nil, 0, io.EOF
	}
	record, err := a.file.Record(a.at) // which the reader releases with the next
	if err != nil {
		return nil, 0, err
	}
	a.at++
	return arrays(record, a.wanted), int(record.NumRows()), nil
}

func arrays(record arrow.Record, wanted []int) (all []chunks) {
	for _, k := range wanted {
		all = append(all, chunks{arrays: []arrow.Array{record.Column(k)}})
	}
	return all
}

// arrowStream reads an Arrow IPC stream, a record batch at a time. Only its end marker
// says that it is complete.
type arrowStream struct {
	tail   *tail
	reader *ipc.Reader
	wanted []int
}

// endOfStream is the message without a length that ends a stream.
var endOfStream = []byte{0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0}

func newArrowStream(r io.Reader, mem memory.Allocator) (*arrowStream, error) {
	t := &tail{src: r}
	reader, err := ipc.NewReader(t, ipc.WithAllocator(mem))
	return &arrowStream{tail: t, reader: reader}, t.or(err)
}

func (a *arrowStream) fields() []arrow.Field     { return a.reader.Schema().Fields() }
func (a *arrowStream) choose(wanted []int) error { a.wanted = wanted; return nil }
func (a *arrowStream) close()                    { a.reader.Release() }

func (a *arrowStream) next() ([]chunks, int, error) {
	if a.reader.Next() {
		record := a.reader.Record()
		return arrays(record, a.wanted), int(record.NumRows()), nil
	}
	if err := a.tail.or(a.reader.Err()); err != nil {
		return nil, 0, err
	}
	if !bytes.Equal(a.tail.last, endOfStream) {
		return nil, 0, io.ErrUnexpectedEOF
	}
	if n, err := io.ReadFull(a.tail, make([]byte, 1)); n > 0 {
		return nil, 0, &FileError{Problem: "there is more behind the end of the Arrow stream", Fix: "ask the sender for the file again"}
	} else if err != io.EOF {
		return nil, 0, err
	}
	return nil, 0, io.EOF
}

// tail remembers the last bytes read, and an error that the reader above it hides.
type tail struct {
	src  io.Reader
	last []byte
	err  error
}

func (t *tail) Read(p []byte) (int, error) {
	n, err := t.src.Read(p)
	t.last = append(t.last, p[max(0, n-len(endOfStream)):n]...)
	t.last = t.last[max(0, len(t.last)-len(endOfStream)):]
	if err != nil && err != io.EOF {
		t.err = err
	}
	return n, err
}

// or returns the source's own error, if there was one, in place of another.
func (t *tail) or(err error) error {
	if t.err != nil {
		return &sourceError{t.err}
	}
	return err
}

// sourceError is an error of the source that does not speak against the file.
type sourceError struct{ err error }

func (e *sourceError) Error() string { return e.err.Error() }
func (e *sourceError) Unwrap() error { return e.err }
