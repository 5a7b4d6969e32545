package progress

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"cohort/bench"
)

// overBytes is the size of a file that is written over.
const overBytes = 16 << 20

// plainFile is the machine's own fsync: the bytes of the records of batches of so many
// messages, written to a plain file and made durable one after another. Batches of one
// are written once, 64 bytes. A file that is written over has its size and its blocks
// already, so that a journaling filesystem has nothing to note.
func plainFile(group int, over bool) work {
	return func(ctx context.Context, t Task) (r Result, err error) {
		f, err := os.OpenFile(filepath.Join(t.Folder, "plain"), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return r, err
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		const frameHeader = 17
		of := newRecords(group)
		_, payload := of.attempt(1 << 16)
		blocks := [][]byte{make([]byte, frameHeader+len(payload))}
		if _, payload = of.accepted(1 << 16); group > 1 {
			blocks = append(blocks, make([]byte, frameHeader+len(payload)))
		} else {
			blocks[0] = make([]byte, 64)
		}
		if over {
			if _, err := f.Write(make([]byte, overBytes)); err != nil {
				return r, err
			}
			if err := f.Sync(); err != nil {
				return r, err
			}
		}
		r.Usage, err = bench.Measure(func() error {
			end := time.Now().Add(t.Span)
			for more := true; more; more = time.Now().Before(end) {
				if err := ctx.Err(); err != nil {
					return err
				}
				for _, block := range blocks {
					if over && r.Bytes%overBytes == 0 {
						if _, err := f.Seek(0, io.SeekStart); err != nil {
							return err
						}
					}
					if _, err := f.Write(block); err != nil {
						return err
					}
					if err := unix.Fdatasync(int(f.Fd())); err != nil && err != unix.EINTR {
						return err
					}
					r.Bytes += int64(len(block))
					r.Syncs++
				}
				r.Messages += int64(group)
			}
			return nil
		})
		r.Found = r.Messages // nothing is promised of them
		return r, err
	}
}
