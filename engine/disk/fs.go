package disk

import (
	"errors"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// FS is the part of a filesystem that a log needs. OS is the real one, and engine/disk/crashfs one for tests. No method
// retries after an error. Several goroutines may call the methods, but never two at once that change the same name.
type FS interface {
	// Mkdir makes a directory. It is not an error if it exists.
	Mkdir(dir string) error
	// ReadDir lists the names in a directory, in any order. Without the directory the error matches fs.ErrNotExist.
	ReadDir(dir string) ([]string, error)
	// Create makes an empty file for writing. It empties a file that exists.
	Create(name string) (File, error)
	// Open opens a file for reading. Without it the error matches fs.ErrNotExist.
	Open(name string) (File, error)
	// Rename gives a file a new name in one step. If that name is taken it fails with an
	// error that matches fs.ErrExist, and neither file changes.
	Rename(from, to string) error
	// Remove removes a file.
	Remove(name string) error
	// SyncDir makes the names in a directory durable.
	SyncDir(dir string) error
	// Allocate makes a file of at least size bytes that really occupies the disk. It completes
	// a file that exists, and never leaves holes.
	Allocate(name string, size int64) error
}

// File is an open file. Write appends. Several goroutines may call ReadAt; the other methods belong to one goroutine.
type File interface {
	io.Writer
	io.ReaderAt
	io.Closer
	// Sync makes the written bytes and the size of the file durable.
	Sync() error
	// Settle makes all bytes of the file durable, also those of another process. Later reads
	// come from the disk and not from a cached copy.
	Settle() error
	// Size returns the present size in bytes.
	Size() (int64, error)
}

// osFS is the operating system's filesystem: files 0600, directories 0700.
type osFS struct{}

// OS is the filesystem of the operating system.
func OS() FS { return osFS{} }

func (osFS) Mkdir(dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

func (osFS) ReadDir(dir string) ([]string, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	names, err := d.Readdirnames(-1)
	return names, errors.Join(err, d.Close())
}

func (osFS) Create(name string) (File, error) {
	return newOSFile(os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600))
}

func (osFS) Open(name string) (File, error) { return newOSFile(os.Open(name)) }

func newOSFile(f *os.File, err error) (File, error) {
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (osFS) Rename(from, to string) error {
	err := interruptible(func() error {
		return unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE)
	})
	if err == unix.EINVAL || err == unix.ENOSYS {
		// This filesystem has no such rename. Checking first is not atomic, but the log has one writer.
		if _, statErr := os.Lstat(to); !errors.Is(statErr, fs.ErrNotExist) {
			return &os.LinkError{Op: "rename", Old: from, New: to, Err: fs.ErrExist}
		}
		return os.Rename(from, to)
	}
	if err != nil {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: err}
	}
	return nil
}

func (osFS) Remove(name string) error { return os.Remove(name) }

func (osFS) SyncDir(dir string) error { return SyncFolder(dir) }

func (osFS) Allocate(name string, size int64) error {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	err = interruptible(func() error { return unix.Fallocate(int(f.Fd()), 0, 0, size) })
	if err == unix.EOPNOTSUPP || err == unix.ENOSYS {
		err = writeZeros(f, size)
	}
	if err == nil {
		err = f.Sync() // until then the zeros may be only in the cache
	} else {
		err = &fs.PathError{Op: "allocate", Path: name, Err: err}
	}
	return errors.Join(err, f.Close())
}

// writeZeros fills a file from its start. Some filesystems cannot allocate.
func writeZeros(f io.WriterAt, size int64) error {
	zeros := make([]byte, 1<<20)
	for off := int64(0); off < size; off += int64(len(zeros)) {
		if _, err := f.WriteAt(zeros[:min(int64(len(zeros)), size-off)], off); err != nil {
			return err
		}
	}
	return nil
}

type osFile struct{ *os.File }

func (f osFile) Sync() error {
	err := interruptible(func() error { return unix.Fdatasync(int(f.Fd())) })
	if err != nil {
		return &fs.PathError{Op: "fdatasync", Path: f.Name(), Err: err}
	}
	return nil
}

func (f osFile) Settle() error {
	if err := f.File.Sync(); err != nil {
		return err
	}
	// This is advice: a filesystem without such a cache may refuse it.
	_ = unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
	return nil
}

func (f osFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// interruptible repeats a system call while a signal interrupts it.
func interruptible(call func() error) error {
	for {
		if err := call(); err != unix.EINTR {
			return err
		}
	}
}
