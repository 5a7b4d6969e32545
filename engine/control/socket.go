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

// mostSocketPath is the longest path of a socket. Linux takes 107 bytes, and some systems 103.
const mostSocketPath = 100

// socketPath returns the path of a run's socket. It is in the run's folder. When that path is too
// long, it is in a temporary folder of the user, under a hash of the run folder's path.
func socketPath(folder string) string {
	path := filepath.Join(folder, runfolder.SocketFile)
	if len(path) <= mostSocketPath {
		return path
	}
	return filepath.Join(os.TempDir(), fmt.Sprintf("cohort-%d", os.Getuid()), fmt.Sprintf("%x", sha256.Sum256([]byte(folder)))[:24]+".sock")
}

type socket struct {
	net.Listener
	folder, path string
}

// listen opens the socket of a run's folder for the owner only. When the socket is not in the folder, a file there has
// its path. listen removes what an earlier process left, because this process holds the run's lock.
func listen(folder string) (_ *socket, err error) {
	if folder, err = filepath.EvalSymlinks(folder); err != nil {
		return nil, err
	}
	path, err := filepath.Abs(socketPath(folder)) // TMPDIR may be relative
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

func (s *socket) remove() error {
	for _, path := range []string{s.path, filepath.Join(s.folder, runfolder.PathFile)} {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// socketOf returns the path at which a process at work on a run has its socket.
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

// ours checks that only this user can use a folder for sockets.
func ours(dir string) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); !ok || !info.IsDir() || int(owner.Uid) != os.Getuid() || info.Mode().Perm() != 0o700 {
		return fmt.Errorf("the folder of the control socket, %s, is not this user's alone (mode 0700)", dir)
	}
	return nil
}
