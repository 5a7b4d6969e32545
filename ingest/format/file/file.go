package file

import (
	"context"
	"hash"
	"io"
	"os"
	"sync/atomic"
	"time"

	"cohort/ingest/format"
	"cohort/ingest/format/columnar"
	"cohort/ingest/format/csv"

	"github.com/klauspost/readahead"
)

// Options say how a file is opened.
type Options struct {
	Format  format.Format  // what the content shall not decide; a settled one
	Zone    *time.Location // instants of Parquet and Arrow files are written in this zone; nil: UTC
	Trusted bool           // believe that a file is in Windows-1252, even when it could be UTF-8
	Ahead   bool           // read ahead and hash on other goroutines
	Read    *atomic.Int64  // counts the bytes read, as they stand in the file; may be nil
	Hash    hash.Hash      // of those bytes; may be nil
}

// File is an open file: its source, and the layers below. One goroutine at a time may use it.
type File struct {
	Source format.Source
	Format format.Format

	options Options
	raw     *hashingReader
	handle  *os.File   // nil for a stream
	closers []func()   // of the layers, the topmost last
	hashed  chan error // the result of hashBeside; nil without it
}

// Open opens the file at path. It must be closed or finished. An error is a *format.FileError
// when the file is at fault, the file system's, or ctx's cause.
func Open(ctx context.Context, path string, o Options) (*File, error) {
	handle, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	return open(ctx, handle, handle, o)
}

// OpenStream opens a stream, which is read once from front to back. It must be closed or
// finished. Errors are as with Open, or those of r.
func OpenStream(ctx context.Context, r io.Reader, o Options) (*File, error) {
	return open(ctx, r, nil, o)
}

func open(ctx context.Context, src io.Reader, handle *os.File, o Options) (*File, error) {
	f := &File{options: o, raw: &hashingReader{ctx: ctx, src: src, read: o.Read, hash: o.Hash}, handle: handle}
	err := f.build()
	if err == nil {
		return f, nil
	}
	f.Close()
	if f.hashed == nil && f.raw.err != nil {
		return nil, f.raw.err // the decoder's error only follows from it
	}
	return nil, err
}

// build detects what the file is and builds its layers.
func (f *File) build() error {
	head, whole, text, err := peek(f.raw, csv.StartSize)
	if err != nil {
		return err
	}
	kind := kindOf(head)
	switch kind {
	case kindGzip, kindZstd, kindZip:
		f.Format.Compression = string(kind)
		if text, err = f.unpack(kind, text); err != nil {
			return err
		}
		if head, whole, text, err = peek(text, csv.StartSize); err != nil {
			return err
		}
		if kind = kindOf(head); kind != kindText && kind != kindArrowStream {
			return &format.FileError{Problem: kind.article() + " file is inside the " + f.Format.Compression + " file", Fix: "unpack it first"}
		}
	case kindParquet, kindArrowFile:
		if f.handle == nil {
			return &format.FileError{Problem: "this is " + kind.article() + " file, which cannot be read from a stream", Fix: "give it as a file"}
		}
		f.hashBeside(text)
	}
	if said := f.options.Format.Type; said != "" && !kind.may(said) {
		return &format.FileError{Problem: "the content is " + kind.article() + " file, and cohort.format.type is " + said, Fix: "correct the campaign, or ask the sender for the right file"}
	}
	if kind != kindText {
		if kind == kindArrowStream {
			text = f.readAhead(text)
		}
		c, err := columnar.Open(columnar.Kind(kind), f.handle, text, f.options.Zone)
		if err == nil {
			f.closers = append(f.closers, c.Close)
			f.Source, f.Format.Type = c, c.Header().Type
		}
		return err
	}
	return f.text(text, head, whole)
}

// readAhead makes a goroutine read ahead, for a source that is not read in chunks.
func (f *File) readAhead(r io.Reader) io.Reader {
	if !f.options.Ahead {
		return r
	}
	a, err := readahead.NewReaderSize(r, aheadBuffers, aheadSize)
	if err != nil {
		panic(err) // only a size below 1 is refused
	}
	f.closers = append(f.closers, func() { _ = a.Close() })
	return a
}

// The number and the bytes of the buffers that are filled ahead.
const aheadBuffers, aheadSize = 4, 256 << 10

// text builds the layers of a text file.
func (f *File) text(r io.Reader, head []byte, whole bool) error {
	said := f.options.Format
	encoding, err := encodingOf(head, whole, said.Encoding)
	if err != nil {
		return err
	}
	if encoding == format.Windows1252 && !f.options.Trusted {
		r = &doubted{src: r}
	}
	if f.Source, err = csv.Open(decoded(r, encoding), said, f.readAhead); err != nil {
		return err
	}
	h := f.Source.Header()
	f.Format.Type, f.Format.Encoding = h.Type, encoding
	f.Format.Delimiter, f.Format.Header = string(rune(f.Source.Values().Comma)), &h.Named
	return nil
}

// hashBeside reads the rest of the file through the hashing reader on a goroutine of its own.
// The source reads the file in another order.
func (f *File) hashBeside(rest io.Reader) {
	if !f.options.Ahead {
		return
	}
	ctx, cancel := context.WithCancel(f.raw.ctx)
	f.raw.ctx = ctx
	f.hashed = make(chan error, 1)
	go func() {
		_, err := io.Copy(io.Discard, rest)
		f.hashed <- err
		close(f.hashed)
	}()
	f.closers = append(f.closers, func() {
		cancel()
		for range f.hashed { // wait until it has stopped
		}
	})
}

// Stat describes the file as it is now. For a stream it returns an error.
func (f *File) Stat() (os.FileInfo, error) { return f.handle.Stat() }

// Finish reads what is left behind the last record, and closes the file. It returns the hash
// of the file, nil without Options.Hash, and its size in bytes.
func (f *File) Finish() (sum []byte, size int64, err error) {
	if f.hashed != nil {
		if err := <-f.hashed; err != nil {
			f.Close()
			return nil, 0, err
		}
	}
	handle := f.handle
	f.handle = nil
	f.Close()
	if handle != nil {
		defer func() { _ = handle.Close() }()
	}
	if f.hashed == nil {
		if _, err := io.Copy(io.Discard, f.raw); err != nil {
			return nil, 0, err
		}
	}
	if f.raw.hash != nil {
		sum = f.raw.hash.Sum(nil)
	}
	return sum, f.raw.size, nil
}

// Close ends every layer and goroutine, and closes the file.
func (f *File) Close() {
	for i := len(f.closers) - 1; i >= 0; i-- {
		f.closers[i]()
	}
	f.closers = nil
	if f.handle != nil {
		_ = f.handle.Close()
		f.handle = nil
	}
}
