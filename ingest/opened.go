package ingest

import (
	"cmp"
	"context"
	"io"
	"os"
)

// opened is one file with all the layers that its content asks for:
//
//	tap → decompressor → decoder → source
//
// with a pump below a source that is not read in chunks.
type opened struct {
	raw      *tap
	handle   *os.File // nil of a stream
	source   source
	format   Format
	sequence int64
	note     string   // what of the file is left out
	closers  []func() // the topmost layer last
	hashed   chan error
}

// open finds out what a file is and builds its layers. handle is the file for content
// that must be read in any order, nil for a stream. beside says that the lower layers
// work on goroutines of their own. An open file must be closed or finished.
func open(raw *tap, handle *os.File, o Options, beside bool) (_ *opened, err error) {
	f := &opened{raw: raw, handle: handle}
	defer func() {
		if err != nil {
			f.handle = nil // stays the caller's
			f.close()
			if f.hashed == nil && raw.err != nil {
				err = raw.err // what a decoder makes of it is beside the point
			}
		}
	}()
	head, whole, text, err := peek(raw, sniffed)
	if err != nil {
		return nil, err
	}
	kind := told(head)
	switch kind {
	case kindGzip, kindZstd, kindZip:
		f.format.Compression = string(kind)
		if text, err = f.unpack(kind, text, beside); err != nil {
			return nil, err
		}
		if head, whole, text, err = peek(text, sniffed); err != nil {
			return nil, err
		}
		if kind = told(head); kind != kindText && kind != kindArrowStream {
			return nil, &FileError{Problem: kind.article() + " file is inside the " + f.format.Compression + " file", Fix: "unpack it first"}
		}
	case kindParquet, kindArrowFile:
		if handle == nil {
			return nil, &FileError{Problem: "this is " + kind.article() + " file, which cannot be read from a stream", Fix: "give it as a file"}
		}
		if beside {
			f.hashBeside(text)
		}
	}
	if said := o.Format.Type; said != "" && !kind.may(said) {
		return nil, &FileError{Problem: "the content is " + kind.article() + " file, and cohort.format.type is " + said, Fix: "correct the campaign, or ask the sender for the right file"}
	}
	if kind != kindText {
		if err := f.columnar(kind, text, o, beside); err != nil {
			return nil, err
		}
		return f, nil
	}
	return f, f.text(text, head, whole, o, beside)
}

// text builds the layers of a text file.
func (f *opened) text(r io.Reader, head []byte, whole bool, o Options, beside bool) error {
	said := o.Format
	encoding, refused := encodingOf(head, whole, said.Encoding)
	if refused != nil {
		return refused
	}
	if encoding == encWindows1252 && !o.EncodingChecked && !o.listing {
		r = &doubted{src: r}
	}
	t, err := newSheet(decoded(r, encoding))
	if err != nil {
		return err
	}
	f.format.Encoding = encoding
	said.Delimiter = cmp.Or(said.Delimiter, t.skipPreamble())
	f.note = t.note
	headed := said.headed()
	prefix := ""
	if said.Type == "" || said.Type == typeNBSS {
		prefix = nbssPrefix(t.start())
	}
	if prefix != "" {
		if beside {
			p := newPump(t.window.src)
			f.closers = append(f.closers, p.close)
			t.window.src = p
		}
		t.split.comma = '|'
		n, err := newNBSS(t, prefix)
		if err != nil {
			return err
		}
		headed = true
		f.source, f.sequence = n, n.sequence
	} else {
		if said.Type == typeNBSS {
			return &FileError{Line: 1, Problem: "there is no NBSS header record, and cohort.format.type is nbss", Fix: "correct the campaign, or ask the sender for the right file"}
		}
		if t.split.comma, refused = delimiter(t.start(), t.window.done && t.window.end <= sniffed, said); refused != nil {
			return refused
		}
		if err := t.readHeader(headed); err != nil {
			return err
		}
		f.source = t
	}
	f.format.Type, f.format.Delimiter, f.format.Header = f.source.header().kind, string(rune(t.split.comma)), &headed
	if said.Type == typeMESH && f.format.Type != typeMESH {
		return &FileError{Line: 1, Problem: "the header lacks " + meshReference + " or " + meshNumber + ", and cohort.format.type is mesh", Fix: "correct the campaign, or ask the sender for the right file"}
	}
	return nil
}

// garbled is what bytes that are no text are called in the file's encoding.
func (f *opened) garbled() verdict {
	switch f.format.Encoding {
	case encUTF16LE, encUTF16BE:
		return noUTF16
	case encWindows1252:
		return noWindows1252
	}
	return noUTF8
}

// hashBeside reads what is left of the file for its digest while others read it in
// their own order. The bytes go through the tap.
func (f *opened) hashBeside(rest io.Reader) {
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
		for range f.hashed { // until it has stopped
		}
	})
}

// finish reads what may be left behind the last record and returns the hash of the
// file, nil of one that is not hashed, and its size.
func (f *opened) finish() (sum []byte, size int64, err error) {
	if f.hashed != nil {
		if err := <-f.hashed; err != nil {
			f.close()
			return nil, 0, err
		}
	}
	handle := f.handle
	f.handle = nil
	f.close()
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

// close ends every layer; nothing works on the file afterwards.
func (f *opened) close() {
	for i := len(f.closers) - 1; i >= 0; i-- {
		f.closers[i]()
	}
	f.closers = nil
	if f.handle != nil {
		_ = f.handle.Close()
		f.handle = nil
	}
}
