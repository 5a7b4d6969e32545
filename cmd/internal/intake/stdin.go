package intake

import (
	"context"
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"cohort/engine/disk"
	"cohort/engine/refusal"
	"cohort/engine/runfolder"
)

// piped is standard input as it is kept on disk: a run is known by the digest of its
// cohort, some formats are read in any order, and a run that is stopped must have it
// again. The file is locked, so that nobody takes it for one that was left behind.
type Stdin struct {
	Path string
	file *os.File
	hash hash.Hash
	Read atomic.Int64
}

// newPiped makes an empty copy in a folder.
func NewStdin(dir string) (*Stdin, error) {
	for {
		f, err := os.CreateTemp(dir, runfolder.StdinPrefix+"*") // with mode 0600
		if err != nil {
			return nil, err
		}
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil && stands(f) {
			return &Stdin{Path: f.Name(), file: f, hash: sha256.New()}, nil
		}
		_ = f.Close()
		if err != nil && !errors.Is(err, unix.EWOULDBLOCK) {
			_ = os.Remove(f.Name())
			return nil, err
		}
		// A sweep was quicker than the lock, and removes it.
	}
}

// stands reports whether an open file is still there under its name.
func stands(f *os.File) bool {
	mine, errMine := f.Stat()
	there, errThere := os.Stat(f.Name())
	return errMine == nil && errThere == nil && os.SameFile(mine, there)
}

// lastWord is how long the end of standard input waits for a signal. Ctrl-C reaches the
// whole pipeline, and what its first half had written by then is not the cohort.
const lastWord = 200 * time.Millisecond

// take copies in to its end and makes the copy durable. command is who asks, for the
// example. When ctx ends it returns the cause; a read that is under way is then left to
// the end of the process, since nothing can call it back.
func (p *Stdin) Take(ctx context.Context, in io.Reader, command string) error {
	if f, ok := in.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return refusal.New("stdin_is_terminal", "verb", command)
	}
	full, stop := pour(ctx, in)
	defer stop()
	for end := false; !end; {
		var c chunk
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case c = <-full:
		}
		if _, err := p.file.Write(c.bytes); err != nil {
			return p.noRoom(err)
		}
		p.hash.Write(c.bytes)
		p.Read.Add(int64(len(c.bytes)))
		c.done()
		if end = c.err == io.EOF; c.err != nil && !end {
			return refusal.New("stdin_unreadable", "cause", c.err, "verb", command)
		}
	}
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(lastWord):
	}
	if p.Read.Load() == 0 {
		return refusal.New("stdin_empty", "verb", command)
	}
	if err := p.file.Sync(); err != nil {
		return p.noRoom(err)
	}
	return nil
}

func (p *Stdin) noRoom(err error) error {
	return refusal.New("no_room_for_stdin", "folder", filepath.Dir(p.Path), "cause", err, "bytes", p.Read.Load())
}

// digest is the SHA-256 of what was taken.
func (p *Stdin) Digest() (sum [32]byte) {
	p.hash.Sum(sum[:0])
	return sum
}

// moveTo gives the copy its place in a run's folder.
func (p *Stdin) MoveTo(path string) error {
	if err := os.Rename(p.Path, path); err != nil {
		return err
	}
	_ = p.file.Close()
	p.file, p.Path = nil, path
	return disk.SyncFolder(filepath.Dir(path))
}

// drop removes the copy, unless it has found its place. A nil *piped has none.
func (p *Stdin) Drop() {
	if p == nil || p.file == nil {
		return
	}
	_ = os.Remove(p.Path)
	_ = p.file.Close()
	p.file = nil
}

// sweepStdin removes the copies of standard input that sends which were killed have left
// in a folder. Those of sends at work are locked.
func SweepStdin(dir string, log *slog.Logger) {
	entries, _ := os.ReadDir(dir) // whatever is wrong with the folder is said elsewhere
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), runfolder.StdinPrefix) || !e.Type().IsRegular() {
			continue
		}
		path := filepath.Join(dir, e.Name())
		f, err := os.Open(path)
		if err == nil {
			if err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err == nil {
				err = os.Remove(path)
			}
			_ = f.Close()
		}
		switch {
		case err == nil:
			log.Info("a copy of standard input that a killed send had left is removed", "file", path)
		case !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, os.ErrNotExist):
			log.Warn("a copy of standard input, with personal data in it, was left by a killed send and cannot be removed", "file", path, "problem", err.Error())
		}
	}
}

// chunk is a piece of a stream. Its bytes are the receiver's until done.
type chunk struct {
	bytes []byte
	err   error // with the last
	done  func()
}

// pour reads a stream on a goroutine of its own, a chunk ahead of the receiver. The
// stream can so be left in the middle of a read; stop must be called.
func pour(ctx context.Context, in io.Reader) (full <-chan chunk, stop func()) {
	ctx, stop = context.WithCancel(ctx)
	chunks, empty := make(chan chunk), make(chan []byte, 2)
	for range cap(empty) {
		empty <- make([]byte, 1<<18)
	}
	go func() {
		for {
			var buffer []byte
			select {
			case <-ctx.Done():
				return
			case buffer = <-empty:
			}
			n, err := in.Read(buffer)
			select {
			case <-ctx.Done():
				return
			case chunks <- chunk{buffer[:n], err, func() { empty <- buffer }}:
			}
			if err != nil {
				return
			}
		}
	}()
	return chunks, stop
}
