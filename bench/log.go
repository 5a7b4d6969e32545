package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
)

// memoryDisk is a filesystem in memory: a sync costs nothing there.
const memoryDisk = "/dev/shm"

// logTables measures what the progress log costs: the same send with the run's folder on
// this disk and in memory, the log's bytes in a plain file, and the log read back.
func logTables(ctx context.Context, b *bencher) (tables []table, err error) {
	shapes, err := b.shapes(ctx)
	if err != nil {
		return nil, err
	}
	memory, err := os.MkdirTemp(memoryDisk, "cohort-bench-")
	if err != nil {
		return nil, fmt.Errorf("bench log compares this disk with memory: %w", err)
	}
	b.atEnd = append(b.atEnd, func() error { return os.RemoveAll(memory) })
	for _, shape := range shapes {
		tables = append(tables, b.logTable(memory, shape.c, shape.batch))
	}
	return tables, nil
}

// logTable compares sends of one shape.
func (b *bencher) logTable(memory string, c cohortFile, batch int) table {
	const (
		memoryName = "cohort send, the run in memory"
		floorName  = "the log's bytes to a plain file, fdatasync"
		digestName = "SHA-256 of the log's files"
	)
	var kept cohortRun // the latest run on this disk
	requests := (c.Sendable + int64(batch) - 1) / int64(batch)
	cells := []cell{
		{"cohort send, the run on this disk", func(ctx context.Context) (_ sample, err error) {
			if err := os.RemoveAll(kept.folder); err != nil {
				return nil, err
			}
			plain, err := b.plainSyncs(ctx)
			if err != nil {
				return nil, err
			}
			if kept, err = b.send(ctx, b.folder, c, batch, 0, true); err != nil {
				return nil, err
			}
			size, err := sizeOf(filepath.Join(kept.runFolder(), "log"))
			if err != nil {
				return nil, err
			}
			s := sentSample(kept.used, kept.counted)
			s[kBytes] = float64(size) / float64(c.Sendable)
			s[kPlain], s[kPerPlain] = plain, s[kWire]/plain
			return s, nil
		}},
		{memoryName, func(ctx context.Context) (sample, error) {
			r, err := b.send(ctx, memory, c, batch, 0, false)
			return sentSample(r.used, r.counted), err
		}},
		// A batch makes its attempt durable and its outcome: two syncs, unless many wait together.
		{floorName, func(ctx context.Context) (sample, error) {
			size, err := sizeOf(filepath.Join(kept.runFolder(), "log"))
			if err != nil {
				return nil, err
			}
			pieces := 2 * requests
			var done written
			_, err = askChild(ctx, &done, "fsync", "-file", filepath.Join(b.folder, "plain"),
				"-size", strconv.FormatInt(max(1, size/pieces), 10), "-pieces", strconv.FormatInt(pieces, 10))
			return sample{kWire: float64(c.Sendable) / done.Seconds}, err
		}},
		{"cohort log verify", func(ctx context.Context) (sample, error) {
			_, u, err := runProgram(ctx, program{path: b.binary, args: []string{"log", "verify", kept.runFolder()}})
			return sample{kRead: float64(c.Sendable) / u.seconds}, err
		}},
		{digestName, func(ctx context.Context) (sample, error) {
			var found read
			u, err := askChild(ctx, &found, "sha256", filepath.Join(kept.runFolder(), "log"))
			return sample{kRead: float64(c.Sendable) / u.seconds}, err
		}},
	}
	return table{
		title: fmt.Sprintf("the log of %d messages, at most %d a request", c.Sendable, batch),
		columns: []column{
			{heading: "msg/s from the first request", key: kWire, format: "%.0f"},
			{heading: "to the run in memory", key: kWire, per: memoryName, format: "%.3f"},
			{heading: "to the plain file", key: kWire, per: floorName, format: "%.2f"},
			{heading: "msg/s read back", key: kRead, format: "%.0f"},
			{heading: "to SHA-256", key: kRead, per: digestName, format: "%.2f"},
			{heading: "log bytes/msg", key: kBytes, format: "%.1f"},
			{heading: "plain fdatasync/s", key: kPlain, format: "%.0f"},
			{heading: "msg per plain fdatasync", key: kPerPlain, format: "%.1f"},
		},
		cells: cells,
	}
}

// plainSyncs counts the fdatasyncs of 64 bytes that this disk makes in a second.
func (b *bencher) plainSyncs(ctx context.Context) (float64, error) {
	var done written
	_, err := askChild(ctx, &done, "fsync", "-file", filepath.Join(b.folder, "plain"), "-span", "500ms")
	return float64(done.Writes) / done.Seconds, err
}

// sizeOf adds up the bytes in the files of a folder.
func sizeOf(folder string) (size int64, err error) {
	err = filepath.WalkDir(folder, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			size += info.Size()
		}
		return err
	})
	if err == nil && size == 0 {
		err = errors.New("the log is empty")
	}
	return size, err
}
