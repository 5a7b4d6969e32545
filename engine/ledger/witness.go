package ledger

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"cohort/engine/disk"
	"cohort/engine/journal"
	"cohort/engine/record"
)

// A Witness says which files a run wrote to. It is noted in the log itself, so a copy of the
// folder brings it along; but the copy's files are other files. A reboot, a move on the same
// filesystem, and a change of mode or owner leave it as it is.
type Witness struct {
	Segment    uint64   `json:"segment"`              // of the log: the newest
	Files      []fileID `json:"files"`                // that segment, its folder (hard links share files, not folders), the mark
	Filesystem string   `json:"filesystem,omitempty"` // its id; empty: it has none that outlives a reboot
}

// fileID tells a file from a copy of it, also where the copy has got the file's old inode.
type fileID struct {
	Inode uint64 `json:"inode,omitempty"` // 0: a folder's, which an overlay may change
	Born  int64  `json:"born,omitempty"`  // Unix nanoseconds; 0: the filesystem does not say
}

// CopyError says why a run's folder cannot show that it is the latest.
type CopyError struct {
	Why   string
	Older bool // the folder itself proves that it is an older copy
}

// Error says what was found.
func (e *CopyError) Error() string { return e.Why }

// NoteWitness notes, durably, which files the run in a folder writes to from here on. decided is
// who has said that the folder is the latest, and why; empty: nobody had to.
func (p *Log) NoteWitness(at time.Time, dir, decided string) error {
	segments, err := journal.Segments(filepath.Join(dir, LogFolder), p.Ledger.Plan.Run, journal.Options{})
	if err != nil {
		return err
	}
	old, err := marks(dir)
	if err != nil {
		return err
	}
	p.mark = mark{dir, uint64(len(segments)), p.Ledger.Attempts}
	if err := disk.WriteFile(p.mark.path(), func(io.Writer) error { return nil }); err != nil {
		return err
	}
	w, err := witnessOf(p.mark)
	if err != nil {
		return err
	}
	detail, err := json.Marshal(w)
	if err == nil && decided != "" {
		err = p.Control(at, record.ControlLatest, decided)
	}
	if err == nil {
		err = p.Control(at, record.ControlWitness, string(detail))
	}
	for _, m := range old {
		if err == nil && m != p.mark {
			err = os.Remove(m.path())
		}
	}
	return err
}

// ShowsLatest returns a *CopyError unless a run's folder shows that its log was written here, and
// that no older copy was put over it.
func (l *Ledger) ShowsLatest(dir string) error {
	all, err := marks(dir)
	if err != nil {
		return err
	}
	for _, m := range all {
		if m.attempts > l.Attempts && l.Recovered.IsZero() {
			return &CopyError{fmt.Sprintf("the file %s says that the run has made %d requests, and its log knows of %d", filepath.Base(m.path()), m.attempts, l.Attempts), true}
		}
	}
	was := l.Witness
	switch {
	case was == nil && (l.Starts == 0 || !l.Recovered.IsZero()): // it never sent, or sends nothing more by itself
		return nil
	case was == nil:
		return &CopyError{Why: "an older version of cohort wrote its log, and noted nothing that tells it from a copy"}
	case was.Files[0].Born == 0:
		return &CopyError{Why: "its filesystem does not say when a file was made, so a copy looks the same"}
	}
	is := Witness{}
	if i := slices.IndexFunc(all, func(m mark) bool { return m.segment == was.Segment }); i >= 0 {
		is, err = witnessOf(all[i])
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	moved := is.Filesystem != was.Filesystem && is.Filesystem != "" && was.Filesystem != ""
	if moved || !slices.Equal(is.Files, was.Files) {
		return &CopyError{Why: "its files are not the ones that the run wrote"}
	}
	return nil
}

// witnessOf looks at a mark and at the segment that was the newest when it was made.
func witnessOf(m mark) (w Witness, err error) {
	w.Segment = m.segment
	segment := journal.SegmentPath(filepath.Join(m.dir, LogFolder), m.segment)
	var s unix.Statx_t
	for _, path := range []string{segment, filepath.Dir(segment), m.path()} {
		if err := unix.Statx(unix.AT_FDCWD, path, 0, unix.STATX_INO|unix.STATX_BTIME, &s); err != nil {
			return w, &os.PathError{Op: "statx", Path: path, Err: err}
		}
		id := fileID{Inode: s.Ino}
		if s.Mask&unix.STATX_BTIME != 0 {
			id.Born = s.Btime.Sec*int64(time.Second) + int64(s.Btime.Nsec)
		}
		w.Files = append(w.Files, id)
	}
	w.Files[1].Inode = 0
	var disk unix.Statfs_t
	if err := unix.Statfs(segment, &disk); err != nil {
		return w, &os.PathError{Op: "statfs", Path: segment, Err: err}
	}
	w.Filesystem = filesystemID(&disk, &s)
	return w, nil
}

// filesystemID is a filesystem's id. That of some, such as XFS, is their device's number, which
// may be another after a reboot: it does not count.
func filesystemID(disk *unix.Statfs_t, file *unix.Statx_t) string {
	id := uint64(uint32(disk.Fsid.Val[0])) | uint64(uint32(disk.Fsid.Val[1]))<<32
	if id == 0 || id == uint64(file.Dev_minor&0xff|file.Dev_major<<8|file.Dev_minor&^0xff<<12) {
		return ""
	}
	return strconv.FormatUint(id, 16)
}

// mark is an empty file in a run's folder, made anew at each start. Its name says how many requests
// the run has made. A backup that is put back file by file keeps the inodes of files that it
// overwrites, or that have not changed; but it leaves a later mark, or makes an older one anew.
type mark struct {
	dir               string
	segment, attempts uint64
}

func (m mark) path() string {
	return filepath.Join(m.dir, fmt.Sprintf("reached-%d-%d", m.segment, m.attempts))
}

// Mark gives the run's mark a name with the requests made so far. The name before it stays until
// the next one, so that a backup of a run at work does not miss a file that it has just listed. A
// power cut may take a name back.
func (p *Log) Mark() error {
	next := p.mark
	next.attempts = p.Ledger.Attempts
	if p.mark.segment == 0 || next == p.mark {
		return nil
	}
	if err := os.Link(p.mark.path(), next.path()); err != nil {
		return err
	}
	before := p.markBefore
	p.markBefore, p.mark = p.mark, next
	if before == (mark{}) {
		return nil
	}
	return os.Remove(before.path())
}

// marks lists the marks in a folder.
func marks(dir string) (all []mark, err error) {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		m := mark{dir: dir}
		_, _ = fmt.Sscanf(e.Name(), "reached-%d-%d", &m.segment, &m.attempts)
		if m.path() == filepath.Join(dir, e.Name()) {
			all = append(all, m)
		}
	}
	return all, err
}
