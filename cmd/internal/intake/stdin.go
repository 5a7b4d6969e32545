package intake

import (
	"context"
	"crypto/sha256"
	"hash"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"golang.org/x/term"

	"cohort/engine/disk"
	"cohort/engine/event"
	"cohort/engine/refusal"
	"cohort/engine/runfolder"
)

// Stdin is a copy of standard input on disk. The digest of the cohort names the run, some formats
// are read in any order, and a stopped run needs the cohort again. The file is locked, so a sweep
// leaves it alone.
type Stdin struct {
	Path string
	Read atomic.Int64 // bytes

	file *os.File
	hash hash.Hash
}

// newStdin makes an empty copy in a folder.
func newStdin(dir string) (*Stdin, error) {
	f, err := makeLocked(func() (*os.File, error) { return os.CreateTemp(dir, runfolder.StdinPrefix+"*") }) // with mode 0600
	if err != nil {
		return nil, err
	}
	return &Stdin{Path: f.Name(), file: f, hash: sha256.New()}, nil
}

// graceForSignal is the wait for a signal at the end of standard input. Ctrl-C stops the whole
// pipeline, and then the input is only part of the cohort.
const graceForSignal = 200 * time.Millisecond

// Take copies in to its end and makes the copy durable. verb is the command, for examples in
// errors. When ctx ends it returns the cause; a read under way then lasts until the process ends.
func (p *Stdin) Take(ctx context.Context, in io.Reader, verb string) error {
	if f, ok := in.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return refusal.New("stdin_is_terminal", "verb", verb)
	}
	copied, file := make(chan error, 1), p.file // Drop takes p.file away
	go func() { copied <- p.copy(file, in, verb) }()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case err := <-copied:
		if err != nil {
			return err
		}
	}
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(graceForSignal):
	}
	if p.Read.Load() == 0 {
		return refusal.New("stdin_empty", "verb", verb)
	}
	if err := p.file.Sync(); err != nil {
		return p.noRoom(err)
	}
	return nil
}

// copy copies in to the file, until its end or until the file is closed.
func (p *Stdin) copy(file *os.File, in io.Reader, verb string) error {
	buffer := make([]byte, 1<<18)
	for {
		n, err := in.Read(buffer)
		if _, e := file.Write(buffer[:n]); e != nil {
			return p.noRoom(e)
		}
		p.hash.Write(buffer[:n])
		p.Read.Add(int64(n))
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return refusal.New("stdin_unreadable", "cause", err, "verb", verb)
		}
	}
}

func (p *Stdin) noRoom(err error) error {
	return refusal.New("no_room_for_stdin", "folder", filepath.Dir(p.Path), "cause", err, "bytes", p.Read.Load())
}

// Digest returns the SHA-256 of the copy.
func (p *Stdin) Digest() (sum [32]byte) {
	p.hash.Sum(sum[:0])
	return sum
}

// MoveTo moves the copy to its place in a run's folder, and unlocks it.
func (p *Stdin) MoveTo(path string) error {
	if err := os.Rename(p.Path, path); err != nil {
		return err
	}
	_ = p.file.Close()
	p.file, p.Path = nil, path
	return disk.SyncFolder(filepath.Dir(path))
}

// Drop removes the copy unless MoveTo has moved it. p may be nil.
func (p *Stdin) Drop() {
	if p == nil || p.file == nil {
		return
	}
	_ = os.Remove(p.Path)
	_ = p.file.Close()
	p.file = nil
}

// SweepStdin removes the copies of standard input that killed sends left in a folder.
func SweepStdin(dir string, log *slog.Logger) {
	sweep(dir, runfolder.StdinPrefix, 0, os.Open, func(path string, err error) {
		if err == nil {
			log.Info("a copy of standard input that a killed send had left is removed", event.LeftBehind, "file", path)
			return
		}
		log.Warn("a copy of standard input, with personal data in it, was left by a killed send and cannot be removed", event.LeftBehind, "file", path, "problem", err.Error())
	})
}
