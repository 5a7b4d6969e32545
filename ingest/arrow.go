package ingest

import (
	"bytes"
	"encoding/binary"
	"io"
	"os"
	"strconv"

	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/klauspost/compress/zstd"
)

// arrowFile reads an Arrow IPC file, a record batch at a time.
type arrowFile struct {
	file    *ipc.FileReader
	source  *io.SectionReader
	records []arrowBlock
	memory  *ceiling
	at      int
	arrowColumns
}

// arrowBlock is where the footer says that a message is.
type arrowBlock struct{ offset, meta, body int64 }

func newArrowFile(handle *os.File, mem *ceiling) (*arrowFile, error) {
	info, err := handle.Stat()
	if err != nil {
		return nil, err
	}
	a := &arrowFile{source: io.NewSectionReader(handle, 0, info.Size()), memory: mem}
	dictionaries, err := a.footer()
	for _, block := range dictionaries {
		if err == nil {
			err = a.check(block)
		}
	}
	if err != nil {
		return nil, err
	}
	if a.file, err = ipc.NewFileReader(a.source, ipc.WithAllocator(mem)); err != nil {
		return nil, err
	}
	a.arrowColumns.columns = a.file.Schema().Fields()
	return a, nil
}

// footer checks the footer and takes from it where the messages are.
func (a *arrowFile) footer() (dictionaries []arrowBlock, err error) {
	const ending = 4 + 6 // the footer's length and ARROW1
	end := a.source.Size() - ending
	footer, err := readAt(a.source, end, ending)
	if err != nil {
		return nil, err
	}
	length := int64(binary.LittleEndian.Uint32(footer))
	if footer, err = readAt(a.source, end-length, length); err != nil {
		return nil, err
	}
	f := newFlatbuffer(footer)
	root := f.root()
	f.table(root, 1, f.schema)
	f.each(root, 4, f.pair)
	blocks := func(slot int) (all []arrowBlock) {
		at, n := f.vector(root, slot, 24)
		for ; n > 0; at, n = at+24, n-1 {
			all = append(all, arrowBlock{f.int64(at), int64(int32(binary.LittleEndian.Uint32(footer[at+8:]))), f.int64(at + 16)})
		}
		return all
	}
	a.records = blocks(3)
	return blocks(2), nil
}

// check looks at a message before the library does.
func (a *arrowFile) check(b arrowBlock) error {
	require(b.body >= 0 && b.offset >= 0 && b.offset <= a.source.Size() && b.body <= a.source.Size()-b.offset)
	meta, err := readAt(a.source, b.offset, b.meta)
	if err != nil {
		return err
	}
	switch binary.LittleEndian.Uint32(meta) {
	case 0:
	case 1<<32 - 1:
		meta = meta[8:]
	default: // before Arrow 0.15
		meta = meta[4:]
	}
	return checkMessage(meta, io.NewSectionReader(a.source, b.offset+b.meta, b.body), a.memory)
}

func (a *arrowFile) close() { _ = a.file.Close() }

func (a *arrowFile) where() string { return inBatch(a.at) }

func inBatch(at int) string { return "in record batch " + strconv.Itoa(at+1) }

func (a *arrowFile) next() (int, error) {
	if a.at == len(a.records) {
		return 0, io.EOF
	}
	if err := a.check(a.records[a.at]); err != nil {
		return 0, err
	}
	record, err := a.file.Record(a.at) // which the reader releases with the next
	if err != nil {
		return 0, err
	}
	a.at++
	return a.take(record), nil
}

// arrowStream reads an Arrow IPC stream, a record batch at a time. Only its end marker
// says that it is complete.
type arrowStream struct {
	tail   *tail
	reader *ipc.Reader
	at     int
	arrowColumns
}

// endOfStream is the message without a length that ends a stream.
var endOfStream = []byte{0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0}

func newArrowStream(r io.Reader, mem *ceiling) (*arrowStream, error) {
	a := &arrowStream{tail: &tail{src: r}}
	var err error
	if a.reader, err = ipc.NewReaderFromMessageReader(&messages{src: a.tail, memory: mem}, ipc.WithAllocator(mem)); err != nil {
		return nil, a.tail.or(err)
	}
	a.arrowColumns.columns = a.reader.Schema().Fields()
	return a, nil
}

func (a *arrowStream) close() { a.reader.Release() }

func (a *arrowStream) where() string { return inBatch(a.at) }

func (a *arrowStream) next() (int, error) {
	if a.reader.Next() {
		a.at++
		return a.take(a.reader.Record()), nil
	}
	if err := a.tail.or(a.reader.Err()); err != nil {
		return 0, err
	}
	if !bytes.Equal(a.tail.last, endOfStream) {
		return 0, io.ErrUnexpectedEOF
	}
	if n, err := io.ReadFull(a.tail, make([]byte, 1)); n > 0 {
		return 0, &FileError{Problem: "there is more behind the end of the Arrow stream", Fix: "ask the sender for the file again"}
	} else if err != io.EOF {
		return 0, err
	}
	return 0, io.EOF
}

// messages reads the messages of an Arrow stream. Memory for one is taken as its bytes
// come, and it is looked at before the library does.
type messages struct {
	src    io.Reader
	memory *ceiling
}

func (m *messages) Retain()  {}
func (m *messages) Release() {}

// Message is part of ipc.MessageReader.
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
	if err := checkMessage(meta, io.NewSectionReader(bytes.NewReader(body), 0, int64(len(body))), m.memory); err != nil {
		return nil, err
	}
	return ipc.NewMessage(memory.NewBufferBytes(meta), memory.NewBufferBytes(body)), nil
}

// take reads bytes of a length that may be damaged.
func (m *messages) take(length int64) ([]byte, error) {
	m.memory.check(length)
	b := bytes.NewBuffer(make([]byte, 0, min(length, 1<<20)+bytes.MinRead))
	if _, err := io.CopyN(b, m.src, length); err == io.EOF {
		return nil, io.ErrUnexpectedEOF
	} else if err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// checkMessage makes sure that what a message asks for is there. It panics if not.
func checkMessage(meta []byte, body *io.SectionReader, mem *ceiling) error {
	const schema, dictionary, records = 1, 2, 3
	f := newFlatbuffer(meta)
	root := f.root()
	f.each(root, 4, f.pair)
	var err error
	batch := func(table int) { err = f.batch(table, body, mem) }
	f.table(root, 2, func(header int) {
		switch f.byte(root, 1) {
		case schema:
			f.schema(header)
		case dictionary:
			f.table(header, 1, batch)
		case records:
			batch(header)
		}
	})
	return err
}

// batch checks Arrow's table RecordBatch.
func (f *flatbuffer) batch(table int, body *io.SectionReader, mem *ceiling) error {
	nodes, n := f.vector(table, 1, 16)
	for ; n > 0; nodes, n = nodes+16, n-1 {
		require(f.int64(nodes) >= 0 && f.int64(nodes+8) >= 0 && f.int64(nodes+8) <= f.int64(nodes))
	}
	packed := f.slot(table, 3) > 0
	if packed {
		f.table(table, 3, func(int) {})
	}
	asked := int64(0)
	buffers, n := f.vector(table, 2, 16)
	for i := range n {
		at, length := f.int64(buffers+16*i), f.int64(buffers+16*i+8)
		require(at >= 0 && length >= 0 && at <= body.Size() && length <= body.Size()-at)
		if packed && length > 0 {
			unpacked, err := unpackedLength(io.NewSectionReader(body, at, length), length)
			if err != nil {
				return err
			}
			length = unpacked
		}
		mem.check(length)
		asked += length
	}
	mem.check(asked / maxBuffers)
	if at := f.slot(table, 0); at > 0 {
		require(f.int64(at) <= 8*asked) // a row takes a bit or more
	}
	counts, n := f.vector(table, 4, 8)
	for ; n > 0; counts, n = counts+8, n-1 {
		require(f.int64(counts) >= 0 && f.int64(counts) <= int64(len(f.data)))
	}
	return nil
}

// maxBuffers is how many times maxColumnar the columns of a batch may take together.
const maxBuffers = 8

// unpackedLength reads how long a packed buffer says that it is, and makes sure that it
// can be.
func unpackedLength(buffer io.Reader, length int64) (int64, error) {
	head := make([]byte, min(length, 8+zstd.HeaderMaxSize))
	if _, err := io.ReadFull(buffer, head); err != nil {
		return 0, err
	}
	unpacked := int64(binary.LittleEndian.Uint64(head))
	if unpacked == -1 { // it is not packed after all
		return length, nil
	}
	require(mayUnpack(length, unpacked))
	var frame zstd.Header
	if frame.Decode(head[8:]) == nil {
		require(frame.WindowSize <= zstdWindow)
	}
	return unpacked, nil
}

// mayUnpack says whether so many bytes can come out of packed ones. No way of packing
// writes fewer than four bytes for 128 KiB.
func mayUnpack(packed, unpacked int64) bool {
	return unpacked >= 0 && unpacked <= 1<<20+packed<<15
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
