package shard

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"os"
	"path/filepath"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"golang.org/x/sys/unix"
)

// file writes one Arrow IPC file, without compression, and its digest. Decision 26 gives
// the reasons.
type file struct {
	info FileInfo
	f    *os.File
	out  *bufio.Writer
	sum  hash.Hash // nil in a spool that is not sealed
	on   int64     // bytes that the disk was told to write
	ipc  *ipc.FileWriter
}

func (b *build) create(name string, schema *arrow.Schema) (*file, error) {
	f, err := os.OpenFile(filepath.Join(b.dir, name), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	w := &file{info: FileInfo{File: name}, f: f, out: bufio.NewWriterSize(f, 32<<10)}
	if b.o.Use == ToSend {
		w.sum = sha256.New()
	}
	if w.ipc, err = ipc.NewFileWriter(counting{w}, ipc.WithSchema(schema)); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("spool: %s: %w", name, err)
	}
	return w, nil
}

// counting is the file for the IPC writer, which seeks only to learn its position.
type counting struct{ *file }

func (c counting) Write(b []byte) (int, error) {
	n, err := c.out.Write(b)
	if c.sum != nil {
		c.sum.Write(b[:n])
	}
	c.info.Bytes += int64(n)
	return n, err
}

func (c counting) Seek(offset int64, whence int) (int64, error) {
	if offset != 0 || whence != 1 {
		return 0, fmt.Errorf("spool files are written from front to back")
	}
	return c.info.Bytes, nil
}

func (w *file) write(r arrow.Record) error {
	w.info.Rows += r.NumRows()
	if err := w.ipc.Write(r); err != nil {
		return fmt.Errorf("spool: %s: %w", w.info.File, err)
	}
	if ahead := w.info.Bytes - w.on; w.sum != nil && ahead >= 1<<20 {
		// The disk begins now, so that seal has little to wait for. Sync reports what fails.
		_ = unix.SyncFileRange(int(w.f.Fd()), w.on, ahead, unix.SYNC_FILE_RANGE_WRITE)
		w.on = w.info.Bytes
	}
	return nil
}

// seal ends the file and describes it. A file of a sealed spool is then on disk.
func (w *file) seal() (FileInfo, error) {
	err := w.ipc.Close()
	if err == nil {
		err = w.out.Flush()
	}
	if err == nil && w.sum != nil {
		err = w.f.Sync()
		w.info.SHA256 = hex.EncodeToString(w.sum.Sum(nil))
	}
	if e := w.f.Close(); err == nil {
		err = e
	}
	if err != nil {
		return FileInfo{}, fmt.Errorf("spool: %s: %w", w.info.File, err)
	}
	return w.info, nil
}
