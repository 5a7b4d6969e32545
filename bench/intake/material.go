package intake

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"cohort/fixtures"
	"cohort/ingest"
	"cohort/ingest/person"
)

// badShare is the share of bad records. They are of the kinds that every reader of CSV
// takes: see fixtures.Cohort.
const badShare = 0.02

// material is a cohort file in a folder, packed and plain, and what is in it.
type material struct {
	folder string
	truth  Counts
}

// file is the cohort, packed in one way or another.
func (m material) file(p packing) string { return filepath.Join(m.folder, "cohort."+string(p)) }

// list names the people who must not be sent to.
func (m material) list() string { return filepath.Join(m.folder, "left-out.txt") }

// makeMaterial makes the files for a cohort of so many records in a folder: plain, in the
// packings, and the list. They are on disk when it returns, so that nothing is still
// being written while others measure.
func makeMaterial(ctx context.Context, folder string, records int, seed uint64, packings ...packing) (material, error) {
	m := material{folder: folder, truth: Counts{}}
	err := create(m.file(plain), func(w io.Writer) error {
		t := &tally{to: untilDone{ctx, w}}
		truth, err := fixtures.Cohort{People: records, Bad: badShare, Seed: seed, Wide: true, Tame: true}.WriteCSV(t)
		m.truth = Counts{
			countBytes: t.bytes, countLines: t.lines, countRecords: int64(truth.Records),
			countValid: int64(truth.Sendable + truth.Duplicates), countPeople: int64(truth.Sendable),
		}
		return err
	})
	for _, p := range packings {
		if err == nil {
			err = create(m.file(p), func(w io.Writer) error { return pack(ctx, w, m.file(plain), p) })
		}
	}
	if err == nil {
		err = create(m.list(), func(w io.Writer) (err error) {
			m.truth[countSuppressed], err = leaveOut(ctx, w, m.file(plain))
			return err
		})
	}
	return m, err
}

// create writes a file and syncs it.
func create(path string, write func(io.Writer) error) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	buffered := bufio.NewWriterSize(f, 1<<20)
	if err := write(buffered); err != nil {
		return err
	}
	if err := buffered.Flush(); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return f.Close()
}

// tally counts what is written.
type tally struct {
	to           io.Writer
	bytes, lines int64
}

func (t *tally) Write(p []byte) (int, error) {
	t.bytes += int64(len(p))
	t.lines += int64(bytes.Count(p, []byte{'\n'}))
	return t.to.Write(p)
}

// pack compresses a file, each library at its default level.
func pack(ctx context.Context, w io.Writer, path string, p packing) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	var packer io.WriteCloser
	switch p {
	case gz:
		packer = gzip.NewWriter(w)
	case zst:
		packer, err = zstd.NewWriter(w)
	default:
		err = fmt.Errorf("nothing packs into %s", p)
	}
	if err != nil {
		return err
	}
	if _, err := io.Copy(untilDone{ctx, packer}, f); err != nil {
		_ = packer.Close()
		return err
	}
	return packer.Close()
}

// leaveOut lists one person in a hundred of a cohort and says how many they are.
func leaveOut(ctx context.Context, w io.Writer, path string) (int64, error) {
	seen := map[uint64]bool{}
	var failed error
	_, err := read(ctx, path, ingest.Options{}, func(numbers *array.Uint64) {
		for i := range numbers.Len() {
			n := numbers.Value(i)
			if numbers.IsNull(i) || n/10%100 != 0 || seen[n] {
				continue
			}
			seen[n] = true
			if _, err := w.Write(append(person.NHSNumber(n).AppendDigits(nil), '\n')); err != nil && failed == nil {
				failed = err
			}
		}
	})
	if err == nil {
		err = failed
	}
	return int64(len(seen)), err
}
