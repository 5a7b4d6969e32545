package journal

import (
	"errors"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// FS is what the journal needs of a filesystem. The zero Options use the operating
// system's. No method retries after an error. Methods may be called from several
// goroutines, but never two at once that change the same name.
type FS interface {
	// Mkdir makes a directory; one that exists already is no error.
	Mkdir(dir string) error
	// ReadDir lists the names in a directory, in any order. Without the directory the
	// error matches fs.ErrNotExist.
	ReadDir(dir string) ([]string, error)
	// Create makes an empty file to be written, emptying one that exists.
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
	// Allocate makes a file of at least size bytes that really occupies the disk, or
	// completes one that exists. It never leaves holes.
	Allocate(name string, size int64) error
}

// File is an open file. Write appends at the end of what was written. ReadAt may
// be called from several goroutines; the others belong to one.
type File interface {
	io.Writer
	io.ReaderAt
	io.Closer
	// Sync makes the bytes written, and the file's size, durable.
	Sync() error
	// Settle makes whatever the file holds durable, whoever wrote it, and sees to it
	// that later reads come from the disk rather than from a cached copy.
	Settle() error
	// Size returns the present size in bytes.
	Size() (int64, error)
}

// OS is the operating system's filesystem, for those who put something between it and a
// log: to count, or to measure what an operation costs.
func OS() FS { return osFS{} }

// osFS is the operating system's filesystem: files 0600, directories 0700.
type osFS struct{}

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
		// A filesystem without this kind of rename. Looking first is not atomic, but
		// the log has one writer: only a broken lock could come between.
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

func (osFS) SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

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
		err = f.Sync() // until then zeros may be no more than a promise of the cache
	} else {
		err = &fs.PathError{Op: "allocate", Path: name, Err: err}
	}
	return errors.Join(err, f.Close())
}

// writeZeros fills a file from its start, for filesystems that cannot allocate.
func writeZeros(f io.WriterAt, size int64) error {
	zeros := make([]byte, 1<<20)
	for off := int64(0); off < size; off += int64(len(zeros)) {
		if _, err := f.WriteAt(zeros[:min(int64(len(zeros)), size-off)], off); err != nil {
			return err
		}
	}
	return nil
}

// osFile is an open file of the operating system.
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
	// Advice: a filesystem that keeps no such cache may refuse it, and that is no harm.
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

// interruptible runs a system call again for as long as a signal interrupts it.
func interruptible(call func() error) error {
	for {
		if err := call(); err != unix.EINTR {
			return err
		}
	}
}
