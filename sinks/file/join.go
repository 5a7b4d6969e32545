package file

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"

	"cohort/engine"
	"cohort/engine/plan"
)

// ErrOther is the error for a file that another run wrote under the same name. Nothing is
// overwritten.
var ErrOther = errors.New("this run did not write this file, and leaves it as it is")

// Again makes the bytes of a batch again, from the sealed plan.
type Again func(*plan.AcceptedForm) ([]byte, error)

// Join writes the files of a run from its accepted batches (forms), in their order. It may be
// killed at any moment and called again, and the files come out the same. Without again, a
// missing or changed part is an error.
//
//	each file under a temporary name ─▶ manifest ─▶ each under its own name ─▶ manifest: whole
//
// Before the manifest exists, nothing can be sent. After it, nothing is written any more: a
// missing file was taken away to be sent. Batches that replace those of a refused upload go into
// more files.
//
// refused holds the batches of uploads that the service refused.
func (s *Sink) Join(ctx context.Context, references engine.References, name string, forms []plan.AcceptedForm,
	refused map[engine.Reference]bool, again Again) (*Manifest, error) {
	if err := s.prepare(); err != nil {
		return nil, err
	}
	m, more, err := s.written(references, name, forms, refused)
	if err == nil && m != nil && !m.Whole {
		err = s.reveal(m)
	}
	if err == nil && m != nil {
		err = s.unchanged(ctx, m)
	}
	if err == nil && (m == nil || len(more) > 0) {
		m = s.layOut(references, name, more, m)
		if err = s.make(ctx, m, again); err == nil {
			err = s.reveal(m)
		}
	}
	if err == nil {
		err = s.clear()
	}
	if err != nil {
		return nil, err
	}
	return m, nil
}

// Written returns the manifest of whole files, with the batches of each file. The arguments are
// those of Join.
func (s *Sink) Written(references engine.References, name string, forms []plan.AcceptedForm,
	refused map[engine.Reference]bool) (*Manifest, error) {
	m, _, err := s.written(references, name, forms, refused)
	if err == nil && (m == nil || !m.Whole) {
		err = errors.New("the files are not whole yet")
	}
	if err == nil {
		err = s.note(m) // a manifest of an older version lacks the batches, and later they cannot be worked out
	}
	return m, err
}

// written returns the manifest, nil when there is none, and the forms that no file holds yet.
// Every batch in a file must be accepted, or refused since.
func (s *Sink) written(references engine.References, name string, forms []plan.AcceptedForm,
	refused map[engine.Reference]bool) (m *Manifest, more []plan.AcceptedForm, err error) {
	if m, err = readManifest(s.disk, s.o.Folder); m == nil || err != nil {
		return nil, forms, err
	}
	laid := s.layOut(references, name, forms, nil)
	if m.RunID == laid.RunID && m.Forms == laid.Forms && len(m.Files) == len(laid.Files) {
		for i := range m.Files { // absent in manifests of older versions
			m.Files[i].Batches = laid.Files[i].Batches
		}
	}
	held := map[string]bool{}
	unknown := false
	for _, f := range m.Files {
		unknown = unknown || f.Batches == nil
		for _, batch := range f.Batches {
			held[batch] = true
		}
	}
	wanted := len(held)
	for _, f := range forms {
		if reference := f.Reference.String(); held[reference] {
			wanted--
		} else {
			more = append(more, f)
		}
	}
	for reference := range refused {
		if held[reference.String()] {
			wanted--
		}
	}
	if m.RunID != laid.RunID || unknown || wanted != 0 || len(more) > 0 && len(refused) == 0 {
		return nil, nil, fmt.Errorf("%s: %w", filepath.Join(s.o.Folder, manifestFile), ErrOther)
	}
	return m, more, nil
}

// make writes every file under its temporary name, and then the manifest.
func (s *Sink) make(ctx context.Context, m *Manifest, again Again) (err error) {
	for i := m.Earlier; i < len(m.Files); i++ {
		f := &m.Files[i]
		if f.SHA256, err = s.draft(f.Name, func(w io.Writer) error { return s.rows(ctx, w, f, again) }); err != nil {
			return err
		}
		if headers := s.o.Layout.headers(f.reference); headers != nil {
			f.Control = &Control{Name: f.controlName(s.o.Layout.extension()), Headers: headers}
			if f.Control.SHA256, err = s.draft(f.Control.Name, headers.write); err != nil {
				return err
			}
		}
	}
	if err := s.disk.syncFolder(s.o.Folder); err != nil {
		return err
	}
	return s.note(m)
}

func (s *Sink) rows(ctx context.Context, w io.Writer, f *File, again Again) error {
	if _, err := w.Write(s.o.Layout.header()); err != nil {
		return err
	}
	for i := range f.forms {
		body, err := s.body(&f.forms[i], again)
		if err = cmp.Or(err, ctx.Err()); err != nil {
			return err
		}
		if _, err := w.Write(body); err != nil {
			return err
		}
	}
	return nil
}

// draft writes a file under its temporary name and returns its digest. A file under the final
// name must be the same, or the error is ErrOther.
func (s *Sink) draft(name string, content func(io.Writer) error) (string, error) {
	path, sum := filepath.Join(s.o.Folder, name), sha256.New()
	if err := write(s.disk, path, func(w io.Writer) error { return content(io.MultiWriter(w, sum)) }); err != nil {
		return "", err
	}
	digest := hex.EncodeToString(sum.Sum(nil))
	there, err := s.digest(path)
	if err == nil && there != "" && there != digest {
		err = fmt.Errorf("%s: %w", path, ErrOther)
	}
	if err != nil {
		_ = s.disk.remove(temporary(path))
	}
	return digest, err
}

func (s *Sink) note(m *Manifest) error {
	path := filepath.Join(s.o.Folder, manifestFile)
	if err := write(s.disk, path, m.write); err != nil {
		return err
	}
	if err := s.disk.rename(temporary(path), path); err != nil {
		return err
	}
	return s.disk.syncFolder(s.o.Folder)
}

// reveal gives every file its name, the data file before its control file: the MESH client begins
// when it sees a control file. Then it marks the manifest as whole.
func (s *Sink) reveal(m *Manifest) error {
	for i := m.Earlier; i < len(m.Files); i++ {
		f := &m.Files[i]
		err := s.appear(f.Name, f.SHA256)
		if err == nil && f.Control != nil {
			err = s.appear(f.Control.Name, f.Control.SHA256)
		}
		if err != nil {
			return err
		}
	}
	if err := s.disk.syncFolder(s.o.Folder); err != nil {
		return err
	}
	m.Whole = true
	return s.note(m)
}

// appear gives a file its name, unless it already has it.
func (s *Sink) appear(name, want string) error {
	path := filepath.Join(s.o.Folder, name)
	there, err := s.digest(path)
	if err != nil {
		return err
	}
	draft, err := s.digest(temporary(path))
	switch {
	case err != nil:
		return err
	case there != "" && there != want:
		return fmt.Errorf("%s: %w", path, ErrOther)
	case there != "" && draft != "":
		return s.disk.remove(temporary(path))
	case there != "":
		return nil
	case draft == want:
		return s.disk.rename(temporary(path), path)
	}
	return fmt.Errorf("%s is missing, and not all files were whole. If it was sent, put a copy of it back. If it was not sent, move %s away. Then resume", path, manifestFile)
}

// body is the bytes of a batch: those of its part, when they match the log.
func (s *Sink) body(f *plan.AcceptedForm, again Again) ([]byte, error) {
	body, err := read(s.disk, s.part(f.Reference))
	if err == nil && f.Fits(body) {
		return body, nil
	}
	if again == nil {
		return nil, cmp.Or(err, fmt.Errorf("the part of batch %s is missing or changed", f.Reference))
	}
	if body, err = again(f); err == nil && !f.Fits(body) {
		err = plan.ErrChanged
	}
	if err != nil {
		return nil, fmt.Errorf("the part of batch %s is missing or changed, and cannot be made again: %w", f.Reference, err)
	}
	return body, nil
}

// unchanged compares the files that are still there with the manifest.
func (s *Sink) unchanged(ctx context.Context, m *Manifest) error {
	check := func(name, want string) error {
		path := filepath.Join(s.o.Folder, name)
		got, err := s.digest(path)
		if err == nil && got != "" && got != want { // a missing file was taken away, to be sent
			err = fmt.Errorf("%s was changed after it was written. Do not send it. Move it away together with %s, and resume makes it again", path, manifestFile)
		}
		return cmp.Or(err, ctx.Err())
	}
	for i := range m.Files {
		f := &m.Files[i]
		if err := check(f.Name, f.SHA256); err != nil {
			return err
		}
		if f.Control != nil {
			if err := check(f.Control.Name, f.Control.SHA256); err != nil {
				return err
			}
		}
	}
	return nil
}

// digest is the SHA-256 of a file in hex; empty when there is no file.
func (s *Sink) digest(path string) (string, error) {
	f, err := s.disk.open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// clear removes the parts. The files hold the same personal data.
func (s *Sink) clear() error {
	names, err := s.disk.list(s.parts())
	if err != nil {
		return err
	}
	for _, name := range names {
		if strings.HasSuffix(strings.TrimSuffix(name, ".tmp"), partExtension) {
			if err := s.disk.remove(filepath.Join(s.parts(), name)); err != nil {
				return err
			}
		}
	}
	return s.disk.syncFolder(s.parts())
}
