package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"

	"cohort/engine/disk"
)

// Version is the format of a segment. This program reads no other.
const Version = 1

const (
	magic         = "cohortlg"
	headerSize    = 92
	segmentSuffix = ".log"
	tempSuffix    = ".tmp"
)

// header is the start of a segment. See the package documentation.
type header struct {
	run       [16]byte
	number    uint64
	firstSeq  uint64
	prevEnd   uint64
	prevChain [32]byte
}

func (h *header) encode() (b [headerSize]byte, sum uint32) {
	copy(b[0:], magic)
	binary.LittleEndian.PutUint16(b[8:], Version)
	copy(b[16:], h.run[:])
	binary.LittleEndian.PutUint64(b[32:], h.number)
	binary.LittleEndian.PutUint64(b[40:], h.firstSeq)
	binary.LittleEndian.PutUint64(b[48:], h.prevEnd)
	copy(b[56:], h.prevChain[:])
	sum = headerSum(b[:])
	binary.LittleEndian.PutUint32(b[12:], sum)
	return b, sum
}

// headerSum is the sum over the header without the sum itself.
func headerSum(b []byte) uint32 {
	return crc32.Update(crc32.Checksum(b[:12], castagnoli), castagnoli, b[16:headerSize])
}

// decodeHeader checks and reads a header. Unknown versions, flags and keys are ErrNewer only
// if the sum is right; otherwise they are damage.
func decodeHeader(b []byte) (h header, sum uint32, err error) {
	if string(b[:8]) != magic {
		return h, 0, errMagic
	}
	sum = headerSum(b)
	if binary.LittleEndian.Uint32(b[12:]) != sum {
		return h, 0, errHeader
	}
	if v := binary.LittleEndian.Uint16(b[8:]); v != Version {
		return h, 0, fmt.Errorf("%w: the log has version %d, and this version of cohort reads %d", ErrNewer, v, Version)
	}
	if flags, key := binary.LittleEndian.Uint16(b[10:]), binary.LittleEndian.Uint32(b[88:]); flags != 0 || key != 0 {
		return h, 0, fmt.Errorf("%w: version %d with flags %#x and key %d", ErrNewer, Version, flags, key)
	}
	copy(h.run[:], b[16:])
	h.number = binary.LittleEndian.Uint64(b[32:])
	h.firstSeq = binary.LittleEndian.Uint64(b[40:])
	h.prevEnd = binary.LittleEndian.Uint64(b[48:])
	copy(h.prevChain[:], b[56:])
	return h, sum, nil
}

// SegmentPath returns the path of a segment of the log in dir. The names sort in the order of the numbers.
func SegmentPath(dir string, number uint64) string {
	return filepath.Join(dir, fmt.Sprintf("%016d", number)+segmentSuffix)
}

// lastSegment returns the highest segment number in a directory; 0 if there is no segment or
// no directory. It does not look for gaps: a listing beside a writer may miss a segment and
// show a later one. Opening every number finds the gaps.
func lastSegment(fsys disk.FS, dir string) (uint64, error) {
	names, err := fsys.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("journal: list %s: %w", dir, err)
	}
	var last uint64
	for _, name := range names {
		digits, ok := strings.CutSuffix(name, segmentSuffix)
		if !ok {
			continue // the reserve, a temporary file, or a foreign file
		}
		n, err := strconv.ParseUint(digits, 10, 53)
		if path := filepath.Join(dir, name); err != nil || n == 0 || path != SegmentPath(dir, n) {
			return 0, &CorruptError{File: path, Err: errName}
		}
		last = max(last, n)
	}
	return last, nil
}

type segment struct {
	header
	sum  uint32 // of the header; every frame's sum starts with it
	path string
	file disk.File
	size int64 // when it was opened

	start int64 // where reading begins; 0: after the header
}

// openSegment opens a segment and checks its header against its name and the run. With
// settle it makes the file durable first.
func openSegment(fsys disk.FS, dir string, run [16]byte, number uint64, settle bool) (*segment, error) {
	s := &segment{path: SegmentPath(dir, number)}
	file, err := fsys.Open(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &CorruptError{File: s.path, Err: errMissing}
	}
	if err != nil {
		return nil, fmt.Errorf("journal: open a segment: %w", err)
	}
	s.file = file
	if err := s.load(run, number, settle); err != nil {
		_ = file.Close()
		return nil, err
	}
	return s, nil
}

func (s *segment) load(run [16]byte, number uint64, settle bool) (err error) {
	if settle {
		if err := s.file.Settle(); err != nil {
			return fmt.Errorf("journal: settle %s: %w", s.path, err)
		}
	}
	if s.size, err = s.file.Size(); err != nil {
		return fmt.Errorf("journal: size of %s: %w", s.path, err)
	}
	if s.size < headerSize {
		return &CorruptError{File: s.path, Offset: s.size, Err: errShort}
	}
	w := window{name: s.path, file: s.file, limit: headerSize}
	b, err := w.bytes(0, headerSize)
	if err != nil {
		return err
	}
	s.header, s.sum, err = decodeHeader(b)
	switch {
	case errors.Is(err, ErrNewer):
		return fmt.Errorf("%s: %w", s.path, err)
	case err != nil:
		return &CorruptError{File: s.path, Err: err}
	case s.run != run:
		return fmt.Errorf("%s: %w: it says run %x, and this is run %x", s.path, ErrOtherRun, s.run, run)
	case s.number != number:
		return &CorruptError{File: s.path, Offset: 32, Err: errNumber}
	}
	return nil
}

// createSegment makes a segment with only a header, durable under its final name. The file is open for writing.
func createSegment(fsys disk.FS, dir string, h header) (disk.File, error) {
	path := SegmentPath(dir, h.number)
	temp := strings.TrimSuffix(path, segmentSuffix) + tempSuffix
	file, err := fsys.Create(temp)
	if err != nil {
		return nil, fmt.Errorf("journal: create a segment: %w", err)
	}
	b, _ := h.encode()
	name := temp
	if err = write(file, b[:]); err == nil {
		err = file.Sync()
	}
	if err == nil {
		err = fsys.Rename(temp, path)
	}
	if err == nil {
		name = path
		err = fsys.SyncDir(dir)
	}
	if err != nil {
		_ = file.Close()
		// For a second try on a full disk. The file has no record, so it is harmless if it stays.
		_ = fsys.Remove(name)
		return nil, fmt.Errorf("journal: create %s: %w", path, err)
	}
	return file, nil
}

// write writes all of b. A short write is an error.
func write(file disk.File, b []byte) error {
	n, err := file.Write(b)
	if err == nil && n != len(b) {
		err = io.ErrShortWrite
	}
	return err
}
