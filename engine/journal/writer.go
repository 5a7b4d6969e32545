package journal

import (
	"crypto/sha256"
	"fmt"
	"hash"

	"cohort/engine/disk"
)

// writer appends frames to its segment, and starts the next segment when that one is full. It belongs to one goroutine.
// After an error it must not be used, except for seal after an error of a full disk.
type writer struct {
	fsys         disk.FS
	dir          string
	segmentBytes int64
	next         uint64 // the sequence number of the next frame

	file disk.File
	head header
	sum  uint32    // of the header
	end  int64     // the durable end
	hash hash.Hash // over the bytes up to the durable end, as far as the committer has added them
}

// start creates a segment and makes it the one to write to.
func (w *writer) start(h header) error {
	file, err := createSegment(w.fsys, w.dir, h)
	if err != nil {
		return err
	}
	if w.file != nil {
		// The file is synced up to its sealed end, so an error of closing loses nothing.
		_ = w.file.Close()
	}
	bytes, sum := h.encode()
	w.file, w.head, w.sum, w.end, w.hash = file, h, sum, headerSize, sha256.New()
	w.hash.Write(bytes[:])
	return nil
}

// seal starts the next segment. Its header seals the present one at its durable end.
func (w *writer) seal() error {
	return w.start(header{
		run: w.head.run, number: w.head.number + 1, firstSeq: w.next,
		prevEnd: uint64(w.end), prevChain: [32]byte(w.hash.Sum(nil)),
	})
}

// put stamps frames, writes them and makes them durable. After an error none of them counts as
// written. After success the caller adds them to the hash.
func (w *writer) put(frames []byte) error {
	if len(frames) == 0 {
		return nil
	}
	if w.end >= w.segmentBytes && w.end > headerSize {
		if err := w.seal(); err != nil {
			return err
		}
	}
	next := stamp(frames, w.sum, w.next)
	if err := write(w.file, frames); err != nil {
		return fmt.Errorf("journal: write to segment %d: %w", w.head.number, err)
	}
	if err := w.file.Sync(); err != nil {
		return fmt.Errorf("journal: sync segment %d: %w", w.head.number, err)
	}
	w.end += int64(len(frames))
	w.next = next
	return nil
}
