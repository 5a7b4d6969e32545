package file

import (
	"bytes"
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
)

// ErrOther says that a file stands where one is to be written, and is another. Nothing is
// overwritten.
var ErrOther = errors.New("it is not what this run writes, and is left as it is")

// Again makes the bytes of a batch from the sealed plan.
type Again func(*engine.AcceptedForm) ([]byte, error)

// Join writes the files of a run whose every message was accepted: forms, in their order.
// It may be killed at any moment and called again, and the files come out the same. Files
// that a manifest names are never written again: they may have been taken away, and are
// then being sent. again may be nil, and then a part that is missing or changed is an
// error.
func (s *Sink) Join(ctx context.Context, run engine.RunID, name string, forms []engine.AcceptedForm, again Again) (*Manifest, error) {
	if err := s.prepare(); err != nil {
		return nil, err
	}
	m := s.layOut(run, name, forms)
	written, err := readManifest(s.disk, s.o.Folder)
	if err != nil {
		return nil, err
	}
	if written != nil {
		if written.RunID != m.RunID || written.Forms != m.Forms {
			return nil, fmt.Errorf("%s: %w", filepath.Join(s.o.Folder, manifestFile), ErrOther)
		}
		if err := s.unchanged(ctx, written); err != nil {
			return nil, err
		}
		return written, s.clear()
	}
	for i := range m.Files {
		if err := s.file(ctx, &m.Files[i], again); err != nil {
			return nil, err
		}
	}
	if _, err := s.place(manifestFile, m.write); err != nil {
		return nil, err
	}
	return m, s.clear()
}

// file writes one file and, behind it, its control file: the MESH client begins when it
// sees the latter.
func (s *Sink) file(ctx context.Context, f *File, again Again) (err error) {
	f.SHA256, err = s.place(f.Name, func(w io.Writer) error {
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
	})
	if headers := s.o.Layout.headers(f.reference); err == nil && headers != nil {
		f.Control = &Control{Name: f.controlName(s.o.Layout.extension()), Headers: headers}
		f.Control.SHA256, err = s.place(f.Control.Name, headers.write)
	}
	return err
}

// body is the bytes of a batch: its part's, when they are what the log says was written.
func (s *Sink) body(f *engine.AcceptedForm, again Again) ([]byte, error) {
	body, err := read(s.disk, s.part(f.Reference))
	if err == nil && holds(f, body) {
		return body, nil
	}
	if again == nil {
		return nil, cmp.Or(err, fmt.Errorf("the part of batch %s is missing or changed", f.Reference))
	}
	if body, err = again(f); err == nil && !holds(f, body) {
		err = engine.ErrChanged
	}
	if err != nil {
		return nil, fmt.Errorf("the part of batch %s is missing or changed, and cannot be made again: %w", f.Reference, err)
	}
	return body, nil
}

func holds(f *engine.AcceptedForm, body []byte) bool {
	sum := sha256.Sum256(body)
	return len(body) == int(f.Bytes) && bytes.Equal(sum[:], f.SHA256[:])
}

// place writes a file of the folder under its name, unless it is there already, and
// returns its digest. Another one under that name is ErrOther.
func (s *Sink) place(name string, content func(io.Writer) error) (digest string, err error) {
	path := filepath.Join(s.o.Folder, name)
	sum := sha256.New()
	if err := write(s.disk, path, func(w io.Writer) error { return content(io.MultiWriter(w, sum)) }); err != nil {
		return "", err
	}
	digest = hex.EncodeToString(sum.Sum(nil))
	switch there, err := s.digest(path); {
	case errors.Is(err, fs.ErrNotExist):
		if err := s.disk.rename(temporary(path), path); err != nil {
			return "", err
		}
	case err == nil && there != digest:
		err = fmt.Errorf("%s: %w", path, ErrOther)
		fallthrough
	case err != nil:
		_ = s.disk.remove(temporary(path))
		return "", err
	default: // a process before this one was killed behind it
		if err := s.disk.remove(temporary(path)); err != nil {
			return "", err
		}
	}
	return digest, s.disk.syncFolder(s.o.Folder)
}

// unchanged holds the files that are still there against the manifest.
func (s *Sink) unchanged(ctx context.Context, m *Manifest) error {
	check := func(name, want string) error {
		path := filepath.Join(s.o.Folder, name)
		got, err := s.digest(path)
		if errors.Is(err, fs.ErrNotExist) {
			return ctx.Err() // it was taken away, to be sent
		}
		if err == nil && got != want {
			err = fmt.Errorf("%s has been changed since it was written: do not send it; move it away together with %s, and a resume makes it again", path, manifestFile)
		}
		return err
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

func (s *Sink) digest(path string) (string, error) {
	f, err := s.disk.open(path)
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

// clear removes the parts. They are in the files now, and personal data need not lie
// about twice.
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
