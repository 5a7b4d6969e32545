package control

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"cohort/engine/disk"
	"cohort/engine/runfolder"
)

// mostSocketPath is how long the path of a Unix socket may be: the kernel takes 107 bytes,
// and some other systems 103.
const mostSocketPath = 100

// socketPath is where a process makes the socket of a run's folder: in it or, when that path
// is too long for the kernel, in a folder of the user's for temporary files, under a name
// that follows from the folder's.
func socketPath(folder string) string {
	path := filepath.Join(folder, runfolder.SocketFile)
	if len(path) <= mostSocketPath {
		return path
	}
	return filepath.Join(os.TempDir(), fmt.Sprintf("cohort-%d", os.Getuid()), fmt.Sprintf("%x", sha256.Sum256([]byte(folder)))[:24]+".sock")
}

// socket is the control socket of a run that this process holds.
type socket struct {
	net.Listener
	folder, path string
}

// listen opens the socket of a run's folder for the owner alone, and writes down where it is
// when it is not in the folder. What an earlier process left is removed: this one holds the
// run's lock.
func listen(folder string) (_ *socket, err error) {
	if folder, err = filepath.EvalSymlinks(folder); err != nil {
		return nil, err
	}
	path, err := filepath.Abs(socketPath(folder)) // TMPDIR need not be
	if err != nil {
		return nil, err
	}
	s := &socket{folder: folder, path: path}
	if dir := filepath.Dir(s.path); dir != folder {
		if err := os.Mkdir(dir, 0o700); err != nil && !os.IsExist(err) {
			return nil, err
		}
		if err := ours(dir); err != nil {
			return nil, err
		}
	}
	if err := s.remove(); err != nil {
		return nil, err
	}
	if s.Listener, err = net.Listen("unix", s.path); err != nil {
		return nil, err
	}
	err = os.Chmod(s.path, 0o600)
	if err == nil && filepath.Dir(s.path) != folder {
		err = disk.WriteFile(filepath.Join(folder, runfolder.PathFile), func(w io.Writer) error {
			_, err := fmt.Fprintln(w, s.path)
			return err
		})
	}
	if err != nil {
		return nil, errors.Join(err, s.Close(), s.remove())
	}
	return s, nil
}

// remove takes away what there is of the socket, of this process or of an earlier one.
func (s *socket) remove() error {
	for _, path := range []string{s.path, filepath.Join(s.folder, runfolder.PathFile)} {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// socketOf is where the process at work on a run has its socket, if there is one.
func socketOf(folder string) (string, error) {
	folder, err := filepath.EvalSymlinks(folder)
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(filepath.Join(folder, runfolder.PathFile))
	if errors.Is(err, fs.ErrNotExist) {
		return filepath.Join(folder, runfolder.SocketFile), nil
	}
	if err != nil {
		return "", err
	}
	path := strings.TrimSuffix(string(text), "\n")
	if err := ours(filepath.Dir(path)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	return path, nil
}

// ours makes sure that a folder for sockets is this user's and nobody else can put
// something there.
func ours(dir string) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); !ok || !info.IsDir() || int(owner.Uid) != os.Getuid() || info.Mode().Perm() != 0o700 {
		return fmt.Errorf("%s, where the control socket is to be, is not this user's alone (mode 0700)", dir)
	}
	return nil
}
