package file

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"sync"

	"cohort/engine"
	"cohort/ingest/person"
)

// Layout is the form of a kind of files: Mesh or Letters.
type Layout interface {
	// header begins every file. It may be empty.
	header() []byte
	// appendRow appends the row of one message, with its line end.
	appendRow(dst []byte, message engine.Reference, p *person.Recipient) []byte
	// extension ends the names of the files, such as ".csv".
	extension() string
	// headers are the control headers of one file; nil when files of this kind have none.
	headers(reference engine.Reference) *Headers
}

// Limits are the limits of one file.
type Limits struct {
	Messages int
	Bytes    int64
}

// The limits of a part. Several parts fit into memory at once.
const (
	mostPartMessages = 45_000
	mostPartBytes    = 5_000_000
)

// Options configure a Sink.
type Options struct {
	Folder string // of the files, made when missing; empty for a sink that only measures
	Layout Layout
	Limits Limits
}

// Sink writes each batch to a part. It is safe for concurrent use.
type Sink struct {
	o    Options
	disk filesystem

	mu    sync.Mutex
	ready bool // the folders are there
}

var _ engine.Separated = (*Sink)(nil)

// New makes a sink. Nothing is written yet.
func New(o Options) *Sink { return &Sink{o: o, disk: system{}} }

// In returns the same sink with another folder.
func (s *Sink) In(folder string) *Sink {
	o := s.o
	o.Folder = folder
	return &Sink{o: o, disk: s.disk}
}

// Kind implements engine.Sink. A reference always stands for the same bytes, so a repeated write
// is not a second message.
func (s *Sink) Kind() engine.Kind { return engine.Deduplicates }

// Limits returns the limits of one part. A part is never cut, so it also fits into a file.
func (s *Sink) Limits() engine.Limits {
	return engine.Limits{
		Messages: min(mostPartMessages, s.o.Limits.Messages),
		Bytes:    int(min(mostPartBytes, s.o.Limits.Bytes-int64(len(s.o.Layout.header())))),
	}
}

// AppendHead implements engine.Sink. A part is only rows.
func (s *Sink) AppendHead(dst []byte, _ engine.Reference, _ uint8) []byte { return dst }

func (s *Sink) AppendMessage(dst []byte, message engine.Reference, p *person.Recipient) []byte {
	return s.o.Layout.appendRow(dst, message, p)
}

func (s *Sink) AppendTail(dst []byte) []byte { return dst }

// Separator implements engine.Separated. Every row ends its own line.
func (s *Sink) Separator() string { return "" }

// Codes of the answers that are not an acceptance.
const (
	codeNotWritten = "not_written"
	codeNotSynced  = "not_synced"
)

// Send implements engine.Sink. It writes a part. Accepted means that the whole part is on disk
// under its name, and survives a power cut.
func (s *Sink) Send(_ context.Context, r *engine.Request) engine.Answer {
	named, err := s.writePart(r.Reference, r.Body)
	switch halt := fmt.Sprintf("the files cannot be written: %v; fix that, then resume", err); {
	case err == nil:
		return engine.Answer{Reply: engine.Accepted, NoIDs: true}
	case named:
		return engine.Answer{Reply: engine.Unknown, Code: codeNotSynced, Halt: halt}
	default:
		return engine.Answer{Reply: engine.Unsent, Code: codeNotWritten, Halt: halt}
	}
}

func (s *Sink) Check(context.Context) error { return s.prepare() }

// writePart writes a part. named reports that, after an error, the part may exist under its name.
func (s *Sink) writePart(reference engine.Reference, body []byte) (named bool, err error) {
	if err := s.prepare(); err != nil {
		return false, err
	}
	path := s.part(reference)
	err = write(s.disk, path, func(w io.Writer) error {
		_, err := w.Write(body)
		return err
	})
	if err != nil {
		return false, err
	}
	if err := s.disk.rename(temporary(path), path); err != nil {
		return true, err
	}
	return true, s.disk.syncFolder(s.parts())
}

func (s *Sink) prepare() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ready {
		return nil
	}
	for _, folder := range []string{s.o.Folder, s.parts()} {
		if err := s.disk.makeFolder(folder); err != nil {
			return err
		}
	}
	s.ready = true
	return nil
}

const (
	partsFolder   = "parts"
	partExtension = ".part"
)

func (s *Sink) parts() string { return filepath.Join(s.o.Folder, partsFolder) }
func (s *Sink) part(reference engine.Reference) string {
	return filepath.Join(s.parts(), reference.String()+partExtension)
}
