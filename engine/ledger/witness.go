package ledger

import (
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

// A Witness identifies the files that a run wrote to. It is in the log, so a copy of the folder has it too, but the
// copy has other files. A reboot, a move on the same filesystem and a change of mode or owner do not change it.
type Witness struct {
	Segment    uint64   `json:"segment"`              // newest segment of the log
	Files      []fileID `json:"files"`                // that segment, its folder (hard links share no folder), the mark
	Filesystem string   `json:"filesystem,omitempty"` // its id; empty: it has none that outlives a reboot
}

// fileID distinguishes a file from a copy of it, even when the copy has the file's old inode.
type fileID struct {
	Inode uint64 `json:"inode,omitempty"` // 0 for a folder: an overlay may change a folder's inode
	Born  int64  `json:"born,omitempty"`  // Unix nanoseconds; 0: the filesystem does not say
}

// CopyError is the reason why a folder may be an older copy of its run.
type CopyError struct {
	Why   string
	Older bool // the folder itself proves that it is an older copy
}

func (e *CopyError) Error() string { return e.Why }

// NoteWitness records, durably, the files that the run in a folder writes to from now on. Decided names the person
// who said that the folder is the latest, and the reason; empty: nobody had to.
func (p *Log) NoteWitness(at time.Time, dir, decided string) error {
	segments, err := journal.Segments(filepath.Join(dir, LogFolder), p.Ledger.Plan.Run, journal.Options{})
	if err != nil {
		return err
	}
	old, err := marks(dir)
	if err != nil {
		return err
	}
	p.mark = mark{dir, uint64(len(segments)), p.Ledger.facts.Attempts}
	if err := disk.WriteFile(p.mark.path(), func(io.Writer) error { return nil }); err != nil {
		return err
	}
	w, err := witnessOf(p.mark)
	if err != nil {
		return err
	}
	if decided != "" {
		err = p.Control(at, record.ControlLatest, decided)
	}
	if err == nil {
		err = p.controlJSON(at, record.ControlWitness, w)
	}
	for _, m := range old {
		if err == nil && m != p.mark {
			err = os.Remove(m.path())
		}
	}
	return err
}

// ShowsLatest returns a *CopyError unless the folder shows that its log was written here, and that no older copy
// replaced it.
func (l *Ledger) ShowsLatest(dir string) error {
	all, err := marks(dir)
	if err != nil {
		return err
	}
	for _, m := range all {
		if m.attempts > l.facts.Attempts && l.facts.Recovered.IsZero() {
			return &CopyError{fmt.Sprintf("the file %s says that the run has made %d requests, and its log knows of %d",
				filepath.Base(m.path()), m.attempts, l.facts.Attempts), true}
		}
	}
	was := l.facts.Witness
	switch {
	case was == nil && (l.facts.Starts == 0 || !l.facts.Recovered.IsZero()): // it never sent, or it replays only
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

// witnessOf returns the witness of a mark, and of the segment that was the newest when the mark was made.
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

// filesystemID returns the id of a filesystem. Some, such as XFS, use the device number, which may change at a reboot.
// Then the id is empty.
func filesystemID(disk *unix.Statfs_t, file *unix.Statx_t) string {
	id := uint64(uint32(disk.Fsid.Val[0])) | uint64(uint32(disk.Fsid.Val[1]))<<32
	if id == 0 || id == uint64(file.Dev_minor&0xff|file.Dev_major<<8|file.Dev_minor&^0xff<<12) {
		return ""
	}
	return strconv.FormatUint(id, 16)
}

// mark is an empty file in a run's folder, made at each start. Its name has the number of requests so far. A backup
// that is restored file by file may keep inodes. But it leaves a later mark in place, or makes an older mark anew.
type mark struct {
	dir               string
	segment, attempts uint64
}

func (m mark) path() string {
	return filepath.Join(m.dir, fmt.Sprintf("reached-%d-%d", m.segment, m.attempts))
}

// Mark renames the mark to the number of requests so far. The former name stays until the next call, so that a backup
// of a run at work finds each file that it has listed. A power cut may undo a rename.
func (p *Log) Mark() error {
	next := p.mark
	next.attempts = p.Ledger.facts.Attempts
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
