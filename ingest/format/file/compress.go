package file

import (
	"archive/zip"
	"errors"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/zstd"

	"cohort/ingest/format"
)

// zstdWindow is the most memory in bytes that a zstd file may ask for, as with the zstd tool.
const zstdWindow = 128 << 20

// unpack puts a decompressor above the file's bytes.
func (f *File) unpack(kind kind, r io.Reader) (io.Reader, error) {
	u := &unpacked{kind: kind, raw: f.raw}
	var err error
	switch kind {
	case kindGzip:
		u.src, err = newGunzip(r)
	case kindZstd:
		var z *zstd.Decoder
		z, err = zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(zstdWindow))
		if err == nil {
			f.closers = append(f.closers, z.Close)
			u.src = z
		}
	case kindZip:
		if u.src, err = f.member(); err == nil {
			f.hashBeside(r)
		}
	}
	if err != nil {
		return nil, u.refuse(err)
	}
	return u, nil
}

// member opens the only file in a zip. Folders and hidden files in the zip do not count.
func (f *File) member() (io.Reader, error) {
	if f.handle == nil {
		return nil, &format.FileError{Problem: "this is a zip file, which cannot be read from a stream", Fix: "give it as a file, or unzip it first"}
	}
	info, err := f.handle.Stat()
	if err != nil {
		return nil, err
	}
	z, err := zip.NewReader(f.handle, info.Size())
	if err != nil {
		return nil, err
	}
	z.RegisterDecompressor(zip.Deflate, func(r io.Reader) io.ReadCloser { return flate.NewReader(r) })
	z.RegisterDecompressor(zstd.ZipMethodWinZip, zstd.ZipDecompressor(zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(zstdWindow)))
	var members []*zip.File
	for _, member := range z.File {
		if strings.HasSuffix(member.Name, "/") || strings.HasPrefix(path.Base(member.Name), ".") {
			continue
		}
		if member.Name == "[Content_Types].xml" {
			return nil, &format.FileError{Problem: "this is an Excel workbook (xlsx)", Fix: "save the sheet as CSV UTF-8"}
		}
		members = append(members, member)
	}
	switch {
	case len(members) == 0:
		return nil, &format.FileError{Problem: "the zip file holds no file", Fix: "ask the sender for the file again"}
	case len(members) > 1:
		return nil, &format.FileError{Problem: "the zip file holds more than one file", Fix: "unzip it and give the files that are meant"}
	case members[0].Flags&1 != 0:
		return nil, &format.FileError{Problem: "the zip file is locked with a password", Fix: "unzip it first"}
	}
	r, err := members[0].Open()
	if err != nil {
		return nil, err
	}
	f.closers = append(f.closers, func() { _ = r.Close() })
	return r, nil
}

// unpacked translates the errors of a decompressor into those of the file.
type unpacked struct {
	kind kind
	raw  *hashingReader
	src  io.Reader
}

func (u *unpacked) Read(p []byte) (int, error) {
	n, err := u.src.Read(p)
	if err != nil && err != io.EOF {
		err = u.refuse(err)
	}
	return n, err
}

func (u *unpacked) refuse(err error) error {
	if u.kind != kindZip && u.raw.err != nil { // a zip is not read through raw
		return u.raw.err
	}
	if _, disk := errors.AsType[*fs.PathError](err); disk {
		return err
	}
	if refused, ok := errors.AsType[*format.FileError](err); ok {
		return refused
	}
	what := "damaged"
	switch {
	case errors.Is(err, zip.ErrAlgorithm):
		return &format.FileError{Problem: "the zip file is packed in an unusual way", Fix: "unzip it first"}
	case errors.Is(err, zstd.ErrWindowSizeExceeded), errors.Is(err, zstd.ErrDecoderSizeExceeded):
		return &format.FileError{Problem: "the zstd file needs more than 128 MiB to unpack", Fix: "unpack it first (unzstd --long=31)"}
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		what = "cut short"
	case errors.Is(err, zip.ErrFormat):
		what = "cut short or damaged"
	}
	return &format.FileError{Problem: "the " + string(u.kind) + " file is " + what, Fix: "ask the sender for the file again"}
}
