package file

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"cohort/engine"
)

// step is one call of a disk.
type step int

const (
	makingFolder step = iota
	creating
	writingBytes
	syncing
	closing
	renaming
	renamed // and then it says that it could not
	syncingFolder
)

// broken is the system's filesystem with one step that fails.
type broken struct {
	system
	at  step
	err error
}

func (b broken) makeFolder(path string) error {
	if b.at == makingFolder {
		return b.err
	}
	return b.system.makeFolder(path)
}

func (b broken) create(path string) (writing, error) {
	if b.at == creating {
		return nil, b.err
	}
	f, err := b.system.create(path)
	return brokenFile{f, b}, err
}

func (b broken) rename(from, to string) error {
	switch b.at {
	case renaming:
		return b.err
	case renamed:
		return errors.Join(b.system.rename(from, to), b.err)
	}
	return b.system.rename(from, to)
}

func (b broken) syncFolder(path string) error {
	if b.at == syncingFolder {
		return b.err
	}
	return b.system.syncFolder(path)
}

type brokenFile struct {
	writing
	b broken
}

func (f brokenFile) Write(p []byte) (int, error) {
	if f.b.at == writingBytes {
		n, _ := f.writing.Write(p[:len(p)/2])
		return n, f.b.err
	}
	return f.writing.Write(p)
}

func (f brokenFile) Sync() error {
	if f.b.at == syncing {
		return f.b.err
	}
	return f.writing.Sync()
}

func (f brokenFile) Close() error {
	err := f.writing.Close()
	if f.b.at == closing {
		return f.b.err
	}
	return err
}

// After a failure before the rename, nothing of the part is there. From the rename on it may be
// there. One row for each step and each reason of a system.
func TestTheSuite(t *testing.T) {
	column := func(name, text string) Column {
		c, err := NewColumn(name, text, []string{"a", "b"})
		must(t, err)
		return c
	}
	for name, layout := range map[string]Layout{
		"mesh":          &Mesh{RoutingPlanID: "plan", Fields: fields(t, "((a)), ((b))", "((b))")},
		"letters csv":   &Letters{Format: CSV, Columns: []Column{column("message_reference", ""), column("nhs_number", ""), column("x", "((a)) ((b))")}},
		"letters jsonl": &Letters{Format: JSONL, Columns: []Column{column("message_reference", ""), column("x", "((a)) ((b))")}},
	} {
		t.Run(name, func(t *testing.T) {
			over := func(folder string) *Sink {
				return New(Options{Folder: folder, Layout: layout, Limits: Limits{Messages: 1000, Bytes: 1 << 20}})
			}
			fails := func(at step, err error) func(string) engine.Sink {
				return func(folder string) engine.Sink {
					s := over(folder)
					s.disk = broken{at: at, err: err}
					return s
				}
			}
			whole := func(folder string) engine.Sink { return over(folder) }
			inTheWay := func(path string) func() {
				must(t, os.MkdirAll(filepath.Dir(path), 0o700))
				must(t, os.WriteFile(path, nil, 0o600))
				return func() { must(t, os.Remove(path)) }
			}
			writer{
				Make: whole, Messages: 3, Fields: 2,
				Part: func(r engine.Reference) string { return filepath.Join(partsFolder, r.String()+partExtension) },
				Rows: 19,
				Failures: []failure{
					{Sentence: "the folder may not be made", Make: fails(makingFolder, syscall.EACCES), Reply: engine.Unsent, Code: codeNotWritten},
					{Sentence: "there is no room for the folder", Make: fails(makingFolder, syscall.ENOSPC), Reply: engine.Unsent, Code: codeNotWritten},
					{Sentence: "a file stands where the folder should", Make: whole, Before: func(folder, _ string) func() { return inTheWay(folder) }, Reply: engine.Unsent, Code: codeNotWritten},
					{Sentence: "the file may not be made", Make: fails(creating, syscall.EACCES), Reply: engine.Unsent, Code: codeNotWritten},
					{Sentence: "the filesystem is read-only", Make: fails(creating, syscall.EROFS), Reply: engine.Unsent, Code: codeNotWritten},
					{Sentence: "there is no room for another file", Make: fails(creating, syscall.ENOSPC), Reply: engine.Unsent, Code: codeNotWritten},
					{Sentence: "too many files are open", Make: fails(creating, syscall.EMFILE), Reply: engine.Unsent, Code: codeNotWritten},
					{Sentence: "half of it is written, and the disk is full", Make: fails(writingBytes, syscall.ENOSPC), Reply: engine.Unsent, Code: codeNotWritten},
					{Sentence: "half of it is written, and the quota is used up", Make: fails(writingBytes, syscall.EDQUOT), Reply: engine.Unsent, Code: codeNotWritten},
					{Sentence: "half of it is written, and the disk is broken", Make: fails(writingBytes, syscall.EIO), Reply: engine.Unsent, Code: codeNotWritten},
					{Sentence: "half of it is written, and nobody says why", Make: fails(writingBytes, io.ErrShortWrite), Reply: engine.Unsent, Code: codeNotWritten},
					{Sentence: "the sync fails", Make: fails(syncing, syscall.EIO), Reply: engine.Unsent, Code: codeNotWritten},
					{Sentence: "the disk is full when it is synced", Make: fails(syncing, syscall.ENOSPC), Reply: engine.Unsent, Code: codeNotWritten},
					{Sentence: "the file cannot be closed", Make: fails(closing, syscall.EIO), Reply: engine.Unsent, Code: codeNotWritten},
					{Sentence: "the rename fails", Make: fails(renaming, syscall.EIO), Reply: engine.Unknown, Code: codeNotSynced},
					{Sentence: "the rename is done, and an error comes back", Make: fails(renamed, syscall.EIO), Reply: engine.Unknown, Code: codeNotSynced},
					{Sentence: "a folder has the name", Make: whole, Before: func(_, part string) func() {
						must(t, os.MkdirAll(part, 0o700))
						return func() { must(t, os.Remove(part)) }
					}, Reply: engine.Unknown, Code: codeNotSynced},
					{Sentence: "the sync of the folder fails", Make: fails(syncingFolder, syscall.EIO), Reply: engine.Unknown, Code: codeNotSynced},
					{Sentence: "the folder is on a disk that has gone", Make: fails(syncingFolder, syscall.ENODEV), Reply: engine.Unknown, Code: codeNotSynced},
				},
			}.run(t)
		})
	}
}
