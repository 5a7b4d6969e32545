package columnar

import (
	"bytes"
	"encoding/binary"
	"io"
	"os"
	"slices"
	"strconv"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/apache/arrow/go/v15/arrow/memory"
)

// arrowReader reads an Arrow IPC stream, a record batch at a time. An Arrow file is such a
// stream with a footer behind it.
type arrowReader struct {
	reader *ipc.Reader
	at     int          // record batches read
	ended  func() error // checks behind the last one that the file is complete
	arrowColumns
}

// newArrowFile reads a file. Its footer must agree with the columns and with the number of
// record batches.
func newArrowFile(handle *os.File, mem *ceiling) (*arrowReader, error) {
	const start, ending = 8, 4 + 6 // ARROW1; the footer's length and ARROW1
	info, err := handle.Stat()
	if err != nil {
		return nil, err
	}
	source := io.NewSectionReader(handle, 0, info.Size())
	end := source.Size() - ending
	tail, err := readAt(source, end, ending)
	if err != nil {
		return nil, err
	}
	require(string(tail[4:]) == "ARROW1")
	end -= int64(binary.LittleEndian.Uint32(tail))
	footer, err := readAt(source, end, source.Size()-ending-end)
	if err != nil {
		return nil, err
	}
	f := newFlatbuffer(footer)
	_, batches := f.vector(f.root(), 3, 24)
	var names []string
	f.table(f.root(), 1, func(schema int) {
		f.each(schema, 1, func(field int) {
			f.field(field)
			at, length := f.vector(field, 0, 1)
			names = append(names, string(footer[at:at+length]))
		})
	})
	require(end >= start)
	a := &arrowReader{}
	a.ended = func() error {
		require(a.at == batches)
		return errNoBatch
	}
	err = a.open(io.NewSectionReader(handle, start, end-start), end-start, mem)
	require(err != nil || slices.EqualFunc(names, a.columns, func(name string, f arrow.Field) bool { return name == f.Name }))
	return a, err
}

// newArrowStream reads a stream. Only an end marker shows that it is complete.
func newArrowStream(r io.Reader, mem *ceiling) (*arrowReader, error) {
	t := &tail{src: r}
	a := &arrowReader{}
	a.ended = func() error {
		if err := t.or(a.reader.Err()); err != nil {
			return err
		}
		require(bytes.Equal(t.last, endOfStream))
		switch n, err := io.ReadFull(t, make([]byte, 1)); {
		case n > 0:
			return refuse("there are more bytes behind the end of the Arrow stream", "ask the sender for the file again")
		case err == io.EOF:
			return errNoBatch
		default:
			return t.or(err)
		}
	}
	return a, t.or(a.open(t, 16<<20, mem))
}

// open reads the schema. A message may take up to room bytes at once.
func (a *arrowReader) open(src io.Reader, room int64, mem *ceiling) (err error) {
	if a.reader, err = ipc.NewReaderFromMessageReader(&messages{src, room, mem}, ipc.WithAllocator(mem)); err == nil {
		a.arrowColumns.columns = a.reader.Schema().Fields()
	}
	return err
}

func (a *arrowReader) close()        { a.reader.Release() }
func (a *arrowReader) where() string { return "in record batch " + strconv.Itoa(a.at+1) }

func (a *arrowReader) next() (int, error) {
	if a.reader.Next() {
		a.at++
		return a.take(a.reader.Record()), nil
	}
	if err := a.reader.Err(); err != nil {
		return 0, err
	}
	return 0, a.ended()
}

// messages reads the messages of an Arrow stream. It takes memory only as the bytes arrive,
// and checks a message before the library sees it.
type messages struct {
	src    io.Reader
	room   int64
	memory *ceiling
}

func (m *messages) Retain()  {}
func (m *messages) Release() {}

// Message reads the next message, as ipc.MessageReader.
func (m *messages) Message() (*ipc.Message, error) {
	var head [4]byte
	if _, err := io.ReadFull(m.src, head[:]); err != nil {
		return nil, err
	}
	if binary.LittleEndian.Uint32(head[:]) == 1<<32-1 { // since Arrow 0.15
		if _, err := io.ReadFull(m.src, head[:]); err != nil {
			return nil, err
		}
	}
	length := int64(int32(binary.LittleEndian.Uint32(head[:])))
	if length == 0 {
		return nil, io.EOF
	}
	meta, err := m.take(length)
	if err != nil {
		return nil, err
	}
	f := newFlatbuffer(meta)
	var body []byte
	if at := f.slot(f.root(), 3); at > 0 {
		if body, err = m.take(f.int64(at)); err != nil {
			return nil, err
		}
	}
	f.message(body, m.memory)
	return ipc.NewMessage(memory.NewBufferBytes(meta), memory.NewBufferBytes(body)), nil
}

// take reads a number of bytes that may be damaged.
func (m *messages) take(length int64) ([]byte, error) {
	m.memory.check(length)
	b := bytes.NewBuffer(make([]byte, 0, min(length, m.room)+bytes.MinRead))
	if _, err := io.CopyN(b, m.src, length); err == io.EOF {
		return nil, io.ErrUnexpectedEOF
	} else if err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// endOfStream is the empty message that ends a stream.
var endOfStream = []byte{0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0}

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

// or returns the source's own error if there was one, else err.
func (t *tail) or(err error) error {
	if t.err != nil {
		return &sourceError{t.err}
	}
	return err
}

// sourceError is an error of reading. The file is not at fault.
type sourceError struct{ err error }

func (e *sourceError) Error() string { return e.err.Error() }
func (e *sourceError) Unwrap() error { return e.err }
