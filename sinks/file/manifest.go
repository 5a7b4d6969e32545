package file

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"cohort/engine"
	"cohort/engine/disk"
	"cohort/engine/plan"
)

const manifestFile = "manifest.json"

// Version is the format of a manifest that is written. An older one is read, too.
const Version = 1

// Manifest lists the files of a run. A folder with a manifest has all of the files, some of them
// still under temporary names. Nothing else is ever written there.
type Manifest struct {
	Version  int    `json:"version"`
	RunID    string `json:"run_id"`
	Whole    bool   `json:"whole"`             // every file has had its own name, and may be sent
	Earlier  int    `json:"earlier,omitempty"` // number of files that were whole before the others were added
	Messages int    `json:"messages"`
	Forms    string `json:"forms_sha256"` // over the header, and the reference and digest of each batch in the files, in their order
	Files    []File `json:"files"`
}

// File is one file of a manifest.
type File struct {
	Name     string   `json:"name"`
	Messages int      `json:"messages"`
	Bytes    int64    `json:"bytes"`
	SHA256   string   `json:"sha256"`
	Control  *Control `json:"control,omitempty"`
	Batches  []string `json:"batches,omitempty"` // references; absent in manifests of older versions

	reference engine.Reference
	forms     []plan.AcceptedForm
}

// Control is the control file beside a file.
type Control struct {
	Name    string   `json:"name"`
	SHA256  string   `json:"sha256"`
	Headers *Headers `json:"headers"`
}

// layOut distributes batches over new files, after those in written. name begins their names.
func (s *Sink) layOut(references engine.References, name string, forms []plan.AcceptedForm, written *Manifest) *Manifest {
	header := s.o.Layout.header()
	m := &Manifest{Version: Version, RunID: references.Run.String(), Files: []File{}}
	if written != nil {
		m.Files, m.Messages, m.Earlier = append(m.Files, written.Files...), written.Messages, len(written.Files)
	}
	sum := sha256.New()
	sum.Write(header)
	for i := range forms {
		f := &forms[i]
		sum.Write(f.Reference[:])
		sum.Write(f.Digest[:])
		n, size := int(f.Messages), int64(f.Bytes)
		open := len(m.Files) - 1
		if open < m.Earlier || m.Files[open].Messages+n > s.o.Limits.Messages || m.Files[open].Bytes+size > s.o.Limits.Bytes {
			open = len(m.Files)
			m.Files = append(m.Files, File{
				Name:  fmt.Sprintf("%s-%03d%s", name, open+1, s.o.Layout.extension()),
				Bytes: int64(len(header)), reference: references.File(uint32(open + 1)),
			})
		}
		file := &m.Files[open]
		file.Messages, file.Bytes = file.Messages+n, file.Bytes+size
		file.forms, file.Batches = append(file.forms, *f), append(file.Batches, f.Reference.String())
		m.Messages += n
	}
	m.Forms = hex.EncodeToString(sum.Sum(nil))
	return m
}

// Holds reports whether one of the files may hold a batch.
func (m *Manifest) Holds(batch engine.Reference) bool {
	return slices.ContainsFunc(m.Files, func(f File) bool {
		return f.Batches == nil || slices.Contains(f.Batches, batch.String())
	})
}

// Upload finds the file of a reference (mex-localid); nil when there is none.
func (m *Manifest) Upload(reference string) *File {
	for i := range m.Files {
		if c := m.Files[i].Control; c != nil && c.Headers.LocalID == reference {
			return &m.Files[i]
		}
	}
	return nil
}

func (m *Manifest) write(w io.Writer) error {
	text, err := json.MarshalIndent(m, "", "  ")
	if err == nil {
		_, err = w.Write(append(text, '\n'))
	}
	return err
}

// ReadManifest reads the manifest in a folder of files; nil when there is none.
func ReadManifest(folder string) (*Manifest, error) { return readManifest(system{}, folder) }

func readManifest(d filesystem, folder string) (*Manifest, error) {
	path := filepath.Join(folder, manifestFile)
	text, err := read(d, path)
	if err != nil || text == nil {
		return nil, err
	}
	m := &Manifest{}
	in := json.NewDecoder(bytes.NewReader(text))
	err = in.Decode(m)
	if m.Version > Version {
		return nil, fmt.Errorf("%s has format %d, and this version of cohort reads %d: %w", path, m.Version, Version, disk.ErrNewer)
	}
	if err != nil {
		return nil, fmt.Errorf("%s is damaged: %w", path, err)
	}
	return m, nil
}

// controlName is the name of the control file beside a file.
func (f *File) controlName(extension string) string {
	return strings.TrimSuffix(f.Name, extension) + controlExtension
}
