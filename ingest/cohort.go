package ingest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"

	"cohort/ingest/format"
	"cohort/ingest/format/file"
)

// FileInfo describes one file of a cohort.
type FileInfo struct {
	Path     string
	SHA256   [32]byte // zero until Digest or Records has read the file to its end
	Bytes    int64
	Format   format.Format
	Records  int64 // 0 until Records has read the file
	Sequence int64 // the extract's number in an NBSS file, else 0
}

// part is one file of a cohort.
type part struct {
	info FileInfo
	name string      // for errors
	like []byte      // the file's likeness when Digest read it; nil before
	mesh []string    // the fields that its personalisation columns bring
	head []string    // the names of its columns; empty when they go by position
	seen os.FileInfo // the file when Open looked at it; nil for a stream
}

// Open looks at every file of a cohort: its format, whether it has the columns that the
// options ask for, and whether a record follows. Then it closes the file. Records reads the
// files one after another in the order of paths; row numbers run on from file to file.
//
// A folder stands for the regular files in it, in the order of their names, without hidden
// files and known companions. A folder inside a folder is refused, because nobody can say
// whether it is meant. So is the same file twice.
//
// Delimited text is parsed on up to eight goroutines. Another one decompresses, decodes and
// hashes. When ctx ends, Open and Records end with its cause.
func Open(ctx context.Context, paths []string, o Options) (*Reader, error) {
	d, err := newReader(ctx, o)
	if err != nil {
		return nil, err
	}
	d.workers = workers()
	if d.files, err = d.list(paths, o.Names); err != nil {
		return nil, err
	}
	for i := range d.files {
		if err := d.look(&d.files[i]); err != nil {
			return nil, named(err, d.files[i].name)
		}
	}
	return d, nil
}

// list finds the files of a cohort.
func (d *Reader) list(paths []string, names map[string]string) (_ []part, err error) {
	var all []string
	if len(paths) > 1 { // the shell may have named everything in a folder
		if paths, err = d.sift(filepath.Dir(paths[0]), paths); err != nil {
			return nil, err
		}
	}
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			all = append(all, path)
			continue
		}
		entries, err := os.ReadDir(path) // in the order of names
		if err != nil {
			return nil, err
		}
		var within []string
		for _, entry := range entries {
			if name := entry.Name(); !strings.HasPrefix(name, ".") || isUnfinished(name) {
				within = append(within, filepath.Join(path, name))
			}
		}
		if within, err = d.sift(path, within); err != nil {
			return nil, err
		}
		all = append(all, within...)
	}
	if len(all) == 0 || len(all) > math.MaxUint16 {
		return nil, fmt.Errorf("ingest: a cohort of %d files; give 1 to %d", len(all), math.MaxUint16)
	}
	bases := map[string]int{}
	for _, path := range all {
		bases[filepath.Base(path)]++
	}
	var files []part
	var seen []os.FileInfo
	for _, path := range all {
		f := part{info: FileInfo{Path: path}, name: path}
		if bases[filepath.Base(path)] == 1 {
			f.name = filepath.Base(path)
		}
		if name := names[path]; name != "" {
			f.name = name
		}
		info, err := os.Stat(path)
		switch {
		case err != nil:
			return nil, err
		case info.IsDir():
			return nil, &format.FileError{File: f.name, Problem: "this is a folder inside a folder", Fix: "name the files of the cohort"}
		case !info.Mode().IsRegular():
			return nil, named(file.RequireRegular(path), f.name)
		case slices.ContainsFunc(seen, func(s os.FileInfo) bool { return s.Size() == info.Size() && os.SameFile(s, info) }):
			return nil, &format.FileError{File: f.name, Problem: "the file is named twice", Fix: "name it once"}
		}
		f.info.Bytes, f.seen = info.Size(), info
		files, seen = append(files, f), append(seen, info)
	}
	return files, nil
}

// look opens a file, notes its format, and closes it.
func (d *Reader) look(f *part) error {
	o, err := file.Open(d.ctx, f.info.Path, d.options.opening())
	if err != nil {
		return err
	}
	defer o.Close()
	d.describe(f, o)
	_, err = plan(o.Source, d.options)
	return err
}

// describe notes the format and the columns of a file.
func (d *Reader) describe(f *part, o *file.File) {
	h := o.Source.Header()
	d.note(f.name, h.Note)
	f.info.Format, f.info.Sequence, f.mesh = o.Format, h.Sequence, h.Personalisation()
	if h.Named {
		f.head = h.Names
	}
}

// open begins the next file. It returns false when there is none.
func (d *Reader) open() (more bool, err error) {
	if d.next == len(d.files) {
		return false, nil
	}
	d.at = uint16(d.next)
	d.next++
	how := d.options.opening()
	how.Ahead, how.Read, how.Hash = true, &d.read, sha256.New()
	if d.files[d.at].like != nil {
		how.Hash = file.NewLikeness()
	}
	o, err := file.Open(d.ctx, d.files[d.at].info.Path, how)
	if err != nil {
		return false, err
	}
	d.current = o
	d.before = d.total.Records
	if d.checker.rules.mapping, err = plan(o.Source, d.options); err != nil {
		return false, err
	}
	d.begin()
	return true, nil
}

// finish ends the current file, and makes sure that it has not changed.
func (d *Reader) finish() error {
	d.total.BlankLines += d.current.Source.Blanks()
	touched := d.touched()
	d.stop()
	sum, size, err := d.current.Finish()
	d.current = nil
	if err != nil {
		return err
	}
	f := &d.files[d.at]
	known := f.like // nil unless this Reader digested the file
	if known == nil && f.info.SHA256 != [32]byte{} {
		known = f.info.SHA256[:]
	}
	changed := known == nil && touched || known != nil && !bytes.Equal(known, sum)
	if !d.stream && (changed || f.info.Bytes != size) {
		return &format.FileError{Problem: changedWords, Fix: changedFix}
	}
	f.info.Records, f.info.Bytes = d.total.Records-d.before, size
	if f.like == nil {
		copy(f.info.SHA256[:], sum)
	}
	return nil
}

const (
	changedWords = "the file changed while it was read"
	changedFix   = "wait until it is complete and start again"
)

// touched reports whether the current file was written to or replaced after Open looked at it.
func (d *Reader) touched() bool {
	was := d.files[d.at].seen
	if was == nil || d.current == nil {
		return false
	}
	now, err := d.current.Stat()
	return err == nil && (now.Size() != was.Size() || !now.ModTime().Equal(was.ModTime()) || !os.SameFile(now, was))
}

// blame blames a change of the current file for a mistake in it, if the file has changed: the
// mistake may come from half a file.
func (d *Reader) blame(err error) error {
	if mistake, ok := errors.AsType[*format.FileError](err); ok && d.touched() {
		return &format.FileError{Line: mistake.Line, Problem: changedWords + " (what was found: " + mistake.Problem + ")", Fix: changedFix}
	}
	return err
}

// Files describes the files, as far as they are known.
func (d *Reader) Files() []FileInfo {
	var infos []FileInfo
	for _, f := range d.files {
		infos = append(infos, f.info)
	}
	return infos
}

// Digest is the cohort's identity. For one file it is the SHA-256 of the bytes as they stand
// in the file; for several, the SHA-256 over the files' SHA-256 in their order.
//
// Before Records it reads every file, and Records then refuses a file that has changed since.
// After Records it costs nothing. The digest of a stream is known only after Records. Errors
// are the file system's, or ctx's cause.
func (d *Reader) Digest(ctx context.Context) (sum [32]byte, err error) {
	if d.stream && !d.ended {
		return sum, errors.New("ingest: the digest of a stream is known when it has been read")
	}
	for i := range d.files {
		f := &d.files[i]
		if f.info.SHA256 != [32]byte{} {
			continue
		}
		like := file.NewLikeness()
		if f.info.SHA256, f.info.Bytes, err = file.Digest(ctx, f.info.Path, &d.digested, like); err != nil {
			return sum, err
		}
		f.like = like.Sum(nil)
	}
	if len(d.files) == 1 {
		return d.files[0].info.SHA256, nil
	}
	all := sha256.New()
	for _, f := range d.files {
		all.Write(f.info.SHA256[:])
	}
	all.Sum(sum[:0])
	return sum, nil
}

// Columns lists the names of the files' columns, and the fields of their personalisation
// columns. Columns that go by position have no names.
func (d *Reader) Columns() (names []string) {
	for _, f := range d.files {
		names = slices.Concat(names, f.head, f.mesh)
	}
	return names
}

// Mesh reports whether the files are NHS Notify upload files, as sent over MESH. fields are
// those of their personalisation columns; Options.Fields can name them without a mapping.
// Files with different fields, or mixed with other files, are a *format.FileError.
func (d *Reader) Mesh() (fields []string, mesh bool, err error) {
	isMESH := func(f part) bool { return f.info.Format.Type == format.TypeMESH }
	first := slices.IndexFunc(d.files, isMESH)
	if first < 0 {
		return nil, false, nil
	}
	for i, f := range d.files {
		if !isMESH(f) {
			return nil, false, &format.FileError{
				File:    f.name,
				Problem: "this is not an NHS Notify upload file, but " + d.files[first].name + " is one",
				Fix:     "send the files as separate cohorts, or name the personalisation of all files in the campaign file",
			}
		}
		if i > 0 && !slices.Equal(slices.Sorted(slices.Values(fields)), slices.Sorted(slices.Values(f.mesh))) {
			return nil, false, &format.FileError{File: f.name, Line: 1, Problem: "the personalisation columns are not those of " + d.files[0].name, Fix: "send the files as separate cohorts"}
		}
		if i == 0 {
			fields = f.mesh
		}
	}
	return slices.Clone(fields), true, nil
}

// Digest reads a file once and returns its SHA-256 and its size in bytes. It stops soon after
// ctx ends, with the context's cause. Other errors are the file system's.
func Digest(ctx context.Context, path string) (sum [32]byte, size int64, err error) {
	return file.Digest(ctx, path, new(atomic.Int64), nil)
}
